"""Copies by PHP's GD, as WordPress, Nextcloud and most galleries of the web make them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import Recipe
from benchmarks.accuracy.scripts import scripted

_SCALERS = (  # `way` of gd_jobs.php: two functions, and the modes of a third
    "resampled",
    "resized",
    "nearest_neighbour",
    "bilinear_fixed",  # imagescale's own choice
    "bicubic",  # and bicubic_fixed, which is the same
    "mitchell",
    "triangle",
    "box",
    "hermite",
    "catmullrom",
    "gaussian",
    "hamming",
)

_one = partial(scripted, "GD")


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; a job is one object for gd_jobs.php."""
    for quality in (30, 50, 82, 90):  # 82 is WordPress's
        yield _one(f.recompressed(quality), f"q{quality}", job={"quality": quality})
    yield _one(f.RECOMPRESS, "default", job={"quality": -1})
    yield _one(f.RECOMPRESS, "q75-progressive", job={"quality": 75, "interlace": True})
    yield from _resized()
    yield _one(f.LOSSLESS, "topng", ".png")
    yield _one(f.LOSSLESS, "webp-lossless", ".webp", {"quality": 101})  # its name for lossless
    for quality in (60, 80):
        yield _one(f.LOSSY, f"webp{quality}", ".webp", {"quality": quality})
    yield _one(f.LOSSY, "avif55", ".avif", {"quality": 55})
    yield _one(f.PALETTE, "png8-dithered", ".png", {"palette": "dithered"})
    yield _one(f.PALETTE, "png8-plain", ".png", {"palette": "plain"})
    yield _one(f.PALETTE, "gif", ".gif")
    yield _one(f.ORIENTATION, "applied6", job={"quality": 85, "angle": 270}, base="turned6")
    yield _one(f.ORIENTATION, "applied8", job={"quality": 85, "angle": 90}, base="turned8")
    for angle in (90, 180, 270):
        yield _one(f.ROTATION, f"rot{angle}", job={"quality": 88, "angle": angle})
    yield _one(f.DEPTH, "16-to-8", ".png", base="deep")
    yield _one(f.DEPTH, "alpha-png", ".png", base="alpha")
    yield _one(f.DEPTH, "alpha-webp", ".webp", {"quality": 85}, base="alpha")
    yield _one(f.DEPTH, "alpha-half", ".png", {"way": "resampled"}, scale=0.5, base="alpha")


def _resized() -> Iterator[Recipe]:
    for way in _SCALERS:
        for scale in (0.3, 0.64):
            yield _one(f.RESIZE, f"{way}{scale}", job={"way": way, "quality": 85}, scale=scale)
    for way in ("resampled", "bicubic"):
        yield _one(f.RESIZE, f"up1.5-{way}", job={"way": way, "quality": 85}, scale=1.5)
        yield _one(f.RESIZE_SMALL, f"{way}0.15", job={"way": way, "quality": 85}, scale=0.15)
    yield _one(f.RESIZE_SMALL, "bilinear_fixed0.2", job={"way": "bilinear_fixed", "quality": 85}, scale=0.2)
    yield _one(f.RESIZE, "png-resampled0.5", ".png", {"way": "resampled"}, scale=0.5)
    for rounding in ("floor", "ceil"):
        case = f"{rounding}0.371"
        yield _one(f.RESIZE_ODD, case, job={"way": "resampled", "quality": 82}, scale=0.371, rounding=rounding)
    yield _one(f.RESIZE_SHARP, "sharpen0.4", job={"way": "resampled", "sharpen": True, "quality": 85}, scale=0.4)
    yield _one(f.MESSENGER, "wordpress-1024", job={"way": "resampled", "quality": 82}, longest=1024)
    yield _one(f.MESSENGER, "1600-q75", job={"way": "bilinear_fixed", "quality": 75}, longest=1600)
