"""A plugin of nbdkit: a disk in an image file, every write and every flush of which is appended to a log.

Parameters: img=FILE log=FILE. The log is a row of records `<cQI`: W offset length, followed by the bytes, or F 0 0.
It runs in nbdkit's own Python and imports nothing of ours.
"""

from __future__ import annotations

import builtins
import os
import struct

import nbdkit

API_VERSION = 2
RECORD = struct.Struct("<cQI")

_given: dict[str, str] = {}
_files: dict[str, int] = {}


def config(key: str, value: str) -> None:
    """Take a parameter."""
    _given[key] = value


def thread_model() -> int:
    """One request after the other: the order of the log is the order of the writes."""
    return int(nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS)


def get_ready() -> None:
    """Open both files."""
    _files["img"] = os.open(_given["img"], os.O_RDWR)
    _files["log"] = os.open(_given["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)


def open(readonly: bool) -> int:  # noqa: A001 - nbdkit calls it so
    """Begin a connection."""
    return 1


def get_size(handle: int) -> int:
    """Return the size of the disk in bytes."""
    return os.fstat(_files["img"]).st_size


def can_write(handle: int) -> bool:
    """Tell that it can be written."""
    return True


def can_flush(handle: int) -> bool:
    """Tell that flushes are seen."""
    return True


def can_fua(handle: int) -> int:
    """A write that must be durable is followed by a flush."""
    return int(nbdkit.FUA_EMULATE)


def can_multi_conn(handle: int) -> bool:
    """Tell that connections see each other's writes."""
    return True


def pread(handle: int, buffer: bytearray, offset: int, flags: int) -> None:
    """Read."""
    buffer[:] = os.pread(_files["img"], len(buffer), offset)


def pwrite(handle: int, buffer: bytearray, offset: int, flags: int) -> None:
    """Write, and log it."""
    content = builtins.bytes(buffer)
    os.pwrite(_files["img"], content, offset)
    os.write(_files["log"], RECORD.pack(b"W", offset, len(content)) + content)


def flush(handle: int, flags: int) -> None:
    """Log that everything before is durable."""
    os.write(_files["log"], RECORD.pack(b"F", 0, 0))
