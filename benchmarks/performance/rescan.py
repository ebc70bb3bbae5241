"""`scan` of nothing new beside `find -printf` over the same tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.performance.costs import TWINWATCH, in_turns, run
from benchmarks.performance.figures import Figure
from benchmarks.performance.libraries import known_by_heart, tree

_FIND = "%p %s %T@ %C@ %i\\n"


def measure(work: Path, counts: list[int], rounds: int) -> tuple[list[Figure], list[tuple[int, float, float]]]:
    """Return the figures, and (files, microseconds of find a file, of scan a file) for each tree."""
    figures, points = [], []
    for count in counts:
        root, state = work / f"tree-{count}", work / f"tree-{count}-state"
        tree(root, count)
        if not (state / "index.db").exists():
            known_by_heart(state, root)
        costs = in_turns(
            rounds,
            {
                "scan": lambda state=state, root=root: run([*TWINWATCH, "scan", "--state", state, root]),  # type: ignore[misc]
                "find": lambda root=root: run(["find", root, "-printf", _FIND]),  # type: ignore[misc]
            },
        )
        ours, theirs = costs["scan"].processor, costs["find"].processor
        bar = 3.0 if count >= 100_000 else None
        note = f"{1e6 * ours / count:.1f} us a file beside {1e6 * theirs / count:.1f}, the start included"
        figures.append(
            Figure(f"scan of nothing new, {count:,} files", "beside find -printf", ours / theirs, bar=bar, note=note)
        )
        points.append((count, 1e6 * theirs / count, 1e6 * ours / count))
    figures += list(_slope(points))
    return figures, points


def _slope(points: list[tuple[int, float, float]]) -> Iterator[Figure]:
    if len(points) > 1:
        (few, find_few, scan_few), (many, find_many, scan_many) = points[0], points[-1]
        scan = (scan_many * many - scan_few * few) / (many - few)
        find = (find_many * many - find_few * few) / (many - few)
        yield Figure(
            "scan of nothing new", "each further file beside find -printf", scan / find, bar=3.0, note=f"{scan:.1f} us"
        )
