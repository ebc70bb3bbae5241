"""When is what is left no more than a codec's noise? The thresholds for files whose codec does not say what it did.

The re-creation was stored by a codec of ours that loses as much, so its own loss tells what to expect in every tile:
much in foliage, next to nothing in a sky. A tile is weighed against the loss around it, text against other text.
All thresholds are measured on 183 copies of 6 photos and 2 pages of text by 13 encoder settings at three sizes, and
once more, with the codec that stores now, on 175 copies of 26 photos by ten settings and on those of `make accuracy`
with two seeds; small edits that exceed none cannot be told from noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinwatch.proof.judge import HIDDEN_TABLES, KNOWN_TABLES, Judgement, areas, shifted, summed_up, too_vivid
from twinwatch.proof.outliers import missing_contrast, standing_out, strange_colour
from twinwatch.proof.overall import tone_change
from twinwatch.proof.residual import Residual, around

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Noise:
    """How often the expected loss a tile may show, and how far (grey levels) the whole picture may move.

    `luma` and `chroma` are of the tile's mean, `detail` of the mean absolute difference in luma; `area` and `tone` are
    in luma and in chroma; `vivid` and `halved` are as in `judge.Bounds`; `text` is how often the usual share of a
    contrast may be missing.
    """

    luma: float = 3.0  # copies up to 2.9, HEIF of quality 35 once 3.13; a faint stamp 3.14
    chroma: float = 4.1  # copies up to 3.3, of a heat camera's false colours 4.0
    detail: float = 5.4  # copies up to 2.3, chats in AVIF of quality 40 up to 5.3
    area: tuple[float, float] = (3.1, 4.3)  # copies up to 3.0 and 3.8
    tone: tuple[float, float] = (1.4, 1.6)  # copies up to 1.2 and 1.55 (a drawing); hue by 6 degrees, warmer light 1.9
    vivid: tuple[float, float] = (math.inf, HIDDEN_TABLES.vivid[1])  # a nearly grey picture may lose all of its colours
    text: float = 2.3  # copies of photos up to 1.7; of chats in AVIF up to 4.5, with another digit 1.8 to 6.1
    colour: float = 0.92  # copies up to 0.84, one 0.96; read marks of a chat that turned blue 0.98 to 1.3
    outlier: float = 2.4  # by how much more than its like a tile may differ: 150 copies up to 1.9
    halved: tuple[float, float] = (1.7, 1.85)  # 440 of 443 copies up to 1.65; in colour up to 1.72


USUAL = Noise()
BEFORE = Noise(chroma=3.5, area=(2.8, 4.3), vivid=KNOWN_TABLES.vivid)
"""Of a codec before the file's own: that there was one is not told by the file, so it is excused less."""

OF_JXL = Noise(luma=3.8, chroma=4.7, tone=(1.9, 1.7), halved=(2.4, 2.2))
"""JPEG XL loses otherwise than all others: copies up to 3.2, 4.5 and 1.2, at half the size 2.1, in colour 1.9."""

_ROUNDING, _ROUNDING_OF_COLOUR = 0.7, 1.0  # grey levels: other whole numbers for the same colour are no difference
_PALER = 0.1  # of their spread: encoders drop weak colours, old ones of AVIF 8 % of all, and none makes them stronger
_USUAL = 90  # percentile of the tiles with contrast


def judge(left: Residual, lost: Residual, noise: Noise) -> Judgement:
    """Weigh what is left after recoding (`left`) against what recoding itself lost (`lost`)."""
    # Not how much grain a tile lost but how far it was moved as a whole tells what its mean may show.
    moved, signed = _most_around(np.abs(lost.signed), 2), np.abs(left.signed)
    colour = _ROUNDING_OF_COLOUR + 1.3 * moved[:, :, 1:]
    usual = (_most_around(lost.rough, 1) + _mean_around(lost.rough)) / 2
    parts = {
        "luma": signed[:, :, 0] / (_ROUNDING + moved[:, :, 0]) / noise.luma,
        "chroma": (signed[:, :, 1:] / colour).max(axis=2) / noise.chroma,
        "detail": left.rough / (_ROUNDING + usual) / noise.detail,
        "colour": strange_colour(left, moved[:, :, 1:].max(axis=2)) / noise.colour,
        "text": np.maximum(missing_contrast(left, _USUAL) / noise.text, standing_out(left) / noise.outlier),
    }
    scores = {name: float(part.max()) for name, part in parts.items()}
    areas_moved, tone = areas(left.signed), tone_change(left, _PALER)
    scores["area"] = float((areas_moved / np.array(noise.area)).max())
    scores["vividness"] = too_vivid(left, noise.vivid)
    scores["tone"] = tone[0] / noise.tone[0]
    scores["tint"] = max(tone[1] / noise.tone[1], shifted(left, HIDDEN_TABLES.shift))
    return summed_up(left, parts, scores, float(areas_moved.max()), max(tone))


def _most_around(plane: Plane, reach: int) -> Plane:
    """Return the most of every tile's surroundings."""
    return around(np.maximum, plane, reach)


def _mean_around(plane: Plane) -> Plane:
    """Return the mean of every tile and those up to two beside it."""
    return np.asarray(around(np.add, plane, 2) / np.float32(25))
