"""The slots of quarantine on the disk of the model, what their manifests say, and a rename that never overwrites."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import PurePosixPath

from tests.model.disk import EMPTY, Content, Disk, View
from tests.model.state import Root, Steps
from twinwatch.photo import ContentDigest

MANIFEST = Content(0, 0, "manifest")


@dataclass(frozen=True, slots=True)
class Held:
    """A file of a slot as its manifest has it."""

    name: str
    inode: int
    content: Content


@dataclass(frozen=True, slots=True)
class Note:
    """A manifest: enough to undo the move without any index."""

    slot: str
    volume: int
    place: str  # the volume's own name of the quarantine folder: whose marker it carries
    home: str  # the volume's own name of the folder it came from
    root: Root
    path: PurePosixPath
    files: tuple[Held, ...]  # the photo last
    keeper: ContentDigest
    keeper_root: Root
    keeper_path: PurePosixPath
    at: float


class Slots:
    """Every slot there is."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.notes: dict[tuple[int, str], Note] = {}  # by volume and slot folder: what the manifest says

    def slots(self, root: Root) -> list[Note]:
        """Return what is in the quarantine behind a root."""
        return [note for note in self.notes.values() if (note.volume, note.place) == root.key]

    def _move(self, view: View, folder: str, name: str, to_view: View, to_folder: str) -> Steps:
        """`slots.move_exclusively`."""
        try:
            self.disk.rename(view, folder, name, to_view, to_folder, name, exclusive=True)
            return
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        ours = self.disk.create(to_view, to_folder, name, EMPTY)
        yield "call"
        if self.disk.look(to_view, to_folder, name) is not ours or ours.size:
            raise FileExistsError(errno.EEXIST, "taken", name)
        try:
            self.disk.rename(view, folder, name, to_view, to_folder, name, exclusive=False)
        except OSError:
            if self.disk.look(to_view, to_folder, name) is ours and not ours.size:
                self.disk.unlink(to_view, to_folder, name)
            raise

    def _remove_slot(self, view: View, inside: str) -> bool:
        """Remove a slot that has nothing but its manifest; tell whether it is gone."""
        names = view.volume.folders.get(view.inside(inside))
        if names is None:
            return True
        if set(names) <= {"manifest.json"}:
            for name in list(names):
                self.disk.unlink(view, inside, name)
            self.disk.remove_folder(view, inside)
            self.notes.pop((view.volume.number, view.inside(inside)), None)
            return True
        return False

    def _is(self, view: View, folder: str, held: Held) -> bool:
        found = self.disk.look(view, folder, held.name)
        return found is not None and found.number == held.inode

    def _remove_placeholder(self, view: View, folder: str, name: str) -> None:
        found = self.disk.look(view, folder, name)
        if found is not None and found.content == EMPTY and found.links == 1:
            self.disk.unlink(view, folder, name)
