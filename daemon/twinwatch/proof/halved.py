"""Does anything stand out from what is left once both pictures are seen at a part of their size?

What an unknown scaler, an earlier JPEG or a codec gets wrong is the finest detail. Half the size has lost it, and
another letter, date or lamp is still another one there. Colour, which most files store at half the size, is looked at
at a quarter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from twinwatch.proof.finishing import in_own_palettes
from twinwatch.proof.outliers import Like, Plane, beside_like
from twinwatch.proof.ranks import percentile
from twinwatch.proof.residual import TILE, Residual

SMALLEST = 2 * TILE  # pixels along a side
_STEP = TILE // 2  # pixels from one window to the next: each is as large as a tile
_HALF, _QUARTER = 2, 4
_LIKE = Like(64, 6)
_LEAST_CONTRAST = 10.0  # deviation of luma in the tiles of a window that may stand out among its like
_MISSING = ((12.0, 0.165), (20.0, 0.14))
"""The share of the contrast of all windows with so much of it that may be missing. Measured on 1,238 copies: up to
0.153 and 0.13, but for three by GD's filters, which sample beside (0.2); a page on which every number is another one,
another number on a bank card 0.21 to 0.44, the last digit of each 0.15."""
_FEWEST = 20  # windows with so much contrast: fewer tell nothing of all
_USUAL = 99.5  # percentile of how far the colours of windows moved
_UNSEEN, _OF_CONTRAST = np.float32(2.0), np.float32(0.3)  # of colours: grey levels, and of the window's own contrast
_MORE_THAN_ANEW = np.float32(3.0)
"""Grey levels that a palette may cost a window's colour more than those cost it that are chosen anew for the picture: a
program that gave nearly all colours left none out that a stamp needs. Measured: 384 copies by ten programs are the same
with it; a stamp, a signature of another colour need 6 and more."""
_MIDDLE = 128  # of a difference that is stored as a picture: one of more than 127 levels is none less for it


def in_grey(*images: Image.Image) -> list[Image.Image]:
    """Return pictures without their colours."""
    return [image.convert("L") for image in images]


def standing_out(
    target: Image.Image,
    made: Image.Image,
    left: Residual,
    given: Sequence[Image.Image] = (),
    greys: Sequence[Image.Image] | None = None,
) -> list[tuple[float, tuple[int, int]]]:
    """Return by how much more a window differs than is usual, in luma at half the size and in colour at a quarter.

    Each with the window's pixel (x, y): windows are of 8x8 pixels, four apart. Luma is compared with others of the same
    contrast, colour with all. And how far all of them together differ, as a score: where everything is another, nothing
    stands out. All pictures are RGB and of one size, `SMALLEST` pixels or more; `left` is the
    residual, `given` the re-creation in the colours of the target's palette, in some ways: the worst is what it costs.
    `greys` are the target, the re-creation and those `given` in grey, where they are known.
    """
    differs, contrast, luma = _luma(greys or in_grey(target, made, *given), left)
    found = []
    for each in (luma, _colour(target, made, given)):
        row, column = np.unravel_index(int(each.argmax()), each.shape)
        found.append((float(each[row, column]), (int(column) * _STEP, int(row) * _STEP)))
    # Error diffusion differs everywhere, as it should.
    return [*found, (0.0 if given else _all_over(differs, contrast), found[0][1])]


def _luma(greys: Sequence[Image.Image], left: Residual) -> tuple[Plane, Plane, Plane]:
    """Return of every window how far it differs, its contrast, and by how much more than its like it differs."""
    theirs, ours, *given = greys
    differs = _luma_apart(theirs, ours)
    contrast = _beside(np.maximum(left.spread, left.target_spread), differs.shape)
    cost = np.maximum.reduce([_luma_apart(each, ours) for each in given]) if given else None
    return differs, contrast, beside_like(differs, contrast, contrast >= _LEAST_CONTRAST, _LIKE, cost)


def _all_over(differs: Plane, contrast: Plane) -> float:
    scores = [0.0]
    for least, most in _MISSING:
        asked = contrast >= least
        if int(asked.sum()) >= _FEWEST:
            missing, all_ = (float(np.square(plane[asked], dtype=np.float64).sum()) for plane in (differs, contrast))
            scores.append((missing / all_) ** 0.5 / most)
    return max(scores)


def _luma_apart(image: Image.Image, ours: Image.Image) -> Plane:
    """Return the root mean square of the difference at half the size, over windows; an odd row is not seen."""
    apart = ImageChops.subtract(image, ours, offset=_MIDDLE)
    size = image.width // _HALF, image.height // _HALF
    half = apart.resize(size, Image.Resampling.BILINEAR, box=(0, 0, _HALF * size[0], _HALF * size[1]))
    squares = np.square(np.asarray(half).astype(np.int32) - _MIDDLE)
    rows, columns = (length // 2 * 2 for length in squares.shape)
    by_row = squares[0:rows:2] + squares[1:rows:2]
    return np.asarray(np.sqrt(_over_windows(by_row[:, 0:columns:2] + by_row[:, 1:columns:2]) / np.float32(4)))


def _over_windows(blocks: NDArray[np.int32]) -> Plane:
    """Return the mean of every two by two of a map's places, or of the last two axes of several."""
    by_row = blocks[..., :-1, :] + blocks[..., 1:, :]
    return np.asarray((by_row[..., :-1] + by_row[..., 1:]).astype(np.float32) / np.float32(4))


def _beside(tiles: Plane, shape: tuple[int, ...]) -> Plane:
    """Return for each window the mean of the tiles that it lies on."""
    rows, columns = (np.arange(count) for count in shape)
    across = tiles[:, columns // 2] + tiles[:, np.minimum((columns + 1) // 2, tiles.shape[1] - 1)]
    return np.asarray((across[rows // 2] + across[np.minimum((rows + 1) // 2, tiles.shape[0] - 1)]) / np.float32(4))


def _colour(target: Image.Image, made: Image.Image, given: Sequence[Image.Image]) -> Plane:
    theirs, ours, *paid = (_chroma(image) for image in (target, made, *given))
    differs = _chroma_apart(theirs, ours)
    usual = np.float32(percentile(differs, _USUAL))
    allowed = _UNSEEN + usual + _OF_CONTRAST * np.maximum(_chroma_contrast(theirs), _chroma_contrast(ours))
    if paid:
        cost = np.maximum.reduce([_chroma_apart(each, ours) for each in paid])
        if bool((differs > allowed).any()):
            chosen = in_own_palettes(made, target)
            anew = np.maximum.reduce([_chroma_apart(_chroma(each), ours) for each in chosen])
            cost = np.minimum(cost, anew + _MORE_THAN_ANEW)
        allowed += cost
    return np.asarray(differs / allowed)


def _chroma(image: Image.Image) -> NDArray[np.int32]:
    """Return Cb and Cr at a quarter of the size, shape (2, rows, columns)."""
    size = image.width // _QUARTER * _QUARTER, image.height // _QUARTER * _QUARTER
    quarter = image.reduce(_QUARTER, (0, 0, *size)).convert("YCbCr")
    return np.stack([np.asarray(band) for band in quarter.split()[1:]]).astype(np.int32)


def _chroma_apart(one: NDArray[np.int32], other: NDArray[np.int32]) -> Plane:
    return np.asarray(np.sqrt(_over_windows(np.square(one - other).sum(axis=0))))


def _chroma_contrast(levels: NDArray[np.int32]) -> Plane:
    """Return the deviation of both over windows."""
    variance = _over_windows(np.square(levels)) - np.square(_over_windows(levels))
    return np.asarray(np.sqrt(np.maximum(variance.sum(axis=0), 0)))
