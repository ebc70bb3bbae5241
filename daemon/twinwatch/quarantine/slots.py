"""The folders of a quarantine: make, find, remove; by descriptor, so that no symlink can lead it astray."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twinwatch.index import MoveRow, MoveState
from twinwatch.locks import lock
from twinwatch.mounts import renames_exclusively
from twinwatch.photo import FileStat
from twinwatch.quarantine import manifest as manifests
from twinwatch.quarantine.manifest import Manifest
from twinwatch.syscalls import file_stat, is_regular, rename_noreplace, sync_directory

_PLACEHOLDER = 0o200  # its owner may write it, and nobody read it: how an empty file of ours is known again, ...
_PLACEHOLDER_NS = 825_600_462 * 10**9  # ... or by a time in 1996, where no modes are kept; exFAT has it exactly
_PROBE = ".twinwatch-"  # begins the name of an empty file of a moment
PATIENCE = 10.0
"""Seconds for which a process that wants a quarantine waits for one that works in it: a move takes far less."""

HINT_TAKEN = "end that one if it hangs; the folder is used again when it is free"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW  # and closed on exec, as Python opens everything
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # of a name that nothing has, not even a symlink


def advice(error: OSError, otherwise: str) -> str:
    """Say what to do about an error of a quarantine: what is asked of it waits for whoever works in it too long."""
    return HINT_TAKEN if isinstance(error, BlockingIOError) else otherwise


@dataclass(frozen=True, slots=True)
class Slot:
    """One folder in quarantine, as found on disk."""

    place: Path
    name: str
    manifest: Manifest | None  # None when it is missing or damaged
    trouble: str  # what is wrong with it, or nothing
    present: bool  # whether the photo itself is in it

    @property
    def photo_path(self) -> Path:
        """Return where the held photo is (raises ValueError without a manifest)."""
        if self.manifest is None:
            raise ValueError("a slot without its manifest")
        return self.place / self.name / self.manifest.photo.name


@contextlib.contextmanager
def opened_place(place: Path, *, create: bool = False, patient: bool = True) -> Iterator[int]:
    """Hold a descriptor of a quarantine folder, alone: hold, restore, purge and recovery wait for each other.

    Raises OSError; FileNotFoundError when it is not there and `create` is not asked for, BlockingIOError when another
    process has it, and for longer than `PATIENCE` where this is `patient`.
    """
    if create:
        # The parent of an inside place is the root's own state folder, which has the marker and so exists.
        with contextlib.suppress(FileExistsError):
            os.mkdir(place, 0o700)
            with _opened(place.parent) as parent:
                sync_directory(parent)
    with _opened(place) as fd:
        # Where a file system has no locks, the exclusive names below still keep two processes apart.
        lock(fd, PATIENCE if patient else 0.0)
        yield fd


@contextlib.contextmanager
def opened_slot(place_fd: int, name: str) -> Iterator[int]:
    """Hold a descriptor of one slot; raise OSError when it is not there."""
    fd = os.open(name, _FOLDER, dir_fd=place_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def read_manifest(slot_fd: int) -> Manifest:
    """Read the manifest of a slot; raise ValueError when it is damaged, OSError when it cannot be read."""
    fd = os.open(manifests.NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=slot_fd)
    with open(fd, "rb") as file:
        if not is_regular(os.fstat(file.fileno())):
            raise ValueError("the manifest is no regular file")
        return Manifest.from_bytes(file.read(1 << 20))


def entry(folder_fd: int, name: str) -> FileStat | None:
    """Return the stat data of a regular file in a folder, or None when there is none of that name."""
    try:
        found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return file_stat(found) if is_regular(found) else None


def taken(folder_fd: int, name: str) -> bool:
    """Tell whether anything at all has this name."""
    try:
        os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def move_exclusively(from_fd: int, to_fd: int, name: str) -> None:
    """Rename a file into another folder, never over anything; raise FileExistsError when the name is taken there.

    Where no rename is exclusive (NFS, SMB, exFAT, mergerfs) the name is first taken by an empty file of our own, of a
    mode and a time that nobody else gives a file, and only that is replaced.
    """
    raw = os.fsencode(name)
    if renames_exclusively(to_fd) and rename_noreplace(from_fd, raw, to_fd, raw):
        return
    fd = os.open(name, _NEW, _PLACEHOLDER, dir_fd=to_fd)
    try:
        with contextlib.suppress(OSError):  # only a crash within the next lines would need it
            os.utime(fd, ns=(_PLACEHOLDER_NS, _PLACEHOLDER_NS))
        ours = file_stat(os.fstat(fd))
    finally:
        os.close(fd)
    found = entry(to_fd, name)
    if found is None or not found.same_inode(ours) or found.size:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
    try:
        os.rename(name, name, src_dir_fd=from_fd, dst_dir_fd=to_fd)
    except OSError:
        # NFS may report a failure of a rename that was done, or that a server just does not answer for: only what
        # surely is our own empty file is taken away.
        with contextlib.suppress(OSError):
            remove_empty(to_fd, name, lambda found: file_stat(found).same_inode(ours))
        raise


def remove_placeholder(folder_fd: int, name: str) -> None:
    """Take away the empty file that a crash in the middle of `move_exclusively` left; nothing else is touched."""
    remove_empty(folder_fd, name, is_placeholder)


def remove_empty(folder_fd: int, name: str, ours: Callable[[os.stat_result], bool]) -> None:
    """Take away an empty file that is `ours`; raise OSError.

    A server on whose answer a soft mount did not wait may still have the rename of a photo to this name before it. So
    it first makes another file in this folder, which no server does before what it was asked earlier, and only what is
    empty then as well is deleted.
    """
    if not _is_empty(folder_fd, name, ours):
        return
    probe = f"{_PROBE}{uuid.uuid4().hex[:8]}.tmp"
    os.close(os.open(probe, _NEW, 0o600, dir_fd=folder_fd))
    os.unlink(probe, dir_fd=folder_fd)
    if _is_empty(folder_fd, name, ours):
        os.unlink(name, dir_fd=folder_fd)


def _is_empty(folder_fd: int, name: str, ours: Callable[[os.stat_result], bool]) -> bool:
    try:
        found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return is_regular(found) and found.st_size == 0 and found.st_nlink == 1 and ours(found)


def is_placeholder(found: os.stat_result) -> bool:
    """Tell whether an empty file is one of ours, by the mode or the time that only we give one.

    NFS 3 makes a file exclusively in two requests (RFC 1813, 3.3.8): between them it has no mode yet, and the client's
    verifier, seconds without any part, as the time of its last change. A machine that loses its power there leaves
    that. Should somebody else's stand there in this moment, their own second request tells them that it is gone.
    """
    mode, own = stat.S_IMODE(found.st_mode), found.st_uid == os.geteuid()
    cut_short = mode == 0 and found.st_mtime_ns % 10**9 == 0
    return (own and (mode == _PLACEHOLDER or cut_short)) or found.st_mtime_ns == _PLACEHOLDER_NS


def remove_slot(place_fd: int, name: str) -> None:
    """Remove a slot that has nothing but its manifest; whatever else is in it stays, and the slot with it.

    Not synced: a power cut may bring an empty slot back, and recovery takes it away again.
    """
    with contextlib.suppress(FileNotFoundError):
        with opened_slot(place_fd, name) as slot_fd:
            if all(_is_ours(found) for found in os.listdir(slot_fd)):
                for found in os.listdir(slot_fd):
                    os.unlink(found, dir_fd=slot_fd)
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=place_fd)


def listing(place: Path) -> list[Slot]:
    """Read every slot of a quarantine folder, oldest first; an absent folder has none.

    A slot without its manifest may be one that is made or removed at this moment: all are read once more when that is
    over. Raises OSError.
    """
    try:
        with _opened(place) as place_fd:
            slots = read_slots(place, place_fd)
        if any(slot.manifest is None for slot in slots):
            with opened_place(place) as place_fd:
                slots = read_slots(place, place_fd)
    except FileNotFoundError:
        return []
    return slots


def read_slots(place: Path, place_fd: int) -> list[Slot]:
    """Read every slot of an open quarantine folder as it is at this moment, oldest first; raise OSError."""
    with os.scandir(place_fd) as entries:
        names = sorted(found.name for found in entries if found.is_dir(follow_symlinks=False))
    return [_look(place, place_fd, name) for name in names]


def journal_row(manifest: Manifest, place: Path, state: MoveState) -> MoveRow:
    """Return the journal's row for a manifest."""
    return MoveRow(
        manifest.slot,
        manifest.root,
        place,
        manifest.path,
        manifest.keeper_root,
        manifest.keeper,
        manifest.photo.digest,
        manifest.keeper_digest,
        str(manifest.evidence.verdict),
        manifest.photo.bytes,
        manifest.at,
        state,
    )


def _look(place: Path, place_fd: int, name: str) -> Slot:
    try:
        with opened_slot(place_fd, name) as slot_fd:
            manifest = read_manifest(slot_fd)
            if manifest.slot != name:
                return Slot(place, name, None, f"its manifest is that of {manifest.slot}", present=False)
            return Slot(place, name, manifest, "", entry(slot_fd, manifest.photo.name) is not None)
    except FileNotFoundError:
        return Slot(place, name, None, "it has no manifest", present=False)
    except (ValueError, OSError) as error:
        return Slot(place, name, None, f"its manifest cannot be read: {error}", present=False)


def _is_ours(name: str) -> bool:
    return name == manifests.NAME or (name.startswith((f".{manifests.NAME}.", _PROBE)) and name.endswith(".tmp"))


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, _FOLDER)
    try:
        yield fd
    finally:
        os.close(fd)
