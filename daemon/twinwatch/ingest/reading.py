"""What the workers tell of one file: its reading, without decoding where the same bytes are known already.

Generators of the line's kind: each `yield` hands out a future and gets its result back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from twinwatch.errors import PhotoError, WorkerError
from twinwatch.index.photos import Photos
from twinwatch.photo import ContentDigest, Reading, Trouble
from twinwatch.workers import Priority, Workers

if TYPE_CHECKING:
    from concurrent.futures import Future

MOST_READINGS = {Trouble.KILLED: 8, Trouble.TIMED_OUT: 3, Trouble.CRASHED: 3, Trouble.NO_MEMORY: 3}
"""How often one content is read that no worker could tell of, until that is taken for its doing.

Each may come of a bad moment: a machine that was paused, or is short of time or memory. Of SIGKILL a picture is
hardly ever the cause. One that really is too much for a worker costs all its time (`job_seconds` and more), or all its
memory, each time: so that is done as often as outlasts a bad moment, and no more.
"""

SOON_ONCE = (Trouble.TIMED_OUT, Trouble.CRASHED, Trouble.NO_MEMORY)
"""After these a file is read again soon but once, then at the walks: a bad moment may last for minutes."""

_WORTH_ASKING = 1 << 20  # bytes

Asking = Generator["Future[Any]", Any, Reading]


def read(workers: Workers, photos: Photos, fd: int, priority: Priority) -> Asking:
    """Return the reading of an open file; raise PhotoError or WorkerError when it cannot be had this time.

    A large arrival is asked for its digest first: a byte copy, the commonest of all copies, is known by that alone.
    Bulk work meets few of them, and would read every other file twice; of a small file another word to a worker costs
    as much as decoding it.
    """
    if priority == "arrival" and _size(fd) >= _WORTH_ASKING:
        known = yield from _known(workers, photos, fd)
        if known is not None:
            return known
    return (yield from read_anew(workers, fd, priority))


def _size(fd: int) -> int:
    try:
        return os.fstat(fd).st_size
    except OSError as error:
        raise PhotoError(f"the disk cannot read it: {error.strerror}", "check the disk") from error


def _known(workers: Workers, photos: Photos, fd: int) -> Generator[Future[Any], Any, Reading | None]:
    try:
        digest = yield workers.digest(fd)
    except WorkerError as error:
        if error.trouble is None:
            raise
        return None  # reading it says what there is to say
    if not isinstance(digest, bytes):
        raise TypeError("a worker's answer to `digest` is a ContentDigest")
    same = photos.with_digest(ContentDigest(digest))
    return next((photo.reading for photo in same if photo.reading.trouble is None), None)


def read_anew(workers: Workers, fd: int, priority: Priority) -> Asking:
    """Return the reading of an open file, whatever is known of its bytes; raises as `read` does."""
    from twinwatch.content import digest_of, unkept  # late: most walks read nothing

    try:
        with unkept(fd) if priority == "bulk" else contextlib.nullcontext():
            reading = yield workers.read(fd, priority)
    except WorkerError as error:
        if error.trouble is None:
            raise
        # The bytes killed the worker: all that can be said of them is their digest.
        try:
            return Reading(digest_of(fd), None, None, Trouble(error.trouble), error.what)
        except OSError as unreadable:
            raise PhotoError(f"the disk cannot read it: {unreadable.strerror}", "check the disk") from unreadable
    if not isinstance(reading, Reading):
        raise TypeError("a worker's answer to `read` is a Reading")
    return reading
