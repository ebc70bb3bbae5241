"""A disk that fails, in one process: at once it is whole or said to be not, and afterwards recovery makes it whole.

The most telling calls only, for seconds; `test_quarantine_crash.py` lets every one of them fail.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.nas import NOW, Nas
from twinwatch import syscalls
from twinwatch.errors import MoveRefusedError, NoRoomError, RootError
from twinwatch.index import MoveState
from twinwatch.quarantine import purge, recover, restore

PICTURE, STARS, PLACE = b"picture" * 3000, b"stars", b"a place"
COPY = {"photos/in/b.jpg": PICTURE, "photos/in/b.jpg.json": PLACE, "photos/in/b.jpg.xmp": STARS}
GROUP = sorted(COPY.values())


class Renames:
    """The C library, whose renames of these numbers fail with these codes; the first one is number 1."""

    def __init__(self, real: ctypes.CDLL, failing: dict[int, int]) -> None:
        self.syscall = real.syscall
        self._real = real
        self._failing = failing
        self._count = 0

    def renameat2(self, *args: Any) -> int:
        self._count += 1
        code = self._failing.get(self._count)
        if code is None:
            return int(self._real.renameat2(*args))
        ctypes.set_errno(code)
        return -1


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give what lets a call of `os` fail when its arguments are such, or renames by their number."""

    def failing(name: str, code: int, when: Callable[[Any], bool]) -> None:
        plainly = getattr(os, name)

        def call(what: Any, *rest: Any, **more: Any) -> Any:
            if when(what):
                raise OSError(code, os.strerror(code))
            return plainly(what, *rest, **more)

        monkeypatch.setattr(os, name, call)

    return failing


def path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()


def fail_renames(monkeypatch: pytest.MonkeyPatch, failing: dict[int, int]) -> None:
    monkeypatch.setattr(syscalls, "_libc", Renames(syscalls._libc, failing))


@pytest.fixture
def group(nas: Nas) -> Nas:
    """Put a photo, a copy of it, and two files that belong to the copy."""
    nas.put("keep/a.jpg", PICTURE)
    for path, content in COPY.items():
        nas.put(path.removeprefix("photos/"), content)
    return nas


@pytest.fixture
def held(group: Nas) -> Nas:
    group.hold("in/b.jpg", "keep/a.jpg")
    return group


def outcomes(nas: Nas) -> list[MoveState]:
    return [found.outcome for found in recover(nas.root, nas.index)]


# --- hold ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["keep/a.jpg", "in/b.jpg", "in/b.jpg.xmp"])
def test_what_the_disk_does_not_give_once_more_is_not_moved_nor_a_keeper(
    group: Nas, fail: Callable[..., None], victim: str
) -> None:
    before, move = group.tree(), group.move("in/b.jpg", "keep/a.jpg")
    fail("pread", errno.EIO, lambda fd: path_of(fd) == group.root.path / victim)
    with pytest.raises(MoveRefusedError, match="could not be moved"):
        group.holder.hold(move, group.root, group.root)
    assert (group.tree(), group.slots(), group.states()) == (before, [], [])


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_group_that_cannot_go_whole_stays_whole(group: Nas, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    before, move = group.tree(), group.move("in/b.jpg", "keep/a.jpg")
    fail_renames(monkeypatch, {at: errno.EIO})
    with pytest.raises(MoveRefusedError, match="could not be moved"):
        group.holder.hold(move, group.root, group.root)
    assert (group.tree(), group.slots(), group.states()) == (before, [], [MoveState.CANCELLED])


def test_a_group_that_can_neither_go_nor_come_back_is_told_of_and_made_whole_later(
    group: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, move = group.tree(), group.move("in/b.jpg", "keep/a.jpg")
    fail_renames(monkeypatch, {3: errno.EIO, 4: errno.EIO})
    with pytest.raises(RootError, match="could not be put back") as told:
        group.holder.hold(move, group.root, group.root)
    assert told.value.root == group.root.id, "to be recovered: the newcomer that it went for may lie in another"
    assert group.states() == [MoveState.MOVING]
    monkeypatch.undo()
    assert outcomes(group) == [MoveState.CANCELLED]
    assert (group.tree(), group.slots()) == (before, [])


@pytest.mark.parametrize("where", ["slot", "home"])
def test_a_move_whose_sync_fails_is_not_called_done(
    group: Nas, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    move, home = group.move("in/b.jpg", "keep/a.jpg"), group.root.path / "in"

    def when(fd: int) -> bool:
        folder = path_of(fd)
        moved = not (home / "b.jpg").exists()
        return moved and (folder == home if where == "home" else folder.parent == group.place)

    fail("fsync", errno.EIO, when)
    with pytest.raises(RootError, match="disk failed") as told:
        group.holder.hold(move, group.root, group.root)
    assert told.value.root == group.root.id
    assert group.states() == [MoveState.MOVING]
    assert group.everything() == sorted([PICTURE, *GROUP])
    monkeypatch.undo()
    assert outcomes(group) == [MoveState.HELD]
    assert group.held() == GROUP


def test_a_slot_that_cannot_be_taken_away_again_is_told_of(
    group: Nas, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    move, clock = group.move("in/b.jpg", "keep/a.jpg"), group.holder._clock

    def vanishing() -> float:
        (group.root.path / "keep/a.jpg").unlink()
        return clock()

    monkeypatch.setattr(group.holder, "_clock", vanishing)
    fail("unlink", errno.EIO, lambda name: name == "manifest.json")
    with pytest.raises(RootError):
        group.holder.hold(move, group.root, group.root)
    assert (group.tree(), group.states()) == (COPY, [MoveState.MOVING])
    monkeypatch.undo()
    assert outcomes(group) == [MoveState.CANCELLED]
    assert (group.tree(), group.slots()) == (COPY, [])


@pytest.mark.parametrize(("code", "kind", "what_to_do"), [
    (errno.ENOSPC, NoRoomError, "free some space"), (errno.EDQUOT, NoRoomError, "free some space"),
    (errno.EROFS, NoRoomError, "writable"), (errno.EACCES, MoveRefusedError, "permissions"),
    (errno.EIO, MoveRefusedError, "the disk"),
])  # fmt: skip
def test_a_disk_without_room_is_tried_again_and_any_other_trouble_is_shown(
    group: Nas, fail: Callable[..., None], code: int, kind: type[MoveRefusedError], what_to_do: str
) -> None:
    before = group.tree()
    fail("mkdir", code, lambda name: str(name).startswith("2023"))
    with pytest.raises(MoveRefusedError, match=what_to_do) as caught:
        group.hold("in/b.jpg", "keep/a.jpg")
    assert caught.type is kind
    assert (group.tree(), group.slots(), group.states()) == (before, [], [MoveState.CANCELLED])


# --- restore -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_group_that_cannot_come_back_whole_stays_held_whole(
    held: Nas, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    fail_renames(monkeypatch, {at: errno.EIO})
    with pytest.raises(MoveRefusedError, match="check the disk"):
        restore(held.slot(), held.index, NOW)
    assert (held.tree(), held.held(), held.states()) == ({"photos/keep/a.jpg": PICTURE}, GROUP, [MoveState.HELD])


def test_a_restore_that_can_be_neither_finished_nor_undone_is_told_of_and_made_whole_later(
    held: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_renames(monkeypatch, {3: errno.EIO, 4: errno.EIO})
    with pytest.raises(RootError, match="next start"):
        restore(held.slot(), held.index, NOW)
    assert held.everything() == sorted([PICTURE, *GROUP])
    monkeypatch.undo()
    assert outcomes(held) == [MoveState.HELD]
    assert (held.tree(), held.held()) == ({"photos/keep/a.jpg": PICTURE}, GROUP)


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EXDEV, "another file system by now"), (errno.EIO, "check the disk")]
)
def test_a_restore_says_what_hinders_it(held: Nas, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    fail_renames(monkeypatch, {1: code})
    with pytest.raises(MoveRefusedError, match=words):
        restore(held.slot(), held.index, NOW)
    assert held.held() == GROUP


# --- purge ---------------------------------------------------------------------------------------------------------


def test_a_purge_that_cannot_delete_the_photo_deletes_nothing_and_may_be_asked_for_again(
    held: Nas, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail("unlink", errno.EIO, lambda name: name == "b.jpg")
    with pytest.raises(MoveRefusedError, match="check the disk"):
        purge(held.slot(), held.index, lambda _: [])
    assert (held.held(), held.states(), held.slot().present) == (GROUP, [MoveState.HELD], True)
    monkeypatch.undo()
    assert outcomes(held) == []
    assert purge(held.slot(), held.index, lambda _: []) == sum(map(len, GROUP))


def test_a_purge_that_cannot_delete_a_companion_is_finished_later(
    held: Nas, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail("unlink", errno.EIO, lambda name: name == "b.jpg.xmp")
    with pytest.raises(MoveRefusedError):
        purge(held.slot(), held.index, lambda _: [])
    assert (STARS in held.held(), PICTURE in held.held(), held.states()) == (True, False, [MoveState.PURGED])
    assert held.slot().manifest is not None  # it explains what is left
    monkeypatch.undo()
    assert outcomes(held) == []
    assert (held.held(), held.slots()) == ([], [])
