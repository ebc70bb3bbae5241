"""The Linux calls that Python lacks: openat2, renameat2 and prctl, for safety, and ioprio_set, to be quiet."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import stat as stat_bits
import sys
from functools import cache
from typing import Final

from twinwatch.photo import FileStat

_SYS_OPENAT2: Final = 437  # the same number on every architecture (added in Linux 5.6)
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x01, 0x02, 0x04, 0x08
_RENAME_NOREPLACE: Final = 1
_PR_SET_PDEATHSIG: Final = 1

_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def _how(flags: int) -> tuple[object, int]:
    """Return what openat2 is told, and its size; the kernel only reads it."""
    how = _OpenHow(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_XDEV)
    return ctypes.byref(how), ctypes.sizeof(how)


def open_beneath(root_fd: int, path: bytes, flags: int) -> int:
    """Open `path`, relative to `root_fd`, never leaving it: no symlinks, no `..`, no other file system.

    Raises OSError: ELOOP for a symlink, EXDEV for a path that would leave. On kernels or sandboxes without openat2 the
    path is walked one component at a time with O_NOFOLLOW.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    if b".." in path.split(b"/"):  # openat2 would take those that stay beneath
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), os.fsdecode(path))
    fd = _libc.syscall(_SYS_OPENAT2, root_fd, path or b".", *_how(flags))
    if fd >= 0:
        return int(fd)
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.EAGAIN):
        return _walk_beneath(root_fd, path, flags)
    raise OSError(code, os.strerror(code), os.fsdecode(path))


def rename_noreplace(from_fd: int, from_name: bytes, to_fd: int, to_name: bytes) -> bool:
    """Rename without ever replacing; return False where the file system cannot promise that (nothing was done then).

    Raises FileExistsError when the target exists and any other OSError of rename(2). On SMB a kernel
    promises it and does not keep it: `mounts.renames_exclusively`.
    """
    result = _libc.renameat2(
        from_fd, ctypes.c_char_p(from_name), to_fd, ctypes.c_char_p(to_name), ctypes.c_uint(_RENAME_NOREPLACE)
    )
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), os.fsdecode(from_name))


def set_io_class(pid: int, *, idle: bool) -> None:
    """Let a process read its disk only when nobody else does (ionice -c 3), or last among equals (-c 2 -n 7).

    A courtesy: where the kernel or its scheduler does not know it, nothing changes.
    """
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        _libc.syscall(ctypes.c_long(number), 1, pid, 3 << 13 if idle else 2 << 13 | 7)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when the thread that started it ends; leave at once if it has already."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def sync_directory(fd: int) -> None:
    """Make the names in a directory durable; a file system that cannot (EINVAL) is accepted, an I/O error is not."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def file_stat(found: os.stat_result) -> FileStat:
    """Turn what the kernel says into our own value."""
    return FileStat(
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_blocks,
        found.st_nlink,
    )


def is_regular(found: os.stat_result) -> bool:
    """Tell whether this is a plain file: not a folder, FIFO, device, socket or symlink."""
    return stat_bits.S_ISREG(found.st_mode)


def _walk_beneath(root_fd: int, path: bytes, flags: int) -> int:
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if path.startswith(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), os.fsdecode(path))
    device = os.fstat(root_fd).st_dev
    if not parts:
        return os.open(b".", flags, dir_fd=root_fd)
    here = os.dup(root_fd)
    try:
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            step = flags if last else os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
            following = os.open(part, step, dir_fd=here)
            os.close(here)
            here = following
            if os.fstat(here).st_dev != device:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), os.fsdecode(path))
    except OSError:
        os.close(here)
        raise
    return here
