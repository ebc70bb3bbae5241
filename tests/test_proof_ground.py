"""What a re-creation starts from, and the scalers: any window is what the whole shows there."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.drawing import scene
from twinwatch.imaging.fingerprint import oriented
from twinwatch.proof.ground import Ground
from twinwatch.proof.picture import composed
from twinwatch.proof.scaling import Box, scalers

ORIENTATIONS = range(1, 9)
SEEN = scene(3, (333, 250))


@pytest.mark.parametrize(("first", "then"), list(product(ORIENTATIONS, ORIENTATIONS)))
def test_two_turns_are_one(first: int, then: int) -> None:
    both = oriented(oriented(SEEN, first), then)
    assert oriented(SEEN, composed(first, then)).tobytes() == both.tobytes()


@given(st.sampled_from(ORIENTATIONS), st.data())
def test_a_part_is_cut_out_of_the_turned_and_coloured_picture(turn: int, data: st.DataObject) -> None:
    ground = Ground(SEEN, turn, partial(Image.Image.point, lut=[255 - level for level in range(256)] * 3))
    width, height = ground.size
    left, top = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    box = (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    whole = oriented(SEEN, turn).point([255 - level for level in range(256)] * 3)
    assert whole.size == ground.size
    assert ground.part(box).tobytes() == whole.crop(box).tobytes()


@pytest.mark.parametrize("target", [(150, 101), (333, 250), (500, 377), (83, 62)])
def test_a_window_of_a_scaled_picture_is_what_the_whole_shows_there(target: tuple[int, int]) -> None:
    ground = Ground(SEEN)
    box = (target[0] // 3, target[1] // 4, target[0], target[1] - 5)
    for name, scale in scalers(ground.size, target).items():
        window = np.asarray(scale(ground, target, box)).astype(int)
        whole = np.asarray(scale(ground, target, (0, 0, *target)).crop(box)).astype(int)
        apart = np.abs(window - whole)
        # Two steps begin their first one where the window does; a tie of two nearest pixels may go either way.
        assert apart.mean() < (3 if "two steps" in name else 0.3), name


def test_the_fast_bilinear_scaler_steps_as_if_both_were_two_pixels_narrower() -> None:
    wide = 700
    ramp = np.tile((np.arange(wide) % 140 + 40).astype(np.uint8), (60, 1))  # a level a pixel: it tells the position
    ground = Ground(Image.fromarray(ramp).convert("RGB"))
    target = (199, 60)
    row = np.asarray(scalers(ground.size, target)["fast bilinear"](ground, target, (0, 0, *target)))[30, :, 0]
    step = (wide - 2) / (target[0] - 2) - 20 / 65536
    places = (step - 1) / 2 + step * np.arange(target[0])
    inside = (places % 140 < 138) & (places % 140 > 1) & (places < wide - 1)
    assert np.abs(row[inside] - (places[inside] % 140 + 40)).max() <= 1
    assert row[-1] == ramp[0, -1]  # beyond the edge the last column goes on


class Noise:
    """Eight by six pixels whose red channel GD has scaled."""

    size = (8, 6)

    def part(self, box: Box) -> Image.Image:
        pixels = np.random.default_rng(7).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        return Image.fromarray(pixels).crop(box)


@pytest.mark.parametrize(
    "rows",
    [
        [[237, 217, 121, 208, 50], [173, 136, 226, 230, 193], [153, 94, 70, 152, 21]],
        [
            [237, 234, 219, 184, 140, 155, 220, 182, 104, 51, 74],
            [239, 233, 220, 179, 124, 170, 218, 176, 83, 56, 74],
            [173, 139, 130, 173, 224, 207, 210, 237, 222, 185, 159],
            [116, 130, 165, 189, 160, 105, 69, 55, 48, 103, 168],
            [153, 70, 78, 128, 88, 61, 114, 153, 68, 18, 22],
            [154, 71, 80, 128, 87, 62, 113, 152, 67, 19, 22],
        ],
    ],
    ids=["smaller", "larger"],
)
def test_gd_s_bicubic_comes_out_as_php_writes_it(rows: list[list[int]]) -> None:
    """Red as PHP 8.2 with libgd 2.3 made it of the same pixels; what it makes of the last row is chance."""
    size = (len(rows[0]), {5: 4, 11: 8}[len(rows[0])])
    made = scalers(Noise.size, size)["bicubic of GD"](Noise(), size, (0, 0, *size))
    assert np.asarray(made)[: len(rows), :, 0].tolist() == rows
