"""Small things of the quarantine that only a fault put into the code brought to light."""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import replace
from typing import Any

import pytest

from tests.nas import NOW, Nas
from twinwatch.errors import RootError
from twinwatch.index import MoveState
from twinwatch.quarantine import recover, restore
from twinwatch.quarantine.slots import opened_place

PICTURE = b"picture" * 3000


@pytest.fixture
def held(nas: Nas) -> Nas:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE).chmod(0o640)
    nas.hold("in/b.jpg", "keep/a.jpg")
    return nas


def test_the_manifest_has_the_mode_of_the_photo(held: Nas) -> None:
    manifest = held.slot().manifest
    assert manifest is not None
    assert manifest.photo.mode == 0o640


def test_a_finished_move_is_no_photo_of_the_index_any_more(held: Nas) -> None:
    slot = held.slot()
    slot.photo_path.rename(held.root.path / "in/b.jpg")
    photo = held.photo("in/b.jpg")
    options: dict[str, Any] = {"arrived": True, "now": NOW}
    try:
        held.index.photos.record(held.root.id, photo.path, photo.stat, photo.reading, **options)
    except TypeError:  # an index that keeps no time
        held.index.photos.record(held.root.id, photo.path, photo.stat, photo.reading, arrived=True)
    (held.root.path / "in/b.jpg").rename(slot.photo_path)
    held.index.journal.set_state(slot.name, MoveState.MOVING)
    assert [found.outcome for found in recover(held.root, held.index)] == [MoveState.HELD]
    assert held.index.photos.at(held.root.id, photo.path) is None


def test_what_another_quarantine_of_the_same_root_holds_is_left_alone(held: Nas) -> None:
    (row,) = held.index.journal.rows()
    elsewhere = replace(row, slot="elsewhere", place=held.folder / "old quarantine")
    held.index.journal.intend(elsewhere)
    assert recover(held.root, held.index) == []
    assert held.index.journal.get("elsewhere") == elsewhere


@pytest.mark.parametrize(("code", "goes_on"), [
    (errno.ENOLCK, True), (errno.EOPNOTSUPP, True), (errno.ENOSYS, True), (errno.EINVAL, True), (errno.EIO, False),
    (errno.EINTR, False),
])  # fmt: skip
def test_only_a_file_system_without_locks_is_worked_on_without_one(
    held: Nas, monkeypatch: pytest.MonkeyPatch, code: int, goes_on: bool
) -> None:
    def failing(_fd: int, _how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", failing)
    if goes_on:
        with opened_place(held.place):
            return
    with pytest.raises(OSError, match=os.strerror(code)), opened_place(held.place):
        pass


def test_a_restore_whose_sync_fails_is_not_called_done(held: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    real, home = os.fsync, str(held.root.path / "in")

    def failing(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}") == home:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(RootError, match="disk failed"):
        restore(held.slot(), held.index, NOW)
    assert (held.root.path / "in/b.jpg").read_bytes() == PICTURE
    monkeypatch.undo()
    assert [found.outcome for found in recover(held.root, held.index)] == [MoveState.RESTORED]
