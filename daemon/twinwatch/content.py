"""The bytes of open files: their digest, whether two hold the same, and what of them stays in memory. Only reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from blake3 import blake3

from twinwatch.photo import ContentDigest

_PIECE = 1 << 20  # bytes read at a time: large enough for the disk, small enough for a NAS's memory


def digest_of(fd: int) -> ContentDigest:
    """Return the BLAKE3 of everything in an open file; raise OSError when it cannot be read to its end."""
    hasher = blake3()
    offset = 0
    while piece := os.pread(fd, _PIECE, offset):
        hasher.update(piece)
        offset += len(piece)
    return ContentDigest(hasher.digest())


def same_bytes(fd_a: int, fd_b: int) -> bool:
    """Compare two open files byte for byte; raise OSError when one cannot be read to its end."""
    offset = 0
    while True:
        piece = os.pread(fd_a, _PIECE, offset)
        other = os.pread(fd_b, _PIECE, offset)
        if piece != other:
            return False
        if not piece:
            return True
        offset += len(piece)


@contextlib.contextmanager
def unkept(fd: int) -> Iterator[None]:
    """Let the kernel drop the file's pages after the block, unless it had them before: a scan evicts nobody else's."""
    try:
        before = os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT) > 0
    except OSError:  # EAGAIN: not in memory; or a file system that does not say: then a scan is a guest, and leaves
        before = False
    try:
        yield
    finally:
        if not before:
            with contextlib.suppress(OSError):  # advice, and some file systems take none
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
