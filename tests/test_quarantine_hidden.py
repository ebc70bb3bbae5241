"""What cannot be seen just now: one folder or slot that hides stops neither its root nor what is said of the others."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.mounting import as_plain_user, as_root, tmpfs
from tests.nas import NOW, PICTURE, Nas
from twinwatch import syscalls
from twinwatch.errors import RootError
from twinwatch.index import MoveState
from twinwatch.quarantine import Recovered, recover

HELD, MOVING, MISSING, RESTORED = MoveState.HELD, MoveState.MOVING, MoveState.MISSING, MoveState.RESTORED


@pytest.fixture
def open_nas() -> Iterator[Nas]:
    """A NAS that others may enter, unlike pytest's folders, with a held photo."""
    with tempfile.TemporaryDirectory() as folder, closing(Nas(Path(folder))) as nas:
        nas.folder.chmod(0o755)
        prepare(nas)
        nas.index.commit()
        yield nas


@pytest.fixture
def held(nas: Nas) -> Nas:
    prepare(nas)
    return nas


def prepare(nas: Nas) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("deep/in/b.jpg", PICTURE)
    nas.hold("deep/in/b.jpg", "keep/a.jpg")


def home(nas: Nas) -> Path:
    return nas.root.path / "deep/in"


def taken_out(nas: Nas) -> None:
    nas.slot().photo_path.rename(home(nas) / "b.jpg")


def found(nas: Nas) -> list[MoveState]:
    return [recovered.outcome for recovered in recover(nas.root, nas.index)]


def is_hidden(said: list[Recovered]) -> bool:
    (one,) = said
    return one.outcome is MISSING and "cannot be seen just now" in one.words


@pytest.mark.parametrize("state", [HELD, MOVING])
@pytest.mark.parametrize("which", ["deep", "deep/in"])
def test_a_folder_that_became_a_symlink_keeps_no_root_from_work(held: Nas, state: MoveState, which: str) -> None:
    held.index.journal.set_state(held.slot().name, state)
    (held.root.path / which).rename(held.folder / "moved")
    (held.root.path / which).symlink_to(held.folder / "moved")
    assert found(held) == ([] if state is HELD else [HELD])
    assert held.held() == [PICTURE]
    taken_out(held)
    assert found(held) == [MISSING]  # whatever lies behind a symlink is not in this root
    assert len(list(held.folder.glob("moved/**/b.jpg"))) == 1


@as_root
def test_a_photo_that_a_mount_may_hide_is_not_called_gone(held: Nas) -> None:
    with tmpfs(home(held)):
        assert found(held) == []
        held.index.journal.set_state(held.slot().name, MOVING)
        assert found(held) == [HELD]
        assert held.states() == [HELD]
    taken_out(held)
    with tmpfs(home(held)):
        assert is_hidden(recover(held.root, held.index))
        assert held.states() == [HELD]
    assert found(held) == [RESTORED]


@as_root
def test_an_empty_file_of_ours_is_not_the_photo_that_a_mount_may_hide(held: Nas) -> None:
    held.index.journal.set_state(held.slot().name, MOVING)
    there = held.slot().photo_path
    taken_out(held)
    there.touch(0o200)
    with tmpfs(home(held)):
        assert is_hidden(recover(held.root, held.index))
    assert found(held) == [MoveState.CANCELLED]
    assert (home(held) / "b.jpg").read_bytes() == PICTURE


@as_root
@pytest.mark.parametrize("state", [MoveState.PURGED, RESTORED, MoveState.CANCELLED, MISSING])
def test_of_a_photo_that_was_to_go_nothing_is_asked_of_a_hidden_folder(held: Nas, state: MoveState) -> None:
    held.index.journal.set_state(held.slot().name, state)
    taken_out(held)
    with tmpfs(home(held)):
        assert found(held) == []
    assert held.states() == [state]


@as_root
@pytest.mark.parametrize("left", [True, False])
def test_a_locked_folder_is_not_an_empty_one(open_nas: Nas, left: bool) -> None:
    """With its slot, and without: a person took both away."""
    nas = open_nas
    slot = nas.slot()
    nas.place.chmod(0o777)
    taken_out(nas)
    inside = nas.place / slot.name
    inside.chmod(0o777)
    if not left:
        (inside / "manifest.json").unlink()
        inside.rmdir()
    home(nas).chmod(0)
    with as_plain_user():
        assert is_hidden(recover(nas.root, nas.index)) if left else found(nas) == []
    assert nas.states() == [HELD]
    home(nas).chmod(0o755)
    assert found(nas) == [RESTORED]


@as_root
def test_of_moves_without_slots_those_that_can_be_seen_are_told(open_nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    nas = open_nas
    nas.put("seen/c.jpg", PICTURE)
    monkeypatch.setattr(nas.holder, "_clock", lambda: NOW + 1)
    nas.hold("seen/c.jpg", "keep/a.jpg")
    shutil.rmtree(nas.place)
    home(nas).chmod(0)
    with as_plain_user():
        assert found(nas) == [MISSING]
    assert nas.states() == [HELD, MISSING]


@as_root
def test_a_slot_of_another_account_is_told_of_and_the_others_are_put_right(open_nas: Nas) -> None:
    nas = open_nas
    foreign = nas.slot()
    nas.put("deep/in/c.jpg", PICTURE)
    own = nas.hold("deep/in/c.jpg", "keep/a.jpg").slot
    nas.index.journal.set_state(own, MOVING)
    nas.index.commit()
    nas.place.chmod(0o777)
    for path in (nas.place / own, nas.place / own / "manifest.json", nas.place / own / "c.jpg"):
        os.chown(path, 65534, 65534)
    with as_plain_user():
        said = {recovered.slot: recovered for recovered in recover(nas.root, nas.index)}
    assert {slot: one.outcome for slot, one in said.items()} == {own: HELD, foreign.name: MISSING}
    assert "Permission denied" in said[foreign.name].words
    assert nas.states() == [HELD, HELD]
    assert (nas.place / foreign.name / "b.jpg").read_bytes() == PICTURE


class Failing:
    """A kernel whose disk fails where the photo came from."""

    def __init__(self, real: ctypes.CDLL) -> None:
        self.real = real

    def syscall(self, number: int, fd: int, path: bytes, *rest: Any) -> int:
        if path == b"deep/in":
            ctypes.set_errno(errno.EIO)
            return -1
        return int(self.real.syscall(number, fd, path, *rest))


def test_a_disk_that_fails_stops_its_root(held: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_out(held)
    monkeypatch.setattr(syscalls, "_libc", Failing(syscalls._libc))
    with pytest.raises(RootError, match="check the disk"):
        recover(held.root, held.index)
    assert held.states() == [HELD]
