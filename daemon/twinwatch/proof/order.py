"""Which of two files of one picture is likely the original, as far as they tell it without being made again."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from twinwatch.photo import Side
from twinwatch.proof.detail import lost_detail
from twinwatch.proof.finishing import encode_jpeg
from twinwatch.proof.ground import Ground
from twinwatch.proof.picture import INVERSE, JpegTables, Picture, composed
from twinwatch.proof.recreate import Recipe, Target, recipes, something_between, windows
from twinwatch.proof.requantised import requantised

_BACK = 0.03
"""Grey levels. Measured: photos that were saved finer later 0 to 0.02 (0.05 with halved chroma, which does not come
back), one that had been saved three times itself 0.06, other photos 0.3 and more."""


Likely = Callable[[int], tuple[Side, bool]]
"""`likely_original` of one pair, by the transform."""


def likely(a: Picture, b: Picture) -> Likely:
    """Return `likely_original` of these two, which is worked out once for each transform."""
    return cache(partial(likely_original, a, b))


def likely_original(a: Picture, b: Picture, transform: int) -> tuple[Side, bool]:
    """Return which is likelier to be the original, and whether the other's own coefficients say so.

    More pixels first, then more bits of each colour, all colours, a camera's name, finer quantisation, metadata; but
    what had been quantised by the other's coarser tables before was saved after it, whatever else it has. Where nothing
    tells it is the larger file, and of two as large the same one in whichever order they are given.
    """

    def worth(p: Picture) -> tuple[int, bool, bool, bool, float, int, int, bytes]:
        fineness = -p.steps.coarseness if p.steps else 0.0 if p.lossless else -math.inf
        meta = p.header.metadata
        told = p.header.pixels, p.header.bits > 8, p.palette is None, meta.camera is not None, fineness, meta.richness
        return (*told, len(p.data), p.data)

    alike = _stored_alike(a, b, transform)
    if alike and _was_saved_after(b, a):
        return "a", True
    if alike and _was_saved_after(a, b):
        return "b", True
    return ("a" if worth(a) >= worth(b) else "b"), False


def by_detail(a: Picture, b: Picture, likely: Likely) -> Likely:
    """Return `likely`, but for the finer file that has less detail than the other and did not make it by saving it.

    Such is a photo from a web page, which went through a codec that hides what it lost and was saved well then.
    """
    return cache(partial(_by_detail, a, b, likely))


def _by_detail(a: Picture, b: Picture, likely: Likely, transform: int) -> tuple[Side, bool]:
    side, certain = likely(transform)
    finer, other = (a, b) if side == "a" else (b, a)
    cameras = [p.header.metadata.camera is not None for p in (finer, other)]
    if certain or other.tables is None or not finer.known_storage or cameras == [True, False]:
        return side, certain
    if finer.profile != other.profile or finer.see_through() or not _stored_alike(a, b, transform):
        return side, certain
    ground, target = Ground(finer.rgb()), Target(other.rgb(), other.tables)
    pairs = ((ground.part(box), target.image.crop(box)) for box in windows(target.image.size))
    if not lost_detail(finer, other, pairs) or not something_between(ground, target, Recipe("same size")):
        return side, certain
    if recipes(ground, target)[0].kernel is not None:  # sharpened, or blurred: that tells nothing of detail
        return side, certain
    return "b" if side == "a" else "a", certain


def _stored_alike(a: Picture, b: Picture, transform: int) -> bool:
    return a.size == b.size and composed(a.header.orientation, transform, INVERSE[b.header.orientation]) == 1


def _was_saved_after(picture: Picture, other: Picture) -> bool:
    own, before = picture.steps, other.steps
    if before is None or not picture.known_storage:
        return False
    if picture.tables is None and requantised(picture.rgb(255), None, before.tables[0]):
        return True
    if own is None:
        return False
    if own.coarseness >= before.coarseness:
        return False  # coarser tables give back what they have rounded before, whatever came between
    return requantised(picture.rgb(), own.tables[0], before.tables[0]) or _comes_back(picture, own, before)


def _comes_back(picture: Picture, own: JpegTables, before: JpegTables) -> bool:
    """Tell whether a JPEG stays as it is when it is stored with other tables and then with its own once more.

    Then it has nothing beside what those other tables keep, even where its steps are too near theirs to tell.
    """
    if own.subsampling is None or before.subsampling is None:
        return False  # it cannot be stored so
    left = 0.0
    image = picture.rgb()
    boxes = Target(image).windows
    for box in boxes:
        window = image.crop(box)
        again = encode_jpeg(encode_jpeg(window, before), own)
        left += float(np.abs(np.asarray(again).astype(np.int16) - np.asarray(window)).mean())
    return left / len(boxes) <= _BACK
