"""The next frame of a slow pan or zoom lies a part of a pixel beside, and a copy does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from tests.drawing import scene, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof import moved
from twinwatch.proof.halved import in_grey

SIZE = (800, 600)


@cache
def _world(seed: int) -> Image.Image:
    return scene(seed, (2700, 2025), grain=0.0).filter(ImageFilter.GaussianBlur(2))


def beside(target: Image.Image, made: Image.Image) -> tuple[float, float]:
    """Return by how much a picture lies beside another, and its parts beside that."""
    return moved.beside(*in_grey(target, made))


def film(by: tuple[float, float] = (0.0, 0.0), zoom: float = 1.0, seed: int = 4) -> Image.Image:
    """Draw a frame of a film: the scene seen through a window that was moved by some pixels, or is smaller."""
    wide, high = (length * 3 / zoom for length in SIZE)
    left, top = (2700 - wide) / 2 + 3 * by[0], (2025 - high) / 2 + 3 * by[1]
    return _world(seed).resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + wide, top + high))


@pytest.mark.parametrize("by", [(0.3, 0.0), (0.0, -0.3), (0.5, 0.4), (0.05, 0.02)])
def test_a_move_by_a_part_of_a_pixel_is_told(by: tuple[float, float]) -> None:
    all_over, apart = beside(film(by), film())
    assert all_over == pytest.approx(float(np.hypot(*by)), rel=0.2, abs=0.01)
    assert apart < 0.03


def test_a_zoom_moves_each_part_in_its_own_direction() -> None:
    all_over, apart = beside(film(zoom=1.002), film())
    assert apart > 0.3 > all_over


def test_another_brightness_a_blur_and_noise_are_no_move() -> None:
    frame = film()
    brighter = ImageEnhance.Brightness(frame).enhance(1.05)
    grain = np.random.default_rng(2).normal(0, 3, (SIZE[1], SIZE[0], 3))
    noisy = Image.fromarray(np.clip(np.asarray(frame) + grain, 0, 255).astype(np.uint8))
    for other in (brighter, frame.filter(ImageFilter.GaussianBlur(1.5)), noisy):
        assert max(beside(other, frame)) < 0.12


def test_what_is_too_small_or_even_is_not_moved() -> None:
    assert beside(film((0.5, 0)).crop((0, 0, 40, 600)), film().crop((0, 0, 40, 600))) == (0.0, 0.0)
    plain = Image.new("RGB", SIZE, (90, 120, 150))
    assert beside(plain, plain.point(lambda value: value + 3)) == (0.0, 0.0)


def test_a_large_picture_is_told_as_well() -> None:
    large = film().resize((2000, 1500), Image.Resampling.BICUBIC)
    other = large.transform(large.size, Image.Transform.AFFINE, (1, 0, 0.4, 0, 1, 0), Image.Resampling.BICUBIC)
    assert beside(other, large)[0] == pytest.approx(0.4, rel=0.25)


@pytest.mark.parametrize(
    "saved",
    [
        lambda frame: stored(frame, quality=80),
        lambda frame: stored(frame, "WEBP", quality=75),
    ],
    ids=["JPEG", "WebP"],
)
def test_the_next_frame_of_a_slow_pan_is_another_picture(saved: Callable[[Image.Image], bytes]) -> None:
    original = stored(film(), quality=92)
    copy = prove(original, saved(film()))
    assert (copy.verdict, copy.original) == (Verdict.RE_ENCODED, "a"), copy
    for by in ((0.35, 0.0), (0.0, -0.45)):
        evidence = prove(original, saved(film(by)))
        assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_what_a_palette_moves_where_there_are_few_slopes_is_no_move() -> None:
    smooth = scene(6, (1200, 900), grain=0.0).filter(ImageFilter.GaussianBlur(7))
    grain = np.random.default_rng(6).normal(0, 2, (900, 1200, 3))
    original = stored(Image.fromarray(np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)), quality=92)
    small = decoded(original).resize((600, 450), Image.Resampling.LANCZOS)
    evidence = prove(original, stored(small.quantize(64), "GIF"))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
