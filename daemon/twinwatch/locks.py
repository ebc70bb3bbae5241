"""Locks on folders: waited for with patience, and who has one too long is named. Turns, where one comes again at once.

They are flock(2)'s: they belong to an open descriptor and end with it, however its process ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path

_LOOK = 0.01  # seconds
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})  # on this file system


def lock(fd: int, patience: float, *, shared: bool = False) -> None:
    """Lock the open folder `fd`, alone or `shared` with others; on a file system without locks do nothing.

    Raises BlockingIOError, whose words name the process that has it, after `patience` seconds; OSError.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise BlockingIOError(error.errno, f"{_holder(fd)} works in it") from None
            time.sleep(_LOOK)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return


class Turn:
    """Whose turn it is, among processes that want a thing one after the other: who waits is next, not who just had it.

    To be had only while the thing is waited for, and let go of once it is there. For one thread at a time.
    """

    def __init__(self, path: Path, patience: float) -> None:
        """Open or make the file on which they wait; who waits for longer than `patience` goes on without its turn.

        So does everybody where the file cannot be had.
        """
        self._patience = patience
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def __enter__(self) -> None:
        """Wait for it."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                lock(self._fd, self._patience)

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _holder(fd: int) -> str:
    """Name the process that has the lock on a folder, as far as proc(5) says: it may be on another machine."""
    inode = os.fstat(fd).st_ino
    with contextlib.suppress(OSError), open("/proc/locks") as locks:
        for line in locks:
            words = line.split()  # 1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}") and words[4] != "0":
                return f"process {words[4]}"
    return "another process"
