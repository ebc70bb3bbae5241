"""File systems in image files, and disks of which every write can be seen, cut, failed, slowed and pulled.

Everything is mounted in a mount namespace of our own, so that nothing is left on the machine whatever happens to us.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNS = 0x20000
PATIENCE = 60.0  # seconds until something that must come is given up; never a measure of speed


class UnavailableError(Exception):
    """This machine cannot make this fault; says why."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """How to make and mount one kind of file system on a block device or image."""

    name: str
    mib: int
    make: tuple[str, ...]
    options: str = ""


EXT4 = FileSystem("ext4", 64, ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"))
XFS = FileSystem("xfs", 320, ("mkfs.xfs", "-q", "-f"), "nouuid")
BTRFS = FileSystem("btrfs", 160, ("mkfs.btrfs", "-q", "-f"))
JOURNALED = (EXT4, XFS, BTRFS)


def require(*tools: str, root: bool = True) -> None:
    """Raise UnavailableError unless these programs are here and we are root."""
    if root and os.geteuid() != 0:
        raise UnavailableError("needs root")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise UnavailableError(f"not installed: {', '.join(missing)}")


def isolate() -> None:
    """Give this process a mount namespace of its own; raise UnavailableError where that is not allowed."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise UnavailableError(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    run("mount", "--make-rprivate", "/")


def run(*command: object) -> str:
    """Run a tool of the system; return what it says, raise CalledProcessError with that."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return done.stdout


def make_image(path: Path, system: FileSystem) -> None:
    """Make an image file with an empty file system."""
    with path.open("wb") as file:
        file.truncate(system.mib << 20)
    run(*system.make, path)


def copy_image(source: Path, target: Path) -> None:
    """Copy an image, its holes left holes."""
    run("cp", "--sparse=always", source, target)


@contextlib.contextmanager
def mounted(device: Path, where: Path, options: str = "", kind: str = "") -> Iterator[Path]:
    """Mount an image or device for a while."""
    words = ["-o", ",".join(filter(None, ("loop", options)))] if not device.is_block_device() else []
    words += ["-o", options] if options and not words else []
    words += ["-t", kind] if kind else []
    run("mount", *words, device, where)
    try:
        yield where
    finally:
        unmount(where)


def unmount(where: Path) -> None:
    """Unmount; what still keeps it busy a moment after its process ended is waited for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(["umount", where], capture_output=True, text=True, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr:
            return
        if time.monotonic() > deadline:
            run("umount", "-l", where)
            return
        time.sleep(0.05)


class Disk:
    """A disk served by nbdkit, seen as the file `device`; what nbdkit is told decides over its faults."""

    def __init__(self, folder: Path, words: Sequence[object]) -> None:
        """Serve `nbdkit -s WORDS`; `folder` is made and holds the device and the server's log."""
        require("nbdkit", "nbdfuse")
        folder.mkdir(parents=True)
        self.folder = folder / "nbd"
        self.folder.mkdir()
        self.device = self.folder / "nbd"
        command = ["nbdfuse", self.folder, "--command", "nbdkit", "-s", *words]
        with (folder / "log").open("wb") as log:
            self._fuse = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self.device.exists():
            if self._fuse.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"nbdfuse does not serve: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.02)

    def pull(self) -> None:
        """Let the disk be gone at once, whatever is going on."""
        self._signal(signal.SIGKILL)

    def hang(self) -> None:
        """Let the disk neither answer nor fail, until `answer`."""
        self._signal(signal.SIGSTOP)

    def answer(self) -> None:
        """Let the disk go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in children(self._fuse.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def close(self) -> None:
        """Stop serving."""
        subprocess.run(["fusermount3", "-u", "-z", self.folder], capture_output=True, check=False)
        try:
            self._fuse.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.pull()
            self._fuse.kill()
            self._fuse.wait()


@contextlib.contextmanager
def served(folder: Path, *words: object) -> Iterator[Disk]:
    """Serve a disk for a while."""
    disk = Disk(folder, words)
    try:
        yield disk
    finally:
        disk.close()


def children(pid: int) -> list[int]:
    """Return the processes that this one started."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found
