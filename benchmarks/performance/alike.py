"""A burst of look-alikes, hundreds of frames of one scene: what their proofs cost beside fingerprinting them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.performance.cold import scan_anew
from benchmarks.performance.costs import in_turns
from benchmarks.performance.figures import Figure


def measure(frames: Sequence[Path], strangers: Sequence[Path], work: Path, rounds: int, size: str) -> Iterator[Figure]:
    """Scan the frames, and as many strangers of as many pixels and bytes, which need no proof."""
    kinds = {"frames": lambda: scan_anew(frames, work), "strangers": lambda: scan_anew(strangers, work)}
    costs = in_turns(rounds, kinds)
    ratio = (costs["frames"].processor / len(frames)) / (costs["strangers"].processor / len(strangers))
    what = f"{len(frames)} frames of one scene, {size}"
    yield Figure(what, "beside fingerprinting as many strangers", ratio, bar=2)
