"""The move protocol: set a proven duplicate aside so that no fault, at no point, loses it or its keeper.

     1  both roots are the recorded ones, and there is room for the manifest
     2  both files are opened beneath their roots: regular, unchanged since the proof, two inodes
     3  both are read in full once more: the digests the proof was made with; identical ones byte for byte
     4  the companions go along as one, or nothing moves
     5  intent: journal row committed, slot made (exclusive), manifest written, all fsynced
     6  both are looked at again by name
     7  rename: companions first, the photo last - that is the moment it is held
     8  the right inode arrived and the keeper is still there, else it is put back
     9  fsync of slot and source folder, in this order: else a power cut may take the new name with the old
    10  journal: held

A fault before 7 leaves the photo where it was; a fault after it is resolved by `recover`, which looks at the disk. The
name could be swapped between 6 and 7, which Linux cannot prevent; 8 finds and undoes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from twinwatch.content import digest_of, same_bytes
from twinwatch.errors import MoveRefusedError, NoRoomError, PhotoChangedError, PhotoError, RootError
from twinwatch.index import Index, MoveRow, MoveState
from twinwatch.naming import companions
from twinwatch.photo import ContentDigest, FileStat, Photo, Verdict
from twinwatch.quarantine import manifest as manifests
from twinwatch.quarantine.manifest import HeldFile, Manifest
from twinwatch.quarantine.slots import (
    HINT_TAKEN,
    entry,
    journal_row,
    move_exclusively,
    opened_place,
    opened_slot,
    remove_slot,
    taken,
)
from twinwatch.reconcile import unchanged
from twinwatch.roots import Root, open_file, stat_of, write_durably
from twinwatch.syscalls import file_stat, open_beneath, sync_directory
from twinwatch.verdict import Move


class Holder:
    """Sets proven duplicates aside; the one way a photo is moved without a person asking."""

    def __init__(self, index: Index, clock: Callable[[], float], min_free_mib: int) -> None:
        """`clock` gives seconds since the epoch; below `min_free_mib` of free space nothing is moved."""
        self._index = index
        self._clock = clock
        self.min_free_mib = min_free_mib

    def hold(self, move: Move, duplicate_root: Root, keeper_root: Root) -> MoveRow:
        """Move the duplicate into a new slot of its root's quarantine and return its journal row, `held`.

        Raises MoveRefusedError when a guard does not hold, PhotoChangedError when a file changed meanwhile, both with
        everything as it was; RootError when a root is not healthy, when another process has the quarantine and does not
        end, both with everything as it was, or when the disk failed after the rename: then the
        journal says `moving` and `recover` must look.
        """
        place = duplicate_root.quarantine
        if duplicate_root.reference or place is None:
            raise MoveRefusedError(f"{move.duplicate.path} lies in a reference root", "nothing in it is ever moved")
        with contextlib.ExitStack() as stack:
            root_fd = stack.enter_context(duplicate_root.opened())
            keeper_fd = stack.enter_context(keeper_root.opened())
            pair = _open_pair(stack, move, root_fd, keeper_fd)
            _read_again(move, pair)
            try:
                folder_fd = stack.enter_context(_opened_folder(root_fd, move.duplicate.path.parent))
                place_fd = stack.enter_context(opened_place(place, create=True))
                self._check_place(place_fd, folder_fd)
                group = _group(move, folder_fd, pair, keeper_fd)
            except BlockingIOError as error:
                raise RootError(f"{place}: {error.strerror}", HINT_TAKEN, root=duplicate_root.id) from error
            except OSError as error:
                raise _refused(move, error) from error
            way = _Way(root_fd, keeper_fd, folder_fd, place_fd, group.stats)
            return self._move(move, group.files, way, duplicate_root, keeper_root)

    def _check_place(self, place_fd: int, folder_fd: int) -> None:
        if os.fstat(place_fd).st_dev != os.fstat(folder_fd).st_dev:
            raise MoveRefusedError(
                "the quarantine lies on another file system than the photo",
                "set `quarantine` of this root to a folder on it",
            )
        free = os.fstatvfs(place_fd)
        if free.f_bavail * free.f_frsize < self.min_free_mib << 20:
            hint = f"free some space; nothing is moved below {self.min_free_mib} MiB (quarantine.min_free_mib)"
            raise NoRoomError("the disk is nearly full", hint)

    def _move(self, move: Move, files: tuple[HeldFile, ...], way: _Way, root: Root, keeper_root: Root) -> MoveRow:
        now = self._clock()
        slot = f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
        manifest = Manifest(
            slot,
            now,
            root.path,
            root.identity.marker,
            move.duplicate.path.parent,
            files,
            keeper_root.path,
            move.keeper.path,
            move.keeper.reading.digest,
            move.rule,
            move.evidence,
        )
        row = journal_row(manifest, Path(str(root.quarantine)), MoveState.MOVING)
        if not self._index.journal.intend(row):
            raise MoveRefusedError(f"a person said meanwhile that {row.path} may stay", "nothing was moved")
        try:
            _write_slot(way.place_fd, manifest)
            with opened_slot(way.place_fd, slot) as slot_fd:
                _look_again(move, manifest, way)
                _rename_all(manifest, way, slot_fd)
                _check_arrived(move, manifest, way, slot_fd)
                self._sync(manifest, way, slot_fd, root)
        except (OSError, PhotoError) as error:
            if not self._cancel(slot, way.place_fd):
                raise RootError(
                    f"{root.path}: {move.duplicate.path} or a file of it could not be put back from slot {slot}",
                    "nothing is lost; the slot is looked at again at the next start",
                    root=root.id,
                ) from error
            if isinstance(error, PhotoError):
                raise
            raise _refused(move, error) from error
        self._index.journal.set_state(slot, MoveState.HELD)
        return replace(row, state=MoveState.HELD)

    def _sync(self, manifest: Manifest, way: _Way, slot_fd: int, root: Root) -> None:
        try:
            for fd in (slot_fd, way.folder_fd):
                sync_directory(fd)
        except OSError as error:
            # After a failed fsync the kernel may say anything: believe only what the disk shows later.
            raise RootError(
                f"{manifest.root}: the disk failed while {manifest.path} was moved ({error.strerror})",
                f"check the disk; slot {manifest.slot} is looked at again at the next start",
                root=root.id,
            ) from error

    def _cancel(self, slot: str, place_fd: int) -> bool:
        """Return whether nothing is left in the slot; else the journal still says `moving`, and recovery looks."""
        try:
            remove_slot(place_fd, slot)
            if taken(place_fd, slot):
                return False
        except OSError:
            return False
        self._index.journal.set_state(slot, MoveState.CANCELLED)
        return True


@dataclass(frozen=True, slots=True)
class _Pair:
    duplicate: int  # open descriptors
    keeper: int
    stat: FileStat  # of the duplicate, before it was read again


@dataclass(frozen=True, slots=True)
class _Group:
    files: tuple[HeldFile, ...]  # that move as one, the photo last
    stats: tuple[FileStat, ...]  # of each, before it was read


@dataclass(frozen=True, slots=True)
class _Way:
    root_fd: int
    keeper_root_fd: int
    folder_fd: int  # the folder that the photo is in
    place_fd: int
    stats: tuple[FileStat, ...]  # of the manifest's files, before they were read


def _open_pair(stack: contextlib.ExitStack, move: Move, root_fd: int, keeper_fd: int) -> _Pair:
    opened = []
    for photo, fd in ((move.duplicate, root_fd), (move.keeper, keeper_fd)):
        file = open_file(fd, photo.path)
        stack.callback(os.close, file)
        stat = stat_of(file, photo.path)
        if not unchanged(photo.stat, stat):
            raise PhotoChangedError(f"{photo.path} changed since it was compared", "it is compared again")
        if stat.is_placeholder:
            raise MoveRefusedError(f"{photo.path} is only a placeholder", "its content is in the cloud")
        opened.append((file, stat))
    (duplicate, stat), (keeper, keeper_stat) = opened
    if stat.may_be_same_file(keeper_stat):
        raise MoveRefusedError(
            f"{move.duplicate.path} and {move.keeper.path} are one file",
            "neither a hard link nor another mount of it is a copy",
        )
    return _Pair(duplicate, keeper, stat)


def _read_again(move: Move, pair: _Pair) -> None:
    try:
        for photo, fd in ((move.duplicate, pair.duplicate), (move.keeper, pair.keeper)):
            if digest_of(fd) != photo.reading.digest:
                raise PhotoChangedError(f"{photo.path} has other bytes than were compared", "it is read again")
        if move.evidence.verdict is Verdict.IDENTICAL and not same_bytes(pair.duplicate, pair.keeper):
            raise MoveRefusedError(f"{move.duplicate.path} differs from {move.keeper.path}", "nothing was moved")
    except OSError as error:
        raise _refused(move, error) from error


def _group(move: Move, folder_fd: int, pair: _Pair, keeper_root_fd: int) -> _Group:
    """Return the files that move as one, the photo last; raise MoveRefusedError when they must not be parted."""
    photo = move.duplicate
    keeper_is_here = move.keeper.root == photo.root and move.keeper.path.parent == photo.path.parent
    files, stats = [], []
    for companion in companions(photo.path.name, os.listdir(folder_fd)):
        if keeper_is_here and move.keeper.path.name in companion.others:
            continue  # it belongs to the keeper as well, and stays with it
        if companion.shared:
            raise MoveRefusedError(
                f"{companion.name} belongs to {photo.path.name} and to {companion.others[0]}", "look at them yourself"
            )
        fd = _open_companion(folder_fd, companion.name)
        try:
            stat = file_stat(os.fstat(fd))
            if stat.is_placeholder:
                raise MoveRefusedError(f"{companion.name} is only a placeholder", "its content is in the cloud")
            digest = digest_of(fd)
            if companion.kind != "sidecar" and not _beside_keeper(move, companion.name, fd, keeper_root_fd):
                raise MoveRefusedError(
                    f"{photo.path.name} has a {companion.kind}, {companion.name}, that the keeper has not",
                    "look at them yourself",
                )
            files.append(_held_file(companion.name, companion.kind, fd, digest))
            stats.append(stat)
        finally:
            os.close(fd)
    if any(held.name == manifests.NAME for held in files) or photo.path.name == manifests.NAME:
        raise MoveRefusedError(f"a file of {photo.path.name} is called {manifests.NAME}", "rename it")
    held = _held_file(photo.path.name, "photo", pair.duplicate, photo.reading.digest)
    return _Group((*files, held), (*stats, pair.stat))


def _open_companion(folder_fd: int, name: str) -> int:
    try:
        return open_file(folder_fd, PurePosixPath(name))
    except PhotoChangedError as error:  # a symlink or folder of that name would be asked about for ever
        raise MoveRefusedError(f"{name} is no regular file", "look at it yourself") from error


def _beside_keeper(move: Move, name: str, fd: int, keeper_root_fd: int) -> bool:
    """Tell whether a companion with content of its own (clip, RAW) is beside the keeper too, byte for byte."""
    folder = move.keeper.path.parent
    with _opened_folder(keeper_root_fd, folder) as keeper_folder:
        for other in companions(move.keeper.path.name, os.listdir(keeper_folder)):
            other_fd = _open_companion(keeper_folder, other.name)
            try:
                one_file = file_stat(os.fstat(fd)).may_be_same_file(file_stat(os.fstat(other_fd)))
                if not one_file and same_bytes(fd, other_fd):
                    return True
            finally:
                os.close(other_fd)
    return False


def _held_file(name: str, kind: str, fd: int, digest: ContentDigest) -> HeldFile:
    found = os.fstat(fd)
    return HeldFile(
        name,
        kind,
        found.st_size,
        found.st_mtime_ns,
        found.st_mode & 0o7777,
        found.st_uid,
        found.st_gid,
        found.st_ino,
        digest,
    )


def _write_slot(place_fd: int, manifest: Manifest) -> None:
    os.mkdir(manifest.slot, 0o700, dir_fd=place_fd)
    with opened_slot(place_fd, manifest.slot) as slot_fd:
        write_durably(slot_fd, manifests.NAME, manifest.to_bytes())
    sync_directory(place_fd)


def _look_again(move: Move, manifest: Manifest, way: _Way) -> None:
    for held, stat in zip(manifest.files, way.stats, strict=True):
        found = entry(way.folder_fd, held.name)
        if found is None or not unchanged(stat, found):
            raise PhotoChangedError(f"{held.name} changed a moment ago", "it is looked at again")
    if not _keeper_stands(move, way):
        raise PhotoChangedError(f"the keeper {move.keeper.path} changed a moment ago", "it is looked at again")


def _keeper_stands(move: Move, way: _Way) -> bool:
    found = _stat_beneath(way.keeper_root_fd, move.keeper)
    return found is not None and unchanged(move.keeper.stat, found)


def _stat_beneath(root_fd: int, photo: Photo) -> FileStat | None:
    try:
        fd = open_beneath(root_fd, os.fsencode(photo.path), os.O_PATH)
    except OSError:
        return None
    try:
        return file_stat(os.fstat(fd))
    finally:
        os.close(fd)


def _rename_all(manifest: Manifest, way: _Way, slot_fd: int) -> None:
    moved: list[str] = []
    try:
        for held in manifest.files:
            move_exclusively(way.folder_fd, slot_fd, held.name)
            moved.append(held.name)
    except OSError:
        _put_back(moved, way, slot_fd)
        raise


def _check_arrived(move: Move, manifest: Manifest, way: _Way, slot_fd: int) -> None:
    for held in manifest.files:
        found = entry(slot_fd, held.name)
        if found is None or (found.inode, found.size, found.mtime_ns) != (held.inode, held.bytes, held.mtime_ns):
            _put_back([each.name for each in manifest.files], way, slot_fd)
            raise PhotoChangedError(f"{held.name} was replaced at the last moment", "it was put back")
    if not _keeper_stands(move, way):
        went = _stat_beneath(way.keeper_root_fd, move.keeper) is None
        _put_back([each.name for each in manifest.files], way, slot_fd)
        if went and _stat_beneath(way.keeper_root_fd, move.keeper) is not None:
            raise MoveRefusedError(
                f"{move.duplicate.path} and {move.keeper.path} came and went together", "they are one file: put back"
            )
        raise PhotoChangedError(f"the keeper {move.keeper.path} vanished at the last moment", "the copy was put back")


def _put_back(names: list[str], way: _Way, slot_fd: int) -> None:
    """Undo renames, last first; what cannot go back (its name is taken again) stays in the slot, explained."""
    for name in reversed(names):
        with contextlib.suppress(OSError):
            move_exclusively(slot_fd, way.folder_fd, name)
    sync_directory(way.folder_fd)


@contextlib.contextmanager
def _opened_folder(root_fd: int, folder: PurePosixPath) -> Iterator[int]:
    fd = open_beneath(root_fd, os.fsencode(folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def _refused(move: Move, error: OSError) -> MoveRefusedError:
    what = f"{move.duplicate.path} could not be moved: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return NoRoomError(what, "free some space, or make the disk writable; it is tried again at the next walk")
    return MoveRefusedError(what, "check its permissions and the disk; `twinwatch scan --quarantine` tries it again")
