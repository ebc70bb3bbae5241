"""Making a picture again: scale it as that file says, finish it with that file's own tables or palette, decode.

The scaler is written nowhere, so it is searched: every candidate makes a few small windows of the target, and the
recipe that comes nearest makes the whole. Pure functions of pixels; nothing here judges.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from twinwatch.proof.picture import JpegTables
from twinwatch.proof.scaling import Box, scalers

_WINDOW = 128  # pixels of the target
_MARGIN = 16  # made around a window and thrown away: a JPEG block (with halved chroma), and a filter's reach
_WINDOWS = 5
_EXACT = 0.02  # grey levels: nothing is left to fit
_RIVALS = 2  # scalers that a filter is fitted for
_MAX_SHIFT = (
    0.6  # pixels a fitted filter may move the picture: another siting of the same scaler; a burst moves further
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be made: RGB pixels in stored orientation, and what the file tells of how they were stored."""

    image: Image.Image
    tables: JpegTables | None = None
    palette: Image.Image | None = None  # mode P


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to make the target, and how far (mean absolute, 0-255) it stayed from it in the windows."""

    scaler: str
    distance: float = 0.0
    kernel: ImageFilter.Kernel | None = None
    dither: bool | None = None  # with the target's palette: diffuse errors or not; None: palette not used

    @property
    def words(self) -> str:
        """Name the recipe for a person."""
        fitted = ", fitted filter" if self.kernel is not None else ""
        palette = {None: "", False: ", the copy's own palette", True: ", the copy's own palette dithered"}[self.dither]
        return f"{self.scaler}{fitted}{palette}"


def recipes(source: Image.Image, target: Target) -> list[Recipe]:
    """Try every recipe on the target's windows; the nearest first. Both pictures RGB and upright alike."""
    boxes = windows(target.image)
    dithers = (None,) if target.palette is None else (False, True, None)
    tried = [
        _measured(source, target, Recipe(name, dither=dither), boxes)
        for name in scalers(source.size, target.image.size)
        for dither in dithers
    ]
    tried.sort(key=lambda recipe: recipe.distance)
    fitted = [
        _measured(source, target, replace(recipe, kernel=kernel), boxes)
        for recipe in tried[:_RIVALS]
        if recipe.distance > _EXACT and (kernel := _fitted(source, target, recipe, boxes)) is not None
    ]
    return sorted(tried + fitted, key=lambda recipe: recipe.distance)


def made(source: Image.Image, target: Target, recipe: Recipe, box: Box | None = None) -> Image.Image:
    """Make the target, or a window of it, from the source."""
    size = target.image.size
    scaled = scalers(source.size, size)[recipe.scaler](source, size, box or (0, 0, *size))
    if recipe.kernel is not None:
        scaled = scaled.filter(recipe.kernel)
    if recipe.dither is not None and target.palette is not None:
        return quantise(scaled, target.palette, dither=recipe.dither)
    return encode_jpeg(scaled, target.tables) if target.tables is not None else scaled


def made_windows(source: Image.Image, target: Target, recipe: Recipe) -> list[tuple[Box, Image.Image]]:
    """Make only the windows with the most detail."""
    return [(box, _made_window(source, target, recipe, box)) for box in windows(target.image)]


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


def quantise(image: Image.Image, palette: Image.Image, *, dither: bool) -> Image.Image:
    """Give every pixel a colour of this palette (a mode P image), with or without error diffusion; returns RGB."""
    how = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE
    return image.quantize(palette=palette, dither=how).convert("RGB")


def windows(target: Image.Image) -> list[Box]:
    """Choose up to five windows with detail, spread over the picture and aligned to JPEG's 16-pixel blocks."""
    width, height = target.size
    if width <= 2 * _WINDOW and height <= 2 * _WINDOW:
        return [(0, 0, width, height)]
    wide, high = min(_WINDOW, width), min(_WINDOW, height)
    grid = set()
    for row in range(4):
        for column in range(4):
            left, top = (width - wide) * column // 3 & ~15, (height - high) * row // 3 & ~15
            grid.add((left, top, left + wide, top + high))
    return sorted(grid, key=lambda box: (-_detail(target.crop(box)), box))[:_WINDOWS]


def _detail(patch: Image.Image) -> float:
    """Return the mean absolute step between neighbouring pixels of luma."""
    luma = np.asarray(patch.convert("L")).astype(np.int16)
    return float(np.abs(np.diff(luma, axis=1)).mean() + np.abs(np.diff(luma, axis=0)).mean()) if luma.size > 1 else 0.0


def _made_window(source: Image.Image, target: Target, recipe: Recipe, box: Box) -> Image.Image:
    width, height = target.image.size
    left, top = max(0, box[0] - _MARGIN), max(0, box[1] - _MARGIN)
    around = (left, top, min(width, box[2] + _MARGIN), min(height, box[3] + _MARGIN))
    inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return made(source, target, recipe, around).crop(inner)


def _measured(source: Image.Image, target: Target, recipe: Recipe, boxes: list[Box]) -> Recipe:
    total = 0.0
    for box in boxes:
        ours = np.asarray(_made_window(source, target, recipe, box)).astype(np.int16)
        total += float(np.abs(ours - np.asarray(target.image.crop(box)).astype(np.int16)).mean())
    return replace(recipe, distance=total / len(boxes))


_NEIGHBOURS = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)]


def _fitted(source: Image.Image, target: Target, recipe: Recipe, boxes: list[Box]) -> ImageFilter.Kernel | None:
    """Fit the 5x5 kernel that turns the scaled windows into the target's: what is left of an unknown scaler.

    The weights sum to one, so that no change of tone can hide in it, and a kernel that moves the picture is refused.
    None when the windows are too small or the fit moves the picture.
    """
    seen, wanted = [], []
    unfinished = Target(target.image)
    for box in boxes:
        ours = np.asarray(_made_window(source, unfinished, recipe, box).convert("L")).astype(np.float32)
        theirs = np.asarray(target.image.crop(box).convert("L")).astype(np.float32)
        if min(ours.shape) < 12:
            return None
        centre = ours[2:-2, 2:-2]
        high, wide = centre.shape
        seen.append(
            np.stack([(ours[2 + y : 2 + y + high, 2 + x : 2 + x + wide] - centre).ravel() for y, x in _NEIGHBOURS], 1)
        )
        wanted.append((theirs[2:-2, 2:-2] - centre).ravel())
    rows, values = np.concatenate(seen), np.concatenate(wanted)
    # einsum and not a matrix product: the latter would wake BLAS threads, which the sandbox does not allow.
    normal = np.einsum("ij,ik->jk", rows, rows).astype(np.float64)
    normal += np.eye(len(_NEIGHBOURS)) * 0.5 * len(values)  # half a grey level of noise: no wild fits of flat windows
    return _kernel(np.linalg.solve(normal, np.einsum("ij,i->j", rows, values).astype(np.float64)))


def _kernel(weights: NDArray[np.float64]) -> ImageFilter.Kernel | None:
    taps = np.zeros((5, 5))
    for (dy, dx), weight in zip(_NEIGHBOURS, weights, strict=True):
        taps[dy + 2, dx + 2] = weight
    taps[2, 2] = 1 - weights.sum()
    reach = np.arange(-2, 3)
    if np.hypot(float((taps.sum(axis=1) * reach).sum()), float((taps.sum(axis=0) * reach).sum())) > _MAX_SHIFT:
        return None
    # Pillow runs a kernel's rows bottom-up: flipped, taps[y, x] meets the pixel at (y, x).
    return ImageFilter.Kernel((5, 5), taps[::-1].ravel().tolist(), scale=1)
