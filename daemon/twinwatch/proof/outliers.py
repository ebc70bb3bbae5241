"""Which tiles stand out from what a re-creation left in the others: where something sharp is another one.

An unknown scaler or encoder leaves most in letters and edges, everywhere about alike; another digit is in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinwatch.proof.ranks import percentile
from twinwatch.proof.residual import Residual, around

_CONTRAST = 15.0  # deviation of luma in a tile from which it holds text, an edge or rich texture
_FEWEST_SHARP = 9  # such tiles: fewer tell nothing of what is usual
_FAINT = 0.1  # of the contrast: missing in any codec

_ASKED = 60  # tiles that are compared with their like, those that differ most
_LEAST_CONTRAST = 12.0  # deviation of luma of what may stand out among its like
_FEWEST_LIKE = 12
_USUAL = 90  # percentile of what the like lack, as a share of their contrast, or of how far colours moved
_FINE = 256  # parts of a grey level by which contrasts are put in order
_GREY = 128  # Cb and Cr of no colour
_OF_COLOUR = 0.1  # of the strongest colour in a tile or beside it
_UNSEEN = 2.0  # grey levels

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Like:
    """How many of those whose contrast is the nearest are like one, and how far around it what was edited may reach."""

    count: int
    beside: int


_TILES = Like(32, 3)


def strange_colour(left: Residual, excuse: NDArray[np.float32] | float = 0.0) -> NDArray[np.float32]:
    """Return by how much more each tile with letters or edges moved in colour than they do, shape (rows, columns).

    Other scalers and codecs move the colours of an edge between strong colours, not of grey letters on grey; a read
    mark that turned blue is moved. `excuse`, of the same shape or one for all, is what the target's format costs a
    tile's mean chroma, in grey levels. 0 in tiles of little contrast, and everywhere when only a few have more.
    """
    sharp = np.maximum(left.spread, left.target_spread) >= _LEAST_CONTRAST
    if int(sharp.sum()) < _FEWEST_SHARP:
        return np.zeros_like(left.spread)
    moved = left.chroma
    strength = around(np.maximum, np.abs(left.level[:, :, 1:] - _GREY).max(axis=2), 1)
    usual = np.float32(percentile(moved[sharp], _USUAL))
    allowed = _UNSEEN + usual + np.float32(_OF_COLOUR) * strength + excuse
    return np.where(sharp, moved / allowed, np.float32(0))


def missing_contrast(left: Residual, usual: float, explained: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Return by how much more of its contrast than is usual in this picture each tile lacks, shape (rows, columns).

    `usual` is the percentile of the tiles with text, an edge or rich texture that is held against the others; those
    `explained` lack nothing. 0 in tiles of little contrast, and everywhere when only a few have more.
    """
    contrast = np.maximum(left.spread, left.target_spread)
    sharp = contrast >= _CONTRAST
    if int(sharp.sum()) < _FEWEST_SHARP:
        return np.zeros_like(contrast)
    missing = left.rest / np.maximum(contrast, 1)
    asked = sharp if explained is None else sharp & ~explained
    return np.where(asked, missing / np.float32(_FAINT + percentile(missing[sharp], usual)), np.float32(0))


def standing_out(left: Residual, explained: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Return by how much more each tile differs than others of its contrast do elsewhere, shape (rows, columns).

    Among the foliage of a picture the wrong digit of a date is nothing; among the letters it is. 0 for tiles that are
    not asked about: those `explained`, of little contrast, or among those that differ little.
    """
    contrast = np.maximum(left.spread, left.target_spread)
    asked = contrast >= _LEAST_CONTRAST
    if explained is not None:
        asked &= ~explained
    return beside_like(np.maximum(left.rest, left.rough), contrast, asked, _TILES)


def beside_like(
    differs: Plane, contrast: Plane, asked: NDArray[np.bool_], like: Like, cost: Plane | None = None
) -> Plane:
    """Return by how much more each of a map differs than its like, of those `asked` that differ most; 0 elsewhere.

    `cost`, grey levels, is what is excused in each.
    """
    shape = contrast.shape
    found = np.zeros(shape, dtype=np.float32)
    differs, contrast = differs.ravel(), contrast.ravel()
    unseen = np.full_like(contrast, _UNSEEN) if cost is None else _UNSEEN + cost.ravel()
    worth = np.where(asked.ravel(), differs / (unseen + 0.1 * contrast), 0)
    worthy = np.flatnonzero(worth)  # among many that are equal the most are found slowly
    if not worthy.size:
        return found
    most = worthy[np.argpartition(worth[worthy], -min(_ASKED, worthy.size))[-_ASKED:]]
    order = np.argsort((contrast * _FINE).astype(np.uint16), kind="stable")  # of so small numbers three times as fast
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    reach = like.count * like.beside
    for place in most:
        row, column = np.unravel_index(place, shape)
        near = order[max(0, rank[place] - reach) : rank[place] + reach + 1]
        rows, columns = np.unravel_index(near, shape)
        apart = np.maximum(np.abs(rows - row), np.abs(columns - column))
        near = near[apart > like.beside]
        if near.size < _FEWEST_LIKE:
            continue
        alike = near[np.argsort(np.abs(contrast[near] - contrast[place]), kind="stable")[: like.count]]
        # Where there is little to compare with, white paper is among the like, and lacks nothing.
        usual = percentile(differs[alike] / np.maximum(contrast[alike], 1), _USUAL) * contrast[place]
        found[row, column] = differs[place] / (unseen[place] + usual)
    return found
