"""A daemon with nothing to do over a large library: memory, wake-ups, disk reads, and how soon it is ready."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.performance.costs import disk_reads_of, family, memory_of, wakeups_of
from benchmarks.performance.figures import Figure
from benchmarks.performance.libraries import bytes_a_photo, made
from benchmarks.performance.running import running, until

_SECONDS = 30.0
_STAYING = 2  # processes without work: the daemon and its supervisor


def measure(work: Path, library: int) -> Iterator[Figure]:
    """Watch it for half a minute once its workers have left."""
    root, state = work / "idle", work / "idle-state"
    for old in (root, state):
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
    made(work / f"library-{library}", library).close()
    yield Figure(
        "index", f"bytes a photo at {library:,}", bytes_a_photo(work / f"library-{library}", library), "bytes", 400
    )
    shutil.copy(work / f"library-{library}" / "index.db", state / "index.db")
    with running(root, state, idle=1.0) as daemon:
        pid = daemon.process.pid
        daemon.wait_level()
        until(lambda: len(family(pid)) == _STAYING, daemon)
        time.sleep(2.0)  # what follows the last worker's end, as a status to write
        woken, read = wakeups_of(pid), disk_reads_of(pid)
        time.sleep(_SECONDS)
        woken, read = wakeups_of(pid) - woken, disk_reads_of(pid) - read
        what = f"idle, {library:,} photos known"
        yield Figure(what, "wake-ups a second", woken / _SECONDS, "", bar=1)
        yield Figure(what, "bytes read from disk", read, "bytes", bar=0)
        yield Figure(what, "worker processes", len(family(pid)) - _STAYING, "", bar=0)
        yield Figure(what, "memory of the whole process tree (PSS)", memory_of(pid), "MiB", bar=90)
        yield Figure(what, "start to READY", daemon.ready_seconds, "s", bar=1)
