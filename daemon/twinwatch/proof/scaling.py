"""The ways a picture may have been scaled: each can make any window of the scaled picture without making the rest.

Pillow's filters stand for the many programs that filter before they skip pixels; the unfiltered ones for OpenCV, phones
and browsers; two steps for thumbnailers that halve first; linear light for those that average light and not numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the target."""

Scaler = Callable[[Image.Image, tuple[int, int], Box], Image.Image]
"""(RGB source, full target size, window of the target) -> that window of the scaled source."""

_R = Image.Resampling
_T = Image.Transform
_TIE = 1e-4  # source pixels: a sample on the edge of two pixels belongs to the second, whatever the rounding
_LIGHT_MARGIN = 16  # target pixels of surroundings that a filter may reach for


def scalers(source: tuple[int, int], target: tuple[int, int]) -> dict[str, Scaler]:
    """Return the candidates by name for scaling from one size to another."""
    if source == target:
        return {"same size": lambda image, _, box: image.crop(box)}
    named: dict[str, Scaler] = {}
    for filter_ in (_R.LANCZOS, _R.BICUBIC, _R.BILINEAR, _R.BOX, _R.HAMMING, _R.NEAREST):
        named[filter_.name.lower()] = _filtered(filter_)
    for filter_ in (_R.BILINEAR, _R.BICUBIC):
        named[f"{filter_.name.lower()}, unfiltered"] = _sampled(filter_)
    # OpenCV, jimp and others take the pixel left above: sample x at x * step and not at its middle.
    named["nearest, from the corner"] = _sampled(_R.NEAREST, corner=True)
    named["bilinear, from the corner"] = _sampled(_R.BILINEAR, corner=True)
    if min(source[0] / target[0], source[1] / target[1]) >= 2:
        for filter_ in (_R.LANCZOS, _R.BICUBIC, _R.BILINEAR):
            named[f"{filter_.name.lower()} in two steps"] = _filtered(filter_, gap=1.0)
    for filter_ in (_R.LANCZOS, _R.BILINEAR, _R.BOX):
        named[f"{filter_.name.lower()} in linear light"] = _lit(filter_)
    return named


def _area(image: Image.Image, size: tuple[int, int], box: Box) -> tuple[float, float, float, float]:
    """Return the part of the source that a window of the target shows, in source pixels."""
    step_x, step_y = image.width / size[0], image.height / size[1]
    return (box[0] * step_x, box[1] * step_y, box[2] * step_x, box[3] * step_y)


def _filtered(filter_: Image.Resampling, gap: float | None = None) -> Scaler:
    """Filter over all pixels that are covered; with a gap, average down to `gap` times the size first."""

    def scale(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
        area = _area(image, size, box)
        return image.resize((box[2] - box[0], box[3] - box[1]), filter_, box=area, reducing_gap=gap)

    return scale


def _sampled(filter_: Image.Resampling, *, corner: bool = False) -> Scaler:
    """Interpolate between the nearest one, four or sixteen pixels however many are skipped.

    The first sample is taken at the middle of the first target pixel, or with `corner` at the first source pixel's.
    """

    def scale(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
        step_x, step_y = image.width / size[0], image.height / size[1]
        # Pillow samples at the middle of every target pixel and takes 0.5 for the middle of the first source pixel.
        off_x, off_y = (0.5 + _TIE - step_x / 2, 0.5 + _TIE - step_y / 2) if corner else (0.0, 0.0)
        if corner and filter_ is _R.NEAREST:
            off_x, off_y = _TIE - step_x / 2, _TIE - step_y / 2
        matrix = (step_x, 0.0, box[0] * step_x + off_x, 0.0, step_y, box[1] * step_y + off_y)
        return image.transform((box[2] - box[0], box[3] - box[1]), _T.AFFINE, matrix, filter_)

    return scale


def _lit(filter_: Image.Resampling) -> Scaler:
    """Filter in linear light (sRGB's transfer curve, IEC 61966-2-1)."""
    return lambda image, size, box: _in_light(image, size, box, filter_)


def _in_light(image: Image.Image, size: tuple[int, int], box: Box, filter_: Image.Resampling) -> Image.Image:
    left, top, right, bottom = _area(image, size, box)
    margin_x = int(_LIGHT_MARGIN * max(1.0, image.width / size[0]))
    margin_y = int(_LIGHT_MARGIN * max(1.0, image.height / size[1]))
    x, y = max(0, int(left) - margin_x), max(0, int(top) - margin_y)
    part = image.crop((x, y, min(image.width, int(right) + margin_x), min(image.height, int(bottom) + margin_y)))
    bands = []
    for band in part.split():
        light = Image.fromarray(_TO_LIGHT[np.asarray(band)])
        light = light.resize(
            (box[2] - box[0], box[3] - box[1]), filter_, box=(left - x, top - y, right - x, bottom - y)
        )
        bands.append(Image.fromarray(_from_light(np.asarray(light))))
    return Image.merge("RGB", bands)


def _curve() -> NDArray[np.float32]:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_TO_LIGHT = _curve()


def _from_light(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    inside = np.clip(light, 0, 1)
    value = np.where(inside <= 0.0031308, inside * 12.92, 1.055 * inside ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(value * 255), dtype=np.uint8)
