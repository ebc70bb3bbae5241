"""Which rows and columns a program picked that shrank by leaving out pixels, read from its result.

Programs round differently when they step through the pixels (in floats, in sixteenths, in two passes), so a pick may
lie a pixel or two beside where it belongs. Rows and columns are picked apart: each is told by comparing whole lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_REACH = 2  # source pixels beside the right place
_ROUNDS = 3
_CLEARLY = 0.8  # of the difference in its own place: lines of a sky differ by the encoder's noise alone
_ON_AN_EDGE = 0.02  # source pixels: so near to it floats decide which pixel a middle belongs to
_EXCEPTIONS = 0.1  # of the lines that tell which of two pixels is taken on an edge: with more there is no rule for all
_FEWEST = 20  # lines that tell clearly, to read steps from
_MOST_MOVED = 0.6  # source pixels on average: more is another frame of a burst, not another rounding

Lines = NDArray[np.int16]
Picks = NDArray[np.intp]
Pair = tuple[Picks, Picks]  # the same lines, where a middle lies on an edge the pixel after it and the one before


def picked(source: Image.Image, target: Image.Image) -> Image.Image | None:
    """Return the target's pixels taken from the source, RGB; None when they are taken from elsewhere.

    `target` is smaller in both directions, or as large.
    """
    theirs, ours = (np.asarray(image.convert("L")).astype(np.int16) for image in (target, source))
    plain = [_middles(ours.shape[axis], theirs.shape[axis]) for axis in (0, 1)]
    places = [[plain[axis]] for axis in (0, 1)]
    rows, columns = (middles[0] for middles in plain)
    for _ in range(_ROUNDS):
        rows, row_steps = _nearest_lines(theirs, ours[:, columns], places[0])
        columns, column_steps = _nearest_lines(theirs.T, ours[rows].T, places[1])
        places = [[plain[0], *row_steps], [plain[1], *column_steps]]
    for picks, (middles, _) in ((rows, plain[0]), (columns, plain[1])):
        if abs(float((picks - middles).mean())) > _MOST_MOVED or bool((np.diff(picks) < 0).any()):
            return None
    return Image.fromarray(np.asarray(source)[rows][:, columns])


def _middles(length: int, count: int) -> Pair:
    """Return the source pixel under the middle of each of `count` target pixels."""
    after, before = (((2 * np.arange(count) + 1) * length - less) // (2 * count) for less in (0, 1))
    return after.astype(np.intp), before.astype(np.intp)


def _nearest_lines(theirs: Lines, ours: Lines, places: list[Pair]) -> tuple[Picks, list[Pair]]:
    """Return for each of their rows the one of ours that differs least, and where the steps between them lead.

    All start at the nearest of the `places`; one beside it is taken only where that differs clearly less.
    """

    def apart(rows: Picks) -> NDArray[np.int64]:
        return np.asarray(np.abs(theirs - ours[rows]).sum(axis=1, dtype=np.int64))

    every = np.arange(len(theirs))
    started = [(pair, (apart(pair[0]), apart(pair[1]))) for pair in places]
    pair, costs = min(started, key=lambda one: int(np.minimum(*one[1]).sum()))
    start = _on_edges(pair, costs)
    steps = sorted(range(-_REACH, _REACH + 1), key=abs)
    tried = np.stack([np.clip(start + step, 0, len(ours) - 1) for step in steps])
    cost = np.stack([apart(rows) for rows in tried])
    best = np.where(cost.min(axis=0) < _CLEARLY * cost[0], cost.argmin(axis=0), 0)
    picks = _in_order(np.asarray(tried[best, every]), start)
    first, second = np.sort(cost, axis=0)[:2]
    return picks, _stepped(picks, first < _CLEARLY * second, len(ours))


def _in_order(picks: Picks, start: Picks) -> Picks:
    """Put back where they started lines that go backwards: of an even sky noise alone tells which is nearest."""
    for _ in start:  # each turn puts back one at least
        back = np.flatnonzero(np.diff(picks) < 0)
        if not back.size:
            break
        picks[back], picks[back + 1] = start[back], start[back + 1]
    return picks


def _on_edges(pair: Pair, costs: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Picks:
    """Decide which of two pixels a middle on their edge belongs to.

    Mostly that is one rule for all lines: together they tell where a line of sky does not. Floats may follow none.
    """
    rule = int(costs[1].sum() < costs[0].sum())
    own, other = costs[rule], costs[1 - rule]
    against, for_it = int((other < _CLEARLY * own).sum()), int((own < _CLEARLY * other).sum())
    if against <= _EXCEPTIONS * (against + for_it):
        return pair[rule]
    return np.where(costs[1] < costs[0], pair[1], pair[0])


def _stepped(picks: Picks, clear: NDArray[np.bool_], length: int) -> list[Pair]:
    """Return where even steps through the `clear` picks lead; nothing where too few are clear.

    A program that was told a scale and not a size steps by that scale: then it drifts from the middles.
    """
    if int(clear.sum()) < _FEWEST:
        return []
    middles = np.arange(len(picks)) + 0.5
    step, start = np.polyfit(middles[clear], picks[clear] + 0.5, 1)
    at = (np.floor(start + step * middles + edge) for edge in (_ON_AN_EDGE, -_ON_AN_EDGE))
    after, before = (np.clip(line, 0, length - 1).astype(np.intp) for line in at)
    return [(after, before)]
