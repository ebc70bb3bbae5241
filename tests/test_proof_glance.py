"""The glance at a burst: what is kept of a sketch changes no number of any comparison."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.drawing import descriptor, edited, scene, shifted, stored
from twinwatch.imaging.fingerprint import oriented
from twinwatch.photo import COPY_VERDICTS, Evidence
from twinwatch.proof import prove
from twinwatch.proof.glance import glance
from twinwatch.proof.sketch import sketch

FRAMES = [stored(shifted(scene(3, (1280, 960), frame=number), number), quality=88) for number in range(3)]
PICTURES = {
    "frame": FRAMES[0],
    "shaken": FRAMES[2],
    "edited": stored(edited(scene(3, (1280, 960)), 0.02)),
    "turned": stored(scene(3, (1280, 960)).transpose(Image.Transpose.ROTATE_90)),
    "small": stored(scene(3, (1280, 960)).resize((330, 250))),
    "grey": stored(scene(3, (1280, 960)).convert("L"), "PNG"),
    "palette": stored(scene(3, (640, 480)).quantize(200), "PNG"),
}


def evidence(a: bytes, b: bytes) -> Evidence:
    with descriptor(a) as fd_a, descriptor(b) as fd_b:
        return prove(fd_a, fd_b)


@pytest.mark.parametrize("other", sorted(PICTURES))
def test_a_glance_says_the_same_whatever_was_compared_before(other: str) -> None:
    fresh = glance(sketch(FRAMES[1]), sketch(PICTURES[other]))
    used = sketch(FRAMES[1])
    for before in PICTURES.values():
        glance(used, sketch(before))
        glance(sketch(before), used)
    assert glance(used, sketch(PICTURES[other])) == fresh


def test_a_proof_says_the_same_when_it_is_asked_again() -> None:
    said = evidence(FRAMES[0], PICTURES["edited"])
    assert " of {b}" in said.words
    assert evidence(FRAMES[0], PICTURES["edited"]) == said
    told = glance(sketch(FRAMES[0]), sketch(PICTURES["edited"])).tile  # of RGB; a draft is of luma
    assert float(said.measures["glance_tile"]) == pytest.approx(told, rel=0.05)


@pytest.mark.parametrize("other", sorted(PICTURES))
def test_a_glance_is_what_its_words_say(other: str) -> None:
    """Done again the slow way: each tile and pixel by itself, as multiples of what detail there excuses."""
    a, b = sketch(FRAMES[1]), sketch(PICTURES[other])
    seen = glance(a, b)
    assert seen.mean == round(min(float(np.abs(turned(a.miniature, k) - levels(b.miniature)).mean()) for k in ALL), 2)
    if other not in ("frame", "shaken"):  # an edit in the dark is also seen in light of eight bits
        return
    how = Image.Resampling.HAMMING
    ours, theirs = (np.asarray(side.small((420, 315), how, luma=True)).astype(np.float64) for side in (a, b))
    detail = np.minimum(reach(ours), reach(theirs))
    pixel = np.abs(ours - theirs) / (4 + 0.35 * detail)
    means = (plane[:312].reshape(78, 4, 105, 4).mean(axis=(1, 3)) for plane in (ours - theirs, detail))
    tile = np.abs(next(means)) / (2 + 0.1 * next(means))
    assert seen.pixel == pytest.approx(pixel.max(), abs=0.006)
    assert seen.tile == pytest.approx(tile.max(), abs=0.006)
    assert seen.transforms[0] == 1


ALL = range(1, 9)


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("YCbCr")).astype(np.float64)


def turned(image: Image.Image, orientation: int) -> np.ndarray:
    return np.asarray(oriented(image.convert("YCbCr"), orientation)).astype(np.float64)


def reach(luma: np.ndarray) -> np.ndarray:
    around = np.pad(luma, 1, mode="edge")
    places = np.lib.stride_tricks.sliding_window_view(around, (3, 3))
    spans: np.ndarray = places.max(axis=(2, 3)) - places.min(axis=(2, 3))
    return spans


@pytest.mark.parametrize(("shrunk", "most"), [(1.0, 1), (0.66, 5)], ids=["as-large", "two-thirds"])
def test_small_white_type_on_black_is_no_difference(shrunk: float, most: float) -> None:
    """As trail cameras print it along the edge; decoders shrink it by other parts before it is looked at."""
    picture = scene(5, (2048, 1440))
    ImageDraw.Draw(picture).rectangle((0, 0, 2048, 40), fill="black")
    for number in range(180):
        left, top = 11 * number, 4 + 5 * number % 29
        ImageDraw.Draw(picture).rectangle((left, top, left + 2, top + 2), fill="white")
    original = stored(picture, quality=92)
    decoded = Image.open(io.BytesIO(original)).convert("RGB")
    size = (round(2048 * shrunk), round(1440 * shrunk))
    copy = stored(decoded.resize(size, Image.Resampling.LANCZOS), "PNG")
    assert glance(sketch(original), sketch(copy)).pixel < most  # a copy may have up to 10
    assert evidence(original, copy).verdict in COPY_VERDICTS
