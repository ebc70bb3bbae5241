"""In which call a thread hangs, and at which place on disk: read from /proc, so no room has to say where it is.

A disk that neither answers nor fails keeps the thread that asked it in the kernel, where no signal and no timeout
reaches it. The call and its arguments are in /proc/self/task/TID/syscall (proc(5)); a descriptor among them leads to a
path without a question to the disk.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_AT_FDCWD = -100  # fcntl.h
_PATH_MAX = 4096  # bytes, limits.h
_BY_NAME = {
    # open, stat, lstat, access, rename, mkdir, rmdir, unlink, readlink, statfs: their first argument is a path
    "x86_64": frozenset({2, 4, 6, 21, 82, 83, 84, 87, 89, 137}),
    "aarch64": frozenset({43}),  # statfs: all others take the descriptor of a folder
}
"""Numbers of the calls whose first argument is the address of a path (asm/unistd_64.h, asm-generic/unistd.h)."""
_WATCHING = {"x86_64": 254, "aarch64": 27}  # inotify_add_watch: its second is
_LOCKING = {"x86_64": 73, "aarch64": 32}  # flock: who waits there waits for another process

_SWITCHES = re.compile(r"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a thread is in; two equal ones, and it has not come out of it in between."""

    words: str  # number, arguments, stack and program counter
    switches: tuple[str, ...]  # how often it slept and was made to wait: the same call in a loop is another each time


def calls(before: Mapping[int, Call]) -> dict[int, Call]:
    """Return the call that each thread of this process is in, by native id, without the one that asks.

    `before` is what was returned last: one that sleeps as it did then, and at no disk, is not looked at more closely,
    as the kernel may make who asks in which call a thread is wait for it.
    """
    found = {}
    for thread in map(int, os.listdir("/proc/self/task")):
        if thread == threading.get_native_id():
            continue
        call = before.get(thread)
        if call is None or _switches(thread) != call.switches or place_of(call) is not None:
            call = call_of(thread)
        if call is not None:
            found[thread] = call
    return found


def call_of(thread: int) -> Call | None:
    """Return the call that a thread of this process (its native id) is in, or None: it computes, or nobody tells."""
    try:
        words = Path(f"/proc/self/task/{thread}/syscall").read_text()
    except OSError:
        return None
    return Call(words, _switches(thread)) if words[:1].isdigit() else None


def _switches(thread: int) -> tuple[str, ...]:
    with contextlib.suppress(OSError):
        return tuple(_SWITCHES.findall(Path(f"/proc/self/task/{thread}/status").read_text()))
    return ()


def place_of(call: Call) -> Path | None:
    """Return the place on disk that a call is about: what its first argument opens or names; None for another call."""
    word, *words = call.words.split()[:3]
    if len(words) < 2:
        return None
    machine, number = platform.machine(), int(word)
    first, second = (int(word, 16) for word in words)
    if number == _LOCKING.get(machine):
        return None
    if number in _BY_NAME.get(machine, ()):
        return _named(first)
    if _signed(first) == _AT_FDCWD or number == _WATCHING.get(machine):
        return _named(second)
    try:
        place = os.readlink(f"/proc/self/fd/{first}")
    except OSError:
        return None
    return Path(place) if place.startswith("/") else None


def _signed(argument: int) -> int:
    """Return the int in the lower half of a register."""
    return (argument & 0x7FFFFFFF) - (argument & 0x80000000)


def _named(address: int) -> Path | None:
    """Return the absolute path that stands at an address of ours; its thread may just have gone on and dropped it."""
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            text = memory.read(_PATH_MAX)
    except (OSError, ValueError, OverflowError):
        return None
    name = text.partition(b"\0")[0]
    return Path(os.fsdecode(name)) if name.startswith(b"/") else None
