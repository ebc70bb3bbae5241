"""What a residual shows over the whole picture: moved tones and colours, another grain, a codec's noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinwatch.proof.ranks import percentile
from twinwatch.proof.residual import TILE, Residual

_WIDE = 8  # tiles
_GREY = 128  # Cb and Cr of no colour
_HARDLY_COLOURED = 4.0  # squared grey levels: deviation of both chromas together where a tenth of it is a codec's noise
_FEWEST = 16  # tiles: with fewer that hold grain there is none to speak of
_GRAIN = (1.0, 12.0)  # luma deviation of a tile that holds grain and little else


def grain(left: Residual) -> tuple[float, float]:
    """Return the correlation of the two pictures' grain, and the target's share of the re-creation's grain energy.

    Grain is what the smoothest tiles hold beside their mean. A copy keeps it or loses it; the next frame of a
    burst has as much, but its own. (1, 0) when there is no grain to speak of.
    """
    smooth = _smoothest(left)
    if not smooth.any():
        return 1.0, 0.0
    ours, theirs, together = _energies(left, smooth)
    return together / max((ours * theirs) ** 0.5, 1e-6), theirs / ours


def grain_kept(left: Residual) -> tuple[float, float]:
    """Return how much of the re-creation's grain is in the target, as a share, and how surely, as a standard deviation.

    Whatever noise the target has of its own: error diffusion adds much, and leaves all of the grain in it. (1, 0) when
    there is no grain to speak of.
    """
    smooth = _smoothest(left)
    if not smooth.any():
        return 1.0, 0.0
    ours, theirs, together = _energies(left, smooth)
    return together / ours, (theirs / ours / (float(smooth.sum()) * TILE * TILE)) ** 0.5


def _smoothest(left: Residual) -> NDArray[np.bool_]:
    """Tell which tiles hold grain and as little else as any; none when they are too few to speak of."""
    smooth = (left.spread >= _GRAIN[0]) & (left.spread <= _GRAIN[1])
    ranked = np.sort(left.spread[smooth])
    if len(ranked) < _FEWEST:
        return np.zeros_like(smooth)
    return np.asarray(smooth & (left.spread <= ranked[max(_FEWEST, len(ranked) // 10) - 1]))


def _energies(left: Residual, tiles: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the energy beside the mean of the re-creation, of the target, and what they have together."""
    ours, theirs, rest = (
        float(np.square(plane)[tiles].sum()) for plane in (left.spread, left.target_spread, left.rest)
    )
    return ours, theirs, (ours + theirs - rest) / 2


def tone_change(left: Residual, paler: float = 0.0) -> tuple[float, float]:
    """Return how far one tone curve for the whole picture would move it, in luma and in chroma, in grey levels.

    Colours that lost no more than the share `paler` of their spread count as kept.

    A straight line from the re-creation's tile means to the target's: codec noise averages out over the picture, while
    brightness, contrast and saturation stay. The move is the line's offset plus its slope over the spread.
    """
    moves = []
    for channel in range(3):
        level, difference = left.level[:, :, channel], left.signed[:, :, channel]
        off = level - level.mean()
        variance = float((off * off).mean())
        slope = float((off * difference).mean()) / (variance + 1.0)
        if channel and slope < 0:
            slope = min(0.0, slope + paler)
        moves.append(abs(float(difference.mean())) + 2 * abs(slope) * variance**0.5)
    return moves[0], max(moves[1:])


def colour_shift(left: Residual) -> tuple[float, float]:
    """Return how far the picture's colours turned about grey, and how much warmer or cooler they are, in grey levels.

    A turn moves each colour across its own strength: the residual's part in that direction, as the root mean square of
    all colours has it. Warmer light adds to Cr what it takes from Cb. Rounding and other matrices move colours along
    their strength, or all alike.
    """
    cb, cr = (left.level[:, :, channel] - _GREY for channel in (1, 2))
    of_cb, of_cr = left.signed[:, :, 1], left.signed[:, :, 2]
    strength = float((cb * cb + cr * cr).mean()) + 1.0
    turned = abs(float((of_cr * cb - of_cb * cr).mean())) / strength**0.5
    return turned, abs(float(of_cr.mean()) - float(of_cb.mean())) / 2**0.5


def vividness(left: Residual) -> float:
    """Return how much more vivid the target's colours are, as a share of the re-creation's; negative: paler.

    The slope of one straight line through both chroma channels, towards zero where there is hardly any colour.
    """
    together, own = 0.0, _HARDLY_COLOURED
    for channel in (1, 2):
        level, difference = left.level[:, :, channel], left.signed[:, :, channel]
        off = level - level.mean()
        together += float((off * difference).mean())
        own += float((off * off).mean())
    return together / own


def wide(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means over squares of 64x64 pixels, of the whole where it is smaller; trailing axes are kept."""
    rows, columns = plane.shape[0] // _WIDE, plane.shape[1] // _WIDE
    if not (rows and columns):
        return np.asarray(plane.mean(axis=(0, 1), keepdims=True))
    whole = plane[: rows * _WIDE, : columns * _WIDE].reshape(rows, _WIDE, columns, _WIDE, *plane.shape[2:])
    return np.asarray(whole.mean(axis=(1, 3)))


def noise(left: Residual) -> tuple[float, float]:
    """Return what a hundredth of the tiles exceed: roughness of luma beside what detail excuses, and mean chroma.

    Grey levels.
    """
    luma = percentile(left.rough / (1 + 0.3 * left.spread), 99)
    return luma, percentile(left.chroma, 99)
