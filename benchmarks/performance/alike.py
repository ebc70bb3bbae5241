"""A burst of look-alikes, hundreds of frames of one scene: what their proofs cost beside fingerprinting them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.performance.costs import TWINWATCH, Cost, in_turns, run
from benchmarks.performance.figures import Figure


def measure(frames: Sequence[Path], strangers: Sequence[Path], work: Path) -> Iterator[Figure]:
    """Scan the frames, and as many strangers of the same size, which need no proof."""
    costs = in_turns(1, {"frames": lambda: _scan(frames, work), "strangers": lambda: _scan(strangers, work)})
    ratio = (costs["frames"].processor / len(frames)) / (costs["strangers"].processor / len(strangers))
    what = f"{len(frames)} frames of one scene"
    yield Figure(what, "beside fingerprinting as many strangers", ratio, bar=2)


def _scan(photos: Sequence[Path], work: Path) -> Cost:
    folder, state = work / "alike", work / "alike-state"
    for old in (folder, state):
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
    for photo in photos:
        os.link(photo, folder / photo.name)
    return run([*TWINWATCH, "scan", "--state", state, folder])
