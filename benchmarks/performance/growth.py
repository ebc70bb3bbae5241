"""What one arrival costs the deciding process as the index grows: it must not be the library that is paid for."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.performance.figures import Figure
from benchmarks.performance.libraries import made, newcomers
from twinwatch.index import Index
from twinwatch.photo import RootId

Costs = dict[tuple[str, int], float]
"""(step, photos in the index) -> median milliseconds of processor."""

STEPS = ("look up", "record", "candidates", "judge", "status")
_BAR, _BAR_TIMES = 3.0, 100  # by how much it may grow while the library grows so many times
_ARRIVALS = 60


def measure(work: Path, counts: Sequence[int]) -> tuple[list[Figure], Costs]:
    """Take arrivals into copies of the libraries, step by step as `ingest.line` does, without reading pictures."""
    costs: Costs = {}
    for count in counts:
        made(work / f"library-{count}", count).close()
        state = work / "growth"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(work / f"library-{count}", state)
        index = Index(state)
        spent = [dict(_arrival(index, number)) for number in range(_ARRIVALS)]
        index.close()
        for step in STEPS:
            costs[step, count] = 1000 * statistics.median(one[step] for one in spent)
        costs["arrival", count] = 1000 * statistics.median(sum(one.values()) for one in spent)
    few, *others = sorted(counts)
    return [
        Figure(
            "index work of an arrival",
            f"grows from {few:,} to {many:,} photos by",
            costs["arrival", many] / costs["arrival", few],
            bar=_BAR if many // few <= _BAR_TIMES else None,
            note=f"{costs['arrival', many]:.2f} ms at {many:,}",
        )
        for many in others
    ], costs


def _arrival(index: Index, number: int) -> Iterator[tuple[str, float]]:
    photo = list(newcomers(number + 1, 99))[number]
    at = time.process_time()

    def since() -> float:
        nonlocal at
        before, at = at, time.process_time()
        return at - before

    index.photos.at(RootId(1), photo.path)
    index.photos.same_inode(RootId(1), photo.stat)
    index.is_level(RootId(1))
    yield "look up", since()
    known = index.photos.record(RootId(1), photo.path, photo.stat, photo.reading, arrived=True)
    yield "record", since()
    index.memory.is_allowed(known.reading.digest, known.reading.digest)
    list(index.photos.candidates(known, [RootId(1)], 5, 24))
    yield "candidates", since()
    index.photos.set_judged(known.id)
    index.journal.since(time.time() - 3600)
    yield "judge", since()
    index.photos.count()
    index.photos.count(RootId(1))
    index.journal.count_held()
    yield "status", since()
