"""What a thread is said to hang in, on threads that really do: in FIFOs that nobody writes to."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.running import until
from twinwatch.service.stuck import Call, call_of, calls, place_of


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "never answers"
    os.mkfifo(path)
    return path


def _stuck(act: Callable[[], object], fifo: Path) -> tuple[Call, Path | None]:
    """Return what is said of a thread that does this until the FIFO is written to."""
    thread = threading.Thread(target=act)
    thread.start()
    assert thread.native_id is not None
    seen: list[Call | None] = [None]

    def the_same_twice() -> bool:
        seen.append(call_of(thread.native_id or 0))
        return seen[-1] is not None and seen[-1] == seen[-2]

    until(the_same_twice, lambda: f"never still: {seen[-2:]}")
    call = seen[-1]
    assert call is not None
    try:
        return call, place_of(call)
    finally:
        with open(fifo, "wb"):
            pass
        thread.join()


def test_an_open_by_its_path(fifo: Path) -> None:
    assert _stuck(lambda: os.close(os.open(fifo, os.O_RDONLY)), fifo)[1] == fifo


def test_an_open_beneath_a_folder(fifo: Path) -> None:
    folder = os.open(fifo.parent, os.O_RDONLY)
    try:
        assert _stuck(lambda: os.close(os.open(fifo.name, os.O_RDONLY, dir_fd=folder)), fifo)[1] == fifo.parent
    finally:
        os.close(folder)


def test_a_read(fifo: Path) -> None:
    fd = os.open(fifo, os.O_RDWR)
    try:
        thread = threading.Thread(target=os.read, args=(fd, 1))
        thread.start()
        assert thread.native_id is not None
        number = thread.native_id
        until(lambda: (call := call_of(number)) is not None and place_of(call) == fifo, "it is not seen")
        os.write(fd, b"x")
        thread.join()
    finally:
        os.close(fd)


def test_one_that_waits_for_a_thread_is_at_no_place(fifo: Path) -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    assert thread.native_id is not None
    number = thread.native_id
    until(lambda: call_of(number) is not None, "it never waits")
    call = call_of(number)
    event.set()
    thread.join()
    assert call is not None
    assert place_of(call) is None


def test_the_same_call_made_again_is_another(fifo: Path) -> None:
    """A loop over a slow disk looks the same each time: its arguments have the same places in memory."""
    fd = os.open(fifo, os.O_RDWR)
    try:
        thread = threading.Thread(target=lambda: [os.read(fd, 1) for _ in range(3)])
        thread.start()
        number = thread.native_id
        assert number is not None
        seen: list[Call] = []

        def still() -> bool:
            call = call_of(number)
            return call is not None and place_of(call) == fifo and (not seen or call != seen[-1])

        for _ in range(3):
            until(still, lambda: f"{seen}")
            call = call_of(number)
            assert call is not None
            seen.append(call)
            os.write(fd, b"x")
        thread.join()
        assert len({call.switches for call in seen}) == 3
    finally:
        os.close(fd)


def test_a_thread_that_is_gone_is_in_no_call() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    number = thread.native_id
    thread.join()
    assert number is not None
    until(lambda: call_of(number) is None, "a thread that is gone is still in a call")


def test_one_that_waits_for_a_lock_waits_for_no_disk(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    path.touch()
    with path.open() as holder, path.open() as other:
        fcntl.flock(holder, fcntl.LOCK_EX)
        thread = threading.Thread(target=fcntl.flock, args=(other, fcntl.LOCK_EX))
        thread.start()
        number = thread.native_id
        assert number is not None
        until(lambda: (call := call_of(number)) is not None and call == call_of(number), "it never waits")
        call = call_of(number)
        fcntl.flock(holder, fcntl.LOCK_UN)
        thread.join()
    assert call is not None
    assert place_of(call) is None


def test_calls_are_those_of_all_other_threads() -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    until(lambda: thread.native_id in calls({}), "it never waits")
    seen = calls({})
    assert threading.get_native_id() not in seen
    again = calls(seen)
    assert again[thread.native_id or 0] is seen[thread.native_id or 0], "one that sleeps on is not asked for again"
    event.set()
    thread.join()


@pytest.mark.parametrize("words", ["0 0x1", "0", "0 0xfffffff 0x0", "257 0xffffff9c 0x1", "257 0xffffffffffffff9c 0x0"])
def test_what_cannot_be_made_out_is_at_no_place(words: str) -> None:
    assert place_of(Call(words, ())) is None
