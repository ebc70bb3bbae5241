"""What happens in the last moment, in the very system call that renames: it is found out and undone."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nas import Nas
from twinwatch import syscalls
from twinwatch.errors import MoveRefusedError, PhotoChangedError, RootError
from twinwatch.index import MoveState
from twinwatch.photo import Evidence, Verdict
from twinwatch.quarantine import recover
from twinwatch.roots import Root
from twinwatch.verdict import Move

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


class TwoPaths(Racing):
    """One file under two paths that no stat data betray: the keeper comes and goes with the copy."""

    def __init__(self, real: ctypes.CDLL, keeper: Path, copy: Path) -> None:
        super().__init__(real, nothing, nothing)
        self.keeper, self.copy, self.away = keeper, copy, keeper.parent.parent / "away.jpg"

    def renameat2(self, *args: Any) -> int:
        result = super().renameat2(*args)
        if self.copy.exists() and self.away.exists():
            self.away.rename(self.keeper)
        elif not self.copy.exists():
            self.keeper.rename(self.away)
        return result


def test_one_file_under_two_paths_is_put_back_and_not_tried_for_ever(
    nas: Nas, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = nas.move("copy.jpg", "keeper.jpg")
    monkeypatch.setattr(syscalls, "_libc", TwoPaths(syscalls._libc, *paths))
    with pytest.raises(MoveRefusedError, match="together"):
        nas.holder.hold(move, nas.root, nas.root)
    assert nas.tree() == {"photos/copy.jpg": PICTURE, "photos/keeper.jpg": PICTURE}
    assert nas.slots() == []


@pytest.fixture
def pool(nas: Nas) -> Iterator[Root]:
    """A root that shows the first one through another file system, as a pool shows its disks."""
    for name in ("below", "work"):
        (nas.folder / name).mkdir()
    merged = nas.other_root("merged")
    layers = f"lowerdir={nas.folder}/below,upperdir={nas.root.path},workdir={nas.folder}/work"
    mount = ["mount", "-t", "overlay", "overlay", "-o", layers, str(merged.path)]
    if os.geteuid() or subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs the right to mount an overlay")
    try:
        yield nas.other_root("merged")
    finally:
        subprocess.run(["umount", "-l", str(merged.path)], check=True)


def test_a_photo_is_no_copy_of_itself_seen_through_another_mount(nas: Nas, pool: Root) -> None:
    nas.put("a.jpg", PICTURE)
    assert (pool.path / "a.jpg").read_bytes() == PICTURE
    for here, there in ((nas.root, pool), (pool, nas.root)):
        move = nas.move("a.jpg", "a.jpg", there) if here is nas.root else None
        move = move or Move(nas.photo("a.jpg", pool), nas.photo("a.jpg"), Evidence(Verdict.IDENTICAL), "the older one")
        with pytest.raises(MoveRefusedError, match="one file"):
            nas.holder.hold(move, here, there)
    assert nas.held() == []


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


def test_a_photo_taken_out_of_its_slot_at_once_is_not_called_held(
    nas: Nas, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = nas.move("copy.jpg", "keeper.jpg")
    race(monkeypatch, after=lambda: nas.slot().photo_path.rename(nas.root.path / "mine.jpg"))
    with pytest.raises(PhotoChangedError):
        nas.holder.hold(move, nas.root, nas.root)
    assert nas.tree() == {"photos/keeper.jpg": PICTURE, "photos/mine.jpg": PICTURE}
    assert nas.slots() == []
    assert [row.state for row in nas.index.journal.rows()] == [MoveState.CANCELLED]


@pytest.mark.timeout(30)  # what is opened as a folder only is refused at once
def test_a_fifo_in_place_of_the_keepers_folder_is_not_waited_for(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("keep", "in"):
        nas.put(f"{folder}/IMG_1.jpg", PICTURE)
        nas.put(f"{folder}/IMG_1.mov", OTHER)
    move, plainly, keep = nas.move("in/IMG_1.jpg", "keep/IMG_1.jpg"), os.pread, nas.root.path / "keep"

    def pread(fd: int, count: int, offset: int) -> bytes:
        if Path(f"/proc/self/fd/{fd}").readlink().name == "IMG_1.mov" and keep.is_dir():
            keep.rename(nas.folder / "away")
            os.mkfifo(keep)
        return plainly(fd, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(MoveRefusedError):
        nas.holder.hold(move, nas.root, nas.root)
    assert sorted(nas.tree()) == ["photos/in/IMG_1.jpg", "photos/in/IMG_1.mov"]
    assert nas.slots() == []
