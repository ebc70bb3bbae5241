"""After a crash, a power cut or a lost index: look at the disk, finish what was begun or undo it.

The photo is moved last, so its place decides: in its slot, the move is finished; still at home, it is undone.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twinwatch.errors import RootError
from twinwatch.index import Index, MoveState
from twinwatch.photo import RootId
from twinwatch.quarantine import manifest as manifests
from twinwatch.quarantine.manifest import HeldFile, Manifest
from twinwatch.quarantine.restore import changed
from twinwatch.quarantine.slots import (
    HINT_TAKEN,
    Slot,
    entry,
    is_placeholder,
    journal_row,
    move_exclusively,
    opened_place,
    opened_slot,
    read_slots,
    remove_empty,
    remove_placeholder,
    remove_slot,
    taken,
)
from twinwatch.roots import Root, stat_file
from twinwatch.syscalls import open_beneath, sync_directory

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # a folder that is not there any more, or a symlink by now
_HIDDEN = (errno.EXDEV, errno.EACCES)  # beneath another file system, or locked
_NEVER_HELD = (None, MoveState.MOVING, MoveState.CANCELLED)  # as the journal says; after any other a person undid it


@dataclass(frozen=True, slots=True)
class Recovered:
    """One slot that was put right, or needs a person."""

    slot: str
    path: Path
    outcome: MoveState
    words: str


def recover(root: Root, index: Index, *, patient: bool = True) -> list[Recovered]:
    """Bring the quarantine of a root and the journal level with the disk; return what was not already so.

    Also where the configuration names another quarantine by now: moves into the former one are finished or undone
    there. Raises RootError when the root is not healthy, or when another process has its quarantine (one that is
    `patient` waits for it first): then nothing was looked at, and nothing is believed.
    """
    if root.quarantine is None:
        return []
    found: list[Recovered] = []
    with root.opened() as root_fd:
        try:
            found.extend(_recover_place(root, root.quarantine, root_fd, index, patient=patient))
        except BlockingIOError as error:
            raise RootError(f"{root.quarantine}: {error.strerror}", HINT_TAKEN) from error
        except OSError as error:
            raise RootError(f"{root.quarantine} cannot be put right: {error.strerror}", "check the disk") from error
        for place in _former_places(root, index):
            try:
                found.extend(_recover_place(root, place, root_fd, index, patient=patient, former=True))
            except OSError as error:  # no reason to stop the root: nothing more is moved there
                words = f"its quarantine was {place}, which cannot be looked into: {error.strerror}"
                found.extend(
                    Recovered(row.slot, root.path / row.path, row.state, words)
                    for row in index.journal.rows(MoveState.MOVING)
                    if (row.root_path, row.place) == (root.path, place)
                )
    return found


def _former_places(root: Root, index: Index) -> list[Path]:
    """Return the other quarantines that the journal has of this root, where a move or a restore may be half done."""
    rows = index.journal.rows(MoveState.MOVING, MoveState.HELD)
    return sorted({row.place for row in rows if row.root_path == root.path} - {root.quarantine})


def _recover_place(
    root: Root, place: Path, root_fd: int, index: Index, *, patient: bool, former: bool = False
) -> Iterator[Recovered]:
    """Put one quarantine right; raise OSError, also when a `former` one is not there: what was in it is unknown."""
    # From the first look to the last, so that nobody begins, ends or undoes a move meanwhile.
    opening = opened_place if former else _opened_place
    with opening(place, patient=patient) as place_fd:
        if place_fd is not None:
            for slot in read_slots(place, place_fd):
                if slot.manifest is not None and slot.manifest.marker == root.identity.marker:
                    yield from _recover_slot(slot, slot.manifest, root, place_fd, root_fd, index)
                elif slot.manifest is None:
                    yield from _without_manifest(slot, place_fd, index)
        yield from _without_slot(root, place, place_fd, root_fd, index)


def _recover_slot(
    slot: Slot, manifest: Manifest, root: Root, place_fd: int, root_fd: int, index: Index
) -> Iterable[Recovered]:
    row = index.journal.get(slot.name)
    state = None if row is None else row.state
    with opened_slot(place_fd, slot.name) as slot_fd, _opened_home(root_fd, manifest) as (home_fd, hidden):
        _remove_empty(manifest, slot_fd, home_fd)
        _part_doubles(manifest, slot_fd, home_fd)
        if entry(slot_fd, manifest.photo.name) is not None:
            # A restore that was cut short has companions at home already: they stay with their photo.
            brought = _bring(manifest.files[:-1], home_fd, slot_fd)
            if state is MoveState.HELD and not brought:
                return
            words = "it is known again by its manifest" if state is None else "the move is finished"
            outcome = MoveState.HELD
        elif home_fd is not None and _is_held_file(manifest.photo, home_fd):
            _bring(manifest.files[:-1], slot_fd, home_fd)
            outcome = MoveState.CANCELLED if state in _NEVER_HELD else MoveState.RESTORED
            words = "the photo is in its old place"
        else:
            outcome, words = MoveState.MISSING, "the photo is neither in quarantine nor in its old place"
    if state is outcome is MoveState.MISSING:
        return
    over = outcome is MoveState.MISSING and state in (MoveState.PURGED, MoveState.RESTORED, MoveState.CANCELLED)
    if outcome is MoveState.MISSING and hidden and not over:
        words = "the photo is not in quarantine, and its old folder cannot be seen just now"
        yield Recovered(slot.name, root.path / manifest.path, outcome, words)
        return
    if not over:
        _note(index, slot, manifest, outcome, root.id)
    if over or outcome in (MoveState.RESTORED, MoveState.CANCELLED):
        if state is MoveState.PURGED and over:
            _finish_purge(place_fd, slot.name, manifest)
        remove_slot(place_fd, slot.name)
    if over or (outcome is state and outcome is not MoveState.HELD):
        return  # said before, also where a slot stays for what could not go home
    yield Recovered(slot.name, root.path / manifest.path, outcome, words)


def _finish_purge(place_fd: int, name: str, manifest: Manifest) -> None:
    """Delete the companions that a purge cut short has left behind; their photo is gone already."""
    with opened_slot(place_fd, name) as slot_fd:
        for file in manifest.files[:-1]:
            found = entry(slot_fd, file.name)
            if found is not None and found.size == file.bytes and _is_held_file(file, slot_fd):
                os.unlink(file.name, dir_fd=slot_fd)
        sync_directory(slot_fd)


def _note(index: Index, slot: Slot, manifest: Manifest, outcome: MoveState, root_id: RootId) -> None:
    if index.journal.get(slot.name) is None:
        index.journal.enter(journal_row(manifest, slot.place, outcome))
    else:
        index.journal.set_state(slot.name, outcome)
    if outcome is MoveState.HELD:
        known = index.photos.at(root_id, manifest.path)
        if known is not None and known.stat.inode == manifest.photo.inode:
            index.photos.forget(root_id, manifest.path)
        if index.memory.returns(manifest.photo.digest) is None:
            index.memory.set_removed(manifest.photo.digest, slot.name, manifest.at)
    index.commit()


def _without_manifest(slot: Slot, place_fd: int, index: Index) -> Iterable[Recovered]:
    """A slot that was made and not explained yet is empty and goes; one that holds anything is left for a person."""
    try:
        with opened_slot(place_fd, slot.name) as slot_fd:
            damaged = taken(slot_fd, manifests.NAME)
    except PermissionError:  # made by another account, as by a command under sudo
        damaged = True
    if not damaged:
        remove_slot(place_fd, slot.name)
    if taken(place_fd, slot.name):
        there, row = slot.place / slot.name, index.journal.get(slot.name)
        path = there if row is None else row.root_path / row.path
        yield Recovered(slot.name, path, MoveState.MISSING, f"{slot.trouble}; its files are in {there}")


def _without_slot(root: Root, place: Path, place_fd: int | None, root_fd: int, index: Index) -> Iterable[Recovered]:
    """Moves whose slot is not there: one that had not begun, or one that a person undid or emptied by hand."""
    for row in index.journal.rows(MoveState.MOVING, MoveState.HELD):
        there = place_fd is not None and taken(place_fd, row.slot)
        if row.root_path != root.path or row.place != place or there:
            continue
        if row.state is MoveState.MOVING:
            outcome, words = MoveState.CANCELLED, "the move had not begun"
        else:
            try:
                found = stat_file(root_fd, row.path)
            except OSError:
                continue  # no telling where it is, until its folder can be seen again
            back = found is not None and found.size == row.bytes
            outcome = MoveState.RESTORED if back else MoveState.MISSING
            words = "its slot is gone; " + ("a photo is in its old place" if back else "nothing is in its old place")
        index.journal.set_state(row.slot, outcome)
        yield Recovered(row.slot, row.root_path / row.path, outcome, words)


@contextlib.contextmanager
def _opened_place(place: Path, *, patient: bool) -> Iterator[int | None]:
    """Hold the quarantine, alone, or None when there is none."""
    with contextlib.ExitStack() as stack:
        try:
            place_fd = stack.enter_context(opened_place(place, patient=patient))
        except FileNotFoundError:
            place_fd = None
        yield place_fd


@contextlib.contextmanager
def _opened_home(root_fd: int, manifest: Manifest) -> Iterator[tuple[int | None, bool]]:
    """Hold the folder the photo came from, or None when there is none; and whether that is only hidden just now."""
    try:
        fd = open_beneath(root_fd, os.fsencode(manifest.folder), os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in (*_GONE, *_HIDDEN):
            raise
        yield None, error.errno in _HIDDEN
        return
    try:
        yield fd, False
    finally:
        os.close(fd)


def _is_held_file(file: HeldFile, folder_fd: int) -> bool:
    """Tell whether the file of this name is the one that was held, also when something was written into it since.

    FAT and exFAT number their files anew at each mount: there it is known by all else, read in full.
    """
    found = entry(folder_fd, file.name)
    if found is None or found.inode == file.inode:
        return found is not None
    same = (found.size, found.mtime_ns) == (file.bytes, file.mtime_ns)
    return same and not changed(file, folder_fd, missing="it is gone")


def _remove_empty(manifest: Manifest, slot_fd: int, home_fd: int | None) -> None:
    """Take away the empty files by which names were taken, where no exclusive rename is known."""
    for file in manifest.files:
        if entry(slot_fd, file.name) is None:
            continue
        if file.bytes:  # in our own folder, and what the manifest says was moved is still at home
            at_home = home_fd is not None and _is_held_file(file, home_fd)
            remove_empty(slot_fd, file.name, lambda now, at_home=at_home: at_home or is_placeholder(now))  # type: ignore[misc]
        if home_fd is not None:
            remove_placeholder(home_fd, file.name)


def _part_doubles(manifest: Manifest, slot_fd: int, home_fd: int | None) -> None:
    """Where a file has both its names, take the one in the slot away: its old place wins, and nothing of a person's.

    After a power cut btrfs may show a renamed file in both folders, as a hard link, until both were synced.
    """
    if home_fd is None:
        return
    for file in manifest.files:
        held, home = entry(slot_fd, file.name), entry(home_fd, file.name)
        if held is not None and home is not None and held.same_inode(home) and min(held.links, home.links) > 1:
            sync_directory(home_fd)
            os.unlink(file.name, dir_fd=slot_fd)
            sync_directory(slot_fd)


def _bring(files: Iterable[HeldFile], from_fd: int | None, to_fd: int | None) -> bool:
    """Move companions after their photo, where they still are what they were; return whether any was moved."""
    if from_fd is None or to_fd is None:
        return False
    brought = False
    for file in files:
        if _is_held_file(file, from_fd):
            with contextlib.suppress(FileExistsError):
                move_exclusively(from_fd, to_fd, file.name)
                brought = True
    sync_directory(to_fd)  # the new name before the old one, or a power cut may take both
    sync_directory(from_fd)
    return brought
