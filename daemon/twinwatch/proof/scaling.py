"""The ways a picture may have been scaled: each can make any window of the scaled picture without making the rest.

Pillow's filters stand for the many programs that filter before they skip pixels; the unfiltered ones for OpenCV, phones
and browsers; two steps for thumbnailers that halve first; linear light for those that average light and not numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof import gd

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


class Source(Protocol):
    """A picture that hands out RGB pixels part by part."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""

    def part(self, box: Box) -> Image.Image:
        """Return the pixels of a box that lies inside."""


Levels = NDArray[np.uint8]
Floats = NDArray[np.float32]

Scaler = Callable[[Source, tuple[int, int], Box], Image.Image]
"""(source, full target size, window of the target) -> that window of the scaled source."""

IN_EIGHT_BITS = "lanczos in 8-bit light"

_R = Image.Resampling
_FILTERS = (_R.LANCZOS, _R.BICUBIC, _R.BILINEAR, _R.BOX, _R.HAMMING)
_T = Image.Transform
_TIE = 1e-4  # source pixels: a sample on the edge of two pixels belongs to the second, whatever the rounding
_STRIP = 256  # rows that are numbers of four bytes a band at a time
_REACH = 3.0  # pixels to each side that the widest filter (Lanczos) looks at; of the target where that is the smaller


def scalers(source: tuple[int, int], target: tuple[int, int]) -> dict[str, Scaler]:
    """Return the candidates by name for scaling from one size to another."""
    if source == target:
        return {"same size": lambda image, _, box: image.part(box)}
    named: dict[str, Scaler] = {}
    for filter_ in (*_FILTERS, _R.NEAREST):
        named[filter_.name.lower()] = _filtered(filter_)
    for filter_ in (_R.BILINEAR, _R.BICUBIC):
        named[f"{filter_.name.lower()}, unfiltered"] = _sampled(filter_)
    # OpenCV, jimp and others take the pixel left above: sample x at x * step and not at its middle.
    named["nearest, from the corner"] = _sampled(_R.NEAREST, "first")
    named["bilinear, from the corner"] = _sampled(_R.BILINEAR, "first")
    # GD's `imagecopyresized` overwrites: the last pixel that begins within a target pixel stays. Its `imagescale` steps
    # in whole 256ths of a pixel, and so ends several pixels before the edge.
    named["nearest, to the far corner"] = _sampled(_R.NEAREST, "last")
    named["nearest, from the corner in 256ths"] = _sampled(_R.NEAREST, "first", parts=256)
    named["bicubic of GD"] = gd.bicubic
    if min(target) > 2:
        named["fast bilinear"] = _fast
    if min(source[0] / target[0], source[1] / target[1]) >= 2:
        for filter_ in (_R.LANCZOS, _R.BICUBIC, _R.BILINEAR):
            named[f"{filter_.name.lower()} in two steps"] = _filtered(filter_, gap=1.0)
        # Web pages draw a picture at half its size as long as that is enough, as a canvas does not filter.
        named["bilinear, unfiltered, by halves"] = _by_halves
    for filter_ in (_R.LANCZOS, _R.BILINEAR, _R.BOX):
        named[f"{filter_.name.lower()} in linear light"] = _lit(filter_)
    # libvips averages down to twice the size before it filters.
    named[IN_EIGHT_BITS] = _posterised
    for filter_ in _FILTERS:
        for how, scaler in _otherwise_rounded(filter_).items():
            named[f"{filter_.name.lower()}, {how}"] = scaler
    return named


def roundings(name: str) -> list[str]:
    """Return the names of the same filter in programs that round otherwise than Pillow, which rounds row by row first.

    None for what is no plain filter.
    """
    known = [filter_ for filter_ in _FILTERS if filter_.name.lower() == name]
    return [f"{name}, {how}" for filter_ in known for how in _otherwise_rounded(filter_)]


@cache
def _otherwise_rounded(filter_: Image.Resampling) -> dict[str, Scaler]:
    """Return the scalers by how they round: on 150 copies each leaves a half to nothing of what Pillow's leaves."""
    return {
        "rounded once": _by_bands(filter_, _to_floats, _rounded),  # ImageMagick, Java, netpbm, pica
        "cut off": _by_bands(filter_, _to_floats, _cut_off),  # GraphicsMagick, and PNGs of ImageMagick
        "columns first": _columns_first(filter_),  # libvips, sharp
    }


Area = tuple[float, float, float, float]


def _area(source: Source, size: tuple[int, int], box: Box) -> Area:
    """Return the part of the source that a window of the target shows, in source pixels."""
    return _stepped(box, (source.size[0] / size[0], source.size[1] / size[1]))


def _stepped(box: Box, steps: tuple[float, float]) -> Area:
    return (box[0] * steps[0], box[1] * steps[1], box[2] * steps[0], box[3] * steps[1])


def _around(source: Source, size: tuple[int, int], area: Area, reach: float = _REACH) -> Box:
    """Return the box of whole pixels that a filter may look at to make an area of the source; `reach` in pixels."""
    (width, height), (wide, high) = source.size, size
    reach_x, reach_y = reach * max(1.0, width / wide) + 1, reach * max(1.0, height / high) + 1
    left, top = max(0, int(area[0] - reach_x)), max(0, int(area[1] - reach_y))
    return left, top, min(width, math.ceil(area[2] + reach_x)), min(height, math.ceil(area[3] + reach_y))


def _filtered(filter_: Image.Resampling, gap: float | None = None) -> Scaler:
    """Filter over all pixels that are covered; with a gap, average down to `gap` times the size first."""

    def scale(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
        part, wanted, inside = _shown(source, size, box)
        return part.resize(wanted, filter_, box=inside, reducing_gap=gap)

    return scale


def _shown(source: Source, size: tuple[int, int], box: Box) -> tuple[Image.Image, tuple[int, int], Area]:
    """Return the part of the source that a filter may look at, what size the box has, and what it shows of the part."""
    area = _area(source, size, box)
    around = _around(source, size, area)
    inside = (area[0] - around[0], area[1] - around[1], area[2] - around[0], area[3] - around[1])
    return source.part(around), (box[2] - box[0], box[3] - box[1]), inside


def _sampled(filter_: Image.Resampling, at: Literal["middle", "first", "last"] = "middle", parts: int = 0) -> Scaler:
    """Interpolate between the nearest one, four or sixteen pixels however many are skipped.

    Samples are taken at the middle of what each target pixel covers, or at the first or the last source pixel there; of
    the step only so many whole `parts` of a pixel count, where they are given.
    """

    def scale(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
        step_x, step_y = (
            parts * length // count / parts if parts else length / count
            for length, count in zip(source.size, size, strict=True)
        )
        # Pillow samples at the middle of every target pixel and takes 0.5 for the middle of the first source pixel.
        middle = 0.0 if filter_ is _R.NEAREST else 0.5
        off_x, off_y = {
            "middle": (0.0, 0.0),
            "first": (middle + _TIE - step_x / 2, middle + _TIE - step_y / 2),
            "last": (step_x / 2 - _TIE - middle, step_y / 2 - _TIE - middle),
        }[at]
        around = _around(source, size, _stepped(box, (step_x, step_y)))
        off_x, off_y = off_x - around[0], off_y - around[1]
        matrix = (step_x, 0.0, box[0] * step_x + off_x, 0.0, step_y, box[1] * step_y + off_y)
        return source.part(around).transform((box[2] - box[0], box[3] - box[1]), _T.AFFINE, matrix, filter_)

    return scale


def _fast(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
    """Interpolate as libswscale's `fast_bilinear` does: across it steps as if both were two pixels narrower.

    Its step is in units of 1/65536 pixel and 20 of these less (`ff_sws_init_scale`, x86); found so in its results.
    Beyond the edge the last column goes on.
    """
    step_x, step_y = (source.size[0] - 2) / (size[0] - 2) - 20 / 65536, source.size[1] / size[1]
    area = (box[0] * step_x, box[1] * step_y, box[2] * step_x, box[3] * step_y)
    left, top, right, bottom = _around(source, size, area)
    left = min(left, source.size[0] - 1)
    part = source.part((left, top, max(right, left + 1), bottom))
    beyond = math.ceil(area[2]) + 1 - right
    if beyond > 0:
        wider = Image.new("RGB", (part.width + beyond, part.height))
        wider.paste(part, (0, 0))
        wider.paste(
            part.crop((part.width - 1, 0, part.width, part.height)).resize((beyond, part.height)), (part.width, 0)
        )
        part = wider
    matrix = (step_x, 0.0, area[0] - left, 0.0, step_y, area[1] - top)
    return part.transform((box[2] - box[0], box[3] - box[1]), _T.AFFINE, matrix, _R.BILINEAR)


def _lit(filter_: Image.Resampling) -> Scaler:
    """Filter in linear light (sRGB's transfer curve, IEC 61966-2-1)."""
    return _by_bands(filter_, lambda levels: _to_light()[levels], _from_light)


def _by_bands(filter_: Image.Resampling, into: Callable[[Levels], Floats], back: Callable[[Floats], Levels]) -> Scaler:
    """Filter numbers that are not rounded in between; `into` and `back` tell what they are of a band's levels."""

    def scale(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
        left, top, right, bottom = box
        whole = Image.new("RGB", (right - left, bottom - top))
        for low in range(top, bottom, _STRIP):
            whole.paste(strip(source, size, (left, low, right, min(low + _STRIP, bottom))), (0, low - top))
        return whole

    def strip(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
        part, wanted, inside = _shown(source, size, box)
        bands = []
        for band in part.split():
            floats = Image.fromarray(into(np.asarray(band))).resize(wanted, filter_, box=inside)
            bands.append(Image.fromarray(back(np.asarray(floats))))
        return Image.merge("RGB", bands)

    return scale


def _to_floats(levels: Levels) -> Floats:
    return levels.astype(np.float32)


def _rounded(floats: Floats) -> Levels:
    return _cut_off(floats + np.float32(0.5))


def _cut_off(floats: Floats) -> Levels:
    return np.clip(floats, 0, 255).astype(np.uint8)


def _columns_first(filter_: Image.Resampling) -> Scaler:
    """Filter down the columns and round, then along the rows; averages down to twice the size before that."""

    def scale(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
        turned = _filtered(filter_, gap=2.0)(_Turned(source), size[::-1], (box[1], box[0], box[3], box[2]))
        return turned.transpose(Image.Transpose.TRANSPOSE)

    return scale


def _posterised(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
    """Filter in light that is kept in eight bits."""
    light = _Pixels(source, lambda part: part.point(_TO_POWER * 3))
    return _filtered(_R.LANCZOS, gap=2.0)(light, size, box).point(_FROM_POWER * 3)


def _by_halves(source: Source, size: tuple[int, int], box: Box) -> Image.Image:
    """Average by halves down to less than twice the size, then interpolate."""
    width, height = source.size
    while width > 2 * size[0]:
        width, height = math.ceil(width / 2), math.ceil(height / 2)
    # In one step: Skia, which browsers draw with, does not round each of its own (measured; so it comes nearer).
    return _sampled(_R.BILINEAR)(_Averaged(source, (width, height)), size, box)


@dataclass(frozen=True, slots=True)
class _Averaged:
    """A source that is averaged down to a size."""

    source: Source
    size: tuple[int, int]

    def part(self, box: Box) -> Image.Image:
        steps = self.source.size[0] / self.size[0], self.source.size[1] / self.size[1]
        area = _stepped(box, steps)
        left, top, right, bottom = (
            *(math.floor(area[0]), math.floor(area[1])),
            *(min(math.ceil(area[2]), self.source.size[0]), min(math.ceil(area[3]), self.source.size[1])),
        )
        inside = (area[0] - left, area[1] - top, area[2] - left, area[3] - top)
        wanted = (box[2] - box[0], box[3] - box[1])
        return self.source.part((left, top, right, bottom)).resize(wanted, _R.BOX, box=inside)


@dataclass(frozen=True, slots=True)
class _Turned:
    """A source whose rows are columns."""

    source: Source

    @property
    def size(self) -> tuple[int, int]:
        return self.source.size[::-1]

    def part(self, box: Box) -> Image.Image:
        return self.source.part((box[1], box[0], box[3], box[2])).transpose(Image.Transpose.TRANSPOSE)


@dataclass(frozen=True, slots=True)
class _Pixels:
    """A source of which every part is changed when it is asked for."""

    source: Source
    change: Callable[[Image.Image], Image.Image]

    @property
    def size(self) -> tuple[int, int]:
        return self.source.size

    def part(self, box: Box) -> Image.Image:
        return self.change(self.source.part(box))


def posterised(image: Image.Image) -> Image.Image:
    """Return an RGB picture as light that is kept in eight bits leaves it: dark tones fall together, up to 20 to black.

    So do libvips' `gamma` and sharp's. Both curves are cut off to whole numbers: seen in what they make of all greys.
    """
    return image.point(_TO_POWER * 3).point(_FROM_POWER * 3)


_POWER = 2.2  # sharp's default
_TO_POWER, _FROM_POWER = ([int(255 * (value / 255) ** by) for value in range(256)] for by in (_POWER, 1 / _POWER))


_STEPS = 1 << 18  # of light from none to full: the dark end, where a grey level is narrowest, has 80 steps for each


def _light_of(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _value_of(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@cache
def _to_light() -> NDArray[np.float32]:
    return (_light_of(np.arange(256) / 255) * (_STEPS - 1)).astype(np.float32)


@cache
def _of_steps() -> NDArray[np.uint8]:
    return np.rint(_value_of(np.arange(_STEPS) / (_STEPS - 1)) * 255).astype(np.uint8)


def _from_light(light: Floats) -> Levels:
    return np.asarray(_of_steps()[np.clip(light + 0.5, 0, _STEPS - 1).astype(np.int32)])
