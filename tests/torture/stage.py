"""A library on a file system of any kind that can be put back to what it was, inode numbers and all, at any time."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.torture.disks import BTRFS, EXT4, XFS, FileSystem, copy_image, make_image, mounted, require, run, unmount
from tests.torture.library import Library

NTFS = FileSystem("ntfs", 64, ("mkfs.ntfs", "-q", "-Q", "-F"))
EXFAT = FileSystem("exfat", 64, ("mkfs.exfat",))


@dataclass(frozen=True, slots=True)
class Ground:
    """A kind of file system: what is in the image, and what is mounted of it or over it."""

    name: str
    system: FileSystem = EXT4
    layer: Callable[[Path, Path], None] | None = None  # mounts the second folder over the first
    tools: tuple[str, ...] = ()
    keeps: bool = True  # what is on it survives an unmount


def _bindfs(lower: Path, where: Path) -> None:
    (lower / "all").mkdir(exist_ok=True)
    run("bindfs", lower / "all", where)


def _mergerfs(lower: Path, where: Path) -> None:
    for branch in ("one", "two"):
        (lower / branch).mkdir(exist_ok=True)
    run("mergerfs", "-o", "category.create=mfs,minfreespace=1M", f"{lower / 'one'}:{lower / 'two'}", where)


def _overlay(lower: Path, where: Path) -> None:
    for folder in ("lower", "upper", "work"):
        (lower / folder).mkdir(exist_ok=True)
    words = f"lowerdir={lower / 'lower'},upperdir={lower / 'upper'},workdir={lower / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", words, where)


def _bind(lower: Path, where: Path) -> None:
    (lower / "all").mkdir(exist_ok=True)
    run("mount", "--bind", lower / "all", where)


def _tmpfs(_lower: Path, where: Path) -> None:
    run("mount", "-t", "tmpfs", "tmpfs", where)


GROUNDS = {
    ground.name: ground
    for ground in (
        Ground("ext4"),
        Ground("xfs", XFS),
        Ground("btrfs", BTRFS),
        Ground("tmpfs", layer=_tmpfs, keeps=False),
        Ground("overlay", layer=_overlay),
        Ground("bind mount", layer=_bind),
        Ground("bindfs", layer=_bindfs, tools=("bindfs",)),
        Ground("mergerfs", layer=_mergerfs, tools=("mergerfs",)),
        Ground("ntfs-3g", NTFS, tools=("ntfs-3g",)),
        Ground("exfat-fuse", EXFAT, tools=("mount.exfat-fuse", "losetup")),
    )
}


class Stage:
    """Images of a library at chosen moments, and the one that is played on; the state lies on another disk."""

    def __init__(self, folder: Path, ground: Ground = GROUNDS["ext4"]) -> None:
        """`folder` must be empty; raises UnavailableError when this machine cannot mount such a file system."""
        require("mount", ground.system.make[0], *ground.tools)
        self._ground = ground
        self._folder = folder
        self._image = folder / "image"
        self._lower, self._where = folder / "lower", folder / "m"
        for made in (folder, self._lower, self._where):
            made.mkdir(parents=True)
        make_image(self._image, ground.system)
        self.library = Library.__new__(Library)
        with self.opened():
            self.library = Library(self._where, folder / "state")

    @contextlib.contextmanager
    def opened(self) -> Iterator[Library]:
        """Mount the library for a while."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._mounted())
            yield self.library

    def save(self, name: str) -> None:
        """Keep what is there now, to be found again by this name."""
        copy_image(self._image, self._folder / f"{name}.image")
        shutil.copytree(self.library.state, self._folder / f"{name}.state")

    def load(self, name: str) -> None:
        """Make everything what it was at that moment."""
        copy_image(self._folder / f"{name}.image", self._image)
        shutil.rmtree(self.library.state, ignore_errors=True)
        shutil.copytree(self._folder / f"{name}.state", self.library.state)

    @contextlib.contextmanager
    def _mounted(self) -> Iterator[None]:
        ground, where = self._ground, self._where
        if ground.system is NTFS:
            run("ntfs-3g", self._image, where)
        elif ground.system is EXFAT:
            device = run("losetup", "-f", "--show", self._image).strip()
            try:
                run("mount.exfat-fuse", device, where)
            finally:
                # lazily: the loop device goes when the last one who has it open leaves
                subprocess.run(["losetup", "-d", device], check=False)
        elif ground.layer is not None:
            with mounted(self._image, self._lower, ground.system.options):
                ground.layer(self._lower, where)
                try:
                    yield
                finally:
                    unmount(where)
            return
        else:
            with mounted(self._image, where, ground.system.options):
                yield
            return
        try:
            yield
        finally:
            unmount(where)
