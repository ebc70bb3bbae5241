"""Copies by Go: its own JPEG and GIF writers, and the scalers of x/image and imaging, as many servers use them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import Recipe
from benchmarks.accuracy.scripts import scripted

_SCALERS = (  # `way` of go_jobs.go: those of x/image/draw, then those of imaging
    "draw-nearest",
    "draw-approx-bilinear",
    "draw-bilinear",
    "draw-catmull-rom",
    "box",
    "linear",
    "mitchell",
    "lanczos",
)

_one = partial(scripted, "Go")


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; a job is one object for go_jobs.go."""
    for quality in (30, 50, 80, 92):
        yield _one(f.recompressed(quality), f"q{quality}", job={"quality": quality})
    yield _one(f.RECOMPRESS, "default")
    for way in _SCALERS:
        for scale in (0.3, 0.64):
            yield _one(f.RESIZE, f"{way}{scale}", job={"way": way, "quality": 85}, scale=scale)
    for way, scale in (("draw-approx-bilinear", 0.15), ("lanczos", 0.2)):
        yield _one(f.RESIZE_SMALL, f"{way}{scale}", job={"way": way, "quality": 85}, scale=scale)
    yield _one(f.RESIZE, "up1.5", job={"way": "draw-catmull-rom", "quality": 85}, scale=1.5)
    yield _one(f.RESIZE, "png-lanczos0.5", ".png", {"way": "lanczos"}, scale=0.5)
    job = {"way": "draw-catmull-rom", "quality": 80}
    yield _one(f.RESIZE_ODD, "floor0.371", job=job, scale=0.371, rounding="floor")
    yield _one(f.RESIZE_SHARP, "sharpen0.4", job={"way": "lanczos", "sharpen": 0.5, "quality": 85}, scale=0.4)
    yield _one(f.LOSSLESS, "topng", ".png")
    yield _one(f.PALETTE, "gif", ".gif")
    yield _one(f.ORIENTATION, "applied6", job={"quarters": 3, "quality": 85}, base="turned6")
    yield _one(f.ROTATION, "rot90", job={"quarters": 1, "quality": 88})
    yield _one(f.DEPTH, "16-to-jpeg", job={"quality": 88}, base="deep")
    yield _one(f.DEPTH, "alpha-half", ".png", {"way": "linear"}, scale=0.5, base="alpha")
    yield _one(f.MESSENGER, "1280-q80", job={"way": "lanczos", "quality": 80}, longest=1280)
