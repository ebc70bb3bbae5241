"""Copies with a palette: what 256 colours or fewer cost is excused, and hides neither an edit nor another shot."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from tests import proving
from tests.drawing import brightened, descriptor, scene, stored
from twinwatch.photo import Evidence, Verdict
from twinwatch.proof import prove
from twinwatch.proof.octrees import strange

DIFFUSED = Image.Dither.FLOYDSTEINBERG
FAST_OCTREE = Image.Quantize.FASTOCTREE


def _octree(picture: Image.Image, colours: int = 256) -> Image.Image:
    return picture.quantize(colours, FAST_OCTREE, dither=Image.Dither.NONE)


def _leftwards(picture: Image.Image, palette: Image.Image) -> Image.Image:
    """Diffuse errors from right to left, which meets our own error diffusion in no pixel."""
    return ImageOps.mirror(ImageOps.mirror(picture).quantize(palette=palette, dither=DIFFUSED))


def _stamped(picture: Image.Image, share: float) -> Image.Image:
    """Write a name over the sky that lets all but this share of it through."""
    layer = Image.new("L", picture.size, 0)
    font = ImageFont.load_default(picture.height // 10)
    ImageDraw.Draw(layer).text((picture.width // 10, picture.height // 10), "(c) A. Person", round(255 * share), font)
    return Image.composite(Image.new("RGB", picture.size, "white"), picture, layer)


def _warmer(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture) * np.array([1.025, 1.0, 0.975])
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _compared(seed: int, change: Callable[[Image.Image], Image.Image]) -> Evidence:
    """Compare a JPEG of a scene with what a program made of its pixels."""
    photo = stored(scene(seed), quality=95)
    seen = Image.open(io.BytesIO(photo)).convert("RGB")
    with descriptor(photo) as original, descriptor(stored(change(seen), "GIF")) as other:
        return prove(original, other)


@pytest.mark.parametrize("seed", [3, 5])
def test_an_octree_of_few_leaves_is_a_copy(seed: int) -> None:
    evidence = _compared(seed, lambda seen: _octree(seen, 100))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


@pytest.mark.parametrize("colours", [256, 100])
@pytest.mark.parametrize("seed", [3, 5, 8])
def test_an_octree_tells_what_was_edited_before(seed: int, colours: int) -> None:
    for edit in (lambda seen: _stamped(seen, 0.055), brightened, _warmer):
        evidence = _compared(seed, lambda seen, edit=edit: _octree(edit(seen), colours))  # type: ignore[misc]
        assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_only_an_octree_is_told_by_its_leaves() -> None:
    picture = scene(3)
    told = strange(picture, _octree(picture))
    assert told is not None
    assert told.max() == 0
    edited = strange(picture, _octree(_stamped(picture, 0.055)))
    assert edited is not None
    assert edited.max() > 6
    for other in (picture.quantize(256), picture.quantize(200, dither=DIFFUSED), _octree(brightened(picture))):
        assert strange(picture, other) is None


def test_a_drawing_of_few_colours_is_no_octree() -> None:
    """Where all that was given a colour had it before, its mean is what any program gives."""
    flag = Image.new("RGB", (960, 640), (0, 106, 78))
    ImageDraw.Draw(flag).ellipse((240, 160, 560, 480), fill=(244, 42, 65))
    flag = flag.resize((240, 160), Image.Resampling.LANCZOS)
    rounded = np.asarray(flag).astype(np.int16) + np.random.default_rng(1).integers(0, 2, (160, 240, 1))
    assert strange(Image.fromarray(rounded.clip(0, 255).astype(np.uint8)), flag.quantize(256)) is None


@pytest.mark.parametrize(
    "how",
    [
        lambda shot: shot.quantize(256, dither=DIFFUSED),
        _octree,
        lambda shot: shot.convert("P", palette=Image.Palette.WEB, dither=DIFFUSED),
    ],
    ids=["diffused", "octree", "web"],
)
def test_another_shot_in_a_palette_is_no_copy(how: Callable[[Image.Image], Image.Image]) -> None:
    """However much noise a palette adds, a copy has the grain of its original in it."""
    for seed in (3, 5, 8):
        assert _compared(seed, how).verdict is Verdict.RE_ENCODED
        another = scene(seed, frame=1)
        evidence = _compared(seed, lambda _seen, another=another: how(another))  # type: ignore[misc]
        assert (evidence.verdict, evidence.measures["limit"]) == (Verdict.LOOK_ALIKE, "grain"), evidence


def test_a_colour_that_no_pixel_was_given_is_not_in_the_palette() -> None:
    """Writers pad a palette with white: what is nearly white was given its own brightest colour all the same."""
    picture = scene(5)
    ImageDraw.Draw(picture).rectangle((400, 60, 500, 130), fill=(254, 254, 254))
    copy = picture.quantize(200, dither=Image.Dither.NONE)
    colours = copy.getpalette()[:600]  # type: ignore[index]
    white = copy.getpixel((450, 100))
    assert isinstance(white, int)
    colours[3 * white : 3 * white + 3] = (240, 246, 244)
    copy.putpalette([*colours, *(255, 255, 255) * 56])
    with descriptor(stored(picture, "PNG")) as original, descriptor(stored(copy, "PNG")) as other:
        evidence = prove(original, other)
    assert evidence.verdict is Verdict.RE_ENCODED, evidence


def test_what_a_palette_cannot_reach_is_no_tone() -> None:
    """Few colours leave out the strongest; error diffusion keeps the mean of all others."""
    copy = _compared(8, lambda seen: _leftwards(seen, seen.quantize(64)))
    assert copy.verdict is Verdict.RE_ENCODED, copy
    for edit in (_warmer, lambda seen: brightened(seen, 1.04), lambda seen: _stamped(seen, 0.4)):
        evidence = _compared(8, lambda seen, edit=edit: _leftwards(edit(seen), seen.quantize(64)))  # type: ignore[misc]
        assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def _plan(number: str = "128", *, wire: str = "firebrick") -> Image.Image:
    """Draw a plan of thin lines and small numbers: few colours, most of which any palette has."""
    plan = Image.new("RGB", (1200, 900), "white")
    pen = ImageDraw.Draw(plan)
    for place in range(12):
        x, y = 60 + 280 * (place % 4), 60 + 260 * (place // 4)
        pen.rectangle((x, y, x + 200, y + 160), outline="black", width=3)
        pen.line(
            (x, y + 80, x + 200, y + 80), fill=wire if place == 5 else ("firebrick", "royalblue")[place % 2], width=4
        )
        pen.text((x + 20, y + 110), number if place == 6 else f"{137 * place % 900 + 100}", "black", font_size=26)
    return plan


@pytest.mark.parametrize("how", [Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
def test_another_number_or_wire_in_a_small_drawing_of_few_colours_is_no_copy(how: Image.Resampling) -> None:
    def saved(plan: Image.Image) -> bytes:
        return stored(plan.resize((400, 300), how), "GIF")

    photo = stored(_plan(), quality=92)
    copy = saved(Image.open(io.BytesIO(photo)).convert("RGB"))
    with descriptor(photo) as original, descriptor(copy) as other:
        evidence = prove(original, other)
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
    for edit in (_plan("188"), _plan(wire="forestgreen")):
        with descriptor(photo) as original, descriptor(saved(edit)) as other:
            assert prove(original, other).verdict is Verdict.LOOK_ALIKE


def _scoreboard(score: str) -> Image.Image:
    """Draw a game: a scene with a list of scores on it, and one more in a corner."""
    picture = scene(6, (1280, 960), grain=2)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(40)
    for row in range(5):
        pen.text((30, 30 + 60 * row), f"squad {row + 1}  {37 * row % 97 + 10:02d} / 120", font=font, fill="white")
    pen.text((980, 860), score, font=font, fill="white")
    return picture


@pytest.mark.parametrize("method", [Image.Quantize.MEDIANCUT, Image.Quantize.FASTOCTREE])
def test_another_score_in_a_small_palette_of_a_scene_is_another_picture(method: Image.Quantize) -> None:
    def shrunk(score: str) -> bytes:
        small = _scoreboard(score).resize((422, 317), Image.Resampling.BICUBIC)
        return stored(small.quantize(256, method=method), "GIF")

    original = stored(_scoreboard("30/120"), quality=92)
    copy = proving.prove(original, shrunk("30/120"))
    assert (copy.verdict, copy.original) == (Verdict.RE_ENCODED, "a"), copy
    for score in ("20/120", "36/120", "80/120"):
        evidence = proving.prove(original, shrunk(score))
        assert (evidence.verdict, evidence.measures["limit"]) == (Verdict.LOOK_ALIKE, "text"), evidence


def _receipt(ink: tuple[int, int, int]) -> Image.Image:
    """Draw a photo of a garden above a receipt with a stamp in this ink."""
    picture = scene(3, (800, 1000), grain=2)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    pen.rectangle((0, 500, 800, 1000), fill=(250, 249, 245))
    for row in range(10):
        words = f"Received with thanks the sum of {137 * row % 911} euros"
        pen.text((40, 520 + 44 * row), words, font=font, fill=(30, 30, 30))
    pen.ellipse((560, 760, 740, 900), outline=ink, width=6)
    pen.text((590, 815), "RECEIVED", font=ImageFont.load_default(24), fill=ink)
    return picture


@pytest.mark.parametrize("dithered", [False, True])
@pytest.mark.parametrize("method", [Image.Quantize.MEDIANCUT, FAST_OCTREE])
@pytest.mark.parametrize(
    ("ink", "grey"),
    [((60, 80, 200), (88, 88, 88)), ((40, 60, 160), (65, 65, 65)), ((150, 30, 40), (67, 67, 67))],
    ids=["blue", "navy", "red"],
)
def test_a_stamp_whose_colour_the_palette_lacks_is_no_cost_of_the_palette(
    ink: tuple[int, int, int], grey: tuple[int, int, int], method: Image.Quantize, dithered: bool
) -> None:
    def saved(page: Image.Image) -> bytes:
        given = page.quantize(256, method)
        return stored(page.quantize(palette=given, dither=DIFFUSED) if dithered else given, "PNG")

    original = stored(_receipt(ink), quality=92)
    copy = proving.prove(original, saved(proving.decoded(original)))
    assert copy.verdict in (Verdict.RE_ENCODED, Verdict.SAME_PIXELS), copy
    other = stored(_receipt(grey), quality=92)
    assert proving.prove(original, saved(proving.decoded(other))).verdict is Verdict.LOOK_ALIKE
