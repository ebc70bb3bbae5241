"""The JPEGs between: what a copy of a copy was stored as before, found by trying.

Each earlier generation left its rounding in the pixels, and nothing in the file names it. So the chain grows as long as
one more generation brings the windows nearer: first the coarsest, which left the most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from twinwatch.proof.finishing import Generation

_MOST = 3  # generations: those before leave next to nothing behind these
_QUALITIES = range(40, 97, 4)
_SCALES = (2, 3, 4, 5, 7, 9, 12, 15)  # of MPEG's matrix
_NEIGHBOURS = (-2, -1, 1, 2)
_WORTH = 0.97  # of the distance before: a generation that brings less is noise

CHOICE = [
    Generation(quality, subsampling, mpeg)
    for subsampling in (2, 0)
    for mpeg, qualities in ((False, _QUALITIES), (True, _SCALES))
    for quality in qualities
]

Chain = tuple[Generation, ...]
Distance = Callable[[Chain, float], float]
"""How far a chain stays; infinitely, without looking at every window, where that is so much or more."""


def earlier(
    windows: Sequence[Image.Image], finish: Callable[[Image.Image], Image.Image], aims: Sequence[Image.Image]
) -> tuple[float, Chain]:
    """Return the generations that, applied to the windows before `finish`, bring them nearest to their aims.

    With how far they stay (mean absolute, grey levels). All RGB, each window as large as its aim; `finish` is the
    file's own quantisation. Empty when none is worth it.
    """
    wanted = [np.asarray(aim).astype(np.int16) for aim in aims]

    def distance(chain: Chain, most: float = math.inf) -> float:
        total = 0.0
        for window, aim in zip(windows, wanted, strict=True):
            image = window
            for generation in chain:
                image = generation.applied(image)
            total += float(np.abs(np.asarray(finish(image)).astype(np.int16) - aim).mean())
            if total / len(wanted) >= most:
                return math.inf  # whatever the other windows add
        return total / len(wanted)

    chain: Chain = ()
    left = distance(chain)
    for _ in range(_MOST):
        grown = [(*chain[:place], generation, *chain[place:]) for generation in CHOICE for place in {0, len(chain)}]
        found, best = _nearest(grown, distance, left * _WORTH)
        if best is None:
            break
        left, chain = _refined(found, best, distance)
    return left, chain


def _nearest(chains: Iterable[Chain], distance: Distance, most: float) -> tuple[float, Chain | None]:
    """Return the chain that comes nearest, the first of equals, and how near; none where all stay `most` away."""
    best: Chain | None = None
    for chain in chains:
        found = distance(chain, most)
        if found < most:
            most, best = found, chain
    return most, best


def _refined(left: float, chain: Chain, distance: Distance) -> tuple[float, Chain]:
    """Move one quality at a time by a step or two for as long as it helps."""
    while True:
        near = [
            (*chain[:place], replace(generation, quality=generation.quality + step), *chain[place + 1 :])
            for place, generation in enumerate(chain)
            for step in _NEIGHBOURS
            if 1 <= generation.quality + step <= (31 if generation.mpeg else 100)
        ]
        found, best = _nearest(near, distance, left)
        if best is None:
            return left, chain
        left, chain = found, best
