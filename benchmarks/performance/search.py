"""Looking for photos whose hash is near: the index beside numpy, FAISS, pybktree and PostgreSQL. Are all found?"""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.performance import postgres
from benchmarks.performance.figures import Figure
from benchmarks.performance.libraries import copies, made, newcomers
from twinwatch.index import Index
from twinwatch.photo import Photo, RootId

Times = dict[tuple[str, int, int], float]
"""(program, photos, radius) -> median seconds of processor for one newcomer, all eight orientations."""

Program = tuple[Callable[[Photo, int], set[int]], Callable[[], float]]
"""(newcomer, radius) -> the hashes that are near; and the seconds of processor it has taken outside this process."""

_QUERIES = 30
_LARGEST_TREE = 10_000  # photos: pybktree looks at most of them, in Python
_LARGEST_FAISS = 1_000_000


def measure(work: Path, counts: Sequence[int], say: Callable[[str], None]) -> tuple[list[Figure], Times]:
    """Ask every program the same; assert that the index finds exactly what brute force does."""
    times: Times = {}
    figures: list[Figure] = []
    for count in counts:
        index = made(work / f"library-{count}", count)
        hashes = _hashes(index)
        asked = [*newcomers(_QUERIES // 2, 7), *copies(_known(index, count), 7)]
        with _programs(index, hashes, count) as programs:
            for radius in (5, 8):
                hits, spent = _asked(programs, asked, radius)
                times |= {(name, count, radius): seconds for name, seconds in spent.items()}
                say(f"  {count:,} photos, radius {radius}: {hits} found, by all of {', '.join(programs)}")
        for radius in (5, 8):
            ratio = times["twinwatch", count, radius] / times["numpy", count, radius]
            figures.append(
                Figure(
                    f"search among {count:,}, radius {radius}",
                    "beside numpy brute force",
                    ratio,
                    bar=1.0 if count >= 1_000_000 else None,
                    note=f"{1000 * times['twinwatch', count, radius]:.2f} ms",
                )
            )
        index.close()
    return figures + list(_bend(times, counts)), times


def equal(work: Path) -> Iterator[Figure]:
    """Measure a search that hits ten thousand photos of one and the same hash, all plausible copies."""
    index = made(work / "library-equal", 100_000, equal=10_000)
    among = [RootId(1)]
    one = next(photo for photo in _known(index, 100_000, last=True))
    spent = []
    for _ in range(5):
        began = time.process_time()
        assert len(list(index.photos.candidates(one, among, 5, 24))) == 24
        spent.append(time.process_time() - began)
    index.close()
    yield Figure("search that hits 10,000 equal hashes", "24 likeliest of them", 1000 * statistics.median(spent), "ms")


def _asked(programs: Mapping[str, Program], photos: Sequence[Photo], radius: int) -> tuple[int, dict[str, float]]:
    """Ask every program for what is near each photo, in turns; return how many were found, and the median seconds."""
    found: dict[str, list[set[int]]] = {name: [] for name in programs}
    spent: dict[str, list[float]] = {name: [] for name in programs}
    for photo in photos:
        for name, (ask, clock) in programs.items():
            began = time.process_time() + clock()
            found[name].append(ask(photo, radius))
            spent[name].append(time.process_time() + clock() - began)
    for name in programs:
        assert found[name] == found["numpy"], f"{name} found something else than brute force"
    return sum(map(len, found["numpy"])), {name: statistics.median(each) for name, each in spent.items()}


@contextmanager
def _programs(index: Index, hashes: NDArray[np.uint64], count: int) -> Iterator[dict[str, Program]]:
    def ours(photo: Photo, radius: int) -> set[int]:
        near = list(index.photos.candidates(photo, [RootId(1)], radius, 1_000_000))
        return {one.reading.fingerprint.hashes[0] for one in near if one.reading.fingerprint}

    def brute(photo: Photo, radius: int) -> set[int]:
        near = np.zeros(len(hashes), dtype=bool)
        for own in _eight(photo):
            near |= np.bitwise_count(hashes ^ np.uint64(own)) <= radius
        return set(map(int, hashes[near]))

    programs: dict[str, Program] = {"twinwatch": (ours, _nothing), "numpy": (brute, _nothing)}
    if find_spec("faiss") and count <= _LARGEST_FAISS:
        programs["FAISS"] = (_faiss(hashes), _nothing)
    if find_spec("pybktree") and count <= _LARGEST_TREE:
        programs["pybktree"] = (_tree(hashes), _nothing)
    with postgres.server(hashes) as server:
        if server is not None:
            programs["PostgreSQL"] = (lambda photo, radius: server.ask(_eight(photo), radius), server.clock())
        yield programs


def _nothing() -> float:
    return 0.0


def _faiss(hashes: NDArray[np.uint64]) -> Callable[[Photo, int], set[int]]:
    import faiss

    faiss.omp_set_num_threads(1)
    flat: Any = faiss.IndexBinaryFlat(64)
    flat.add(hashes.view(np.uint8).reshape(-1, 8))

    def ask(photo: Photo, radius: int) -> set[int]:
        eight = np.array(_eight(photo), dtype=np.uint64).view(np.uint8).reshape(-1, 8)
        _, _, numbers = flat.range_search(eight, radius + 1)  # it finds what is nearer than that
        return set(map(int, hashes[numbers]))

    return ask


def _tree(hashes: NDArray[np.uint64]) -> Callable[[Photo, int], set[int]]:
    import pybktree

    grown = pybktree.BKTree(lambda a, b: (a ^ b).bit_count(), map(int, hashes))

    def ask(photo: Photo, radius: int) -> set[int]:
        return {value for own in _eight(photo) for _, value in grown.find(own, radius)}

    return ask


def _bend(times: Times, counts: Sequence[int]) -> Iterator[Figure]:
    few, many = min(counts), max(counts)
    for radius in (5, 8):
        grew = times["twinwatch", many, radius] / times["twinwatch", few, radius]
        yield Figure(
            f"search, radius {radius}",
            f"grows from {few:,} to {many:,} photos by",
            grew,
            bar=many / few / 2,
            note=f"the library grows {many // few:,} times",
        )


def _hashes(index: Index) -> NDArray[np.uint64]:
    database = sqlite3.connect(index.path)
    rows = [row[0] for row in database.execute("SELECT phash FROM photo")]
    database.close()
    return np.array(rows, dtype=np.int64).view(np.uint64)


def _known(index: Index, count: int, *, last: bool = False) -> Iterator[Photo]:
    numbers = [count] if last else range(1, count, max(1, count // (_QUERIES // 2)))
    for number in numbers:
        photo = index.photos.by_id(number)  # type: ignore[arg-type]
        assert photo is not None
        yield photo


def _eight(photo: Photo) -> tuple[int, ...]:
    assert photo.reading.fingerprint is not None
    return photo.reading.fingerprint.hashes
