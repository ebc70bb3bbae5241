"""How much did a codec lose that does not say so? The quality of ours that leaves as much noise, found by trying.

Not the noise itself: another encoder of the same codec decides otherwise where it may lose something. How much it loses
in a place depends on the picture there, and that is what a re-creation tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.finishing import Recoding

_QUALITIES = (5, 15, 30, 45, 60, 75, 90)
_STEPS = (7, 4, 2, 1)
_BEST = 100
_NO_NOISE = 0.05  # grey levels, added on both sides: rounding is noise too
_TILE = 8  # pixels


def fitted(ours: Sequence[Image.Image], theirs: Sequence[Image.Image], codec: str) -> Recoding:
    """Return the recoding of our windows (RGB) that differs from them as much as theirs do, in the median tile."""
    before = [_luma(image) for image in ours]
    aim = _noise(zip((_luma(image) for image in theirs), before, strict=True))
    seen: dict[int, float] = {}

    def off(quality: int) -> float:
        if quality not in seen:
            after = (_luma(Recoding(codec, quality).applied(image)) for image in ours)
            found = _noise(zip(after, before, strict=True))
            seen[quality] = abs(math.log((found + _NO_NOISE) / (aim + _NO_NOISE)))
        return seen[quality]

    best = min(_QUALITIES, key=off)
    for step in _STEPS:
        best = min((max(1, best - step), best, min(_BEST, best + step)), key=off)
    return Recoding(codec, best)


def _luma(image: Image.Image) -> NDArray[np.int16]:
    return np.asarray(image.convert("L")).astype(np.int16)


def _noise(pairs: zip[tuple[NDArray[np.int16], NDArray[np.int16]]]) -> float:
    """Return the median over all tiles of the mean absolute difference, in grey levels."""
    found = []
    for one, other in pairs:
        height, width = (length // _TILE * _TILE for length in one.shape)
        apart = np.abs(one - other)[:height, :width]
        found.append(apart.reshape(height // _TILE, _TILE, width // _TILE, _TILE).mean(axis=(1, 3)).ravel())
    return float(np.median(np.concatenate(found))) if any(tiles.size for tiles in found) else 0.0
