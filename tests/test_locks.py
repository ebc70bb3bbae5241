"""Locks on folders: who has one alone keeps everybody out, who waits does so with patience, and who has it is named."""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twinwatch.locks import lock


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Open one folder twice, as two processes do."""
    made = [os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY) for _ in range(2)]
    yield made[0], made[1]
    for fd in made:
        os.close(fd)


@pytest.mark.parametrize(("one", "other", "together"), [(True, True, True), (True, False, False), (False, True, False)])
def test_only_those_who_share_are_in_it_together(pair: tuple[int, int], one: bool, other: bool, together: bool) -> None:
    lock(pair[0], 0, shared=one)
    if together:
        lock(pair[1], 0, shared=other)
    else:
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} works in it"):
            lock(pair[1], 0, shared=other)


def test_without_a_word_it_is_had_alone(pair: tuple[int, int]) -> None:
    lock(pair[0], 0)
    with pytest.raises(BlockingIOError) as told:
        lock(pair[1], 0)
    assert told.value.errno == errno.EAGAIN


def test_who_has_patience_waits_until_it_is_free(pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def free(seconds: float) -> None:
        waited.append(seconds)
        fcntl.flock(pair[0], fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", free)
    lock(pair[0], 0)
    lock(pair[1], 1)
    assert len(waited) == 1


def test_who_has_none_does_not_wait_even_when_the_clock_stands_still(
    pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def free(seconds: float) -> None:
        waited.append(seconds)
        fcntl.flock(pair[0], fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", free)
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    lock(pair[0], 0)
    with pytest.raises(BlockingIOError):
        lock(pair[1], 0)
    assert waited == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("1: FLOCK  ADVISORY  WRITE 71 00:1f:{inode} 0 EOF", "process 71"),
        ("1: -> FLOCK  ADVISORY  WRITE 71 00:1f:{inode} 0 EOF", "another process"),
        ("1: POSIX  ADVISORY  WRITE 71 00:1f:{inode} 0 EOF", "another process"),
        ("1: FLOCK  ADVISORY  WRITE 71 00:1f:9{inode} 0 EOF", "another process"),
        ("1: FLOCK  ADVISORY  WRITE 0 00:1f:{inode} 0 EOF", "another process"),
        ("", "another process"),
    ],
    ids=["it has it", "it waits too", "of another kind", "of another folder", "of another machine", "none is told"],
)
def test_who_has_it_is_named_as_far_as_the_kernel_tells(
    pair: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, named: str
) -> None:
    told = tmp_path / "locks"
    told.write_text(f"{line.format(inode=os.fstat(pair[0]).st_ino)}\n" if line else "")
    plainly = builtins.open

    def opened(path: Any, *arguments: Any, **more: Any) -> Any:
        return plainly(told if path == "/proc/locks" else path, *arguments, **more)

    monkeypatch.setattr(builtins, "open", opened)
    lock(pair[0], 0)
    with pytest.raises(BlockingIOError, match=f"^.*{named} works in it"):
        lock(pair[1], 0)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EIO])
def test_a_file_system_without_locks_is_no_error_and_a_broken_disk_is(
    pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(_fd: int, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", failing)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output"):
            lock(pair[0], 0)
    else:
        lock(pair[0], 0)
