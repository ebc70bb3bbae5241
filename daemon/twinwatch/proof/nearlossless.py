"""Did WebP's near-lossless mode make this picture of that one? It rounds by its own rules, and they are looked for.

libwebp (`src/enc/predictor_enc.c`, `near_lossless_enc.c`) moves a channel by up to 1, 2, 4, 8 or 16 levels, never where
the picture is smooth, and nearly everywhere else. No edit does that: it leaves the rest alone, or touches what is flat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MOST = 4  # levels: `-near_lossless 40`; with more another picture could hide in them
_SMOOTH = 2  # levels to each of the four neighbours: left as it is (every one of 21 photos at 3 settings)
_ROUGH = 8  # levels to one of them: 85 % of these pixels are moved at setting 80, 97 % at 60
_LEAST_SHARE = 0.8
_LEAST_ROUGH = 4096  # pixels: fewer prove little
_MOST_MEAN = 0.3  # levels, of any channel over the whole: measured up to 0.1, brighter by a level is 1
_STRIP = 256  # rows at a time

Pixels = NDArray[np.int16]


def near_lossless(source: Image.Image, target: Image.Image) -> int:
    """Return by how many levels (1 to 4) the most moved channel of any pixel was rounded; 0 when it was something else.

    Both RGB and of one size.
    """
    most = rough = moved = 0
    total = np.zeros(3)
    for top in range(0, source.height, _STRIP):
        ours = _rows(source, top - 1, top + _STRIP + 1)
        inner = slice(min(top, 1), min(top, 1) + min(_STRIP, source.height - top))
        difference = _rows(target, top, top + _STRIP) - ours[inner]
        total += difference.sum(axis=(0, 1), dtype=np.int64)
        apart = np.abs(difference).max(axis=2)
        steps = _steps(ours)[inner]
        most = max(most, int(apart.max()))
        if most > _MOST or bool((apart[steps <= _SMOOTH] > 0).any()):
            return 0
        rough += int((steps > _ROUGH).sum())
        moved += int((apart[steps > _ROUGH] > 0).sum())
    everywhere = rough >= _LEAST_ROUGH and moved >= _LEAST_SHARE * rough
    return most if everywhere and np.abs(total).max() <= _MOST_MEAN * source.width * source.height else 0


def _rows(image: Image.Image, top: int, bottom: int) -> Pixels:
    return np.asarray(image.crop((0, max(0, top), image.width, min(bottom, image.height)))).astype(np.int16)


def _steps(pixels: Pixels) -> Pixels:
    """Return for each pixel how far any channel is from one of the four neighbours."""
    steps = np.zeros(pixels.shape[:2], dtype=np.int16)
    down, across = (np.abs(np.diff(pixels, axis=axis)).max(axis=2) for axis in (0, 1))
    for part, step in (
        (steps[1:], down), (steps[:-1], down), (steps[:, 1:], across), (steps[:, :-1], across),
    ):  # fmt: skip
        np.maximum(part, step, out=part)
    return steps
