"""What is left where 256 colours or fewer replaced all: the palette is known, who was given which colour is not.

Programs differ in what they call the nearest colour, and in where they put the error. So every tile is excused what
this palette costs there, and whichever way of giving colours leaves least is judged. Two ways are known so well that
they explain more: a tree's (`octrees`), and error diffusion, which keeps every mean that the palette can show.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from twinwatch.proof import approached, octrees
from twinwatch.proof.finishing import own_palette, quantise
from twinwatch.proof.judge import PALETTE, Judgement, exact_share, recoloured
from twinwatch.proof.judge import judge as judge_tiles
from twinwatch.proof.overall import grain_kept
from twinwatch.proof.residual import TILE, Residual, residual, tile_means

_GRAIN_KEPT = 0.35
"""The share of the grain that a copy keeps at least, less three times its uncertainty. Measured: 330 copies by ten
programs 0.44 and more but for one (0.3); another shot from a tripod or at night -0.01 to 0.3 in 32 of 35."""

_MOST_STRANGE = 6  # pixels of an octree's tile: copies up to 4, a wire of one pixel and faint stamps 8 to 60
_GROWN = 1.5  # times the allowance: what an octree of 256 leaves costs (measured: up to 1.38)

_REACHED = 0.55
"""The share of what a palette may move the colours by that is left of it beside error diffusion in that palette.
Measured: copies up to 0.51, tones 0.6 to 8, but for warmer light in one photo (0.51)."""
_EVEN = (1.9, 2.4)
"""How often what error diffusion leaves of a mean over some eight pixels the copy's may be off, in luma and in chroma.
Measured where a palette reached least: GD and Go up to 1.6 and 2.33, undithered up to 7; faint stamps, retouched spots,
wires 3.3 to 22, warmer light 2 to 5."""
_AS_OURS = 0.75  # of the grain that error diffusion keeps: copies 0.9 to 1.16, shots of a smoothing camera 0.46
_UNEVEN = (1.5, 2.0)  # grey levels of such means that are no difference, in luma and in chroma
_NO_GRAIN = 0.01
_UNPAID = {0.9: (2.4, 1.3), 0.5: (4.1, 2.2)}
"""Grey levels by which a tile may stray in roughness of luma and in mean chroma beyond what the palette costs it, by
the share of tiles with detail that came out equal. Measured: copies up to 0.67 and 0.75, 3.55 and 1.65; another digit,
a line that is gone, a wire of another colour in a small drawing 2.7 and more, or 5.3 and more in chroma."""
_MOSTLY_GIVEN = 0.5
_STRAYS = (4.0, 4.0, 7.0)
"""Grey levels by which a tile may differ in mean luma, mean chroma and roughness where most tiles with detail came out
equal with the palette given as we give it: then this was how. Measured: copies up to 2.7, 2.6 and 4.5; a stamp of
another colour 20 and more in chroma."""
_MOST_ASKED = 500  # tiles
_QUARTER = 4  # by which a triangle of eight pixels shrinks


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
    judgement = replace(judgement, score=max(judgement.score, round(moved, 3)))
    if judgement.score > 1:
        judgement = min(
            (judgement, _diffused(target, made, diffused, excuse, scaled=scaled)), key=lambda one: one.score
        )
    strays = next((at for one in left[1:] if (at := _strayed(one)) is not None), None)
    if (at := strays or _unpaid(without, made, palette)) is not None:
        judgement = replace(judgement, edited=True, at=at)
    tree = octrees.strange(made, palette)
    if tree is not None:
        judgement = _by_tree(judgement, tree)
    else:
        judgement = approached.judge(judgement, target, made, without, PALETTE, (nearest, diffused), scaled=scaled)
    return _by_grain(judgement, without)


def in_use(palette: Image.Image) -> Image.Image:
    """Return a mode P image with the colours that it uses alone: no pixel was ever given what pads its palette."""
    pixels = np.array(palette.histogram()[:256])
    colours = np.zeros((256, 3), dtype=np.uint8)
    stored = np.array(palette.getpalette(), dtype=np.uint8).reshape(-1, 3)
    colours[: len(stored)] = stored
    colours[pixels == 0] = colours[pixels.argmax()]
    used = palette.copy()
    used.putpalette(colours.tobytes())
    return used


def cost(image: Image.Image, palette: Image.Image) -> NDArray[np.float32]:
    """Return what this palette costs each tile, as `judge.judge` excuses it: shape (rows, columns, 3)."""
    return _cost(image, *(quantise(image, palette, dither=how) for how in (False, True)))


def _cost(image: Image.Image, nearest: Image.Image, diffused: Image.Image) -> NDArray[np.float32]:
    """To the tile's own cost comes the picture's mean: programs' nearest colours differ even where one fits."""
    one, other = (_roughness(given, image) for given in (nearest, diffused))
    luma = np.maximum(one[:, :, 0], other[:, :, 0])
    own = np.stack([luma, one[:, :, 1:].max(axis=2), other[:, :, 0]], axis=2)
    return np.asarray(own + own.mean(axis=(0, 1)))


def _roughness(image: Image.Image, other: Image.Image) -> NDArray[np.float32]:
    """Return the mean absolute difference of two RGB pictures in each tile, shape (rows, columns, 3) for Y, Cb, Cr."""
    bands = ImageChops.difference(*(each.convert("YCbCr") for each in (image, other))).split()
    return np.stack([tile_means(np.asarray(band)) for band in bands], axis=2)


def _diffused(
    target: Image.Image, made: Image.Image, ours: Image.Image, excuse: NDArray[np.float32], *, scaled: bool
) -> Judgement:
    """Judge a target by error diffusion alone (`ours`), which moves a tone only where the palette cannot reach it.

    So it may move more, and must be even: of means over a few pixels error diffusion leaves next to nothing, and of the
    grain nearly all.
    """
    reached = residual(target, ours)
    found = judge_tiles(reached, PALETTE, excuse=excuse, scaled=scaled)
    (kept, unsure), (most, _) = (grain_kept(residual(image, made)) for image in (target, ours))
    strange = _AS_OURS * most / max(kept + 3 * unsure, _NO_GRAIN)
    scores = (found.score, recoloured(reached) / _REACHED, _unevenness(target, made, ours), strange)
    return replace(found, score=round(max(scores), 3))


def _unevenness(target: Image.Image, made: Image.Image, ours: Image.Image) -> float:
    """Return how far means over some eight pixels are off beside what our own error diffusion leaves, as a score."""
    theirs, before, after = (_smaller(image) for image in (target, made, ours))
    off, own = np.abs(theirs - after), np.abs(after - before)
    around = np.pad(own, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows, columns = own.shape[:2]
    own = np.max([around[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)
    luma = off[:, :, 0] / (_UNEVEN[0] + own[:, :, 0]) / _EVEN[0]
    chroma = off[:, :, 1:].max(axis=2) / (_UNEVEN[1] + own[:, :, 1:].max(axis=2)) / _EVEN[1]
    return float(max(luma.max(), chroma.max()))


def _smaller(image: Image.Image) -> NDArray[np.float32]:
    size = (max(1, image.width // _QUARTER), max(1, image.height // _QUARTER))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR).convert("YCbCr")).astype(np.float32)


def _strayed(left: Residual) -> tuple[int, int] | None:
    """Return the pixel (x, y) of the tile that differs most where most came out equal, or None; `left` is with it."""
    if exact_share(left) <= _MOSTLY_GIVEN:
        return None
    differ = (np.abs(left.signed[:, :, 0]), left.chroma, left.rough)
    beyond = np.maximum.reduce([each / most for each, most in zip(differ, _STRAYS, strict=True)])
    row, column = (int(i) for i in np.unravel_index(int(beyond.argmax()), beyond.shape))
    return (column * TILE, row * TILE) if beyond[row, column] > 1 else None


def _unpaid(left: Residual, made: Image.Image, palette: Image.Image) -> tuple[int, int] | None:
    """Return the pixel (x, y) of a tile that strays though the palette has its colours, where it has nearly all.

    `left` is without the palette. Drawings and pages of text have few colours, so most of one comes out as it is; what
    then does not was no program's choice. None where no tile is such, and where the palette replaced most colours.
    """
    share = exact_share(left)
    most = next((most for least, most in _UNPAID.items() if share > least), None)
    if most is None or min(made.size) < TILE:
        return None
    luma, chroma = left.rough, left.chroma
    beyond = np.maximum(luma / most[0], chroma / most[1])
    places = np.argwhere(beyond > 1)
    if not places.size:
        return None
    rows, columns = places[np.argsort(-beyond[beyond > 1], kind="stable")[:_MOST_ASKED]].T
    corners = np.minimum(columns * TILE, made.width - TILE), np.minimum(rows * TILE, made.height - TILE)
    levels = np.asarray(made)
    tiles = np.concatenate([levels[y : y + TILE, x : x + TILE] for x, y in zip(*corners, strict=True)], axis=1)
    paid = residual(Image.fromarray(_nearest(tiles, palette)), Image.fromarray(tiles))
    own = paid.rough[0], paid.chroma[0]
    unpaid = (luma[rows, columns] - own[0] > most[0]) | (chroma[rows, columns] - own[1] > most[1])
    first = int(unpaid.argmax())
    return (int(corners[0][first]), int(corners[1][first])) if unpaid[first] else None


def _nearest(levels: NDArray[np.uint8], palette: Image.Image) -> NDArray[np.uint8]:
    """Give every pixel (RGB) the colour of the palette that is nearest; Pillow's `quantize` looks at fewer bits."""
    colours = np.array(palette.getpalette(), dtype=np.uint8).reshape(-1, 3)
    given = np.empty_like(levels)
    for row, pixels in enumerate(levels):  # one row of pixels beside all colours at a time
        apart = pixels[:, None].astype(np.int32) - colours
        given[row] = colours[np.square(apart).sum(axis=2).argmin(axis=1)]
    return given


def _by_tree(judgement: Judgement, strange: NDArray[np.int64]) -> Judgement:
    """Excuse what an octree costs where all comes out as its leaves give it, and refuse what does not.

    `strange` is as `octrees.strange` counts.
    """
    row, column = (int(i) for i in np.unravel_index(int(strange.argmax()), strange.shape))
    if strange[row, column] > _MOST_STRANGE:
        return replace(judgement, edited=True, at=(column * TILE, row * TILE))
    return replace(judgement, score=round(judgement.score / _GROWN, 3))


def _by_grain(judgement: Judgement, left: Residual) -> Judgement:
    """Refuse another shot: whatever a palette does to a copy's grain, most of it is still there."""
    kept, unsure = grain_kept(left)
    least = _GRAIN_KEPT - 3 * unsure
    if kept >= least:
        return judgement
    return replace(judgement, score=max(judgement.score, round(1 + least - kept, 3)), limit="grain")
