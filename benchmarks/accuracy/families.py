"""The families of copies, in the order of the page, and the share that must be found (docs/accuracy.md)."""

from __future__ import annotations

from typing import NamedTuple

BYTES = "byte copies and metadata"
RECOMPRESS = "recompressed q40-95"
RECOMPRESS_LOW = "recompressed q30"
GENERATIONS = "2-5 generations"
RESIZE = "resized 0.25-0.9, 1.5"
RESIZE_SMALL = "resized 0.1-0.2"
RESIZE_LINEAR = "resized in linear light"
RESIZE_STAGED = "resized in stages, shrink-on-load"
RESIZE_ODD = "resized, dimensions off by one"
RESIZE_SHARP = "resized and sharpened"
RESIZE_TINY = "resized to under 100 pixels"
ORIENTATION = "EXIF orientation"
ROTATION = "rotated 90-270"
PROFILE = "colour profile converted"
DEPTH = "bit depth, grey, alpha"
LOSSLESS = "lossless formats"
LOSSY = "WebP, HEIC, AVIF, JPEG XL"
PALETTE = "palette (GIF, PNG8)"
RESAVED = "saved, resized, saved again"
MESSENGER = "messengers, two hops"

ORDER = (
    *(BYTES, RECOMPRESS, RECOMPRESS_LOW, GENERATIONS, RESIZE, RESIZE_SMALL, RESIZE_LINEAR, RESIZE_STAGED, RESIZE_ODD),
    *(RESIZE_SHARP, RESIZE_TINY, ORIENTATION, ROTATION, PROFILE, DEPTH, LOSSLESS, LOSSY, PALETTE, RESAVED, MESSENGER),
)


class Required(NamedTuple):
    """A row of what the design demands: so much of these families must be found, all of them together."""

    words: str
    families: tuple[str, ...]
    share: float


REQUIRED = (
    Required("byte copies, metadata stripped or added", (BYTES,), 1.0),
    Required("recompressed at quality 40 to 95, up to five generations", (RECOMPRESS, GENERATIONS), 0.995),
    Required("recompressed at quality 30", (RECOMPRESS_LOW,), 0.98),
    Required("resized to 0.25-0.9 and by 1.5, by any scaler", (RESIZE, RESIZE_LINEAR, RESIZE_STAGED, RESIZE_ODD), 0.99),
    Required("resized to 0.1-0.2", (RESIZE_SMALL,), 0.95),
    Required("EXIF orientation, and turned by 90, 180 and 270 degrees", (ORIENTATION, ROTATION), 0.995),
    Required("PNG, TIFF, BMP, lossless WebP", (LOSSLESS,), 1.0),
    Required("WebP, HEIC, AVIF, JPEG XL with loss", (LOSSY,), 0.98),
    Required("palettes", (PALETTE,), 0.9),
    Required("messengers, two hops included", (MESSENGER, RESAVED), 0.98),
    Required("colour profiles converted", (PROFILE,), 0.98),
    Required("bit depth, grey, alpha", (DEPTH,), 0.98),
)
"""The last two are ours: the design names no share for them. What was sharpened may be called a look-alike, it says."""

SMALLEST = 100  # pixels of the shorter side: below it a picture keeps too little to prove anything


def recompressed(quality: int) -> str:
    """Return the family of a JPEG saved at this quality."""
    return RECOMPRESS_LOW if quality <= 30 else RECOMPRESS


def resized(scale: float) -> str:
    """Return the family of a picture resized by this factor."""
    return RESIZE_SMALL if scale <= 0.2 else RESIZE
