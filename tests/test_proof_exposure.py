"""Two shots of one scene each have a grain of their own; a copy has its original's, whatever codec it went through."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.drawing import descriptor, scene, stored
from twinwatch.imaging.fingerprint import oriented
from twinwatch.photo import Evidence, Verdict
from twinwatch.proof import prove
from twinwatch.proof.exposure import fine_detail, kinship, reach, two_shots
from twinwatch.proof.glance import glance
from twinwatch.proof.picture import INVERSE, decode
from twinwatch.proof.sketch import sketch

SIZE = (1280, 960)
SHOT, NEXT = (stored(scene(31, SIZE, frame=frame), quality=92) for frame in (1, 2))
SEEN = Image.open(io.BytesIO(SHOT)).convert("RGB")
EVERYWHERE = np.ones((200, 200), dtype=np.bool_)


def evidence(a: bytes, b: bytes) -> Evidence:
    with descriptor(a) as fd_a, descriptor(b) as fd_b:
        return prove(fd_a, fd_b)


def noise(seed: int, deviation: float = 4.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(128, deviation, (200, 200)).round().clip(0, 255).astype(np.uint8)


def test_detail_is_what_a_pixel_has_beside_its_eight_neighbours() -> None:
    luma = np.full((5, 5), 100, dtype=np.uint8)
    luma[2, 2] = 116
    found = fine_detail(luma)
    assert found[2, 2] == 8 * 16
    assert found[1, 1] == found[3, 2] == -16
    assert found[0, 0] == 0
    assert reach(luma)[1, 1] == 16
    assert reach(luma)[0, 0] == 0


def test_independent_noise_is_no_kin() -> None:
    ours, theirs = fine_detail(noise(1)), fine_detail(noise(2))
    assert abs(kinship(ours, theirs, EVERYWHERE)[0]) < 0.05
    assert kinship(ours, ours, EVERYWHERE) == pytest.approx((1, 1))
    assert kinship(ours, -ours, EVERYWHERE) == pytest.approx((-1, 1))


def test_half_of_the_noise_shared_is_half_kin() -> None:
    shared, one, other = (noise(seed).astype(np.int16) for seed in (3, 4, 5))
    ours, theirs = ((shared + own) // 2 for own in (one, other))
    details = [fine_detail(luma.astype(np.uint8)) for luma in (ours, theirs)]
    assert kinship(details[0], details[1], EVERYWHERE) == pytest.approx((0.5, 1), abs=0.05)


@pytest.mark.parametrize(
    ("ours", "theirs", "calm"),
    [
        (noise(1, 0.3), noise(2, 0.3), EVERYWHERE),
        (noise(1, 9), noise(2, 3), EVERYWHERE),
        (noise(1), noise(2), np.arange(200 * 200).reshape(200, 200) < 1999),
    ],
    ids=["no grain", "smoothed away", "nothing calm"],
)
def test_where_grain_tells_nothing_they_may_be_kin(ours: np.ndarray, theirs: np.ndarray, calm: np.ndarray) -> None:
    assert kinship(fine_detail(ours), fine_detail(theirs), calm) == (1, 0)


@pytest.mark.parametrize("quality", [80, 92, 97])
def test_the_next_shot_is_another_one(quality: int) -> None:
    other = stored(scene(31, SIZE, frame=3), quality=quality)
    assert two_shots(decode(SHOT), decode(other), 1)
    assert two_shots(decode(other), decode(SHOT), 1)
    said = evidence(SHOT, other)
    assert said.verdict is Verdict.LOOK_ALIKE
    assert said.words == "the same scene, but another shot: its grain is another one"


def test_a_glance_tells_the_next_shot_where_the_scene_itself_is_soft() -> None:
    soft = scene(31, SIZE, grain=0).filter(ImageFilter.GaussianBlur(4))
    grain = [np.random.default_rng(seed).normal(0, 6, (SIZE[1], SIZE[0], 1)) for seed in (1, 2)]
    shots = [Image.fromarray((np.asarray(soft) + own).clip(0, 255).astype(np.uint8)) for own in grain]
    assert glance(*(sketch(stored(shot, quality=92)) for shot in shots)).two_shots
    assert not glance(*(sketch(stored(shots[0], quality=quality)) for quality in (92, 80))).two_shots


@pytest.mark.parametrize(
    "copy",
    [
        stored(SEEN, quality=30),
        stored(SEEN, quality=50),
        stored(SEEN, quality=85),
        stored(SEEN, "WEBP", quality=60),
        stored(SEEN, "AVIF", quality=50, speed=9),
        stored(SEEN, "PNG"),
        stored(SEEN.quantize(256), "PNG"),
        stored(Image.open(io.BytesIO(stored(SEEN, quality=50))).convert("RGB"), quality=92),
    ],
    ids=["q30", "q50", "q85", "webp60", "avif50", "png", "palette", "q50-q92"],
)
def test_a_copy_is_the_same_shot(copy: bytes) -> None:
    assert not two_shots(decode(SHOT), decode(copy), 1)
    assert not glance(sketch(SHOT), sketch(copy)).two_shots


@pytest.mark.parametrize("transform", [2, 3, 6, 7, 8])
def test_a_turned_copy_is_the_same_shot_and_a_turned_frame_another(transform: int) -> None:
    copy = stored(oriented(SEEN, transform), quality=85)
    assert not two_shots(decode(SHOT), decode(copy), transform)
    assert not two_shots(decode(copy), decode(SHOT), INVERSE[transform])
    other = stored(oriented(Image.open(io.BytesIO(NEXT)).convert("RGB"), transform), quality=85)
    assert two_shots(decode(SHOT), decode(other), transform)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_of_other_sizes_full_grain_tells_nothing(share: float) -> None:
    small = stored(SEEN.resize((round(1280 * share), round(960 * share)), Image.Resampling.LANCZOS), quality=85)
    assert not two_shots(decode(SHOT), decode(small), 1)
    assert not glance(sketch(SHOT), sketch(small)).two_shots
