"""A disk that does not answer, made with fanotify(7): what is asked of a mount waits until this process says something.

The one who asks hangs in the kernel, out of reach of all signals but SIGKILL, as on a network file system.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FAN_CLASS_CONTENT, _FAN_CLOEXEC = 0x4, 0x1
_FAN_MARK_ADD, _FAN_MARK_MOUNT = 0x1, 0x10
_FAN_OPEN_PERM, _FAN_ACCESS_PERM, _FAN_ONDIR = 0x10000, 0x20000, 0x40000000  # linux/fanotify.h

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def stalled(place: Path, *, reads: bool = False, alone: bool = False) -> Iterator[None]:
    """Let nothing on the mount of this place be opened, nor refused, for a while; with `reads`, read instead.

    With `alone` only the place itself. Needs root.
    """
    fd = _libc.fanotify_init(_FAN_CLASS_CONTENT | _FAN_CLOEXEC, os.O_RDONLY)
    _check(fd)
    try:
        what = ctypes.c_uint64(_FAN_ACCESS_PERM if reads else _FAN_OPEN_PERM | _FAN_ONDIR)
        how = _FAN_MARK_ADD if alone else _FAN_MARK_ADD | _FAN_MARK_MOUNT
        _check(_libc.fanotify_mark(fd, how, what, -100, os.fsencode(place)))
        yield
    finally:
        os.close(fd)  # what waits goes on


def _check(outcome: int) -> None:
    if outcome < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
