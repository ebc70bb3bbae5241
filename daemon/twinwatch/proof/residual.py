"""What is left when a picture and its re-creation are subtracted, tile by tile, in luma and chroma.

A mean over the picture hides an edit; the worst tile finds it. Tiles are 8x8 pixels; the last row and column overlap
their neighbours where the size is not a multiple of eight, so that no pixel goes unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE = 8
_STRIP = 64  # rows at a time: what is worked on stays in the processor's cache

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


@dataclass(frozen=True, eq=False)
class Levels:
    """Y, Cb and Cr of a picture, each of shape (height, width): made once of what is subtracted more than once."""

    planes: tuple[NDArray[np.uint8], ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.planes[0].shape
        return width, height

    def rows(self, low: int, high: int) -> tuple[NDArray[np.uint8], ...]:
        """Return these rows of each plane."""
        return tuple(plane[low:high] for plane in self.planes)


def levels(size: tuple[int, int], strips: Iterable[Image.Image]) -> Levels:
    """Take an RGB picture of this size apart, handed out in strips from its top to its bottom, or as one."""
    planes = tuple(np.empty(size[::-1], dtype=np.uint8) for _ in range(3))
    top = 0
    for strip in strips:
        for low in range(0, strip.height, _STRIP):
            high = min(low + _STRIP, strip.height)
            for plane, part in zip(planes, _rows(strip, low, high), strict=True):
                plane[top + low : top + high] = part
        top += strip.height
    return Levels(planes)


def residual(target: Image.Image | Levels, made: Image.Image | Levels, *, spreads: bool = True) -> Residual:
    """Subtract two pictures of one size, RGB or taken apart; without `spreads` those three maps are left at 0."""
    width, height = target.size
    columns, rows = _covering(width), _covering(height)
    shape = (len(rows) // TILE, len(columns) // TILE)
    # Plane by plane in memory: whatever looks at one channel, or at the most of two, reads in one go.
    signed, rough, level = (np.zeros((3, *shape), dtype=np.float32).transpose(1, 2, 0) for _ in range(3))
    spread, target_spread, rest = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    for top in range(0, len(rows), _STRIP):
        wanted = rows[top : top + _STRIP]
        low, high = int(wanted.min()), int(wanted.max()) + 1
        strip = slice(top // TILE, top // TILE + len(wanted) // TILE)
        parts = (_rows(picture, low, high) for picture in (target, made))
        for channel, both in enumerate(zip(*parts, strict=True)):
            theirs, ours = (_take(plane, wanted - low, columns).astype(np.int16) for plane in both)
            level[strip, :, channel] = _tile_mean(ours)
            if channel == 0 and spreads:
                spread[strip] = target_spread[strip] = _spread(ours, level[strip, :, 0])
            if np.array_equal(theirs, ours):  # a right re-creation leaves nothing
                continue
            if channel == 0 and spreads:
                target_spread[strip] = _spread(theirs, _tile_mean(theirs))
            difference = np.subtract(theirs, ours, out=theirs)
            signed[strip, :, channel] = _tile_mean(difference)
            if channel == 0 and spreads:
                rest[strip] = _spread(difference, signed[strip, :, 0])
            rough[strip, :, channel] = _tile_mean(np.abs(difference, out=difference))
    return Residual(signed, rough, level, spread, target_spread, rest)


def _rows(picture: Image.Image | Levels, low: int, high: int) -> tuple[NDArray[np.uint8], ...]:
    """Return Y, Cb and Cr of these rows."""
    if isinstance(picture, Levels):
        return picture.rows(low, high)
    part = picture.crop((0, low, picture.width, high)).convert("YCbCr")
    return tuple(np.asarray(band) for band in part.split())


def joined(parts: Sequence[Residual]) -> Residual:
    """Put residuals of one width below each other."""
    return Residual(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Residual)))


def _take(plane: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return the plane with whole tiles only; the rows and columns are those of `_covering`."""
    if len(columns) != plane.shape[1] or columns[-1] != len(columns) - 1:
        plane = plane[:, columns]
    if len(rows) != plane.shape[0] or rows[-1] != len(rows) - 1:
        plane = plane[rows]
    return plane


def _covering(length: int) -> NDArray[np.intp]:
    """Return pixel numbers whose groups of eight cover `length`: the last group is the last eight pixels, reordered."""
    numbers = np.arange(-(-length // TILE) * TILE)
    if length < TILE:
        return np.minimum(numbers, length - 1)
    numbers[length:] -= TILE
    return numbers


def _tile_mean(values: NDArray[np.int16]) -> Plane:
    return np.asarray(_tile_sum(values) / np.float32(TILE * TILE), dtype=np.float32)  # at most 64 times 255: it fits


def _tile_sum(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sum over tiles in the type of the values."""
    return _across(np.add.reduce(_in_rows(values), axis=1, dtype=values.dtype))


def _square_sum(values: NDArray[np.int16]) -> NDArray[np.int32]:
    """Sum the squares over tiles."""
    rows = _in_rows(values)
    return _across(np.einsum("ijk,ijk->ik", rows, rows, dtype=np.int32))


def _in_rows(values: NDArray[np.int16]) -> NDArray[np.int16]:
    return values.reshape(-1, TILE, values.shape[1])


def _across(by_row: NDArray[Any]) -> NDArray[Any]:
    """Sum what was summed over the rows of tiles column by column, which is fastest."""
    by_column = by_row.reshape(len(by_row), -1, TILE)
    total: NDArray[Any] = by_column[:, :, 0].copy()
    for place in range(1, TILE):
        total += by_column[:, :, place]
    return total


def _spread(values: NDArray[np.int16], mean: Plane) -> Plane:
    square = _square_sum(values) / np.float32(TILE * TILE)
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)), dtype=np.float32)
