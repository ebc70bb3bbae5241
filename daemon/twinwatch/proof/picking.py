"""Which rows and columns a program picked that shrank by leaving out pixels, read from its result.

Programs round differently when they step through the pixels (in floats, in sixteenths, in two passes), so a pick may
lie a pixel or two beside where it belongs. Rows and columns are picked apart: each is told by comparing whole lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_REACH = 2  # source pixels beside the right place
_ROUNDS = 2
_CLEARLY = 0.8  # of the difference in its own place: lines of a sky differ by the encoder's noise alone
_MOST_MOVED = 0.6  # source pixels on average: more is another frame of a burst, not another rounding


def picked(source: Image.Image, target: Image.Image) -> Image.Image | None:
    """Return the target's pixels taken from the source, RGB; None when they are taken from elsewhere.

    `target` is smaller in both directions, or as large.
    """
    theirs, ours = (np.asarray(image.convert("L")).astype(np.int16) for image in (target, source))
    rows, columns = (_middles(ours.shape[axis], theirs.shape[axis]) for axis in (0, 1))
    for _ in range(_ROUNDS):
        rows = _nearest_lines(theirs, ours[:, columns])
        columns = _nearest_lines(theirs.T, ours[rows].T)
    for axis, picks in ((0, rows), (1, columns)):
        moved = picks - _middles(ours.shape[axis], theirs.shape[axis])
        if abs(float(moved.mean())) > _MOST_MOVED or bool((np.diff(picks) < 0).any()):
            return None
    return Image.fromarray(np.asarray(source)[rows][:, columns])


def _middles(length: int, count: int, *, lower: bool = False) -> NDArray[np.intp]:
    """Return the source pixel under the middle of each of `count` target pixels; on an edge the second, or `lower`."""
    return (((2 * np.arange(count) + 1) * length - lower) // (2 * count)).astype(np.intp)


def _nearest_lines(theirs: NDArray[np.int16], ours: NDArray[np.int16]) -> NDArray[np.intp]:
    """Return for each of their rows the one of ours that differs clearly least, near its place or else in it."""

    def apart(rows: NDArray[np.intp]) -> NDArray[np.int64]:
        return np.asarray(np.abs(theirs - ours[rows]).sum(axis=1, dtype=np.int64))

    # Which pixel an edge belongs to is one rule for all lines: together they tell where a line of sky does not.
    starts = [_middles(len(ours), len(theirs), lower=lower) for lower in (False, True)]
    start = min(starts, key=lambda rows: int(apart(rows).sum()))
    steps = sorted(range(-_REACH, _REACH + 1), key=abs)
    tried = np.stack([np.clip(start + step, 0, len(ours) - 1) for step in steps])
    cost = np.stack([apart(rows) for rows in tried])
    best = np.where(cost.min(axis=0) < _CLEARLY * cost[0], cost.argmin(axis=0), 0)
    return np.asarray(tried[best, np.arange(len(theirs))])
