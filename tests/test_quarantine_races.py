"""What happens in the last moment, in the very system call that renames: it is found out and undone."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.nas import Nas
from twinwatch import syscalls
from twinwatch.errors import PhotoChangedError, RootError
from twinwatch.index import MoveState
from twinwatch.quarantine import recover

PICTURE, OTHER = b"picture" * 3000, b"other" * 3000


class Racing:
    """The C library, with somebody else acting just before the first rename, or just after it."""

    def __init__(self, real: ctypes.CDLL, before: Callable[[], object], after: Callable[[], object]) -> None:
        self.syscall = real.syscall
        self._real = real
        self._before = before
        self._after = after
        self.renames = 0

    def renameat2(self, *args: Any) -> int:
        self.renames += 1
        if self.renames == 1:
            self._before()
        result = int(self._real.renameat2(*args))
        if self.renames == 1:
            self._after()
        return result


def nothing() -> None:
    pass


def race(
    monkeypatch: pytest.MonkeyPatch, before: Callable[[], object] = nothing, after: Callable[[], object] = nothing
) -> Racing:
    racing = Racing(syscalls._libc, before, after)
    monkeypatch.setattr(syscalls, "_libc", racing)
    return racing


@pytest.fixture
def paths(nas: Nas) -> tuple[Path, Path]:
    return nas.put("keeper.jpg", PICTURE), nas.put("copy.jpg", PICTURE)


def test_a_keeper_gone_before_the_rename_stops_it(
    nas: Nas, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = nas.move("copy.jpg", "keeper.jpg")
    racing = race(monkeypatch)
    clock = nas.holder._clock

    def vanishing() -> float:
        paths[0].unlink()
        return clock()

    nas.holder._clock = vanishing
    with pytest.raises(PhotoChangedError):
        nas.holder.hold(move, nas.root, nas.root)
    assert racing.renames == 0
    assert nas.tree() == {"photos/copy.jpg": PICTURE}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["deleted", "edited", "replaced"])
def test_a_keeper_lost_in_the_rename_brings_the_copy_back(
    nas: Nas, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, when: str, how: str
) -> None:
    move = nas.move("copy.jpg", "keeper.jpg")
    keeper = paths[0]

    def act() -> None:
        if how != "edited":
            keeper.unlink()
        if how != "deleted":
            keeper.write_bytes(OTHER)

    race(monkeypatch, **{when: act})
    with pytest.raises(PhotoChangedError):
        nas.holder.hold(move, nas.root, nas.root)
    assert nas.tree()["photos/copy.jpg"] == PICTURE
    assert nas.slots() == []
    assert [row.state for row in nas.index.journal.rows()] == [MoveState.CANCELLED]


def test_another_file_swapped_in_at_the_last_moment_is_put_back(
    nas: Nas, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = nas.move("copy.jpg", "keeper.jpg")

    def swap() -> None:
        paths[1].rename(nas.root.path / "original.jpg")
        paths[1].write_bytes(OTHER)

    race(monkeypatch, before=swap)
    with pytest.raises(PhotoChangedError):
        nas.holder.hold(move, nas.root, nas.root)
    assert nas.tree() == {"photos/keeper.jpg": PICTURE, "photos/original.jpg": PICTURE, "photos/copy.jpg": OTHER}
    assert nas.slots() == []


def test_what_cannot_be_put_back_because_its_name_is_taken_is_kept_and_told(
    nas: Nas, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = nas.move("copy.jpg", "keeper.jpg")

    def take() -> None:
        paths[0].unlink()
        paths[1].write_bytes(OTHER)

    race(monkeypatch, after=take)
    with pytest.raises(RootError):
        nas.holder.hold(move, nas.root, nas.root)
    assert nas.tree() == {"photos/copy.jpg": OTHER}
    assert nas.held() == [PICTURE]
    assert [found.outcome for found in recover(nas.root, nas.index)] == [MoveState.HELD]
    assert nas.slot().photo_path.read_bytes() == PICTURE
