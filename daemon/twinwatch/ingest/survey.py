"""Reconcile: walk a root, compare it with the index, say what to take and what to forget.

Whatever cannot be listed is unknown, not gone; and when too much is gone at once, nothing is believed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from twinwatch.brake import Limits, missing_too_many
from twinwatch.errors import RootError
from twinwatch.folders import Folder, Mark
from twinwatch.index import Index, Judged
from twinwatch.ingest.found import Found
from twinwatch.ingest.line import Pace
from twinwatch.ingest.orphans import WatchedRoots, offer_back, without_keeper
from twinwatch.naming import is_picture
from twinwatch.photo import TOP, FileStat, Photo
from twinwatch.reconcile import drift
from twinwatch.roots import EXPLANATIONS, Health, Root

ACCEPTED = "accepted:"
"""Prefix of the setting, followed by a root's path, that says: a person knows that many photos are gone there."""


@dataclass(slots=True, eq=False, repr=False)
class Survey:
    """One walk over a root, or over one folder of it, and what it found; `files` does it."""

    root: Root
    index: Index
    limits: Limits
    clock: Callable[[], float]
    below: PurePosixPath = TOP
    again: bool = False  # take what was only reported before once more
    unsettled: Callable[[Found, FileStat], bool] = lambda _found, _stat: False  # takes over what may still change
    awaited: Callable[[FileStat], bool] = lambda _: False  # a file that it took over: known, maybe, by another name
    done: Callable[[Survey], None] = lambda _: None
    watched: Callable[[], WatchedRoots] = lambda: None  # where a photo may be a keeper
    left: Callable[[], bool] = lambda: False  # the root was let go of meanwhile: files of it were passed over
    folders: int = 0
    pictures: int = 0
    bytes: int = 0
    placeholders: int = 0
    taken: int = 0
    taken_bytes: int = 0
    vanished: int = 0
    orphaned: list[str] = field(default_factory=list)  # slots whose keeper is gone: offered back
    troubles: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    failure: RootError | None = None
    _unlisted: list[PurePosixPath] = field(default_factory=list)
    _respelled: set[PurePosixPath] = field(default_factory=set)  # only another spelling of the name was listed
    _walked: set[PurePosixPath] = field(default_factory=set)
    _names: Collection[str] = ()  # the photos known in the folder that is being compared

    def files(self) -> Iterator[Found | Pace]:
        """Yield every file to take, wait until they are taken, then forget what is gone.

        When the root is not healthy or too much of it is missing nothing is forgotten, and `failure` says why. Of a
        root that was `left` meanwhile nothing is believed either; it is to be walked again.
        """
        try:
            missing: list[PurePosixPath] = []
            for folder in self.root.walk(self.below, self._known):
                self._walked.add(folder.path)
                yield from self._compare(folder, missing)
                yield Pace.BREATHE
                if self.left():
                    break
            else:
                missing.extend(self._in_lost_folders())
            yield Pace.WAIT
            if not self.left():
                self._conclude(missing)
        except RootError as error:
            self.failure = error
        self.done(self)

    def _conclude(self, missing: list[PurePosixPath]) -> None:
        """Believe what was seen, once all that was found is taken."""
        self._forget(missing)
        for place in self.index.noted_folders(self.root.id):
            if place in self._walked and place not in self._unlisted:
                self.index.forget_resident(self.root.id, place)
        if self.below == TOP and not self.index.is_level(self.root.id):
            self.index.set_level(self.root.id, self.clock())

    def ahead(self) -> tuple[int, int]:
        """Count the pictures that `files` is going to find, and their bytes; what changes meanwhile is not in it."""
        count = size = 0
        with contextlib.suppress(RootError):  # `files` will say so
            for folder in self.root.walk(self.below, self._known):
                new = [stat.size for name, stat in folder.files.items() if is_picture(name) and not stat.is_placeholder]
                count, size = count + len(new), size + sum(new)
        return count, size

    @property
    def _done(self) -> tuple[Judged, ...]:
        """The states of photos that need no second look."""
        decided = (Judged.DONE, Judged.PARTLY)
        return decided if self.again else (*decided, Judged.OPEN, Judged.PARTLY_OPEN)

    def _known(self, folder: PurePosixPath) -> Mapping[str, Mark]:
        self._names = marks = self.index.photos.marks(self.root.id, folder, self._done)
        return marks

    def _compare(self, folder: Folder, missing: list[PurePosixPath]) -> Iterator[Found]:
        self.folders += 1
        if folder.trouble:
            self._unlisted.append(folder.path)
            if not self.index.is_arrival(self.root.id, folder.path):
                self.index.note_resident(self.root.id, folder.path, folder=True)
            self.troubles.append(f"{self.root.path / folder.path} cannot be listed: {folder.trouble}")
            return
        self._unlisted.extend(folder.path / name for name in folder.mounts)
        self.mounts.extend(str(self.root.path / folder.path / name) for name in folder.mounts)
        found = {name: stat for name, stat in folder.files.items() if is_picture(name)}
        self.pictures += len(found) + len(folder.unchanged)
        self.bytes += sum(stat.size for stat in found.values()) + folder.unchanged_bytes
        empty = {name for name, stat in found.items() if stat.is_placeholder}
        self.placeholders += len(empty)
        if (empty or folder.mounts) and not self.index.is_arrival(self.root.id, folder.path):
            for name in folder.mounts:
                self.index.note_resident(self.root.id, folder.path / name, folder=True)
            for name in empty:
                self.index.note_resident(self.root.id, folder.path / name)
        # Gone is gone, also what was never judged: it would be offered as a candidate for ever.
        lost = []
        if len(folder.unchanged) < len(self._names):
            lost = [name for name in self._names if name not in folder.unchanged and name not in found]
            missing.extend(folder.path / name for name in lost)
        # Where a.jpg and A.JPG are one name, the old one still answers.
        spelled = {name.casefold() for name in (*folder.files, *folder.unchanged)} if lost else set()
        self._respelled |= {folder.path / name for name in lost if name.casefold() in spelled}
        if not found:
            return
        change = drift(self.index.photos.in_folder(self.root.id, folder.path, *self._done), found)
        for name in (*change.changed, *change.arrived):
            photo = Found(self.root.id, folder.path / name, "bulk")
            if name not in empty and not self.unsettled(photo, found[name]):
                self.taken += 1
                self.taken_bytes += found[name].size
                yield photo

    def _in_lost_folders(self) -> Iterator[PurePosixPath]:
        for known in list(self.index.photos.folders(self.root.id, self.below)):
            hidden = any(known == place or place in known.parents for place in self._unlisted)
            if known not in self._walked and not hidden:
                for name in self.index.photos.in_folder(self.root.id, known, *Judged):
                    yield known / name

    def _forget(self, missing: list[PurePosixPath]) -> None:
        gone: list[Photo] = []
        for path in missing:
            photo = self.index.photos.at(self.root.id, path)
            if photo is None or self.awaited(photo.stat):
                continue  # renamed: it is followed as soon as it has settled
            if path in self._respelled or self.root.is_gone(path):
                gone.append(photo)
        if missing_too_many(len(gone), self.index.photos.count(self.root.id), self.limits):
            raise RootError(
                f"{self.root.path} is {Health.EMPTIED}: {len(gone)} of its photos are gone",
                EXPLANATIONS[Health.EMPTIED],
                Health.EMPTIED,
            )
        for photo in gone:
            self.orphaned.extend(forget(self.index, self.root, photo, self.clock(), self.watched()))
        self.vanished = len(gone)
        if self.below == TOP:
            lost = without_keeper(self.index, self.root, self.clock(), self.watched())
            self.orphaned.extend(row.slot for row in lost)
        self.index.commit()


def forget(index: Index, root: Root, photo: Photo, now: float, watched: WatchedRoots = None) -> list[str]:
    """Drop a photo that is gone from the index; return the slots of copies it was the keeper of, offered back now."""
    index.photos.forget(root.id, photo.path)
    index.forget_resident(root.id, photo.path)
    return [row.slot for row in offer_back(index, photo.reading.digest, root.path / photo.path, now, watched)]
