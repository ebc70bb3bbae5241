"""What is left when a picture and its re-creation are subtracted, tile by tile, in luma and chroma.

A mean over the picture hides an edit; the worst tile finds it. Tiles are 8x8 pixels; the last row and column overlap
their neighbours where the size is not a multiple of eight, so that no pixel goes unseen. Means of luma and chroma
follow from those of red, green and blue: so they are exact, where a pixel's luma in whole numbers is off by up to half
a level, and all that have one colour to the same side.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE = 8
_STRIP = 64  # rows at a time: what is worked on stays in the processor's cache

JFIF = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], dtype=np.float32)
JFIF_OFFSET = np.array([0, 128, 128], dtype=np.float32)
"""Y, Cb and Cr of red, green and blue, and what is added (ITU-T T.871, 7)."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Residual:
    """Maps over the tiles; grey levels 0-255.

    Shape (rows, columns, 3) for Y, Cb, Cr: `signed` is the mean difference (target less re-creation), `level` the mean
    of the re-creation. Luma only, shape (rows, columns): `rough` is the mean absolute difference, `spread` the
    re-creation's standard deviation in the tile, `target_spread` the target's, `rest` the difference's.
    """

    signed: Plane
    level: Plane
    rough: Plane
    spread: Plane
    target_spread: Plane
    rest: Plane

    @property
    def chroma(self) -> Plane:
        """By how much each tile's mean colour differs, in Cb or Cr, whichever is more; shape (rows, columns)."""
        return np.asarray(np.abs(self.signed[:, :, 1:]).max(axis=2))


def residual(target: Image.Image, made: Image.Image) -> Residual:
    """Subtract two pictures of one size, RGB."""
    return residuals([(target, made)], [Asked(0, 1)])[0]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which of several pictures is subtracted from which, by their places, and what of it is asked for.

    Without `means` `signed` and `level` are left at 0, without `spreads` `spread`, `target_spread` and `rest`.
    """

    target: int
    made: int
    means: bool = True
    spreads: bool = True


def residuals(strips: Iterable[Sequence[Image.Image]], asked: Sequence[Asked]) -> list[Residual]:
    """Subtract pictures of one size from each other, RGB, handed out in strips from their top to their bottom.

    Each strip has the same part of every picture; all but the last are a multiple of eight rows high. Each is taken
    apart once, whatever is asked of it.
    """
    parts: list[list[tuple[Plane, ...]]] = [[] for _ in asked]
    for strip in strips:
        columns, rows = (_covering(length) for length in strip[0].size)
        for top in range(0, len(rows), _STRIP):
            wanted = rows[top : top + _STRIP]
            low, high = int(wanted.min()), int(wanted.max()) + 1
            pictures = [_Rows(_rows_of(each, low, high), wanted - low, columns) for each in strip]
            for found, each in zip(parts, asked, strict=True):
                found.append(_subtracted(pictures[each.target], pictures[each.made], each))
    return [_put_together(found) for found in parts]


class _Rows:
    """Some rows of tiles of one picture; what they tell by themselves is worked out once."""

    def __init__(self, image: Image.Image, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        self._image, self._rows, self._columns = image, rows, columns
        self.shape = len(rows) // TILE, len(columns) // TILE

    @functools.cached_property
    def luma(self) -> NDArray[np.int16]:
        return _take(np.asarray(self._image.convert("L")), self._rows, self._columns).astype(np.int16)

    @functools.cached_property
    def spread(self) -> Plane:
        return _spread(self.luma)

    @functools.cached_property
    def means(self) -> Plane:
        """Mean Y, Cb and Cr, shape (3, rows, columns)."""
        pixels = np.frombuffer(self._image.tobytes("raw", "RGBX"), np.uint32).reshape(self._image.size[::-1])
        red, green, blue, _ = np.moveaxis(_colour_sums(_take(pixels, self._rows, self._columns)), 2, 0)
        size = np.float32(TILE * TILE)
        weighted = zip(JFIF, JFIF_OFFSET, strict=True)
        return np.asarray([(r * red + g * green + b * blue) / size + more for (r, g, b), more in weighted])


def _subtracted(theirs: _Rows, ours: _Rows, asked: Asked) -> tuple[Plane, ...]:
    """Return the maps of a `Residual` in the order of its fields, those of three channels plane by plane."""
    nothing = np.zeros((3, *ours.shape), dtype=np.float32)
    signed, level = (theirs.means - ours.means, ours.means) if asked.means else (nothing, nothing)
    spread = ours.spread if asked.spreads else nothing[0]
    if np.array_equal(theirs.luma, ours.luma):  # a right re-creation leaves nothing
        return signed, level, nothing[0], spread, spread, nothing[0]
    difference = theirs.luma - ours.luma
    rest = _spread(difference) if asked.spreads else nothing[0]
    rough = _tile_mean(np.abs(difference, out=difference))
    return signed, level, rough, spread, theirs.spread if asked.spreads else nothing[0], rest


def _put_together(parts: Sequence[tuple[Plane, ...]]) -> Residual:
    """Put parts below each other; planes stay planes: whatever looks at one channel reads in one go."""
    found = [np.concatenate(maps, axis=-2) for maps in zip(*parts, strict=True)]
    return Residual(*(each.transpose(1, 2, 0) if each.ndim == 3 else each for each in found))


def unstored(left: Residual, lost: Residual, luma: Residual) -> Residual:
    """Return what is left without storing the re-creation, as far as it follows.

    Of what is left with it, what storing lost, and what is left of luma without it: means add up.
    """
    signed = left.signed + lost.signed
    return Residual(signed, lost.level, luma.rough, luma.spread, luma.target_spread, luma.rest)


def joined(parts: Sequence[Residual]) -> Residual:
    """Put residuals of one width below each other."""
    return Residual(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Residual)))


def tile_means(plane: NDArray[np.uint8]) -> Plane:
    """Return the mean of every tile of a plane, shape (rows, columns)."""
    rows, columns = (_covering(length) for length in plane.shape)
    return _tile_mean(_take(plane, rows, columns).astype(np.int16))


def around(how: np.ufunc, plane: NDArray[Any], reach: int) -> NDArray[Any]:
    """Take every tile of a map together with those up to `reach` beside it, of its columns and then of its rows.

    The tiles at an edge go on beyond it.
    """
    for axis in (1, 0):
        beside = [(reach, reach) if place == axis else (0, 0) for place in range(plane.ndim)]
        wide, count = np.pad(plane, beside, mode="edge"), plane.shape[axis]
        parts = (
            wide[:, place : place + count] if axis else wide[place : place + count] for place in range(2 * reach + 1)
        )
        plane = functools.reduce(how, parts)
    return plane


def _rows_of(image: Image.Image, low: int, high: int) -> Image.Image:
    return image if (low, high) == (0, image.height) else image.crop((0, low, image.width, high))


def _take(plane: NDArray[Any], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[Any]:
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


def _colour_sums(pixels: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Sum red, green and blue (and what the fourth byte holds) over tiles, shape (rows, columns, 4)."""
    channels = np.ascontiguousarray(pixels).view(np.uint8).reshape(-1, TILE, 4 * pixels.shape[1])
    by_row = np.add.reduce(channels, axis=1, dtype=np.uint16)
    # Four sums of sixteen bits are added at once: the largest is 64 times 255, and none carries into the next.
    return _across(by_row.view(np.uint64)).view(np.uint16).reshape(len(by_row), -1, 4).astype(np.float32)


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


def _spread(values: NDArray[np.int16]) -> Plane:
    """Return the standard deviation in every tile."""
    mean = _tile_mean(values)
    square = _square_sum(values) / np.float32(TILE * TILE)
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)), dtype=np.float32)
