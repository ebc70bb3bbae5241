"""A disk that exists only here: inodes, hard links, folded names, volumes, and one folder shown through several mounts.

Every method is one system call: it happens as a whole or not at all, and others may act between two of them. What a
picture shows is a `Content`; two files are copies of each other when they have the same scene.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import NamedTuple

from twinwatch.photo import FileStat


class Content(NamedTuple):
    """What is in a file: two of one scene are copies, the lower version being the original; `kind` is not compared."""

    scene: int
    version: int
    kind: str = "picture"  # or "sidecar", "clip", "empty" (a name taken by us), "manifest"


EMPTY = Content(0, 0, "empty")


@dataclass(slots=True, eq=False)
class Inode:
    """One file, however many names it has."""

    number: int
    content: Content
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int = 1


@dataclass(slots=True, eq=False)
class Volume:
    """One file system."""

    number: int
    folds: bool = False  # A.JPG and a.jpg are one name
    exclusive: bool = True  # knows a rename that never replaces
    step_ns: int = 1  # times are whole multiples of this
    folders: dict[str, dict[str, Inode]] = field(default_factory=lambda: {"": {}})

    def spelled(self, folder: str, name: str) -> str | None:
        """Return a name as it is stored, or None when there is no such file."""
        names = self.folders.get(folder)
        if names is None or name in names:
            return None if names is None else name
        if self.folds:
            return next((stored for stored in names if stored.casefold() == name.casefold()), None)
        return None


@dataclass(frozen=True, slots=True)
class View:
    """A place in the tree where a folder of a volume is shown: a mount, a bind mount, a pool over its disk."""

    volume: Volume
    base: str
    device: int
    shift: int = 0  # a pool shows other inode numbers

    def inside(self, folder: str) -> str:
        """Return the volume's own name of a folder of this view."""
        return f"{self.base}/{folder}".strip("/")


class Disk:
    """All volumes, and the clock that stamps files; the clock never stands still between two changes."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000 * 10**9
        self.overwritten: list[Content] = []  # what a rename or an open for writing of ours replaced: must stay empty
        self._numbers = 0

    def look(self, view: View, folder: str, name: str) -> Inode | None:
        """Return the file of this name: what an open descriptor stands for."""
        place = view.inside(folder)
        stored = view.volume.spelled(place, name)
        return None if stored is None else view.volume.folders[place][stored]

    def shown(self, view: View, inode: Inode) -> FileStat:
        """Return the stat data of a file as this view shows them."""
        return FileStat(
            view.device, inode.number + view.shift, inode.size, inode.mtime_ns, inode.ctime_ns, 8, inode.links
        )

    def stat(self, view: View, folder: str, name: str) -> FileStat | None:
        """Return the stat data of the file of this name."""
        inode = self.look(view, folder, name)
        return None if inode is None else self.shown(view, inode)

    def names(self, view: View, folder: str) -> dict[str, FileStat]:
        """List a folder."""
        found = view.volume.folders.get(view.inside(folder), {})
        return {name: self.shown(view, inode) for name, inode in found.items()}

    def folders(self, view: View) -> list[str]:
        """Return every folder below a view, the view itself first."""
        base = view.base
        if not base:
            return sorted(view.volume.folders)
        return sorted(
            folder[len(base) :].strip("/")
            for folder in view.volume.folders
            if folder == base or folder.startswith(base + "/")
        )

    def make_folder(self, view: View, folder: str) -> None:
        """Make a folder and those above it."""
        parts = view.inside(folder).split("/")
        for count in range(1, len(parts) + 1):
            view.volume.folders.setdefault("/".join(parts[:count]), {})

    def remove_folder(self, view: View, folder: str) -> None:
        """Remove an empty folder; raise OSError for one that is not."""
        if view.volume.folders.get(view.inside(folder)):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        view.volume.folders.pop(view.inside(folder), None)

    def create(self, view: View, folder: str, name: str, content: Content) -> Inode:
        """Make a new file; raise FileExistsError when the name is taken."""
        names = self.folder_of(view, folder)
        if view.volume.spelled(view.inside(folder), name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        self._numbers += 1
        now = self._stamp(view.volume)
        size = 0 if content == EMPTY else 1000 + content.scene * 10 + content.version
        inode = Inode(self._numbers, content, size, now, now)
        names[name] = inode
        return inode

    def write(self, view: View, inode: Inode, content: Content) -> None:
        """Replace what is in a file, in place."""
        now = self._stamp(view.volume)
        inode.content, inode.size = content, 1000 + content.scene * 10 + content.version
        inode.mtime_ns = inode.ctime_ns = now

    def set_time(self, view: View, inode: Inode, mtime_ns: int) -> None:
        """Set a modification time, as sync clients do; the change time tells."""
        inode.mtime_ns = mtime_ns // view.volume.step_ns * view.volume.step_ns
        inode.ctime_ns = self._stamp(view.volume)

    def link(self, view: View, folder: str, name: str, to_folder: str, to_name: str) -> None:
        """Give a file a second name."""
        inode = self.look(view, folder, name)
        if inode is None or view.volume.spelled(view.inside(to_folder), to_name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), to_name)
        self.folder_of(view, to_folder)[to_name] = inode
        inode.links += 1
        inode.ctime_ns = self._stamp(view.volume)

    def unlink(self, view: View, folder: str, name: str) -> Inode:
        """Take a name away; raise FileNotFoundError."""
        place = view.inside(folder)
        stored = view.volume.spelled(place, name)
        if stored is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        inode = view.volume.folders[place].pop(stored)
        inode.links -= 1
        return inode

    def rename(
        self, view: View, folder: str, name: str, to_view: View, to_folder: str, to_name: str, *, exclusive: bool
    ) -> None:
        """Rename; with `exclusive` never over anything (EINVAL where the volume cannot promise that)."""
        if view.device != to_view.device:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        volume, place, target = view.volume, view.inside(folder), to_view.inside(to_folder)
        stored, there = volume.spelled(place, name), volume.spelled(target, to_name)
        if stored is None or target not in volume.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        if exclusive and not volume.exclusive:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        same = (place, stored) == (target, there)
        if there is not None and not same:
            if exclusive:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), to_name)
            replaced = volume.folders[target].pop(there)
            replaced.links -= 1
            if replaced.content != EMPTY and replaced.links == 0:
                self.overwritten.append(replaced.content)
        inode = volume.folders[place].pop(stored)
        volume.folders[target][to_name] = inode
        inode.ctime_ns = self._stamp(volume)

    def contents(self, volumes: list[Volume]) -> set[Content]:
        """Return what there is on these volumes, roots and quarantines together."""
        return {
            inode.content
            for volume in volumes
            for names in volume.folders.values()
            for inode in names.values()
            if inode.content.kind not in ("empty", "manifest")
        }

    def folder_of(self, view: View, folder: str) -> dict[str, Inode]:
        try:
            return view.volume.folders[view.inside(folder)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder) from None

    def _stamp(self, volume: Volume) -> int:
        self.now_ns += 1_000_001
        return self.now_ns // volume.step_ns * volume.step_ns
