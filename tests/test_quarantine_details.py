"""Small things of the quarantine that only a fault put into the code brought to light."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.nas import NOW, Nas
from twinwatch.errors import MoveRefusedError, NoRoomError, RootError
from twinwatch.index import Index, MoveState
from twinwatch.quarantine import Holder, recover, restore
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


def test_the_manifest_says_why_in_words_and_how_it_is_undone(held: Nas) -> None:
    slot = held.slot()
    value = json.loads((slot.photo_path.parent / "manifest.json").read_bytes())
    assert value["why"] == "told by the test; the keeper is the older one"
    assert value["undo"] == f"twinwatch quarantine restore {slot.name}"
    assert slot.manifest is not None
    without = json.loads(replace(slot.manifest, rule="").to_bytes())
    assert without["why"] == "told by the test"


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


@pytest.mark.parametrize("other", [{"reference": True}, {"quarantine": None}])
def test_either_word_of_a_reference_root_is_enough_to_move_nothing_from_it(nas: Nas, other: dict[str, Any]) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    with pytest.raises(MoveRefusedError, match="reference"):
        nas.holder.hold(nas.move("in/b.jpg", "keep/a.jpg"), replace(nas.root, **other), nas.root)
    assert (len(nas.tree()), nas.slots()) == (2, [])


@pytest.mark.parametrize(("blocks", "moved"), [(1 << 14, True), ((1 << 14) - 1, False)])
def test_the_room_that_must_be_left_is_counted_in_mebibytes(
    nas: Nas, monkeypatch: pytest.MonkeyPatch, blocks: int, moved: bool
) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    move, plainly = nas.move("in/b.jpg", "keep/a.jpg"), os.fstatvfs

    def nearly_full(fd: int) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_fsid=plainly(fd).f_fsid)

    monkeypatch.setattr(os, "fstatvfs", nearly_full)
    holder = Holder(nas.index, lambda: NOW, min_free_mib=64)
    if moved:
        assert holder.hold(move, nas.root, nas.root).state is MoveState.HELD
    else:
        with pytest.raises(NoRoomError, match="64 MiB"):
            holder.hold(move, nas.root, nas.root)


def test_both_stay_that_a_person_put_beside_each_other_again(nas: Nas) -> None:
    """Of other bytes than its keeper, as a messenger makes them."""
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE + b"re-encoded")
    row = nas.hold("in/b.jpg", "keep/a.jpg")
    nas.index.memory.set_removed(row.digest, row.slot, NOW)
    restore(nas.slot(), nas.index, NOW)
    memory = nas.index.memory
    assert memory.is_allowed(row.digest, row.keeper_digest)
    assert memory.is_allowed(row.digest, row.digest)
    assert memory.returns(row.digest) is None  # it did not come back by itself: that is what halts a root


def test_an_index_that_was_lost_is_told_of_a_restore_all_the_same(held: Nas) -> None:
    (row,) = held.index.journal.rows()
    held.index.close()
    for file in held.state.iterdir():
        file.unlink()
    held.index = Index(held.state)
    restore(held.slot(), held.index, NOW)
    assert held.index.journal.rows() == [replace(row, state=MoveState.RESTORED)]


def test_a_sidecar_alone_is_not_put_back_for_its_photo(nas: Nas) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    nas.put("in/b.jpg.xmp", b"stars")
    row = nas.hold("in/b.jpg", "keep/a.jpg")
    nas.slot().photo_path.unlink()
    with pytest.raises(MoveRefusedError, match="no longer in slot"):
        restore(nas.slot(), nas.index, NOW)
    assert (nas.tree(), nas.held()) == ({"photos/keep/a.jpg": PICTURE}, [b"stars"])
    assert nas.index.journal.rows() == [row]


def test_a_folder_made_again_is_as_open_as_any_other(held: Nas) -> None:
    (held.root.path / "in").rmdir()
    before = os.umask(0o022)
    try:
        restore(held.slot(), held.index, NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((held.root.path / "in").stat().st_mode) == 0o755


@pytest.mark.timeout(30)  # where it is opened as a folder only, it is refused at once
def test_a_fifo_in_place_of_the_folder_is_not_waited_for(held: Nas) -> None:
    (held.root.path / "in").rmdir()
    os.mkfifo(held.root.path / "in")
    with pytest.raises(MoveRefusedError):
        restore(held.slot(), held.index, NOW)
    assert held.held() == [PICTURE]
