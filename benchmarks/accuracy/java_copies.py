"""Copies by Java's own library, as its servers and desktop programs make them: ImageIO, and Graphics2D's hints."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import Recipe
from benchmarks.accuracy.scripts import scripted

_SCALERS = (  # `way` of JavaJobs.java
    "nearest",
    "bilinear",
    "bicubic",
    "area_averaging",  # and smooth, which is the same
    "transform_bilinear",
    "transform_bicubic",
)

_one = partial(scripted, "Java")


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; a job is one object, whose names and values JavaJobs.java gets."""
    for quality in (30, 50, 80, 92):
        yield _one(f.recompressed(quality), f"q{quality}", job={"quality": quality})
    yield _one(f.RECOMPRESS, "default")
    yield _one(f.RECOMPRESS, "q75-progressive", job={"quality": 75, "progressive": True})
    for way in _SCALERS:
        for scale in (0.3, 0.64):
            yield _one(f.RESIZE, f"{way}{scale}", job={"way": way, "quality": 85}, scale=scale)
    for scale in (0.11, 0.3, 0.45):
        yield _one(f.RESIZE_STAGED, f"halves{scale}", job={"way": "halves", "quality": 85}, scale=scale)
    for way, scale in (("bicubic", 0.15), ("area_averaging", 0.2)):
        yield _one(f.RESIZE_SMALL, f"{way}{scale}", job={"way": way, "quality": 85}, scale=scale)
    yield _one(f.RESIZE, "up1.5", job={"way": "bicubic", "quality": 85}, scale=1.5)
    yield _one(f.RESIZE, "png-bilinear0.5", ".png", {"way": "bilinear"}, scale=0.5)
    yield _one(f.RESIZE_ODD, "floor0.371", job={"way": "bilinear", "quality": 80}, scale=0.371, rounding="floor")
    yield _one(f.LOSSLESS, "topng", ".png")
    yield _one(f.PALETTE, "gif", ".gif")
    yield _one(f.ROTATION, "rot90", job={"quality": 88, "quarters": 1})
    yield _one(f.ROTATION, "rot180", job={"quality": 88, "quarters": 2})
    yield _one(f.ORIENTATION, "applied6", job={"quality": 85, "quarters": 1}, base="turned6")
    yield _one(f.PROFILE, "p3-srgb", job={"quality": 88}, base="p3")
    yield _one(f.DEPTH, "16-to-jpeg", job={"quality": 88}, base="deep")
    yield _one(f.DEPTH, "alpha-png", ".png", base="alpha")
    yield _one(f.DEPTH, "alpha-half", ".png", {"way": "bilinear"}, scale=0.5, base="alpha")
    yield _one(f.MESSENGER, "1280-q80", job={"way": "halves", "quality": 80}, longest=1280)
