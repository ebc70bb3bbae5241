"""Another digit is in one place, and what a re-creation leaves is everywhere: like is compared with like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.drawing import chat, messages, scene, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof import halved
from twinwatch.proof.judge import KNOWN_TABLES, judge
from twinwatch.proof.outliers import standing_out, strange_colour
from twinwatch.proof.residual import Residual, residual

SIZE = (512, 512)


def wood(seed: int) -> Image.Image:
    """A dark picture with as much contrast everywhere as foliage has."""
    noise = np.random.default_rng(seed).normal(0, 22, (SIZE[1], SIZE[0], 1))
    noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 1.5
    return Image.fromarray(np.clip(np.asarray(scene(seed, SIZE)) * 0.35 + noise, 0, 255).astype(np.uint8))


def dated(picture: Image.Image, day: int) -> Image.Image:
    """Stamp a date on it as cameras do."""
    done = picture.copy()
    font = ImageFont.load_default(21)
    ImageDraw.Draw(done).text((300, 440), f"2019-07-2{day} 18:41", font=font, fill=(255, 160, 60))
    return done


@pytest.mark.parametrize(
    ("day", "verdict"), [(8, Verdict.RE_ENCODED), (6, Verdict.LOOK_ALIKE), (0, Verdict.LOOK_ALIKE)]
)
@pytest.mark.parametrize("seed", [3, 4])
def test_another_digit_on_a_photo_stands_out_among_the_letters(seed: int, day: int, verdict: Verdict) -> None:
    """Neither file was made from the other: both are of the photo as it was before it was stamped."""
    first, second = stored(dated(wood(seed), 8), quality=92), stored(dated(wood(seed), day), quality=75)
    evidence = prove(first, second)
    assert evidence.verdict is verdict, evidence


def _left() -> Residual:
    """What recompressing a wood leaves; in one tile five times as much."""
    picture = wood(5)
    left = residual(picture, picture.point(lambda value: value // 4 * 4))
    rest = left.rest.copy()
    rest[20, 30] *= 5
    return replace(left, rest=rest)


def test_a_tile_stands_out_where_it_differs_more_than_its_like() -> None:
    found = standing_out(_left())
    assert divmod(int(found.argmax()), found.shape[1]) == (20, 30)
    assert found.max() > 2 * np.sort(found.ravel())[-2]


def test_what_rounding_explains_does_not_stand_out() -> None:
    left = _left()
    explained = np.zeros(left.spread.shape, dtype=np.bool_)
    explained[20, 30] = True
    assert standing_out(left, explained)[20, 30] == 0


def test_few_tiles_tell_nothing_of_what_is_usual() -> None:
    picture = wood(5).crop((0, 0, 32, 40))
    assert standing_out(residual(picture, picture.point(lambda value: value // 9 * 9))).max() == 0


def test_white_paper_among_the_like_is_a_measure_too() -> None:
    """Of a page most tiles have no contrast at all."""
    page = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(page).text((20, 100), "88.73", font=ImageFont.load_default(12), fill="black")
    other = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(other).text((20, 100), "88.53", font=ImageFont.load_default(12), fill="black")
    found = standing_out(residual(page, other))
    assert np.isfinite(found).all()
    assert found.max() > 2.45


def test_what_cannot_be_told_is_no_proof() -> None:
    picture = wood(5)
    left = residual(picture, picture)
    assert judge(left, KNOWN_TABLES).proved
    level = left.level.copy()
    level[3, 3, 0] = np.nan
    assert not judge(replace(left, level=level), KNOWN_TABLES).proved


def marked(colour: tuple[int, int, int], count: int) -> Image.Image:
    """Draw a chat with a read mark in each bubble of one side, the first `count` of them in this colour."""
    picture = chat(messages(6), size=(540, 960))
    pen = ImageDraw.Draw(picture)
    for number in range(7):
        x, y = 480, 138 + 112 * number
        line = [(x, y), (x + 4, y + 4), (x + 12, y - 8)]
        pen.line(line, fill=colour if number < count else (140, 150, 140), width=2)
    return picture


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((270, 480), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("count", [2, 7])
@pytest.mark.parametrize(
    "saved",
    [
        lambda picture: stored(half(picture), quality=75),
        lambda picture: stored(half(picture), "PNG"),
        lambda picture: stored(half(picture), "WEBP", quality=75),
        lambda picture: stored(picture, quality=60),
        lambda picture: stored(picture, "WEBP", quality=60),
    ],
    ids=["half, JPEG", "half, PNG", "half, WebP", "JPEG", "WebP"],
)
def test_read_marks_that_turned_blue_are_another_picture(saved: Callable[[Image.Image], bytes], count: int) -> None:
    original = stored(marked((140, 150, 140), 0), quality=92)
    same = prove(original, saved(marked((140, 150, 140), 0)))
    assert (same.verdict, same.original) == (Verdict.RE_ENCODED, "a"), same
    evidence = prove(original, saved(marked((52, 183, 241), count)))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_letters_of_another_colour_are_strange_where_all_others_kept_theirs() -> None:
    before, after = marked((140, 150, 140), 0), marked((52, 183, 241), 1)
    found = strange_colour(residual(after, before))
    assert found.max() > 2
    assert 120 <= found.max(axis=1).argmax() * 8 <= 144
    assert strange_colour(residual(before, before)).max() == 0
    assert strange_colour(residual(Image.new("RGB", (80, 80), "navy"), Image.new("RGB", (80, 80)))).max() == 0


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


@pytest.mark.parametrize("which", [0, 1], ids=["luma", "colour"])
def test_what_stands_out_at_half_the_size_is_found_in_its_place(which: int) -> None:
    """Everything moved a little, one place more: letters as far from the ground, or a colour of the same brightness."""
    picture = smooth(3)
    ImageDraw.Draw(picture).text((200, 400), "12:41 and more", font=ImageFont.load_default(20), fill=(250, 250, 250))
    made = np.asarray(picture.convert("YCbCr")).astype(float)
    everywhere = made + np.random.default_rng(1).normal(0, 1.5, made.shape)
    edited = everywhere.copy()
    if which:
        edited[400:412, 320:332] += (0, 18, -18)
    else:
        edited[400:416:2, 240:246, 0] -= 90
    usual, found = (
        halved.standing_out(Image.fromarray(np.clip(target, 0, 255).astype(np.uint8), "YCbCr").convert("RGB"), picture)
        for target in (everywhere, edited)
    )
    assert found[which][0] > 1.5 * usual[which][0]
    x, y = found[which][1]
    assert (abs(x - (326 if which else 243)) <= 12, abs(y - 406) <= 12) == (True, True)


def test_what_a_palette_costs_a_window_is_excused_there() -> None:
    made = smooth(4)
    target = made.copy()
    ImageDraw.Draw(target).rectangle((300, 300, 320, 320), fill=(200, 40, 40))
    luma, colour = halved.standing_out(target, made)
    paid_luma, paid_colour = halved.standing_out(target, made, [target, made])
    assert colour[0] > 2 > 1 > paid_colour[0]
    assert paid_luma[0] < max(1, luma[0])


def test_too_small_a_picture_has_no_windows_at_half_its_size() -> None:
    for size in ((15, 600), (600, 15)):
        white, black = Image.new("RGB", size, "white"), Image.new("RGB", size)
        assert halved.standing_out(white, black) == [(0.0, (0, 0))] * 2
    odd = smooth(5).crop((0, 0, 301, 203))
    assert halved.standing_out(odd, odd) == [(0.0, (0, 0))] * 2
