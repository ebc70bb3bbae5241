"""Locks on folders: waited for with patience, and who has one too long is named.

They are flock(2)'s: they belong to an open descriptor and end with it, however its process ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time

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


def _holder(fd: int) -> str:
    """Name the process that has the lock on a folder, as far as proc(5) says: it may be on another machine."""
    inode = os.fstat(fd).st_ino
    with contextlib.suppress(OSError), open("/proc/locks") as locks:
        for line in locks:
            words = line.split()  # 1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}") and words[4] != "0":
                return f"process {words[4]}"
    return "another process"
