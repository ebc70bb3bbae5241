"""The way back: restore puts a held photo where it was and never overwrites; purge deletes it, for a person only.

Both work from the manifest alone; the index, where there is one, is told so that the photo is not set aside again.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from twinwatch.content import digest_of
from twinwatch.errors import MoveRefusedError, PhotoError, RootError
from twinwatch.index import Index, MoveState
from twinwatch.photo import ContentDigest
from twinwatch.quarantine.keepers import Search, held_in, places_of
from twinwatch.quarantine.manifest import HeldFile, Manifest
from twinwatch.quarantine.slots import (
    Slot,
    advice,
    entry,
    journal_row,
    move_exclusively,
    opened_place,
    opened_slot,
    read_manifest,
    remove_placeholder,
    remove_slot,
    taken,
)
from twinwatch.roots import Health, identity_of, open_file, opened
from twinwatch.syscalls import open_beneath, sync_directory


def restore(slot: Slot, index: Index | None, now: float) -> Path:
    """Put a held photo and its companions back where they were; return the photo's path.

    Bytes, name, modification time, mode, owner and extended attributes are kept, as it is a rename. Missing folders are
    made again. Where the root has another path by now it is found by its marker, in the index. Raises MoveRefusedError
    when a name is taken or the photo is not in its slot, RootError when the root is not there or not the one it came
    from; nothing was moved then. RootError, too, when the disk failed in the middle: then `recover` must look.
    """
    manifest = _manifest(slot)
    try:
        with (
            _opened_home(manifest, index) as (home, root_fd),
            opened_place(slot.place) as place_fd,
            opened_slot(place_fd, slot.name) as slot_fd,
        ):
            if not _is_still(slot_fd, manifest) or entry(slot_fd, manifest.photo.name) is None:
                raise MoveRefusedError(f"{manifest.path} is no longer in slot {slot.name}", "list the quarantine again")
            with _made_folder(root_fd, manifest.folder) as folder_fd:
                here = _with_free_names(manifest, home, slot_fd, folder_fd)
                if index is not None:
                    _remember(slot, manifest, index, now)
                _put_back(manifest, here, slot_fd, folder_fd)
                _sync(manifest, (folder_fd, slot_fd))
            if index is not None:  # before the slot goes: without it nothing would tell recovery of this move
                index.journal.set_state(slot.name, MoveState.RESTORED)
                index.memory.forget_removed(manifest.photo.digest)
            with contextlib.suppress(OSError):  # the photo is back; an empty slot goes at the next recovery
                remove_slot(place_fd, slot.name)
    except OSError as error:
        raise _refused(manifest, error) from error
    return home / manifest.path


def purge(slot: Slot, index: Index, keepers: Callable[[ContentDigest], list[Path]]) -> int:
    """Delete a held photo and its companions for good; return the bytes freed.

    First everything in the slot is read in full, it must be what was held, and so is a file with the keeper's very
    bytes: the recorded keeper, or one of `keepers`; neither a file in quarantine nor another name of the held one
    counts. A clip or RAW that is deleted along must be beside that keeper, as it was when it was held. What was read
    may be in memory only: it is synced to its disk first, as a power cut would take the last copy. Without its photo
    nothing of it is deleted. Raises MoveRefusedError when any of this fails, with nothing deleted.
    """
    manifest = _manifest(slot)
    recorded = manifest.keeper_root / manifest.keeper
    search = Search(manifest, keepers, places_of(slot, index))
    try:
        with opened_place(slot.place) as place_fd, opened_slot(place_fd, slot.name) as slot_fd:
            if not _is_still(slot_fd, manifest):
                raise MoveRefusedError(f"slot {slot.name} changed a moment ago", "list the quarantine again")
            held = held_in(manifest, slot_fd)
            if manifest.photo.name not in held and _is_parted(slot, index, left=bool(held)):
                words = f"{manifest.path} is not in slot {slot.name}: its move was cut short, or somebody took it out"
                raise MoveRefusedError(words, "the next start or scan of its folder brings together what was parted")
            hint = f"put it back with: twinwatch quarantine restore {slot.name}"
            if wrong := [words for file in manifest.files if (words := changed(file, slot_fd, missing=""))]:
                # A program that still had it open, or a person, wrote into it: no keeper has that.
                raise MoveRefusedError(f"{'; '.join(wrong)}; nothing else may have that", hint)
            keeper, lacking = search.find(held, durable=True)
            if keeper is None:
                words = f"the keeper {recorded} is gone, has changed or cannot be read: this may be the last copy"
                raise MoveRefusedError(words, hint)
            if lacking:
                words = f"{', '.join(lacking)} of {manifest.path} is not beside the keeper {keeper} any more"
                raise MoveRefusedError(f"{words}: this may be the last copy", hint)
            index.journal.set_state(slot.name, MoveState.PURGED)
            freed = _delete(manifest, slot_fd, lambda: index.journal.set_state(slot.name, MoveState.HELD))
            remove_slot(place_fd, slot.name)
    except OSError as error:
        raise _refused(manifest, error) from error
    return freed


def _is_parted(slot: Slot, index: Index, *, left: bool) -> bool:
    """Tell whether a slot without its photo must not be purged: what is `left` in it would be deleted without it.

    A move was cut short, or somebody took the photo out; after a purge only what belonged to it was left.
    """
    row = index.journal.get(slot.name)
    state = None if row is None else row.state
    return state is MoveState.MOVING or (left and state is not MoveState.PURGED)


def _delete(manifest: Manifest, slot_fd: int, undone: Callable[[], None]) -> int:
    """Delete the photo, then its companions: until it is gone all is whole, and what is left then recovery deletes."""
    freed = 0
    for file in reversed(manifest.files):
        found = entry(slot_fd, file.name)
        if found is None:
            continue
        try:
            os.unlink(file.name, dir_fd=slot_fd)
        except OSError:
            if file is manifest.photo:
                undone()
            raise
        freed += found.size
        if file is manifest.photo:
            sync_directory(slot_fd)
    if len(manifest.files) > 1:
        sync_directory(slot_fd)  # the manifest, which explains what is left, goes after all of it
    return freed


def changed_in_quarantine(slot: Slot) -> list[str]:
    """Read everything held in a slot again; return what differs from the manifest, in words."""
    manifest = _manifest(slot)
    with opened_place(slot.place) as place_fd, opened_slot(place_fd, slot.name) as slot_fd:
        found = [changed(file, slot_fd, missing=f"{file.name} is not there") for file in manifest.files]
    return [words for words in found if words]


def changed(file: HeldFile, folder_fd: int, missing: str) -> str:
    """Say what is wrong with a held file, `missing` when it is not there, nothing when it is what was held."""
    if not taken(folder_fd, file.name):
        return missing
    try:
        fd = open_file(folder_fd, PurePosixPath(file.name))
    except PhotoError as error:
        return str(error)
    try:
        return "" if digest_of(fd) == file.digest else f"{file.name} has other bytes than when it was held"
    finally:
        os.close(fd)


def _manifest(slot: Slot) -> Manifest:
    if slot.manifest is None:
        raise MoveRefusedError(f"slot {slot.place / slot.name}: {slot.trouble}", "its files can be moved back by hand")
    return slot.manifest


@contextlib.contextmanager
def _opened_home(manifest: Manifest, index: Index | None) -> Iterator[tuple[Path, int]]:
    """Hold a descriptor of the folder that a photo came from, which has its marker; give also the path of that."""
    home = _home(manifest, index)
    with opened(home) as root_fd:
        if not manifest.marker or identity_of(root_fd).marker != manifest.marker:
            raise RootError(f"{home} is not the folder this photo came from", "mount the right one there")
        yield home, root_fd


def _home(manifest: Manifest, index: Index | None) -> Path:
    """Return where the root is: at its old path, or at the one path where a recorded root with its marker is.

    It has another when its disk was mounted elsewhere, or when it was renamed, and the configuration names that.
    """
    if index is None or not manifest.marker or _has_marker(manifest.root, manifest.marker):
        return manifest.root
    others = {Path(record.path) for record in index.roots() if record.identity.marker == manifest.marker}
    found = sorted(path for path in others - {manifest.root} if _has_marker(path, manifest.marker))
    if len(found) > 1:  # one of them was copied with its marker, and nothing tells which
        words = (
            f"{manifest.root} is not the folder this photo came from, and {' and '.join(map(str, found))} both may be"
        )
        raise RootError(words, "unmount the one that is a copy")
    return found[0] if found else manifest.root


def _has_marker(path: Path, marker: str) -> bool:
    """Tell whether there is a folder with this marker; raise RootError or OSError where there is no telling."""
    try:
        with opened(path) as fd:
            return identity_of(fd).marker == marker
    except RootError as error:
        if error.health != Health.MISSING:
            raise
        return False


def _remember(slot: Slot, manifest: Manifest, index: Index, now: float) -> None:
    # Before the move: the daemon sees the file come back at once, and must know that a person wants it there.
    digest = manifest.photo.digest
    index.memory.allow(digest, manifest.keeper_digest, now)
    index.memory.allow(digest, digest, now)
    if index.journal.get(manifest.slot) is None:
        index.journal.enter(journal_row(manifest, slot.place, MoveState.HELD))


def _is_still(slot_fd: int, manifest: Manifest) -> bool:
    try:
        return read_manifest(slot_fd) == manifest
    except ValueError:
        return False


def _with_free_names(manifest: Manifest, home: Path, slot_fd: int, folder_fd: int) -> list[HeldFile]:
    here = [file for file in manifest.files if entry(slot_fd, file.name) is not None]
    for file in here:
        remove_placeholder(folder_fd, file.name)
        if taken(folder_fd, file.name):
            hint = "move that file away first; nothing is ever overwritten"
            raise MoveRefusedError(f"{home / manifest.folder / file.name} exists", hint)
    return here


def _put_back(manifest: Manifest, files: list[HeldFile], slot_fd: int, folder_fd: int) -> None:
    moved: list[HeldFile] = []
    try:
        for file in files:
            move_exclusively(slot_fd, folder_fd, file.name)
            moved.append(file)
    except OSError:
        try:
            for file in reversed(moved):
                move_exclusively(folder_fd, slot_fd, file.name)
        except OSError as error:
            raise _failed(manifest, error) from error
        raise


def _sync(manifest: Manifest, folders: tuple[int, ...]) -> None:
    try:
        for fd in folders:
            sync_directory(fd)
    except OSError as error:  # the files were moved, but a power cut may undo it: believe only what the disk shows
        raise _failed(manifest, error) from error


def _failed(manifest: Manifest, error: OSError) -> RootError:
    return RootError(
        f"{manifest.root}: the disk failed while {manifest.path} was put back ({error.strerror})",
        f"check the disk; slot {manifest.slot} is looked at again at the next start",
    )


@contextlib.contextmanager
def _made_folder(root_fd: int, folder: PurePosixPath) -> Iterator[int]:
    here = os.dup(root_fd)
    try:
        for part in folder.parts:
            flags = os.O_RDONLY | os.O_DIRECTORY
            try:
                below = open_beneath(here, os.fsencode(part), flags)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=here)
                sync_directory(here)
                below = open_beneath(here, os.fsencode(part), flags)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def _refused(manifest: Manifest, error: OSError) -> MoveRefusedError:
    if error.errno == errno.EXDEV:
        return MoveRefusedError(f"{manifest.path} is on another file system by now", "move it back by hand")
    hint = advice(error, "nothing was overwritten; check the disk")
    return MoveRefusedError(f"{manifest.path}: {error.strerror or error}", hint)
