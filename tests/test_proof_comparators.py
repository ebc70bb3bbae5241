"""The comparators people know: each gives the number that its script gives, and none of them decides anything."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable

import imagehash
import numpy as np
import pytest
from PIL import Image

from tests.drawing import descriptor, scene, stored
from twinwatch.photo import Likeness, Likenesses, Metric
from twinwatch.proof import comparators

T = Image.Transpose
PHOTO, OTHER = scene(3, (401, 299)), scene(4, (320, 240))


def pattern(seed: int, size: tuple[int, int]) -> Image.Image:
    """Draw from whole numbers alone, so that the numbers other programs gave for it hold for ever."""
    down, across = np.mgrid[0 : size[1], 0 : size[0]]
    board = ((across // 16 + down // 16) % 2) * 60 + seed * 7 * ((across + down) % 5)
    planes = [(across * (3 + k) + down * (5 - k) + across * down // (40 + k) + board) % 256 for k in range(3)]
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))


def ask(a: bytes, b: bytes, metrics: Iterable[Metric] = tuple(Metric)) -> Likenesses:
    with descriptor(a) as fd_a, descriptor(b) as fd_b:
        return comparators.measure(fd_a, fd_b, metrics)


def of(metric: Metric, a: Image.Image, b: Image.Image) -> Likeness:
    found = ask(stored(a, "PNG"), stored(b, "PNG"), [metric])[metric]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("metric", "hashed"),
    [
        (Metric.AVERAGE, imagehash.average_hash),
        (Metric.DIFFERENCE, imagehash.dhash),
        (Metric.PERCEPTUAL, imagehash.phash),
    ],
)
def test_hashes_are_those_of_imagehash_at_ten_by_ten(
    metric: Metric, hashed: Callable[..., imagehash.ImageHash]
) -> None:
    for other in (OTHER, PHOTO.resize((200, 150)), PHOTO.transpose(T.ROTATE_180)):
        equal = 100 - int(hashed(PHOTO, hash_size=10) - hashed(other, hash_size=10))
        assert of(metric, PHOTO, other) == Likeness(equal / 100, "at least", 0.7, equal >= 70)


def test_a_hash_with_seventy_of_a_hundred_bits_equal_is_alike() -> None:
    white, mixed = Image.new("L", (10, 10), 255), Image.new("L", (10, 10), 255)
    for number in range(30):
        mixed.putpixel((number % 10, number // 10), 0)
    # All of a white picture's pixels are not above their mean, nor are the 30 black ones of the other.
    assert of(Metric.AVERAGE, white, mixed) == Likeness(0.3, "at least", 0.7, False)
    assert of(Metric.AVERAGE, Image.eval(mixed, lambda v: 255 - v), white) == Likeness(0.7, "at least", 0.7, True)


def blocks(picture: Image.Image) -> list[bool]:
    """Hash as blockhash.io tells it: every pixel made of 16x16, so that each belongs to one block."""
    fine = np.kron(np.asarray(picture).astype(np.int64).sum(axis=2), np.ones((16, 16), dtype=np.int64))
    high, wide = picture.height, picture.width
    sums = [int(fine[y * high : (y + 1) * high, x * wide : (x + 1) * wide].sum()) for y in range(16) for x in range(16)]
    bits = []
    for band in range(4):
        values = sums[band * 64 : band * 64 + 64]
        middle = sum(sorted(values)[31:33]) / 2
        half = high * wide * 256 * 3 / 2
        bits += [value > middle or (abs(value - middle) < 256 and middle > half) for value in values]
    return bits


@pytest.mark.parametrize("size", [(64, 48), (75, 50), (37, 91)])
def test_the_block_hash_is_that_of_blockhash(size: tuple[int, int]) -> None:
    a, b = PHOTO.resize(size), OTHER.resize(size)
    different = sum(x != y for x, y in zip(blocks(a), blocks(b), strict=True))
    assert different > 5
    assert of(Metric.BLOCK, a, b) == Likeness(different, "at most", 5, False)
    assert of(Metric.BLOCK, a, a.resize((size[0] * 2, size[1] * 2), Image.Resampling.BOX)).value == 0


def test_a_transparent_pixel_counts_as_white_in_the_block_hash() -> None:
    clear = PHOTO.resize((64, 64)).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((64, 64)).point(lambda v: 0 if v < 100 else 255))
    flat = Image.new("RGB", clear.size, "white")
    flat.paste(clear, mask=clear.getchannel("A"))
    assert of(Metric.BLOCK, clear, flat).value == 0
    assert of(Metric.BLOCK, clear, clear.convert("RGB")).value > 0


# What PyPI's czkawka 0.1.2 (`hash_image`, the first bit of a byte its lowest) gave for the two patterns.
CZKAWKA = ("qkrJjA4fj84", "KkrJjBwPh8Y")


def test_the_gradient_hash_is_that_of_czkawka() -> None:
    a, b = (np.unpackbits(np.frombuffer(base64.b64decode(text + "="), np.uint8)) for text in CZKAWKA)
    different = int(np.count_nonzero(a != b))
    found = of(Metric.GRADIENT, pattern(1, (320, 240)), pattern(2, (320, 240)))
    assert found == Likeness(different, "at most", 2, different <= 2)
    assert of(Metric.GRADIENT, PHOTO, PHOTO.resize((240, 180), Image.Resampling.LANCZOS)).alike


def test_histograms_are_those_of_the_opencv_scripts() -> None:
    """The numbers are what the scripts' own lines gave with opencv-python 5.0.0, in its single precision."""
    a, b = pattern(1, (640, 480)), pattern(2, (500, 390))
    assert of(Metric.HISTOGRAM_1, a, b).value == pytest.approx(0.6369746, abs=2e-6)
    assert of(Metric.HISTOGRAM_3, a, b).value == pytest.approx(0.8303186, abs=2e-6)
    assert of(Metric.HISTOGRAM_3, a, b) == Likeness(of(Metric.HISTOGRAM_3, a, b).value, "above", 0.8, True)


def test_one_channel_is_blue_and_white_does_not_count() -> None:
    grey, blue = Image.new("RGB", (8, 8), (9, 9, 200)), Image.new("RGB", (8, 8), (250, 9, 200))
    assert of(Metric.HISTOGRAM_1, grey, blue).value == 1
    half = blue.copy()
    half.paste((0, 0, 255), (0, 0, 8, 4))
    # 64 of value 200 against 32: half alike in one bin of 256; the 32 of value 255 are left out.
    assert of(Metric.HISTOGRAM_1, blue, half).value == pytest.approx(1 - 0.5 / 256, abs=1e-6)
    assert of(Metric.HISTOGRAM_3, grey, blue).value == pytest.approx(1 - 2 / 256 / 3, abs=1e-6)


@pytest.mark.parametrize("turn", [None, T.ROTATE_90, T.ROTATE_180, T.ROTATE_270, T.FLIP_LEFT_RIGHT])
def test_mse_is_the_least_of_four_rotations_at_fifty_by_fifty(turn: T | None) -> None:
    other = PHOTO if turn is None else PHOTO.transpose(turn)
    ours, theirs = (np.asarray(p.resize((50, 50), Image.Resampling.BICUBIC)).tolist() for p in (PHOTO, other))
    sums = []
    for k in range(4):
        total = 0
        for y in range(50):
            for x in range(50):
                # np.rot90 by k: the pixel that a quarter turn to the left brings to (x, y).
                at = [(x, y), (49 - y, x), (49 - x, 49 - y), (y, 49 - x)][k]
                total += sum((ours[y][x][c] - theirs[at[1]][at[0]][c]) ** 2 for c in range(3))
        sums.append(total / 2500)
    found = of(Metric.MSE, PHOTO, other)
    assert found.value == pytest.approx(min(sums), abs=1e-6)
    assert (found.rule, found.threshold, found.alike) == ("below", 200, min(sums) < 200)
    assert found.alike is (turn is not T.FLIP_LEFT_RIGHT), "difPy knows no mirrored copies"


def test_ssim_of_flat_pictures_is_its_formula() -> None:
    c1 = (0.01 * 255) ** 2
    for a, b in ((100, 100), (100, 120), (0, 255)):
        expected = (2 * a * b + c1) / (a * a + b * b + c1)
        found = of(Metric.SSIM, Image.new("L", (30, 20), a), Image.new("L", (30, 20), b))
        assert found.value == pytest.approx(expected, abs=1e-6)
        assert (found.rule, found.threshold, found.alike) == ("above", 0.9, expected > 0.9)


def test_ssim_is_the_mean_over_every_place_of_the_window() -> None:
    x, y = (np.asarray(p.convert("L").resize((23, 19))).astype(float) for p in (PHOTO, OTHER))
    window = np.array([[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for i in range(-5, 6)] for j in range(-5, 6)])
    window /= window.sum()
    values = []
    for top in range(19 - 10):
        for left in range(23 - 10):
            p, q = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
            both = (window * (p - mean_p) * (q - mean_q)).sum()
            c1, c2 = 2.55**2, 7.65**2
            upper = (2 * mean_p * mean_q + c1) * (2 * both + c2)
            values.append(upper / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2)))
    pictures = (Image.fromarray(plane.astype(np.uint8)) for plane in (x, y))
    assert of(Metric.SSIM, *pictures).value == pytest.approx(sum(values) / len(values), abs=1e-6)


def test_ssim_is_that_of_scikit_image() -> None:
    """What structural_similarity of scikit-image 0.26 gave with the paper's settings, its Gaussian weights."""
    assert of(Metric.SSIM, pattern(1, (320, 240)), pattern(2, (320, 240))).value == pytest.approx(0.5600428, abs=1e-6)


def test_ssim_of_a_tall_picture_is_put_together_from_bands() -> None:
    one, two = PHOTO.resize((40, 700)), OTHER.resize((40, 700))
    parts = [
        of(Metric.SSIM, one.crop((0, top, 40, top + 11)), two.crop((0, top, 40, top + 11))).value for top in range(690)
    ]
    assert of(Metric.SSIM, one, two).value == pytest.approx(sum(parts) / 690, abs=2e-6)


def test_a_larger_picture_is_brought_to_the_smaller_for_ssim() -> None:
    small = PHOTO.resize((200, 150), Image.Resampling.LANCZOS)
    assert of(Metric.SSIM, PHOTO, small).value > 0.99
    assert of(Metric.SSIM, small, PHOTO) == of(Metric.SSIM, PHOTO, small)


def test_scripts_on_pillow_see_the_stored_pixels_and_those_on_opencv_the_upright_ones() -> None:
    exif = Image.Exif()
    exif[274] = 6
    lying = stored(PHOTO.transpose(T.ROTATE_90), "PNG", exif=exif)
    found = ask(stored(PHOTO, "PNG"), lying)
    one = {metric for metric in Metric if (answer := found[metric]) is not None and answer.alike}
    upright = {Metric.BLOCK, Metric.GRADIENT, Metric.HISTOGRAM_1, Metric.HISTOGRAM_3, Metric.SSIM}
    assert one == {*upright, Metric.MSE}  # which turns by itself


def test_other_modes_are_measured_and_equal_pictures_are_alike_to_all() -> None:
    deep = Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257)
    for picture in (PHOTO, PHOTO.convert("L"), PHOTO.convert("RGBA"), PHOTO.quantize(64), PHOTO.convert("1"), deep):
        for metric, found in ask(stored(picture, "PNG"), stored(picture, "PNG")).items():
            assert found is not None, (metric, picture.mode)
            assert found.alike, (metric, picture.mode)


def test_what_cannot_be_read_or_is_too_small_has_no_answer() -> None:
    whole = stored(PHOTO)
    for bad in (b"", b"no picture", whole[: len(whole) // 2]):
        assert ask(whole, bad) == dict.fromkeys(Metric)
        assert ask(bad, whole, [Metric.MSE]) == {Metric.MSE: None}
    tiny = stored(PHOTO.resize((10, 300)), "PNG")
    assert [metric for metric, found in ask(tiny, tiny).items() if found is None] == [Metric.SSIM]


def test_a_likeness_survives_the_pipe_and_nonsense_does_not() -> None:
    found = of(Metric.MSE, PHOTO, OTHER)
    assert Likeness.from_json(found.to_json()) == found
    for wrong in ({"rule": "nearly"}, {"alike": 1}, {"value": "x"}, {"threshold": None}):
        with pytest.raises((ValueError, TypeError)):
            Likeness.from_json({**found.to_json(), **wrong})
