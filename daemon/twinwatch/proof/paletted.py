"""What is left where 256 colours or fewer replaced all: the palette is known, who was given which colour is not.

Programs differ in what they call the nearest colour, and in where they put the error. So every tile is excused what
this palette costs there, and whichever way of giving colours leaves least is judged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.finishing import own_palette, quantise
from twinwatch.proof.judge import PALETTE, Judgement, recoloured
from twinwatch.proof.judge import judge as judge_tiles
from twinwatch.proof.residual import residual


def judge(target: Image.Image, made: Image.Image, palette: Image.Image, *, dither: bool, scaled: bool) -> Judgement:
    """Judge a target (RGB) with this palette (mode P) against its re-creation before the palette (RGB).

    `dither`: the palette given with error diffusion came nearer; `scaled`: as for `judge.judge`.
    """
    nearest, diffused = (quantise(made, palette, dither=how) for how in (False, True))
    excuse, without = _cost(made, nearest, diffused), residual(target, made)
    # Our error diffusion meets theirs in no pixel: then the colours before it are the better measure.
    left = [without, residual(target, nearest), *([residual(target, diffused)] if dither else [])]
    judgement = min(
        (judge_tiles(one, PALETTE, excuse=excuse, scaled=scaled) for one in left),
        key=lambda judgement: judgement.score,
    )
    moved = recoloured(without)
    if moved > 1:
        # The nearest colour of a palette may be another one: it must not hide a tone. What so few colours cannot show,
        # as faint ones in a nearly grey picture, no palette keeps.
        moved /= max(1.0, recoloured(residual(own_palette(made, palette), made)))
    return replace(judgement, score=max(judgement.score, round(moved, 3)))


def cost(image: Image.Image, palette: Image.Image) -> NDArray[np.float32]:
    """Return what this palette costs each tile, as `judge.judge` excuses it: shape (rows, columns, 3)."""
    return _cost(image, *(quantise(image, palette, dither=how) for how in (False, True)))


def _cost(image: Image.Image, nearest: Image.Image, diffused: Image.Image) -> NDArray[np.float32]:
    """To the tile's own cost comes the picture's mean: programs' nearest colours differ even where one fits."""
    one, other = residual(nearest, image).rough, residual(diffused, image).rough
    luma = np.maximum(one[:, :, 0], other[:, :, 0])
    own = np.stack([luma, one[:, :, 1:].max(axis=2), other[:, :, 0]], axis=2)
    return np.asarray(own + own.mean(axis=(0, 1)))
