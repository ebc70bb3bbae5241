"""GD's own bicubic scaler, as PHP's `imagescale` offers it: made again to the last bit.

It reads all sixteen neighbours of a pixel from one row, so it smooths across and picks rows, and it brightens what it
has smoothed: nothing else comes near.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from twinwatch.proof.scaling import Box, Source

_ONE = 256  # all numbers are whole 256ths (`gdFixed`)
_GAMMA = 266  # 1.04
_TAPS = range(4)  # pixels from one before to two behind

Whole = NDArray[np.int32]


def bicubic(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
    """Make a window of the scaled source; `size` is the whole target's.

    As `gdImageScaleBicubicFixed` of libgd's `gd_interpolation.c` does it. At the last row it reads memory that was
    never set; we take the pixel itself there.
    """
    (width, height), (wide, high) = source.size, size
    column, across = _places(width, wide, box[0], box[2])
    row, down = _places(height, high, box[1], box[3])
    left, right = max(0, int(column[0]) - 1), min(width, int(column[-1]) + 3)
    top, bottom = int(row[0]), int(row[-1]) + 1
    pixels = np.asarray(source.part((left, top, right, bottom))).astype(np.int32)
    beside = (
        np.where(column < 1, column, column - 1),
        column,
        np.where(column >= width - 1, column, column + 1),
        np.where(column >= width - 2, column, column + 2),
    )
    total = np.zeros((len(row), len(column), 3), dtype=np.int32)
    edges = _edge(row, height)
    for edge in sorted(set(edges.tolist())):
        rows = np.flatnonzero(edges == edge)
        weights = _weights(edge)[down[rows]][:, across]
        of_rows = pixels[row[rows] - top]
        total[rows] = sum(of_rows[:, beside[tap] - left] * weights[:, :, tap, None] for tap in _TAPS)
    return Image.fromarray(((total * _GAMMA >> 8) >> 8).clip(0, 255).astype(np.uint8))


_NONE, _FIRST, _LAST_BUT_ONE, _LAST = range(4)
_AT_PIXEL = {_NONE: (), _FIRST: (0,), _LAST_BUT_ONE: (3,), _LAST: (2, 3)}
"""Which rows of the sixteen neighbours are read at the pixel itself where there is no such row."""


def _edge(row: NDArray[np.intp], height: int) -> NDArray[np.int8]:
    edge = np.full(row.shape, _NONE, dtype=np.int8)
    edge[row >= height - 2] = _LAST_BUT_ONE
    edge[row >= height - 1] = _LAST
    edge[row < 1] = _FIRST
    return edge


def _places(length: int, count: int, first: int, end: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the source pixel of each target pixel from `first` to before `end`, and where in it, in 256ths."""
    step = int(np.float32(length) / np.float32(count) * _ONE)
    at = np.arange(first, end) * step
    return at // _ONE, at % _ONE


@cache
def _weights(edge: int) -> Whole:
    """Return what each of the four pixels across counts, in 256ths.

    Shape (256, 256, 4): by where in its row and in its column the target pixel lies.
    """
    curve = _curve()
    weights = np.zeros((_ONE, _ONE, 4), dtype=np.int32)
    for down, across in product(_TAPS, _TAPS):
        part = np.outer(curve[:, down], curve[:, across]) // _ONE
        weights[:, :, 1 if down in _AT_PIXEL[edge] else across] += part.astype(np.int32)
    return weights


@cache
def _curve() -> NDArray[np.int64]:
    """Return the cubic B-spline at the four pixels around each 256th, in 256ths; shape (256, 4)."""
    at = (np.arange(4) - 1) * _ONE - np.arange(_ONE)[:, None]

    def cubed(value: NDArray[np.int64]) -> NDArray[np.int64]:
        above = np.maximum(value, 0)
        return np.asarray(above * (above * above // _ONE) // _ONE)

    sixfold = cubed(at + 2 * _ONE) - 4 * cubed(at + _ONE) + 6 * cubed(at) - 4 * cubed(at - _ONE)
    return np.asarray(np.trunc(sixfold / 6).astype(np.int64))
