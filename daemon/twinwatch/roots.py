"""Identity and health of the watched folders. A root that is not surely the recorded one is unknown, never empty.

Every root that may be moved from carries a marker, `.twinwatch/root.json`, with a random id; an unmounted disk, an
empty mount point or another disk does not have it. All files are opened beneath the root's own descriptor, without
symlinks and without crossing into another file system. Nothing is kept open between two calls, so a person can unmount.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path, PurePosixPath

from twinwatch import mounts
from twinwatch.errors import PhotoChangedError, PhotoError, RootError
from twinwatch.folders import Folder, Known, listed
from twinwatch.naming import Exclusions
from twinwatch.photo import TOP, FileStat, Identity, RootId
from twinwatch.syscalls import file_stat, is_regular, open_beneath, sync_directory

STATE_FOLDER = ".twinwatch"
MARKER = f"{STATE_FOLDER}/root.json"

_NOTE = "twinwatch recognises this folder by this file. Please leave it here, and exclude .twinwatch from sync."

_MOST_OF_MARKER = 65536  # bytes that are read of it

_LONGEST_NAME = 255  # bytes, of every Linux file system

_SYNC_SIGNS = (
    ".stfolder",
    ".dropbox",
    ".dropbox.cache",
    ".owncloudsync.log",
    ".sync",
    ".nextcloudsync.log",
    ".syncthing",
)


class Health(StrEnum):
    """What is known of a root right now."""

    HEALTHY = "healthy"
    MISSING = "missing"  # no such folder: unmounted, unplugged, renamed
    UNMARKED = "unmarked"  # a folder is there, its marker is not
    REPLACED = "replaced"  # another marker, or the marker on another disk
    UNREADABLE = "unreadable"  # permissions or an I/O error
    EMPTIED = "emptied"  # too much of what was known is gone
    HANGING = "hanging"  # its disk neither answers nor fails


@dataclass(frozen=True, slots=True)
class Root:
    """One watched folder, as configured and as recorded."""

    id: RootId
    path: Path  # absolute, symlinks resolved when it was configured
    reference: bool
    mode: mounts.WatchMode
    exclusions: Exclusions
    identity: Identity
    quarantine: Path | None  # where its duplicates are held; None for a reference root

    def check(self) -> Health:
        """Look whether this still is the recorded folder."""
        try:
            with opened(self.path) as fd:
                return recognised(fd, self.identity)
        except RootError as error:
            return Health(error.health)
        except OSError:
            return Health.UNREADABLE

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Hold a descriptor of the root folder, after looking that it is the recorded one; raise RootError if not."""
        with opened(self.path, self.id) as fd:
            try:
                health = recognised(fd, self.identity)
            except OSError as error:
                what, hint = f"{self.path} cannot be read: {error.strerror}", EXPLANATIONS[Health.UNREADABLE]
                raise RootError(what, hint, Health.UNREADABLE, self.id) from error
            if health is not Health.HEALTHY:
                raise RootError(f"{self.path} is {health}", EXPLANATIONS[health], health, self.id)
            yield fd

    @contextlib.contextmanager
    def opened_file(self, path: PurePosixPath) -> Iterator[tuple[int, FileStat]]:
        """Hold a read descriptor of a regular file beneath the root, with its stat data.

        Raises PhotoChangedError when it is gone or no regular file any more, PhotoError when it cannot be read,
        RootError when the root is not healthy.
        """
        with self.opened() as root_fd:
            fd = open_file(root_fd, path, self.path)
        try:
            yield fd, stat_of(fd, path)
        finally:
            os.close(fd)

    def stat(self, path: PurePosixPath) -> FileStat | None:
        """Return the stat data of a regular file beneath the root, or None when none can be seen: gone, or unknown."""
        with self.opened() as root_fd:
            try:
                return stat_file(root_fd, path)
            except OSError:
                return None

    def is_gone(self, path: PurePosixPath) -> bool:
        """Tell whether there surely is no such regular file any more.

        Permissions, an I/O error or another file system mounted on the way make it unknown, which is not gone.
        """
        with self.opened() as root_fd:
            try:
                return stat_file(root_fd, path) is None
            except OSError:
                return False

    def walk(self, folder: PurePosixPath = TOP, known: Known = lambda _: {}) -> Iterator[Folder]:
        """Yield every folder from `folder` down, excluded ones left out; raise RootError if the root is not healthy.

        `known` gives for each folder the marks of the files that need no second look while they have them.
        """
        pending = [folder]
        while pending:
            here = pending.pop()
            marks = known(here)
            with self.opened() as root_fd:
                found, below = listed(root_fd, here, self.exclusions, marks)
            pending.extend(reversed(below))
            yield found


EXPLANATIONS = {
    Health.HEALTHY: "",
    Health.MISSING: "mount or create it; twinwatch goes on by itself when it is back",
    Health.UNMARKED: f"its marker {MARKER} is gone; if this is the right folder, run: twinwatch resume --root DIR",
    Health.REPLACED: "this is another disk or folder; if it is the right one, run: twinwatch resume --root DIR",
    Health.UNREADABLE: "check the permissions of the folder and the health of the disk",
    Health.HANGING: "its disk does not answer, or stopped to several times; twinwatch goes on by itself",
    Health.EMPTIED: "many photos are gone at once; if that is right, run: twinwatch resume --root DIR",
}


@contextlib.contextmanager
def opened(path: Path, root: RootId | None = None) -> Iterator[int]:
    """Hold a descriptor of a folder, that of a root if its number is given; raise RootError when there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():  # open(2) with both flags says of one that it is no directory
            raise RootError(f"{path} has become a symlink", "give the folder itself", root=root) from error
        raise RootError(f"{path} is not there", EXPLANATIONS[Health.MISSING], Health.MISSING, root) from error
    except OSError as error:
        what, hint = f"{path} cannot be opened: {error.strerror}", EXPLANATIONS[Health.UNREADABLE]
        raise RootError(what, hint, root=root) from error
    try:
        yield fd
    finally:
        os.close(fd)


def identity_of(fd: int) -> Identity:
    """Read the identity of the folder behind a descriptor; `marker` is empty when there is none."""
    return Identity(_read_marker(fd), os.fstatvfs(fd).f_fsid, os.fstat(fd).st_ino)


def recognised(fd: int, recorded: Identity) -> Health:
    """Tell whether the folder behind a descriptor is the recorded one; raise OSError when that cannot be read."""
    found = identity_of(fd)
    if recorded.marker and not found.marker:
        return Health.UNMARKED
    if found.marker != recorded.marker and recorded.marker:
        return Health.REPLACED
    # Some number their file systems by device, which may change over a reboot, and a backup that was put back has
    # another inode: either alone is believed, both together with a copied marker are another disk. So is another
    # number by itself where it is never changed: the top folder of every ext4 has the same inode.
    if found.fsid != recorded.fsid and (found.inode != recorded.inode or mounts.has_lasting_id(fd)):
        return Health.REPLACED
    return Health.HEALTHY


def mark(path: Path, marker: str = "") -> Identity:
    """Give a root its marker unless it has one, and return its identity; `marker` is the id it had before, if any.

    Raises RootError when the folder is missing or cannot be written.
    """
    with opened(path) as fd:
        if not _read_marker(fd):
            try:
                _write_marker(fd, marker or str(uuid.uuid4()))
            except OSError as error:
                hint = "give twinwatch write permission, or make it a reference root (reference: true)"
                raise RootError(f"{path} cannot be written: {error.strerror}", hint) from error
        return identity_of(fd)


def accepted_identity(path: Path, marker: str, *, reference: bool) -> Identity:
    """Return the identity of the folder that is there now, to be recorded as a root; raise RootError.

    A folder that may be moved from is marked with `marker`, the id it had before (a new one when that is empty).
    """
    if reference:
        with opened(path) as fd:
            return replace(identity_of(fd), marker="")
    return mark(path, marker)


def quarantine_place(path: Path, watched: tuple[Path, ...]) -> Path:
    """Choose where the duplicates of a root are held: on the same file system, out of the way of sync.

    A sibling of the root where that is the same mount, writable, and not itself watched or synced; else a hidden folder
    inside the root. A slot of an earlier run is found again because the choice is recorded.
    """
    parent = path.parent
    inside = path / STATE_FOLDER / "quarantine"
    # Named so that it is never walked, should the parent be watched some day: what is held would be taken for keepers.
    sibling = parent / f".twinwatch-{path.name}-quarantine"
    if len(os.fsencode(sibling.name)) > _LONGEST_NAME:
        return inside
    if sibling.is_dir() and not sibling.is_symlink():
        return sibling
    # Two folders of one mount may still be two btrfs subvolumes, and a bind mount is another mount of one device:
    # a rename fails across either.
    same = os.stat(path).st_dev == os.stat(parent).st_dev and _mount_id(path) == _mount_id(parent)
    if inside.is_dir() or not same or not os.access(parent, os.W_OK):
        return inside
    if any(parent == other or other in parent.parents for other in watched) or _is_synced(parent):
        return inside
    return sibling


def open_file(root_fd: int, path: PurePosixPath, root: Path = Path()) -> int:
    """Open a regular file beneath `root_fd` for reading, without blocking on a FIFO; `root` is for the message.

    Raises PhotoChangedError when it is gone or no regular file, PhotoError when it cannot be read.
    """
    try:
        fd = open_beneath(root_fd, os.fsencode(path), os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.ENXIO):
            raise PhotoChangedError(
                f"{path} is gone or no regular file", "it is looked at again when it changes"
            ) from error
        what = f"{root / path} cannot be read: {error.strerror}"
        raise PhotoError(what, "check its permissions and the disk") from error
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, fd)
        if not is_regular(_status(fd, path)):
            raise PhotoChangedError(f"{path} is no regular file", "it is left alone")
        stack.pop_all()
    return fd


def stat_of(fd: int, path: PurePosixPath) -> FileStat:
    """Return the stat data of an open file; raise PhotoChangedError when it is gone, PhotoError when they are not told.

    On NFS what another machine deletes is gone for who has it open, too.
    """
    return file_stat(_status(fd, path))


def _status(fd: int, path: PurePosixPath) -> os.stat_result:
    try:
        return os.fstat(fd)
    except OSError as error:
        if error.errno == errno.ESTALE:
            raise PhotoChangedError(f"{path} is gone", "it is looked at again when it changes") from error
        raise PhotoError(f"{path} cannot be read: {error.strerror}", "check the disk") from error


def stat_file(root_fd: int, path: PurePosixPath) -> FileStat | None:
    """Return the stat data of a regular file beneath `root_fd`, or None when there surely is none.

    Raises OSError when there is no telling.
    """
    try:
        fd = open_beneath(root_fd, os.fsencode(path), os.O_PATH)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            return None
        raise
    try:
        found = os.fstat(fd)
        return file_stat(found) if is_regular(found) else None
    finally:
        os.close(fd)


def _read_marker(root_fd: int) -> str:
    try:
        fd = open_beneath(root_fd, MARKER.encode(), os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EIO, errno.ESTALE):
            raise
        return ""
    if not is_regular(os.fstat(fd)):
        os.close(fd)
        return ""
    try:
        content = b""
        while more := os.read(fd, _MOST_OF_MARKER - len(content)):
            content += more
    finally:
        os.close(fd)
    return _marker_in(content)


@lru_cache  # of a root the same at every folder and file
def _marker_in(content: bytes) -> str:
    try:
        marker = json.loads(content)["id"]
        return marker if isinstance(marker, str) and marker.encode() else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _write_marker(root_fd: int, marker: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(STATE_FOLDER, 0o755, dir_fd=root_fd)
    folder = open_beneath(root_fd, STATE_FOLDER.encode(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        content = json.dumps({"id": marker, "note": _NOTE}, indent=2).encode() + b"\n"
        write_durably(folder, "root.json", content)
        sync_directory(root_fd)
    finally:
        os.close(folder)


def write_durably(folder_fd: int, name: str, content: bytes) -> None:
    """Write a small file of our own so that it is there whole or not at all, also after a power cut.

    An existing file of that name, ours by its place, is replaced. Raises OSError.
    """
    temporary = f".{name}.{uuid.uuid4().hex[:8]}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder_fd)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder_fd)
        raise
    sync_directory(folder_fd)


def _mount_id(path: Path) -> int | None:
    mount = mounts.mount_of(path)
    return None if mount is None else mount.mount_id


def _is_synced(folder: Path) -> bool:
    return any((place / sign).exists() for place in (folder, *folder.parents) for sign in _SYNC_SIGNS)
