"""What a file's format does to finished pixels: quantise them with its JPEG tables, or give them its palette."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from twinwatch.proof.picture import JpegTables


@dataclass(frozen=True, slots=True)
class Generation:
    """A JPEG that a copy was before it became the file in hand: IJG quality 1-100, Pillow's subsampling 0-2."""

    quality: int
    subsampling: int

    @property
    def table(self) -> tuple[int, ...]:
        """Return the 64 luma steps of this quality, natural order."""
        return _table(self.quality)

    def applied(self, image: Image.Image) -> Image.Image:
        """Store the picture so and decode it again; returns RGB."""
        stored = io.BytesIO()
        image.save(stored, "JPEG", quality=self.quality, subsampling=self.subsampling)
        return _decoded(stored)


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
    return _decoded(stored)


def quantise(image: Image.Image, palette: Image.Image, *, dither: bool) -> Image.Image:
    """Give every pixel a colour of this palette (a mode P image), with or without error diffusion; returns RGB."""
    how = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE
    return image.quantize(palette=palette, dither=how).convert("RGB")


@lru_cache(maxsize=128)
def _table(quality: int) -> tuple[int, ...]:
    stored = io.BytesIO()
    Image.new("L", (8, 8)).save(stored, "JPEG", quality=quality)
    tables: dict[int, list[int]] = getattr(Image.open(stored, formats=("JPEG",)), "quantization", {})
    return tuple(tables[0])


def _decoded(stored: io.BytesIO) -> Image.Image:
    return Image.open(stored, formats=("JPEG",)).convert("RGB")
