"""What was only approached is looked at once more at a part of its size: there another letter is still another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.drawing import scene, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof import approached, halved
from twinwatch.proof.judge import KNOWN_TABLES, LOSSLESS, judge
from twinwatch.proof.residual import residual

WHICH = {"luma": 0, "colour": 1}


def invoice(amount: str) -> Image.Image:
    """Draw a scanned page of positions and amounts; one of these is given."""
    picture = Image.new("RGB", (1240, 1754), (252, 252, 250))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(22)
    rng = np.random.default_rng(7)
    for row in range(40):
        count, cents, euros = int(rng.integers(1, 40)), int(rng.integers(100, 999)), int(rng.integers(1000, 9999))
        pen.text((60, 60 + 40 * row), f"Position {row + 1:02d}   {count} x {cents},95", font=font, fill=(20, 20, 20))
        words = f"EUR {euros},00" if row != 20 else f"EUR {amount}"
        pen.text((900, 60 + 40 * row), words, font=font, fill=(20, 20, 20))
    return picture


def sent_on(picture: Image.Image) -> bytes:
    """Send a picture on twice: each program makes it smaller in its own way and stores it."""
    picture.thumbnail((1600, 1600), Image.Resampling.BICUBIC)
    picture = decoded(stored(picture, quality=85))
    picture.thumbnail((1000, 1000), Image.Resampling.BILINEAR)
    return stored(picture, quality=70)


def test_another_amount_in_the_small_print_of_a_page_that_was_sent_on_twice_is_another_page() -> None:
    original = stored(invoice("1260,00"), quality=92)
    copy = prove(original, sent_on(invoice("1260,00")))
    assert (copy.verdict, copy.original) == (Verdict.RE_ENCODED, "a"), copy
    assert float(copy.measures["exact"]) < 0.5  # it was only approached
    for amount in ("1250,00", "1280,00", "1200,00"):
        evidence = prove(original, sent_on(invoice(amount)))
        assert (evidence.verdict, evidence.measures["limit"]) == (Verdict.LOOK_ALIKE, "text"), evidence


def smooth(seed: int) -> Image.Image:
    """Draw a scene that is out of focus."""
    return scene(seed, (600, 900), grain=0.6).filter(ImageFilter.GaussianBlur(3))


def _picture(planes: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(planes, 0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def _written() -> tuple[Image.Image, np.ndarray]:
    """Draw words on a scene out of focus; and the planes of a copy in which everything moved a little."""
    picture = smooth(3)
    ImageDraw.Draw(picture).text((200, 400), "12:41 and more", font=ImageFont.load_default(20), fill=(250, 250, 250))
    planes = np.asarray(picture.convert("YCbCr")).astype(float)
    return picture, planes + np.random.default_rng(1).normal(0, 1.5, planes.shape)


@pytest.mark.parametrize("which", WHICH)
def test_what_stands_out_is_found_in_its_place(which: str) -> None:
    """One place moved more: strokes that are gone, or another colour of the same brightness."""
    picture, copy = _written()
    edited = copy.copy()
    if which == "luma":
        edited[400:416:2, 240:246, 0] -= 90
    else:
        edited[400:412, 320:332] += (0, 18, -18)
    (usual, _), (found, (x, y)) = (
        halved.standing_out(seen, picture, residual(seen, picture))[WHICH[which]]
        for seen in (_picture(copy), _picture(edited))
    )
    assert found > 1.5 * usual
    assert abs(x - {"luma": 243, "colour": 326}[which]) <= 12
    assert abs(y - 406) <= 12


def _scores(target: Image.Image, made: Image.Image, given: list[Image.Image]) -> list[float]:
    return [more for more, _ in halved.standing_out(target, made, residual(target, made), given)][:2]


def test_what_a_palette_costs_a_window_is_excused_there() -> None:
    made = smooth(4)
    ImageDraw.Draw(made).rectangle((300, 300, 312, 312), fill=(200, 40, 40))
    target = made.quantize(200).convert("RGB")
    assert min(_scores(target, made, [])) > 1.5
    assert max(_scores(target, made, [made, target])) < 1


def test_a_colour_that_any_palette_has_is_no_cost_of_this_one() -> None:
    made = smooth(4)
    ImageDraw.Draw(made).rectangle((300, 300, 336, 336), fill=(200, 40, 40))
    target = made.copy()
    ImageDraw.Draw(target).rectangle((300, 300, 336, 336), fill=(88, 88, 88))
    target = target.quantize(200).convert("RGB")
    assert _scores(target, made, [made, target])[1] > 1.2


@pytest.mark.parametrize("size", [(301, 203), (48, 66), (17, 600)])
def test_any_size_from_sixteen_pixels_on_is_asked(size: tuple[int, int]) -> None:
    """Of an odd size the last row and column are not seen, and those before are in their place."""
    made = smooth(5).crop((0, 0, *size))
    assert [more for more, _ in halved.standing_out(made, made, residual(made, made))] == [0.0, 0.0, 0.0]
    target = made.copy()
    ImageDraw.Draw(target).rectangle((2, size[1] - 9, 7, size[1] - 3), fill=(30, 180, 30))
    _, (colour, (x, y)), _ = halved.standing_out(target, made, residual(target, made))
    assert colour > 0.5  # of so few windows it is among the usual
    assert x <= 8
    assert size[1] - 20 <= y <= size[1] - 8


def test_a_smaller_picture_and_an_exact_proof_are_not_asked() -> None:
    white, black = Image.new("RGB", (15, 600), "white"), Image.new("RGB", (15, 600))
    proved = judge(residual(black, black), KNOWN_TABLES)
    assert approached.judge(proved, white, black, residual(white, black), LOSSLESS, scaled=True) is proved
    picture, _ = _written()
    grain = np.random.default_rng(1).normal(0, 1, (900, 600, 1))
    nearly = Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))
    left = residual(nearly, picture)
    asked = judge(left, KNOWN_TABLES)
    assert asked.proved
    strict = replace(KNOWN_TABLES, halved=(0.01, 0.01))
    assert not approached.judge(asked, nearly, picture, left, strict, scaled=False).proved


def table(seed: int, number: Callable[[int], int] = lambda number: number) -> Image.Image:
    """Draw a page full of numbers, each as `number` makes it."""
    picture = Image.new("RGB", (1200, 1600), (250, 250, 250))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(26)
    for row, numbers in enumerate(np.random.default_rng(seed).integers(10000, 99999, (40, 12))):
        for column, each in enumerate(numbers):
            pen.text((20 + 98 * column, 20 + 39 * row), str(number(int(each))), font=font, fill=(90, 90, 90))
    return picture


def test_a_page_on_which_every_number_is_another_one_is_another_page() -> None:
    """Where all differ none stands out, and a codec that lost that much would explain it."""

    def shrunk(picture: Image.Image) -> bytes:
        return stored(picture.resize((400, 533), Image.Resampling.LANCZOS), "WEBP", quality=75)

    original = stored(table(1), quality=92)
    copy = prove(original, shrunk(table(1)))
    assert (copy.verdict, copy.original) == (Verdict.RE_ENCODED, "a"), copy
    for other in (table(2), table(1, lambda number: number // 10 * 10 + (number + 1) % 10)):
        evidence = prove(original, shrunk(other))
        assert evidence.verdict is Verdict.LOOK_ALIKE, evidence
    (_, _, (same, _)), (_, _, (all_, _)) = (
        halved.standing_out(seen, table(1), residual(seen, table(1)))
        for seen in (decoded(stored(table(1), quality=50)), table(2))
    )
    assert same < 1 < all_
