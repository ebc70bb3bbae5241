"""The families of copies, in the order of the page, each with the share that must be found (docs/accuracy.md)."""

from __future__ import annotations

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
MESSENGER = "messengers, two hops"

REQUIRED: dict[str, float] = {
    BYTES: 1.0,
    RECOMPRESS: 0.995,
    RECOMPRESS_LOW: 0.98,
    GENERATIONS: 0.995,
    RESIZE: 0.99,
    RESIZE_SMALL: 0.95,
    RESIZE_LINEAR: 0.99,
    RESIZE_STAGED: 0.99,
    RESIZE_ODD: 0.99,
    RESIZE_SHARP: 0.99,
    RESIZE_TINY: 0.0,
    ORIENTATION: 0.995,
    ROTATION: 0.995,
    PROFILE: 0.98,
    DEPTH: 0.98,
    LOSSLESS: 1.0,
    LOSSY: 0.98,
    PALETTE: 0.90,
    MESSENGER: 0.98,
}

SMALLEST = 100  # pixels of the shorter side: below it a picture keeps too little to prove anything


def recompressed(quality: int) -> str:
    """Return the family of a JPEG saved at this quality."""
    return RECOMPRESS_LOW if quality <= 30 else RECOMPRESS


def resized(scale: float) -> str:
    """Return the family of a picture resized by this factor."""
    return RESIZE_SMALL if scale <= 0.2 else RESIZE
