"""What no file tells: a hidden codec is imitated, and what an unknown scaler did everywhere is told from an edit."""

from __future__ import annotations

import io
import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from tests.drawing import chat, messages, scene, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof import recoding
from twinwatch.proof.attempts import Attempt
from twinwatch.proof.judge import NOTHING_LEFT
from twinwatch.proof.making import Way
from twinwatch.proof.picture import decode
from twinwatch.proof.residual import Asked, residual, residuals, unstored


def grainy(seed: int) -> Image.Image:
    """Draw much grain and, far from it, sharp lines on smooth ground, where no window is looked at."""
    picture = scene(seed, (1200, 900), grain=9)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, 1200, 220), fill=(150, 170, 205))
    for x in range(30, 1180, 40):
        pen.line((x, 20, x + 20, 190), fill=(20, 20, 20), width=3)
    return picture


ORIGINAL = stored(grainy(3), quality=95)
SEEN = Image.open(io.BytesIO(ORIGINAL)).convert("RGB")


@pytest.mark.parametrize("format_", ["WEBP", "AVIF"])
def test_the_less_a_hidden_codec_lost_the_better_the_jpeg_that_stands_in_and_no_filter_does(format_: str) -> None:
    found = []
    for quality in (60, 75, 90):
        evidence = prove(ORIGINAL, stored(SEEN, format_, quality=quality))
        assert evidence.verdict is Verdict.RE_ENCODED, evidence
        assert "fitted filter" not in evidence.words
        told = re.search(r"losing as much as a JPEG of quality (\d+)", evidence.words)
        assert told is not None
        found.append(int(told[1]))
    assert found == sorted(set(found))


@pytest.mark.parametrize(("format_", "quality"), [("WEBP", 60), ("AVIF", 60), ("AVIF", 40)])
def test_the_scaler_before_a_hidden_codec_is_found_through_it(format_: str, quality: int) -> None:
    small = SEEN.resize((600, 450), Image.Resampling.BOX)
    evidence = prove(ORIGINAL, stored(small, format_, quality=quality))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert "fitted filter" not in evidence.words


def test_a_scaler_that_smooths_as_a_codec_does_is_not_the_only_one_tried() -> None:
    soft = scene(4, (1500, 1125), grain=2).filter(ImageFilter.GaussianBlur(1.2))
    original = stored(soft, quality=92)
    small = decoded(original).resize((892, 669), Image.Resampling.LANCZOS)
    evidence = prove(original, stored(small, "WEBP", quality=50))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


def test_what_a_codec_kept_tells_the_scaler_and_what_it_left_out_draws_smoother_ones_nearer() -> None:
    windows = [SEEN.crop((left, 200, left + 256, 456)) for left in (100, 500)]
    sharp, soft = (
        [window.resize((128, 128), how) for window in windows]
        for how in (Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)
    )
    aims = [decoded(stored(window, "WEBP", quality=40)) for window in sharp]
    assert recoding.kept_apart(sharp, aims) < 0.9 * recoding.kept_apart(soft, aims)


def through(picture: Image.Image, format_: str, quality: int) -> Image.Image:
    """Store a picture so and decode it again."""
    return decoded(stored(picture, format_, quality=quality))


KEPT_WELL: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "PNG": {}, "TIFF": {}}


@pytest.mark.parametrize("kept", KEPT_WELL)
@pytest.mark.parametrize(("format_", "quality"), [("WEBP", 80), ("AVIF", 60)])
def test_what_went_through_a_hidden_codec_is_the_copy_however_well_it_was_saved(
    format_: str, quality: int, kept: str
) -> None:
    """As a picture of a web page is, that was converted: it has finer steps, or all its pixels, and less detail."""
    photo = stored(scene(3, (800, 600), grain=2), quality=90)
    copy = stored(through(decoded(photo), format_, quality), kept, **KEPT_WELL[kept])
    for pair, side in (((photo, copy), "a"), ((copy, photo), "b")):
        evidence = prove(*pair)
        assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, side), evidence


def test_a_photo_with_more_detail_than_its_coarser_copy_stays_the_original() -> None:
    """Whatever lies between them."""
    photo = stored(scene(4, (800, 600), grain=2), quality=95)
    evidence = prove(stored(through(decoded(photo), "WEBP", 60), quality=85), photo)
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "b"), evidence


@pytest.mark.parametrize("quality", [80, 88])
def test_a_sharpened_copy_has_no_more_detail_of_its_own(quality: int) -> None:
    photo = stored(scene(63, (800, 600)), quality=95)
    sharp = decoded(photo).filter(ImageFilter.UnsharpMask(1, 40, 0))
    evidence = prove(photo, stored(sharp, quality=quality))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


@pytest.mark.parametrize("kept", KEPT_WELL)
@pytest.mark.parametrize("how", ["stamp", "brighter", "next shot"])
def test_a_hidden_codec_before_the_last_one_excuses_no_edit(how: str, kept: str) -> None:
    photo = stored(scene(62, (800, 600)), quality=90)
    if how == "next shot":
        other = scene(62, (800, 600), frame=1)
    elif how == "brighter":
        other = ImageEnhance.Brightness(decoded(photo)).enhance(1.03)
    else:
        other = decoded(photo)
        ImageDraw.Draw(other).text((300, 200), "12:34", fill="white", font_size=20)
    evidence = prove(photo, stored(through(other, "WEBP", 70), kept, **KEPT_WELL[kept]))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_another_brightness_is_seen_in_a_few_windows_and_another_scaler_is_none() -> None:
    original = decode(ORIGINAL)
    brighter = decode(stored(ImageEnhance.Brightness(SEEN).enhance(1.03), quality=85))
    assert Way(original, brighter, 1).look().judgement.score > 3  # what makes the whole picture needless
    page = chat(messages(2), size=(1080, 1920))
    softer = page.resize((540, 960), Image.Resampling.BICUBIC).resize((648, 1152), Image.Resampling.BILINEAR)
    looked = Way(decode(stored(page, "PNG")), decode(stored(softer, quality=85)), 1).look().judgement
    assert looked.limit not in ("tone", "tint")


def test_an_edit_in_one_direction_is_outweighed_only_by_a_clean_proof_in_the_other() -> None:
    edited = Attempt("b", 1, "same size", replace(NOTHING_LEFT, edited=True, stray=2.4, exact=0.6, equal=0.6))

    def other(stray: float) -> Attempt:
        return Attempt("a", 1, "same size", replace(NOTHING_LEFT, score=0.3, stray=stray, exact=0.4, equal=0.6))

    assert other(1.0).outweighs(edited)
    assert not other(1.3).outweighs(edited)  # something strays there as well
    weak = replace(edited, judgement=replace(edited.judgement, stray=1.1))
    assert not other(1.0).outweighs(weak)  # as far as in the other direction


def page(changed: tuple[str, str] | None = None) -> Image.Image:
    """Draw a page of amounts; the first digit of that kind in the 21st row may be another one."""
    picture = Image.new("RGB", (1000, 1400), (255, 255, 255))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(22)
    rng = np.random.default_rng(2)
    for row in range(44):
        amounts = "   ".join(f"{int(amount):05d} EUR" for amount in rng.integers(0, 99999, 6))
        if changed is not None and row == 20:
            amounts = amounts.replace(*changed, 1)
        pen.text((20, 12 + 31 * row), amounts, font=font, fill=(0, 0, 0))
    return picture


@pytest.mark.parametrize("share", [0.62, 0.33])
def test_one_digit_is_told_from_what_an_unknown_scaler_does_to_all_others(share: float) -> None:
    def shrunk(picture: Image.Image) -> bytes:
        """Scale in two steps that no candidate takes."""
        for part, how in ((0.9, Image.Resampling.BILINEAR), (share, Image.Resampling.BICUBIC)):
            picture = picture.resize((round(1000 * part), round(1400 * part)), how)
        return stored(picture, quality=85)

    original = stored(page(), "PNG")
    copy = prove(original, shrunk(page()))
    assert copy.verdict is Verdict.RE_ENCODED, copy
    for changed in (("6", "9"), ("3", "8")):
        evidence = prove(original, shrunk(page(changed)))
        assert (evidence.verdict, evidence.measures["limit"]) == (Verdict.LOOK_ALIKE, "text"), evidence


@pytest.mark.parametrize("height", [7, 512, 519, 521, 1030])
def test_a_picture_in_strips_leaves_what_the_whole_leaves(height: int) -> None:
    noise = np.random.default_rng(height).integers(0, 256, (2, height, 51, 3), dtype=np.uint8)
    theirs, ours = (Image.fromarray(each) for each in noise)
    whole = residual(theirs, ours)
    boxes = [(0, 0, 51, height)] if height < 520 else [(0, 0, 51, 512), (0, 512, 51, height)]
    strips = [(theirs.crop(box), ours.crop(box)) for box in boxes]
    (found,) = residuals(strips, [Asked(0, 1)])
    for map_ in fields(whole):
        assert np.array_equal(getattr(found, map_.name), getattr(whole, map_.name)), map_.name


def test_what_is_left_without_storing_follows_from_what_is_left_with_it() -> None:
    seen = SEEN.crop((0, 0, 203, 131))
    made = seen.filter(ImageFilter.GaussianBlur(1))
    again = seen.filter(ImageFilter.BoxBlur(2))
    asked = [Asked(0, 1), Asked(1, 2, spreads=False), Asked(0, 2, means=False)]
    found, whole = unstored(*residuals([(seen, again, made)], asked)), residual(seen, made)
    for map_ in ("signed", "level", "rough", "spread", "target_spread", "rest"):
        assert np.allclose(getattr(found, map_), getattr(whole, map_), atol=1e-4), map_
