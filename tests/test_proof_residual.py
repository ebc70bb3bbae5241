"""What is left of two pictures, tile by tile, is what a plain loop over their pixels finds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.residual import TILE, residual, tile_means

JFIF = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def noise(seed: int, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def starts(length: int) -> list[int]:
    """Return where tiles begin: the last one ends with the picture."""
    return [*range(0, length - TILE, TILE), max(0, length - TILE)]


def in_tiles(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pixels of each tile, shape (rows, columns, 64, ...)."""
    rows, columns = (starts(length) for length in plane.shape[:2])
    found = [[plane[y : y + TILE, x : x + TILE].reshape(TILE * TILE, -1) for x in columns] for y in rows]
    return np.array(found)


@pytest.mark.parametrize("size", [(8, 8), (64, 48), (51, 29), (130, 77)])
def test_the_maps_are_what_a_loop_over_the_pixels_finds(size: tuple[int, int]) -> None:
    theirs, ours = noise(1, size), noise(2, size)
    left = residual(theirs, ours)
    colours = [in_tiles(np.asarray(image).astype(np.float64)).mean(axis=2) @ JFIF.T for image in (theirs, ours)]
    assert np.allclose(left.signed, colours[0] - colours[1], atol=1e-3)
    assert np.allclose(left.level, colours[1] + (0, 128, 128), atol=1e-3)
    lumas = [in_tiles(np.asarray(image.convert("L")).astype(np.float64))[..., 0] for image in (theirs, ours)]
    difference = lumas[0] - lumas[1]
    assert np.allclose(left.rough, np.abs(difference).mean(axis=2), atol=1e-3)
    for found, pixels in ((left.target_spread, lumas[0]), (left.spread, lumas[1]), (left.rest, difference)):
        assert np.allclose(found, pixels.std(axis=2), atol=1e-2)


def test_a_colour_that_is_off_by_a_level_moves_luma_by_what_it_is_worth() -> None:
    """In whole numbers all pixels of one colour would be off to the same side, here by twice as much."""
    ours, theirs = (Image.new("RGB", (64, 64), colour) for colour in ((236, 229, 221), (235, 230, 222)))
    assert residual(theirs, ours).signed[0, 0].tolist() == pytest.approx((JFIF @ (-1, 1, 1)).tolist(), abs=1e-3)


def test_what_came_out_equal_leaves_nothing() -> None:
    picture = noise(3, (40, 24))
    left = residual(picture, picture)
    assert not any(map_.any() for map_ in (left.signed, left.rough, left.rest))
    assert np.array_equal(left.spread, left.target_spread)
    assert left.spread.min() > 0


def test_pixels_of_another_colour_and_the_same_luma_are_left() -> None:
    ours, theirs = (Image.new("RGB", (16, 16), colour) for colour in ((100, 100, 100), (100, 100, 103)))
    assert np.array_equal(np.asarray(ours.convert("L")), np.asarray(theirs.convert("L")))
    assert residual(theirs, ours).signed[0, 0, 1] == pytest.approx(1.5, abs=1e-3)


def test_means_of_tiles_cover_the_last_pixels() -> None:
    plane = np.asarray(noise(4, (21, 13)).convert("L"))
    assert np.allclose(tile_means(plane), in_tiles(plane.astype(np.float64))[..., 0].mean(axis=2), atol=1e-4)
