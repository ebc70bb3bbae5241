"""What a file's format does to finished pixels: its JPEG tables, its palette, or a codec that hides what it did."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import ClassVar

import numpy as np
from PIL import Image

from twinwatch.proof.picture import JpegTables, as_rgb
from twinwatch.proof.residual import JFIF, JFIF_OFFSET

_STEPS = (34.0, 81.0)  # luma and chroma at quality 50: the mean of the middle frequencies in IJG's tables
_FINER = {0: 4.0, 1: 2.0, 2: 1.4}  # by how much, by the sum of both frequencies
_CHOSEN_BY = 1_000_000  # pixels: of more a sample tells which colours a picture has
_ACROSS = 4  # pixels that the blocks of a `StandIn` lie beside the tiles


_MPEG_INTRA = (
    *(8, 16, 19, 22, 26, 27, 29, 34, 16, 16, 22, 24, 27, 29, 34, 37, 19, 22, 26, 27, 29, 34, 34, 38),
    *(22, 22, 26, 27, 29, 34, 37, 40, 22, 26, 27, 29, 32, 35, 40, 48, 26, 27, 29, 32, 35, 40, 48, 58),
    *(26, 27, 29, 34, 38, 46, 56, 69, 27, 29, 35, 38, 46, 56, 69, 83),
)
"""The default intra matrix of MPEG-1 (ISO/IEC 11172-2, 2.4.3.2) in natural order: ffmpeg scales it for its JPEGs."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A JPEG that a copy was before it became the file in hand: IJG quality 1-100, Pillow's subsampling 0-2.

    With `mpeg`, by a program that scales MPEG's matrix: then `quality` is its quantiser scale, 1 (best) to 31. With
    `cut_off`, by one that cuts luma and chroma off to whole numbers, as Rust's image crate does.
    """

    quality: int
    subsampling: int
    mpeg: bool = False
    cut_off: bool = False

    @property
    def table(self) -> tuple[int, ...]:
        """Return the 64 luma steps of this quality, natural order."""
        if self.mpeg:
            return (8, *(min(255, max(1, step * self.quality >> 3)) for step in _MPEG_INTRA[1:]))
        return _tables(self.quality)[0]

    @property
    def chroma(self) -> tuple[int, ...]:
        """Return the 64 chroma steps of this quality, natural order."""
        return self.table if self.mpeg else _tables(self.quality)[1]

    @property
    def words(self) -> str:
        """Name the generation for a person."""
        cut_off = ", cut off to whole numbers" if self.cut_off else ""
        return f"scale {self.quality} of MPEG's matrix" if self.mpeg else f"quality {self.quality}{cut_off}"

    def applied(self, image: Image.Image) -> Image.Image:
        """Store the picture so and decode it again; returns RGB."""
        stored = io.BytesIO()
        if self.mpeg:
            image.save(stored, "JPEG", qtables=[list(self.table)] * 2, subsampling=self.subsampling)
        else:
            ready = _cut_off(image) if self.cut_off else image
            ready.save(stored, "JPEG", quality=self.quality, subsampling=self.subsampling)
        return _decoded(stored)


@dataclass(frozen=True, slots=True)
class Resaving:
    """A JPEG that a copy was before it was saved with the same tables once more."""

    tables: JpegTables
    cut_off: ClassVar[bool] = False  # as `Generation` has it

    @property
    def table(self) -> tuple[int, ...]:
        """Return the 64 luma steps, natural order."""
        return self.tables.tables[0]

    @property
    def words(self) -> str:
        """Name the generation for a person."""
        return "of the same tables"

    def applied(self, image: Image.Image) -> Image.Image:
        """Store the picture so and decode it again; returns RGB."""
        return encode_jpeg(image, self.tables)


@dataclass(frozen=True, slots=True)
class StandIn:
    """A JPEG in place of a codec that does not say what it did; `quality` 1-100, as IJG scales its tables.

    Its steps are alike but for the lowest frequencies: these are finer, as larger transforms leave smooth ground alone.
    Its blocks lie across the tiles that are judged: else what a tile loses of its detail could not move its mean.
    Chroma is halved both ways, as other codecs have it by themselves.
    """

    quality: int
    own: JpegTables | None = None  # what the file itself was stored by after that

    @property
    def words(self) -> str:
        """Name it for a person."""
        return f"a JPEG of quality {self.quality}"

    def applied(self, image: Image.Image) -> Image.Image:
        """Store a picture (RGB or L) so and decode it again; returns the same mode."""
        if self.own is None or self.own.subsampling is None:
            return self._lost(image)
        return _again(self._lost(image), self.own.tables, self.own.subsampling)

    def _lost(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        wide = Image.new(image.mode, (width + _ACROSS, height + _ACROSS))
        wide.paste(image, (_ACROSS, _ACROSS))
        wide.paste(image.crop((0, 0, _ACROSS, height)), (0, _ACROSS))
        wide.paste(wide.crop((0, _ACROSS, width + _ACROSS, 2 * _ACROSS)), (0, 0))
        return _again(wide, _even_tables(self.quality), 2).crop((_ACROSS, _ACROSS, width + _ACROSS, height + _ACROSS))


def encode_jpeg(image: Image.Image, tables: JpegTables) -> Image.Image:
    """Quantise with these tables and decode again; returns RGB. Chroma is halved as libjpeg does."""
    return image if tables.subsampling is None else _decoded(io.BytesIO(stored_jpeg(image, tables)))


def stored_jpeg(image: Image.Image, tables: JpegTables) -> bytes:
    """Return the picture as a JPEG of these tables, whose `subsampling` must be known."""
    stored = io.BytesIO()
    grey = len(tables.tables) == 1
    luma, *chroma = (list(table) for table in tables.tables)
    (image.convert("L") if grey else image).save(
        stored,
        "JPEG",
        qtables=[luma, *(chroma if chroma[:1] != chroma[1:] else chroma[:1])],  # both colours share one, as they do
        subsampling=tables.subsampling,
    )
    return stored.getvalue()


def quantise(image: Image.Image, palette: Image.Image, *, dither: bool) -> Image.Image:
    """Give every pixel a colour of this palette (a mode P image), with or without error diffusion; returns RGB."""
    how = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE
    return image.quantize(palette=palette, dither=how).convert("RGB")


def own_palette(image: Image.Image, like: Image.Image) -> Image.Image:
    """Give the picture a palette made for it, with as many colours as `like` (a mode P image) uses; returns RGB."""
    return image.quantize(_colours(like)).convert("RGB")


def in_own_palettes(image: Image.Image, like: Image.Image) -> list[Image.Image]:
    """Give the picture palettes made for it, with as many colours as `like` uses: by a median cut and as an octree.

    Of a large picture by a sample of it; `like` is of any mode, with 256 colours at most. Returns RGB.
    """
    colours = _colours(like)
    width, height = image.size
    part = min(1.0, (_CHOSEN_BY / (width * height)) ** 0.5)
    few = image.resize((max(1, int(width * part)), max(1, int(height * part))), Image.Resampling.NEAREST)
    ways = (Image.Quantize.MEDIANCUT, Image.Quantize.FASTOCTREE)
    return [quantise(image, few.quantize(colours, way), dither=False) for way in ways]


def _colours(image: Image.Image) -> int:
    return len(image.getcolors(256) or ()) or 256


@lru_cache(maxsize=128)
def _even_tables(quality: int) -> tuple[tuple[int, ...], ...]:
    """Return the steps of luma and of chroma of a `StandIn`, natural order."""
    scale = 50 / quality if quality < 50 else 2 - quality / 50  # as libjpeg's jpeg_quality_scaling, for 1
    lowest = [_FINER.get(row + column, 1.0) for row in range(8) for column in range(8)]
    return tuple(tuple(min(255, max(1, round(step * scale / finer))) for finer in lowest) for step in _STEPS)


def _tables(quality: int) -> tuple[tuple[int, ...], ...]:
    """Return the steps of luma and of chroma, natural order, as libjpeg's `jpeg_set_quality` scales them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(tuple(min(255, max(1, (step * scale + 50) // 100)) for step in steps) for steps in _at_half())


@cache
def _at_half() -> tuple[tuple[int, ...], ...]:
    """Return the steps of quality 50, which are those of ITU-T T.81, annex K."""
    stored = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stored, "JPEG", quality=50)
    tables: dict[int, list[int]] = getattr(Image.open(stored, formats=("JPEG",)), "quantization", {})
    return tuple(tables[0]), tuple(tables[1])


def _cut_off(image: Image.Image) -> Image.Image:
    """Return the picture as YCbCr whose parts of whole numbers are dropped; Pillow rounds them."""
    exact = np.asarray(image).astype(np.float32) @ JFIF.T + JFIF_OFFSET
    whole = exact.clip(0, 255).astype(np.uint8)
    return Image.merge("YCbCr", [Image.fromarray(np.ascontiguousarray(whole[:, :, band])) for band in range(3)])


def _again(image: Image.Image, tables: Sequence[Sequence[int]], subsampling: int) -> Image.Image:
    """Store a picture (RGB or L) with these steps of luma and chroma and decode it; returns the same mode."""
    stored = io.BytesIO()
    if image.mode == "L":
        image.save(stored, "JPEG", qtables=[list(tables[0])])
    else:
        image.save(stored, "JPEG", qtables=[list(table) for table in tables[:2]], subsampling=subsampling)
    again = Image.open(stored, formats=("JPEG",))
    again.load()
    return again


def _decoded(stored: io.BytesIO) -> Image.Image:
    image = Image.open(stored, formats=("JPEG",))
    image.load()
    return as_rgb(image)
