"""How much did a codec lose that does not say so? The quality of a JPEG that leaves as much noise, found by trying.

Not the noise itself: another encoder decides otherwise where it may lose something. How much it loses in a place
depends on the picture there, and that is what a re-creation tells, in whatever codec it is stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.finishing import StandIn
from twinwatch.proof.picture import JpegTables
from twinwatch.proof.quantised import block_coefficients
from twinwatch.proof.ranks import median

_WORST, _BEST = 1, 100  # qualities
_NO_NOISE = 0.05  # grey levels, added on both sides: rounding is noise too
_TILE = 8  # pixels
_KEPT = 8.0  # of a coefficient of 8x8 pixels: one grey level in each
_MANY = 0.2  # of the tiles: more than a small edit in a few windows changes
_DETAIL = 4.0  # grey levels: luma deviation of a tile that any codec has something to leave out of


def fitted(ours: Sequence[Image.Image], theirs: Sequence[Image.Image], own: JpegTables | None = None) -> StandIn:
    """Return the JPEG that differs from our windows (RGB) as much as theirs do, in the median tile.

    `own` are the tables that theirs were stored by after that, where they are known.
    """
    grey = [image.convert("L") for image in ours]
    before = [_levels(image) for image in grey]
    after = [_levels(image.convert("L")) for image in theirs]
    asked = _detailed(before) & _differing(before, after)
    aim = _noise(before, after, asked)

    def more(quality: int) -> float:
        """Return how much more than theirs is lost at a quality, as a logarithm."""
        after = [_levels(StandIn(quality, own).applied(image)) for image in grey]
        return math.log((_noise(before, after, asked) + _NO_NOISE) / (aim + _NO_NOISE))

    worst, best = _WORST, _BEST  # the better the quality the less is lost
    seen = {best: more(best)}
    while worst < best and seen[best] < 0:
        middle = (worst + best) // 2
        seen[middle] = more(middle)
        if seen[middle] > 0:
            worst = middle + 1
        else:
            best = middle
    return StandIn(min(seen, key=lambda quality: abs(seen[quality])), own)


def apart(ours: Sequence[Image.Image], theirs: Sequence[Image.Image], stored: StandIn) -> float:
    """Return how far our windows stay from theirs when they are stored as well: mean absolute, grey levels of luma."""
    pairs = [(one.convert("L"), other.convert("L")) for one, other in zip(ours, theirs, strict=True)]
    left = [np.abs(_levels(stored.applied(one)) - _levels(other)) for one, other in pairs]
    return float(np.mean([each.mean() for each in left]))


def kept_apart(ours: Sequence[Image.Image], theirs: Sequence[Image.Image]) -> float:
    """Return how far our windows stay from theirs in the cosine coefficients that theirs kept: mean square, of luma.

    What a codec left out draws anything smoother nearer; what it kept it kept as it was.
    """
    square, count = 0.0, 0
    for one, other in zip(ours, theirs, strict=True):
        coefficients = block_coefficients(other)
        kept = np.abs(coefficients) > _KEPT
        kept[..., 0, 0] = False
        square += float(np.square(block_coefficients(one) - coefficients)[kept].sum())
        count += int(kept.sum())
    return square / max(1, count)


def _levels(grey: Image.Image) -> NDArray[np.int16]:
    return np.asarray(grey).astype(np.int16)


def _detailed(windows: Sequence[NDArray[np.int16]]) -> NDArray[np.bool_]:
    """Tell which tiles of all windows have detail: all of them where none has.

    On flat ground every quality leaves next to nothing.
    """
    detailed = np.concatenate([_tiles(one).std(axis=1) for one in windows]) >= _DETAIL
    return np.asarray(detailed if detailed.any() else ~detailed)


def _differing(before: Sequence[NDArray[np.int16]], after: Sequence[NDArray[np.int16]]) -> NDArray[np.bool_]:
    """Tell which tiles of all windows a codec changed: all of them where it kept most, as an edit is small."""
    apart = np.concatenate([_tiles(np.abs(one - other)).any(axis=1) for one, other in zip(before, after, strict=True)])
    return np.asarray(apart if apart.mean() >= _MANY else np.ones_like(apart))


def _noise(before: Sequence[NDArray[np.int16]], after: Sequence[NDArray[np.int16]], asked: NDArray[np.bool_]) -> float:
    """Return the mean absolute difference, in grey levels, of the median tile among those `asked` for."""
    apart = np.concatenate([_tiles(np.abs(one - other)).mean(axis=1) for one, other in zip(before, after, strict=True)])
    return median(apart[asked]) if asked.any() else 0.0


def _tiles(plane: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the whole tiles of a plane, shape (count, 64)."""
    rows, columns = (length // _TILE for length in plane.shape)
    whole = plane[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE)
    return whole.swapaxes(1, 2).reshape(rows * columns, _TILE * _TILE)
