"""The JPEGs between: what a copy of a copy was stored as before, found by trying.

Each earlier generation left its rounding in the pixels, and nothing in the file names it. So the chain grows as long as
one more generation brings the windows nearer: first the coarsest, which left the most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
from PIL import Image

from twinwatch.proof.finishing import Generation, Resaving
from twinwatch.proof.picture import JpegTables

_MOST = 3  # generations: those before leave next to nothing behind these
_QUALITIES = range(40, 97, 4)
_SCALES = (2, 3, 4, 5, 7, 9, 12, 15)  # of MPEG's matrix
_NEIGHBOURS = (-2, -1, 1, 2)
_FINALISTS = 8  # chains that are looked at in more than the first window
_REMEMBERED = 64  # windows on their way through a chain: those that share its beginning are stored so once
_WORTH = 0.97  # of the distance before: a generation that brings less is noise
_MOST_CUT_OFF = 1
"""Generations that cut off: each moves luma and chroma by half a level, and three of them a hue by six degrees."""

_CHOICE = [
    Generation(quality, subsampling, mpeg)
    for subsampling in (2, 0)
    for mpeg, qualities in ((False, _QUALITIES), (True, _SCALES))
    for quality in qualities
] + [Generation(quality, 0, cut_off=True) for quality in _QUALITIES]

Chain = tuple[Generation | Resaving, ...]


def earlier(windows: Sequence[Image.Image], tables: JpegTables, aims: Sequence[Image.Image]) -> tuple[float, Chain]:
    """Return the generations that, applied to the windows before the file's own tables, bring them nearest to the aims.

    With how far they stay (mean absolute, grey levels). All RGB, each window as large as its aim. Empty when none is
    worth it.
    """
    own = Resaving(tables)
    wanted = [np.asarray(aim).astype(np.int16) for aim in aims]

    @lru_cache(_REMEMBERED)
    def before(chain: Chain, place: int) -> Image.Image:
        return chain[-1].applied(before(chain[:-1], place)) if chain else windows[place]

    @cache
    def apart(chain: Chain, place: int) -> float:
        stored = chain[-1].applied(before(chain[:-1], place)) if chain else windows[place]
        return float(np.abs(np.asarray(own.applied(stored)).astype(np.int16) - wanted[place]).mean())

    def distance(chain: Chain, looked_at: int = len(windows)) -> float:
        return sum(apart(chain, place) for place in range(looked_at)) / looked_at

    chain: Chain = ()
    left = distance(chain)
    for _ in range(_MOST):
        grown = [(*chain[:place], generation, *chain[place:]) for generation in _CHOICE for place in {0, len(chain)}]
        grown = [one for one in grown if sum(generation.cut_off for generation in one) <= _MOST_CUT_OFF]
        if not chain:  # two programs that saved it in turns: neither saving alone brings it nearer
            grown += [(own, generation) for generation in _CHOICE]
        finalists = sorted(grown, key=lambda one: distance(one, 1))[:_FINALISTS]
        found, best = min(((distance(one), one) for one in finalists), key=lambda pair: pair[0])
        if found >= left * _WORTH:
            break
        left, chain = _refined(found, best, distance)
        if not left:
            break  # made exactly
    return left, chain


def _refined(left: float, chain: Chain, distance: Callable[[Chain], float]) -> tuple[float, Chain]:
    """Move one quality at a time by a step or two for as long as it helps."""
    while True:
        near = [
            (*chain[:place], replace(generation, quality=generation.quality + step), *chain[place + 1 :])
            for place, generation in enumerate(chain)
            if isinstance(generation, Generation)
            for step in _NEIGHBOURS
            if 1 <= generation.quality + step <= (31 if generation.mpeg else 100)
        ]
        found, best = min(((distance(one), one) for one in near), key=lambda pair: pair[0])
        if found >= left:
            return left, chain
        left, chain = found, best
