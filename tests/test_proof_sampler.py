"""Scalers that no candidate comes near are learned from the copy; what else a kernel could hold is refused."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.drawing import descriptor, edited, scene, shifted, stored
from twinwatch.photo import COPY_VERDICTS, Evidence, Verdict
from twinwatch.proof import prove
from twinwatch.proof.ground import Ground
from twinwatch.proof.sampler import learned

SIZE = (640, 480)


def gravel(picture: Image.Image) -> Image.Image:
    """Give the scene fine detail everywhere: of smooth ground any scaler makes nearly the same."""
    stones = np.random.default_rng(1).normal(0, 40, (SIZE[1] + 1, SIZE[0] + 1, 1))
    stones = (stones[1:, 1:] + stones[:-1, 1:] + stones[1:, :-1] + stones[:-1, :-1]) / 2
    return Image.fromarray(np.clip(np.asarray(picture) * 0.6 + 50 + stones, 0, 255).astype(np.uint8))


ORIGINAL = stored(gravel(scene(6, SIZE)), quality=92)
PICTURE = Image.open(io.BytesIO(ORIGINAL)).convert("RGB")

Positions = Callable[[int, int], NDArray[np.float64]]


def in_256ths(source: int, target: int) -> NDArray[np.float64]:
    """Where GD samples: from the first pixel on, in steps that are cut off to 256ths."""
    return np.asarray(np.arange(target) * (256 * source // target / 256), dtype=np.float64)


def edge_to_edge(source: int, target: int) -> NDArray[np.float64]:
    """Where `scipy.ndimage.zoom` samples: the first and the last pixel stay."""
    return np.linspace(0, source - 1, target)


def short_of_the_edge(source: int, target: int) -> NDArray[np.float64]:
    """Where jimp samples before it averages: from the first pixel on, and never the last."""
    return np.asarray(np.arange(target) * (source - 1) / target, dtype=np.float64)


def middles(source: int, target: int) -> NDArray[np.float64]:
    return (np.arange(target) + 0.5) * source / target - 0.5


def interpolated(picture: Image.Image, size: tuple[int, int], places: Positions) -> Image.Image:
    """Interpolate between the two nearest pixels, however many are skipped."""
    pixels = np.asarray(picture).astype(np.float64)
    for axis, (length, count) in enumerate(zip(picture.size, size, strict=True)):
        at = np.clip(places(length, count), 0, length - 1)
        low = np.minimum(np.floor(at).astype(int), length - 2)
        share = (at - low).reshape(-1, 1, 1) if axis else (at - low).reshape(1, -1, 1)
        along = 1 - axis
        pixels = np.take(pixels, low, along) * (1 - share) + np.take(pixels, low + 1, along) * share
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def compared(copy: bytes, original: bytes = ORIGINAL) -> Evidence:
    with descriptor(original) as fd_a, descriptor(copy) as fd_b:
        return prove(fd_a, fd_b)


@pytest.mark.parametrize("size", [(384, 288), (211, 158)])
@pytest.mark.parametrize("places", [in_256ths, edge_to_edge])
def test_a_scaler_of_its_own_places_is_learned(places: Positions, size: tuple[int, int]) -> None:
    evidence = compared(stored(interpolated(PICTURE, size, places), quality=85))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
    assert "learned from the copy" in evidence.words


def test_a_scaler_that_interpolates_first_and_averages_then_is_learned() -> None:
    """As jimp does it: to twice the size where that is smaller than the source, and by halves from there."""
    made = interpolated(PICTURE, (576, 432), short_of_the_edge).reduce(2)
    evidence = compared(stored(made, quality=85))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
    assert "learned from the copy" in evidence.words


def test_a_learned_scaler_makes_any_window_as_it_makes_the_whole() -> None:
    target = interpolated(PICTURE, (384, 288), edge_to_edge)
    windows = [(0, 0, 128, 128), (128, 96, 256, 224), (256, 160, 384, 288)]
    sampler = learned(Ground(PICTURE), target, windows)
    assert sampler is not None
    whole = sampler(Ground(PICTURE), target.size, (0, 0, *target.size))
    assert np.abs(np.asarray(whole).astype(int) - np.asarray(target)).mean() < 0.7
    for box in [*windows, (383, 287, 384, 288), (0, 100, 384, 101)]:
        part = sampler(Ground(PICTURE), target.size, box)
        assert np.array_equal(np.asarray(part), np.asarray(whole.crop(box)))


@pytest.mark.parametrize("places", [middles, in_256ths, edge_to_edge, short_of_the_edge])
@pytest.mark.parametrize(
    "other",
    [
        lambda picture: shifted(picture, 1),
        lambda picture: picture.point(lambda value: round(value * 1.03)),
        lambda picture: picture.point(lambda value: round(value * 0.97)),
    ],
    ids=["moved", "lighter", "darker"],
)
def test_a_kernel_hides_neither_a_move_nor_a_tone(
    other: Callable[[Image.Image], Image.Image], places: Positions
) -> None:
    made = interpolated(other(PICTURE), (384, 288), places)
    assert learned(Ground(PICTURE), made, [(96, 64, 224, 192), (0, 0, 128, 128)]) is None
    assert compared(stored(made, quality=85)).verdict not in COPY_VERDICTS


@pytest.mark.parametrize("places", [in_256ths, edge_to_edge])
def test_an_edit_shows_through_a_learned_scaler(places: Positions) -> None:
    made = interpolated(edited(PICTURE, 0.005), (384, 288), places)
    evidence = compared(stored(made, quality=85))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_the_next_shot_of_a_scene_is_not_learned_from() -> None:
    """What differs from shot to shot is noise, and a kernel that averages it away would come near."""
    random = np.random.default_rng(3)
    shots = [np.asarray(scene(6, SIZE)) + random.normal(0, 7, (SIZE[1], SIZE[0], 1)) for _ in range(2)]
    first, second = (Image.fromarray(np.clip(shot, 0, 255).astype(np.uint8)) for shot in shots)
    made = interpolated(second, (384, 288), edge_to_edge)
    assert compared(stored(made, quality=85), stored(first, quality=92)).verdict not in COPY_VERDICTS
