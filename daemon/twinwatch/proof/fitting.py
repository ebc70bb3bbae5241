"""The filter that is left of an unknown scaler: what would turn these windows into those?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

_MAX_SHIFT, _MAX_SHIFT_UNSCALED = 0.27, 0.05
"""Pixels a fitted filter may move the picture. Scalers differ in where they sample: of 531 copies two were moved by
0.28, all others up to 0.26; without a scaler up to 0.007. A frame of a burst that was moved by two pixels is off by 0.5
when it is shrunk to a quarter, a page moved by half a pixel by 0.18 to 0.5 without a scaler."""

_NEIGHBOURS = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)]
_LEAST = 12  # pixels: a smaller window says nothing of 24 weights


def fitted(
    ours: Sequence[Image.Image], theirs: Sequence[Image.Image], *, scaled: bool = True
) -> ImageFilter.Kernel | None:
    """Fit the 5x5 kernel that turns our windows into theirs, in luma, by least squares.

    The weights sum to one, so that no change of tone can hide in it. None when the windows are too small or the fit
    moves the picture; it may do so by a little where a scaler made ours.
    """
    count, pixels = len(_NEIGHBOURS), 0
    normal, aims = np.zeros((count, count)), np.zeros(count)
    for one, other in zip(ours, theirs, strict=True):
        luma, aim = (np.asarray(image.convert("L")).astype(np.int16) for image in (one, other))
        if min(luma.shape) < _LEAST:
            return None
        centre = luma[2:-2, 2:-2]
        high, wide = centre.shape
        # Whole numbers, of which a double holds these sums exactly: every BLAS, in whatever order, finds the same.
        seen = np.empty((count, high, wide))
        for around, (y, x) in zip(seen, _NEIGHBOURS, strict=True):
            np.subtract(luma[2 + y : 2 + y + high, 2 + x : 2 + x + wide], centre, out=around)
        rows = seen.reshape(count, -1)
        normal += rows @ rows.T
        aims += rows @ (aim[2:-2, 2:-2] - centre).ravel().astype(np.float64)
        pixels += centre.size
    normal += np.eye(count) * 0.5 * pixels  # half a grey level of noise: no wild fits of flat windows
    weights = np.asarray(np.linalg.solve(normal, aims), dtype=np.float64)
    return _kernel(weights, _MAX_SHIFT if scaled else _MAX_SHIFT_UNSCALED)


def _kernel(weights: NDArray[np.float64], most_shift: float) -> ImageFilter.Kernel | None:
    taps = np.zeros((5, 5))
    for (dy, dx), weight in zip(_NEIGHBOURS, weights, strict=True):
        taps[dy + 2, dx + 2] = weight
    taps[2, 2] = 1 - weights.sum()
    reach = np.arange(-2, 3)
    if np.hypot(float((taps.sum(axis=1) * reach).sum()), float((taps.sum(axis=0) * reach).sum())) > most_shift:
        return None
    # Pillow runs a kernel's rows bottom-up: flipped, taps[y, x] meets the pixel at (y, x).
    return ImageFilter.Kernel((5, 5), taps[::-1].ravel().tolist(), scale=1)
