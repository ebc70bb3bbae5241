"""The comparators people know, each with the threshold of the scripts that use it: they explain, and decide nothing.

Each follows its script to the pixel, also where that is odd (a histogram of the blue channel, values of 255 left out),
so that the script's own number comes out. Scripts that open with Pillow see the stored pixels, those that open with
OpenCV and czkawka the upright ones. Nothing but `compare --metric` asks for these.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.imaging.fingerprint import luma, medians, oriented, perceptual
from twinwatch.imaging.source import UnreadableError, load, named_errors
from twinwatch.photo import Likeness, Likenesses, Metric, Rule
from twinwatch.proof.picture import Picture, as_rgb, decode

_HASH = 10  # side of the average, difference and perceptual hash: 100 bits
_HASH_ALIKE = 0.7  # share of equal bits
_BLOCKS = 16  # side of the block hash: 256 bits, blockhash's default
_GRADIENT = 8  # side of the gradient hash: 64 bits, image_hasher's default
_BLOCK_ALIKE, _GRADIENT_ALIKE = 5, 2  # different bits: czkawka's preset "High" for these sizes (SIMILAR_VALUES)
_HISTOGRAM_ALIKE = 0.8  # github.com/deathmemory/dmssim (ssim.py), which moves what is above it
_HISTOGRAM_SIDE = 256
_MSE_SIDE = 50
_MSE_ALIKE = 200.0  # difPy before 3.0.8, similarity "normal", its default
_SSIM_ALIKE = 0.9  # github.com/daocaman/CRAWL-MANGA (deleteSimilar.py); others take 0.95
_BT709 = (0.2126, 0.7152, 0.0722, 0.0)  # ITU-R BT.709: red, green, blue; and nothing added
_WINDOW, _SIGMA = 11, 1.5  # pixels; Wang et al. 2004, section III.C
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_BAND = 256  # rows whose SSIM is computed at a time: a whole photo's terms would not fit a worker
_DIGITS = 6

_Pixels = NDArray[np.uint8]
_Numbers = NDArray[np.float64]


def measure(fd_a: int, fd_b: int, metrics: Iterable[Metric]) -> Likenesses:
    """Compare the pictures behind two descriptors by each metric; None for all when one cannot be decoded.

    Raises OSError only when a descriptor itself cannot be read.
    """
    wanted = list(metrics)
    try:
        pair = decode(load(fd_a)), decode(load(fd_b))
        with named_errors(b""):
            return {metric: _answer(_COMPARATORS[metric], *pair) for metric in wanted}
    except UnreadableError:
        return dict.fromkeys(wanted)


def average_hash(a: Image.Image, b: Image.Image) -> float:
    """Return the share of equal bits of two 10x10 average hashes (imagehash)."""
    return _equal_bits(imagehash.average_hash, a, b)


def difference_hash(a: Image.Image, b: Image.Image) -> float:
    """Return the share of equal bits of two 10x10 difference hashes (imagehash)."""
    return _equal_bits(imagehash.dhash, a, b)


def perceptual_hash(a: Image.Image, b: Image.Image) -> float:
    """Return the share of equal bits of two 10x10 perceptual hashes (imagehash)."""
    ours, theirs = perceptual(a, _HASH), perceptual(b, _HASH)  # imagehash's bits, without all of scipy
    return 1.0 - float(np.count_nonzero(ours != theirs)) / _HASH**2


def block_hash(a: Image.Image, b: Image.Image) -> float:
    """Return how many of the 256 bits of two block hashes differ.

    blockhash.io's precise method (blockhash-python, `blockhash`), after Yang, Gu and Niu 2006: the picture in 16x16
    blocks, a pixel on a border shared by area; a block brighter than the median of its band of four rows is a 1.
    """
    return float(np.count_nonzero(_blocks(a) != _blocks(b)))


def gradient_hash(a: Image.Image, b: Image.Image) -> float:
    """Return how many of the 64 bits of two gradient hashes differ.

    czkawka's kind of hash (image_hasher: Gradient, 8x8, filter Lanczos3, as PyPI's `czkawka` has it): BT.709 luma,
    brought to 9x8, and a 1 where a pixel is brighter than its left neighbour.
    """
    return float(np.count_nonzero(_gradient(a) != _gradient(b)))


def histogram_of_one(a: Image.Image, b: Image.Image) -> float:
    """Return how far two histograms of the first channel overlap, 0 to 1; sizes are not made equal.

    The function `calculate` of the OpenCV scripts: `cv2.calcHist([image], [0], None, [256], [0.0, 255.0])` of what
    `cv2.imread` gives is the blue channel without the value 255.
    """
    return _overlap(_pixels(a)[:, :, 2], _pixels(b)[:, :, 2])


def histogram_of_three(a: Image.Image, b: Image.Image) -> float:
    """Return how far the histograms of red, green and blue overlap in the mean, 0 to 1, both brought to 256x256.

    The function `classify_hist_with_split` of the OpenCV scripts.
    """
    ours, theirs = (_as_opencv_resizes(_pixels(image), _HISTOGRAM_SIDE) for image in (a, b))
    return sum(_overlap(ours[:, :, channel], theirs[:, :, channel]) for channel in range(3)) / 3


def mean_squared_error(a: Image.Image, b: Image.Image) -> float:
    """Return the least squared difference of a pixel, its three channels summed, over b's four rotations at 50x50.

    difPy up to version 3. Version 4.2 divides by the three channels too, and subtracts bytes, which wrap around.
    """
    ours, theirs = (
        np.asarray(_rgb(image).resize((_MSE_SIDE, _MSE_SIDE), Image.Resampling.BICUBIC)).astype(np.float64)
        for image in (a, b)
    )
    return min(float(np.square(ours - np.rot90(theirs, turn)).sum()) for turn in range(4)) / _MSE_SIDE**2


def structural_similarity(a: Image.Image, b: Image.Image) -> float | None:
    """Return the mean SSIM of two lumas (-1 to 1), the larger picture brought to the size of the smaller (Lanczos).

    Wang, Bovik, Sheikh and Simoncelli 2004: Gaussian window of 11x11 with sigma 1.5, K1 0.01, K2 0.03, where the window
    fits wholly. None when it fits nowhere.
    """
    ours, theirs = luma(a), luma(b)
    size = min(ours.size, theirs.size, key=lambda size: (size[0] * size[1], size))
    if min(size) < _WINDOW:
        return None
    x, y = (
        np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))
        for image in (ours, theirs)
    )
    places = size[1] - _WINDOW + 1
    total = sum(
        float(_ssim(x[top : top + _BAND + _WINDOW - 1], y[top : top + _BAND + _WINDOW - 1]).sum())
        for top in range(0, places, _BAND)
    )
    return total / (places * (size[0] - _WINDOW + 1))


def _equal_bits(hashed: Callable[..., imagehash.ImageHash], a: Image.Image, b: Image.Image) -> float:
    return 1.0 - float(hashed(a, hash_size=_HASH) - hashed(b, hash_size=_HASH)) / _HASH**2


def _blocks(image: Image.Image) -> NDArray[np.bool_]:
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA"))
        value = pixels[:, :, :3].sum(axis=2, dtype=np.uint16)
        value[pixels[:, :, 3] == 0] = 3 * 255
    else:
        value = _pixels(image).sum(axis=2, dtype=np.uint16)
    height, width = value.shape
    sums = _shares(height) @ value.astype(np.float64) @ _shares(width).T
    bands = sums.reshape(4, -1)
    median = medians(bands)
    half = (width / _BLOCKS) * (height / _BLOCKS) * 256 * 3 / 2
    # In a band that is nearly all black or white the median is a value of many blocks: then its own half decides.
    bits: NDArray[np.bool_] = (bands > median) | ((np.abs(bands - median) < 1) & (median > half))
    return bits


def _shares(length: int) -> _Numbers:
    """Return what share of each of `length` pixels lies in each of the 16 blocks, as a matrix (16, length)."""
    edges = np.arange(_BLOCKS + 1)[:, None] * (length / _BLOCKS)
    pixel = np.arange(length)[None, :]
    inside: _Numbers = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return inside.clip(0.0, 1.0)


def _gradient(image: Image.Image) -> NDArray[np.bool_]:
    grey = _rgb(image).convert("L", matrix=_BT709)
    # In floating point, as image_hasher does it: Pillow's own way with bytes rounds between the two axes.
    small = grey.convert("F").resize((_GRADIENT + 1, _GRADIENT), Image.Resampling.LANCZOS)
    values = np.rint(np.asarray(small)).clip(0, 255)
    bits: NDArray[np.bool_] = values[:, :-1] < values[:, 1:]
    return bits


def _overlap(a: _Pixels, b: _Pixels) -> float:
    """Return the mean over 256 bins of the smaller count as a share of the larger; two empty bins are equal."""
    ours, theirs = (np.bincount(values.ravel(), minlength=256).astype(np.float64) for values in (a, b))
    ours[255] = theirs[255] = 0  # the range of the scripts' calcHist ends before it
    larger = np.maximum(ours, theirs)
    return float((1 - np.abs(ours - theirs) / np.maximum(larger, 1)).mean())


def _as_opencv_resizes(pixels: _Pixels, side: int) -> _Pixels:
    """Return `side` x `side` pixels as cv2.resize makes them: the nearest four mixed by weights of 11 bits."""
    top, bottom, high, low = _neighbours(pixels.shape[0], side)
    left, right, near, far = _neighbours(pixels.shape[1], side)
    upper, lower = (
        pixels[row][:, left] * near[None, :, None] + pixels[row][:, right] * far[None, :, None] for row in (top, bottom)
    )
    mixed = ((high[:, None, None] * (upper >> 4)) >> 16) + ((low[:, None, None] * (lower >> 4)) >> 16)
    return ((mixed + 2) >> 2).astype(np.uint8)


def _neighbours(length: int, side: int) -> tuple[NDArray[np.int64], ...]:
    """Return for each new pixel its two old ones and their weights, which sum to 2048."""
    at = ((np.arange(side) + 0.5) * (length / side) - 0.5).astype(np.float32)
    first = np.clip(np.floor(at), 0, length - 1).astype(np.int64)
    share = np.where((at < 0) | (first == length - 1), np.float32(0), at - first)
    second = np.rint(share * 2048).astype(np.int64)
    return first, np.minimum(first + 1, length - 1), np.rint((1 - share) * 2048).astype(np.int64), second


def _ssim(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> _Numbers:
    """Return the SSIM at every place of a band where the window fits."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a = _windowed(a * a) - mean_a * mean_a
    variance_b = _windowed(b * b) - mean_b * mean_b
    together = _windowed(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _C1) * (2 * together + _C2)
    return likeness / ((mean_a * mean_a + mean_b * mean_b + _C1) * (variance_a + variance_b + _C2))


def _windowed(plane: _Numbers) -> _Numbers:
    weights = np.exp(-0.5 * ((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    weights /= weights.sum()
    rows, columns = (length - _WINDOW + 1 for length in plane.shape)
    tall = np.zeros((rows, plane.shape[1]))
    for shift, weight in enumerate(weights):
        tall += weight * plane[shift : shift + rows]
    done = np.zeros((rows, columns))
    for shift, weight in enumerate(weights):
        done += weight * tall[:, shift : shift + columns]
    return done


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return luma(image).convert("RGB")  # Pillow would clip them to white; OpenCV scales them, as this does
    return as_rgb(image)


def _pixels(image: Image.Image) -> _Pixels:
    return np.asarray(_rgb(image))


@dataclass(frozen=True, slots=True)
class _Comparator:
    """How a script compares, and what it calls alike. `upright`: it heeds the EXIF orientation."""

    compare: Callable[[Image.Image, Image.Image], float | None]
    rule: Rule
    threshold: float
    upright: bool


_MEETS: dict[Rule, Callable[[float, float], bool]] = {
    "at least": operator.ge,
    "above": operator.gt,
    "below": operator.lt,
    "at most": operator.le,
}

_COMPARATORS = {
    Metric.AVERAGE: _Comparator(average_hash, "at least", _HASH_ALIKE, upright=False),
    Metric.DIFFERENCE: _Comparator(difference_hash, "at least", _HASH_ALIKE, upright=False),
    Metric.PERCEPTUAL: _Comparator(perceptual_hash, "at least", _HASH_ALIKE, upright=False),
    Metric.BLOCK: _Comparator(block_hash, "at most", _BLOCK_ALIKE, upright=True),
    Metric.GRADIENT: _Comparator(gradient_hash, "at most", _GRADIENT_ALIKE, upright=True),
    Metric.HISTOGRAM_1: _Comparator(histogram_of_one, "above", _HISTOGRAM_ALIKE, upright=True),
    Metric.HISTOGRAM_3: _Comparator(histogram_of_three, "above", _HISTOGRAM_ALIKE, upright=True),
    Metric.MSE: _Comparator(mean_squared_error, "below", _MSE_ALIKE, upright=False),
    Metric.SSIM: _Comparator(structural_similarity, "above", _SSIM_ALIKE, upright=True),
}


def _answer(comparator: _Comparator, a: Picture, b: Picture) -> Likeness | None:
    shown = [oriented(p.image, p.header.orientation if comparator.upright else 1) for p in (a, b)]
    value = comparator.compare(*shown)
    if value is None:
        return None
    # Rounded first: 1 - 30/100 is a little less than 0.7.
    value = round(value, _DIGITS)
    return Likeness(value, comparator.rule, comparator.threshold, _MEETS[comparator.rule](value, comparator.threshold))
