"""Another digit is in one place, and what a re-creation leaves is everywhere: like is compared with like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.drawing import chat, messages, scene, stored
from tests.proving import prove
from twinwatch.photo import Verdict
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
