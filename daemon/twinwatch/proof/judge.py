"""When is a residual small enough to call a picture a copy? All thresholds of the proof stand here, with their source.

A re-creation with the right scaler and encoder leaves nothing, and an unknown one leaves ringing and rounding: noise that
is small against the picture's own detail in the same tile and averages out over it. An edit, another tone or a shift
does not. So every tile has its own allowance: a floor, and a share of the detail that is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinwatch.proof.residual import TILE, Residual


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a tile may differ: `floor` + `share` x the tile's own standard deviation, in grey levels of 255.

    `signed` bounds the mean difference of an 8x8 tile in luma, `chroma` the same in Cb and Cr, `rough` the mean absolute
    difference in luma, `wide` the mean difference over 64x64 pixels in luma and in chroma (tone and colour changes).
    """

    signed: tuple[float, float]
    chroma: tuple[float, float]
    rough: tuple[float, float]
    wide: tuple[float, float]


LOSSLESS = Bounds(signed=(2.0, 0.3), chroma=(3.0, 0.3), rough=(3.0, 0.5), wide=(1.5, 2.5))
"""PNG, BMP, TIFF: nothing was lost, only the scaler can be unknown; where the picture is flat it must be equal."""

KNOWN_TABLES = Bounds(signed=(3.2, 0.3), chroma=(6.0, 0.4), rough=(5.0, 0.5), wide=(2.0, 4.0))
"""The encoder's tables were in the file (JPEG); earlier generations' and the scaler were not."""

HIDDEN_TABLES = Bounds(signed=(4.8, 0.3), chroma=(8.0, 0.5), rough=(6.0, 0.6), wide=(2.0, 4.0))
"""WebP, HEIF, AVIF, JPEG XL: what their encoder did is not written in the file."""

PALETTE = Bounds(signed=(4.8, 0.3), chroma=(8.0, 0.5), rough=(6.0, 0.6), wide=(3.0, 5.0))
"""256 colours or fewer, known; which of them a pixel was given is not."""

_INFORMATIVE_SPREAD = 4.0  # a tile with less luma deviation could belong to any picture
_INFORMATIVE_TILES = 16
_INFORMATIVE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Judgement:
    """`score` is the worst tile as a multiple of its allowance: a copy up to 1. `at` is that tile's pixel (x, y)."""

    score: float
    at: tuple[int, int]
    worst_luma: float
    worst_chroma: float
    wide: float

    @property
    def proved(self) -> bool:
        """Tell whether no tile exceeds its allowance."""
        return self.score <= 1.0


def judge(left: Residual, bounds: Bounds, at: tuple[int, int] = (0, 0)) -> Judgement:
    """Weigh every tile of a residual against its allowance; `at` is where the residual lies in the picture (x, y)."""
    signed, rough, spread = left.signed, left.rough, left.spread
    luma = np.abs(signed[:, :, 0])
    chroma = np.abs(signed[:, :, 1:]).max(axis=2)
    excess = np.maximum(luma / _allowed(bounds.signed, spread), chroma / _allowed(bounds.chroma, spread))
    excess = np.maximum(excess, rough[:, :, 0] / _allowed(bounds.rough, spread))
    row, column = (int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
    wide, wide_chroma = wide_means(signed)
    return Judgement(
        score=round(max(float(excess.max()), wide / bounds.wide[0], wide_chroma / bounds.wide[1]), 3),
        at=(at[0] + column * TILE, at[1] + row * TILE),
        worst_luma=round(float(rough[:, :, 0].max()), 2),
        worst_chroma=round(float(rough[:, :, 1:].max()), 2),
        wide=round(max(wide, wide_chroma), 2),
    )


def informative(left: Residual) -> bool:
    """Tell whether the picture has enough detail for a re-creation to prove anything: black frames and fog have not."""
    detailed = int((left.spread >= _INFORMATIVE_SPREAD).sum())
    return detailed >= max(_INFORMATIVE_TILES, _INFORMATIVE_SHARE * left.spread.size)


def wide_means(signed: NDArray[np.float32], tiles: int = 8) -> tuple[float, float]:
    """Return the largest mean difference over squares of `tiles` x `tiles` tiles, in luma and in chroma."""
    rows, columns = signed.shape[0] // tiles, signed.shape[1] // tiles
    if rows and columns:
        whole = signed[: rows * tiles, : columns * tiles].reshape(rows, tiles, columns, tiles, 3)
        mean = np.abs(whole.mean(axis=(1, 3)))
    else:
        mean = np.abs(signed.mean(axis=(0, 1), keepdims=True))
    return float(mean[..., 0].max()), float(mean[..., 1:].max())


def _allowed(bound: tuple[float, float], spread: NDArray[np.float32]) -> NDArray[np.float32]:
    return (bound[0] + bound[1] * spread).astype(np.float32)
