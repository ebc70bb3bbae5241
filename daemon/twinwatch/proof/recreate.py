"""Making a picture again: scale it as that file says, quantise it with that file's own tables, decode.

The scaler is not written anywhere, so it is searched: each candidate makes a few small windows of the target, the one
that comes nearest makes the whole. Pure functions of pixels; nothing here judges.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from twinwatch.proof.picture import JpegTables

Box = tuple[int, int, int, int]
Scaler = Callable[[Image.Image, tuple[int, int], Box], Image.Image]
"""(source, full target size, window of the target) -> that window of the scaled source."""

_WINDOW = 128  # pixels of the target, a multiple of 16 so that JPEG blocks line up
_R = Image.Resampling
_T = Image.Transform


@dataclass(frozen=True, slots=True)
class Scaling:
    """A way to scale that was tried, and how far (mean absolute, 0-255) its windows were from the target's."""

    name: str
    distance: float


def encode_jpeg(image: Image.Image, tables: JpegTables) -> Image.Image:
    """Quantise with these tables and decode again; returns RGB. Chroma is halved as libjpeg does."""
    if tables.subsampling is None:
        return image
    stored = io.BytesIO()
    grey = len(tables.tables) == 1
    (image.convert("L") if grey else image).save(
        stored,
        "JPEG",
        qtables=[list(table) for table in tables.tables],
        subsampling=tables.subsampling,
    )
    return Image.open(stored, formats=("JPEG",)).convert("RGB")


def quantise(image: Image.Image, palette: Image.Image, dither: bool) -> Image.Image:
    """Give every pixel a colour of this palette (a mode P image), with or without error diffusion; returns RGB."""
    how = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE
    return image.quantize(palette=palette, dither=how).convert("RGB")


def scalers(source: tuple[int, int], target: tuple[int, int]) -> dict[str, Scaler]:
    """Return the candidates by name for scaling from one size to another."""
    if source == target:
        return {"none": lambda image, _, box: image.crop(box)}
    named: dict[str, Scaler] = {}
    for filter_ in (_R.LANCZOS, _R.BICUBIC, _R.BILINEAR, _R.BOX, _R.HAMMING, _R.NEAREST):
        named[filter_.name.lower()] = _filtered(filter_)
    for filter_ in (_R.BILINEAR, _R.BICUBIC):
        named[f"{filter_.name.lower()}, unfiltered"] = _sampled(filter_)
    if min(source[0] / target[0], source[1] / target[1]) >= 2:
        for filter_ in (_R.LANCZOS, _R.BICUBIC, _R.BILINEAR):
            named[f"{filter_.name.lower()} in two steps"] = _stepped(filter_)
    return named


def find_scaler(source: Image.Image, target: Image.Image, tables: JpegTables | None) -> list[Scaling]:
    """Try every candidate on a few windows of the target; best first. Both RGB and upright alike."""
    boxes = windows(target)
    wanted = [np.asarray(target.crop(box)).astype(np.int16) for box in boxes]
    tried = []
    for name, scaler in scalers(source.size, target.size).items():
        total = 0.0
        for box, want in zip(boxes, wanted, strict=True):
            made = scaler(source, target.size, box)
            if tables is not None:
                made = encode_jpeg(made, tables)
            total += float(np.abs(np.asarray(made).astype(np.int16) - want).mean())
        tried.append(Scaling(name, total / len(boxes)))
    return sorted(tried, key=lambda scaling: scaling.distance)


def scaled(source: Image.Image, size: tuple[int, int], name: str) -> Image.Image:
    """Scale the whole source with the named candidate."""
    if source.size == size:
        return source
    return scalers(source.size, size)[name](source, size, (0, 0, *size))


def windows(target: Image.Image) -> list[Box]:
    """Choose up to five windows with detail, spread over the picture and aligned to JPEG's 16-pixel blocks."""
    width, height = target.size
    if width <= 2 * _WINDOW and height <= 2 * _WINDOW:
        return [(0, 0, width, height)]
    wide, high = min(_WINDOW, width), min(_WINDOW, height)
    grid = []
    for row in range(4):
        for column in range(4):
            left, top = (width - wide) * column // 3 & ~15, (height - high) * row // 3 & ~15
            box = (left, top, left + wide, top + high)
            patch = np.asarray(target.crop(box).convert("L")).astype(np.int16)
            detail = float(np.abs(np.diff(patch, axis=1)).mean() + np.abs(np.diff(patch, axis=0)).mean())
            grid.append((detail, box))
    return [box for _, box in sorted(grid, reverse=True)[:5]]


def fitted_filter(made: Image.Image, target: Image.Image) -> tuple[ImageFilter.Kernel, float] | None:
    """Fit the 5x5 kernel that turns `made` (before encoding) into `target`: the part of an unknown scaler that is left.

    The weights sum to one, so that a change of tone cannot hide in it; returns the kernel and how far it moves the
    picture (pixels), or None when the pictures have too little detail to fit.
    """
    rows, values = [], []
    for left, top, right, bottom in windows(target):
        ours = np.asarray(made.crop((left, top, right, bottom)).convert("L")).astype(np.float32)
        theirs = np.asarray(target.crop((left, top, right, bottom)).convert("L")).astype(np.float32)
        if min(ours.shape) < 12:
            return None
        centre = ours[2:-2, 2:-2]
        neighbours = [
            (ours[2 + dy : ours.shape[0] - 2 + dy, 2 + dx : ours.shape[1] - 2 + dx] - centre).ravel()
            for dy, dx in _NEIGHBOURS
        ]
        rows.append(np.stack(neighbours, axis=1))
        values.append((theirs[2:-2, 2:-2] - centre).ravel())
    seen, wanted = np.concatenate(rows), np.concatenate(values)
    normal = (seen.T @ seen).astype(np.float64)
    normal += (
        np.eye(len(_NEIGHBOURS)) * 0.5 * len(wanted)
    )  # half a grey level of rounding: keeps flat pictures from wild fits
    weights = np.linalg.solve(normal, (seen.T @ wanted).astype(np.float64))
    return _kernel(weights)


_NEIGHBOURS = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)]


def _kernel(weights: NDArray[np.float64]) -> tuple[ImageFilter.Kernel, float]:
    taps = np.zeros((5, 5))
    for (dy, dx), weight in zip(_NEIGHBOURS, weights, strict=True):
        taps[dy + 2, dx + 2] = weight
    taps[2, 2] = 1 - weights.sum()
    moved_y = float(sum(dy * w for (dy, _), w in zip(_NEIGHBOURS, weights, strict=True)))
    moved_x = float(sum(dx * w for (_, dx), w in zip(_NEIGHBOURS, weights, strict=True)))
    # Pillow's Kernel runs bottom-up on the rows it is given: flip, so that taps[y, x] meets pixel (y, x).
    return ImageFilter.Kernel((5, 5), taps[::-1].ravel().tolist(), scale=1), float(np.hypot(moved_x, moved_y))


def _filtered(filter_: Image.Resampling) -> Scaler:
    def scale(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
        step_x, step_y = image.width / size[0], image.height / size[1]
        area = (box[0] * step_x, box[1] * step_y, box[2] * step_x, box[3] * step_y)
        return image.resize((box[2] - box[0], box[3] - box[1]), filter_, box=area)

    return scale


def _sampled(filter_: Image.Resampling) -> Scaler:
    """Interpolate between the four or sixteen nearest pixels however much is skipped, as OpenCV and browsers do."""

    def scale(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
        step_x, step_y = image.width / size[0], image.height / size[1]
        matrix = (step_x, 0.0, box[0] * step_x, 0.0, step_y, box[1] * step_y)
        return image.transform((box[2] - box[0], box[3] - box[1]), _T.AFFINE, matrix, filter_)

    return scale


def _stepped(filter_: Image.Resampling) -> Scaler:
    """Halve by averaging while more than twice too large, then filter: what gallery thumbnailers do."""

    def scale(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
        step_x, step_y = image.width / size[0], image.height / size[1]
        area = (box[0] * step_x, box[1] * step_y, box[2] * step_x, box[3] * step_y)
        return image.resize((box[2] - box[0], box[3] - box[1]), filter_, box=area, reducing_gap=1.0)

    return scale
