"""Does anything stand out from what is left once both pictures are seen at half the size?

What an unknown scaler, an earlier JPEG or a codec gets wrong is the finest detail. Half the size has lost it, and
another letter, date or lamp is still another one there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from twinwatch.proof.judge import Judgement
from twinwatch.proof.outliers import Like, Plane, beside_like
from twinwatch.proof.ranks import percentile
from twinwatch.proof.residual import TILE

_STEP = TILE // 2  # pixels from one window to the next: each is as large as a tile
_LIKE = Like(64, 6)
_LEAST_CONTRAST = 8.0  # deviation of luma in a window that may stand out among its like
_USUAL = 99.5  # percentile of how far the colours of windows moved
_UNSEEN, _OF_CONTRAST = np.float32(3.0), np.float32(0.2)  # of colours: grey levels, and of the window's own contrast


def judge(
    found: Judgement,
    target: Image.Image,
    made: Image.Image,
    bound: tuple[float, float],
    given: Sequence[Image.Image] = (),
) -> Judgement:
    """Add to the judgement of a proof that is not exact what both pictures show at half the size.

    `bound` is as `judge.Bounds.halved`, the pictures are as for `standing_out`.
    """
    if not found.proved or found.mostly_exact:
        return found
    stands_out = zip(standing_out(target, made, given), bound, ("text", "colour"), strict=True)
    score, at, limit = max((round(more / most, 3), at, limit) for (more, at), most, limit in stands_out)
    return replace(found, score=score, limit=limit, at=at) if score > found.score else found


def standing_out(
    target: Image.Image, made: Image.Image, given: Sequence[Image.Image] = ()
) -> list[tuple[float, tuple[int, int]]]:
    """Return by how much more a window differs, seen at half the size, than is usual: in luma, and in colour.

    Each with the window's pixel (x, y): windows are of 8x8 pixels, four apart. Luma is compared with others of the same
    contrast, colour with all. All pictures are RGB and of one size; `given` is the re-creation in the colours of the
    target's palette, in some ways: the worst of them is what it costs. 0 where a picture is too small to tell.
    """
    if min(target.size) < 2 * TILE:
        return [(0.0, (0, 0))] * 2
    theirs, ours, *paid = (_half(image) for image in (target, made, *given))
    differs, contrast = _apart(theirs, ours), np.maximum(_deviation(theirs), _deviation(ours))
    cost = np.maximum.reduce([_apart(each, ours) for each in paid]) if paid else np.zeros_like(contrast)
    luma = beside_like(differs[0], contrast[0], contrast[0] >= _LEAST_CONTRAST, _LIKE, cost[0])
    colour, contrast_of_colour = (np.hypot(one[1], one[2]) for one in (differs, contrast))
    usual = np.float32(percentile(colour, _USUAL))
    allowed = _UNSEEN + usual + _OF_CONTRAST * contrast_of_colour + np.hypot(cost[1], cost[2])
    found = []
    for each in (luma, colour / allowed):
        row, column = np.unravel_index(int(each.argmax()), each.shape)
        found.append((float(each[row, column]), (int(column) * _STEP, int(row) * _STEP)))
    return found


def _half(image: Image.Image) -> Plane:
    """Return Y, Cb and Cr at half the size, planes; what is left of an odd width or height is not seen."""
    size = image.width // 2, image.height // 2
    box = (0, 0, 2 * size[0], 2 * size[1])
    half = image.convert("YCbCr").resize(size, Image.Resampling.BILINEAR, box=box)
    return np.stack([np.asarray(band) for band in half.split()]).astype(np.float32)


def _over_windows(values: Plane) -> Plane:
    """Return the mean over windows of 4x4, two apart, of each plane."""
    rows, columns = (length // 2 for length in values.shape[1:])
    pairs = values[:, : 2 * rows, : 2 * columns].reshape(-1, rows, 2, columns, 2).sum(axis=(2, 4))
    high = pairs[:, :-1] + pairs[:, 1:]
    return np.asarray((high[:, :, :-1] + high[:, :, 1:]) / np.float32(16))


def _apart(one: Plane, other: Plane) -> Plane:
    return np.asarray(np.sqrt(_over_windows(np.square(one - other))))


def _deviation(planes: Plane) -> Plane:
    mean = _over_windows(planes)
    return np.asarray(np.sqrt(np.maximum(_over_windows(np.square(planes)) - np.square(mean), 0)))
