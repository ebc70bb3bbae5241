"""What is left when a picture and its re-creation are subtracted, tile by tile, in luma and chroma.

A mean over the picture hides an edit; the worst tile finds it. Tiles are 8x8 pixels; the last row and column overlap
their neighbours where the size is not a multiple of eight, so that no pixel goes unseen.
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
    """Subtract two pictures of one size, RGB."""
    return residuals([(target, made)], [Asked(0, 1)])[0]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which of several pictures is subtracted from which, by their places, and what of it is asked for.

    Without `colour` the maps of Cb and Cr are left at 0, without `spreads` `spread`, `target_spread` and `rest`.
    """

    target: int
    made: int
    colour: bool = True
    spreads: bool = True


def residuals(strips: Iterable[Sequence[Image.Image]], asked: Sequence[Asked]) -> list[Residual]:
    """Subtract pictures of one size from each other, RGB, handed out in strips from their top to their bottom.

    Each strip has the same part of every picture; all but the last are a multiple of eight rows high. Each is taken
    apart once, whatever is asked of it.
    """
    parts: list[list[_Part]] = [[] for _ in asked]
    for strip in strips:
        columns, rows = (_covering(length) for length in strip[0].size)
        for top in range(0, len(rows), _STRIP):
            wanted = rows[top : top + _STRIP]
            low, high = int(wanted.min()), int(wanted.max()) + 1
            bands = [picture.crop((0, low, picture.width, high)).convert("YCbCr").split() for picture in strip]
            new = [_Part((len(wanted) // TILE, len(columns) // TILE)) for _ in asked]
            for channel in range(3):
                planes = [_Levels(_take(np.asarray(each[channel]), wanted - low, columns)) for each in bands]
                for part, each in zip(new, asked, strict=True):
                    if each.colour or channel == 0:
                        part.fill(channel, planes[each.target], planes[each.made], spreads=each.spreads)
            for found, part in zip(parts, new, strict=True):
                found.append(part)
    return [_put_together(found) for found in parts]


class _Levels:
    """Some rows of tiles of one channel of one picture; what they tell by themselves is worked out once."""

    def __init__(self, plane: NDArray[np.uint8]) -> None:
        self.plane = plane.astype(np.int16)

    @functools.cached_property
    def mean(self) -> Plane:
        return _tile_mean(self.plane)

    @functools.cached_property
    def spread(self) -> Plane:
        return _spread(self.plane, self.mean)


class _Part:
    """The maps of some rows of tiles, those of three channels plane by plane."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.signed, self.rough, self.level = (np.zeros((3, *shape), dtype=np.float32) for _ in range(3))
        self.spread, self.target_spread, self.rest = (np.zeros(shape, dtype=np.float32) for _ in range(3))

    def fill(self, channel: int, theirs: _Levels, ours: _Levels, *, spreads: bool) -> None:
        """Subtract `ours` from `theirs`; `spreads` are those of luma."""
        spreads = spreads and channel == 0
        self.level[channel] = ours.mean
        if spreads:
            self.spread = self.target_spread = ours.spread
        if np.array_equal(theirs.plane, ours.plane):  # a right re-creation leaves nothing
            return
        self.signed[channel] = theirs.mean - ours.mean  # sixty-fourths: exact
        difference = theirs.plane - ours.plane
        if spreads:
            self.target_spread = theirs.spread
            self.rest = _spread(difference, self.signed[0])
        self.rough[channel] = _tile_mean(np.abs(difference, out=difference))


def _put_together(parts: Sequence[_Part]) -> Residual:
    """Put parts below each other; planes stay planes: whatever looks at one channel reads in one go."""
    found = [np.concatenate([getattr(part, one.name) for part in parts], axis=-2) for one in fields(Residual)]
    return Residual(*(each.transpose(1, 2, 0) if each.ndim == 3 else each for each in found))


def unstored(left: Residual, lost: Residual, luma: Residual) -> Residual:
    """Return what is left without storing the re-creation, as far as it follows.

    Of what is left with it, what storing lost, and what is left of luma without it. Means add up; the mean of a
    difference stands for its mean amount in Cb and Cr.
    """
    signed = left.signed + lost.signed
    rough = np.abs(signed)
    rough[:, :, 0] = luma.rough[:, :, 0]
    return Residual(signed, rough, lost.level, luma.spread, luma.target_spread, luma.rest)


def joined(parts: Sequence[Residual]) -> Residual:
    """Put residuals of one width below each other."""
    return Residual(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Residual)))


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
