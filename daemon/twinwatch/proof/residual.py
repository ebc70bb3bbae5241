"""What is left when a picture and its re-creation are subtracted, tile by tile, in luma and chroma.

A mean over the picture hides an edit; the worst tile finds it. Tiles are 8x8 pixels; the last row and column overlap
their neighbours where the size is not a multiple of eight, so that no pixel goes unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE = 8
_STRIP = 512  # rows at a time: keeps the working memory small

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Residual:
    """Maps over the tiles, shape (rows, columns, 3) for Y, Cb, Cr; grey levels 0-255.

    `signed` is the mean difference (target less re-creation), `rough` the mean absolute difference, `level` the mean of
    the re-creation. Luma only, shape (rows, columns): `spread` is the re-creation's standard deviation in the tile,
    `target_spread` the target's, `rest` the difference's.
    """

    signed: Plane
    rough: Plane
    level: Plane
    spread: Plane
    target_spread: Plane
    rest: Plane


def residual(target: Image.Image, made: Image.Image) -> Residual:
    """Subtract two RGB pictures of one size."""
    signed: list[Plane] = []
    rough: list[Plane] = []
    level: list[Plane] = []
    spreads: list[list[Plane]] = []
    width, height = target.size
    step = _STRIP
    columns = _covering(width)
    for top in range(0, _rounded(height), step):
        bottom = min(top + step, height)
        rows = _covering(height)[top : top + step]
        low = int(np.min(rows))
        pair = [
            np.asarray(image.crop((0, low, width, max(bottom, int(np.max(rows)) + 1))).convert("YCbCr")).astype(
                np.int16
            )
            for image in (target, made)
        ]
        theirs, ours = (_take(plane, rows - low, columns, width, height) for plane in pair)
        difference = theirs - ours
        level.append(_tile_mean(ours))
        own = _spread(ours[:, :, 0])
        if difference.any():
            signed.append(_tile_mean(difference))
            rough.append(_tile_mean(np.abs(difference)))
            spreads.append([own, _spread(theirs[:, :, 0]), _spread(difference[:, :, 0])])
        else:  # a right re-creation leaves nothing
            signed.append(np.zeros_like(level[-1]))
            rough.append(np.zeros_like(level[-1]))
            spreads.append([own, own, np.zeros_like(own)])
    spread, target_spread, rest = (np.concatenate(maps) for maps in zip(*spreads, strict=True))
    return Residual(np.concatenate(signed), np.concatenate(rough), np.concatenate(level), spread, target_spread, rest)


def joined(parts: Sequence[Residual]) -> Residual:
    """Put residuals of one width below each other."""
    return Residual(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Residual)))


def _take(
    plane: NDArray[np.int16], rows: NDArray[np.intp], columns: NDArray[np.intp], width: int, height: int
) -> NDArray[np.int16]:
    if len(columns) != width:
        plane = plane[:, columns]
    if len(rows) != plane.shape[0] or height % TILE:
        plane = plane[rows]
    return plane


def _rounded(length: int) -> int:
    return -(-length // TILE) * TILE


def _covering(length: int) -> NDArray[np.intp]:
    """Return pixel numbers whose groups of eight cover `length`: the last group is the last eight pixels, reordered."""
    numbers = np.arange(_rounded(length))
    if length < TILE:
        return np.minimum(numbers, length - 1)
    numbers[length:] -= TILE
    return numbers


def _tile_mean(values: NDArray[np.int16]) -> Plane:
    rows, columns, depth = values.shape
    by_row = values.reshape(rows // TILE, TILE, columns, depth).sum(axis=1, dtype=np.int16)
    by_tile = by_row.reshape(rows // TILE, columns // TILE, TILE, depth).sum(axis=2, dtype=np.int32)
    return np.asarray(by_tile / (TILE * TILE), dtype=np.float32)


def _spread(luma: NDArray[np.int16]) -> Plane:
    rows, columns = luma.shape
    values = luma.astype(np.int32)
    shape = (rows // TILE, TILE, columns // TILE, TILE)
    mean = values.reshape(shape).sum(axis=1, dtype=np.int32).sum(axis=2) / (TILE * TILE)
    square = (values * values).reshape(shape).sum(axis=1, dtype=np.int32).sum(axis=2) / (TILE * TILE)
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)), dtype=np.float32)
