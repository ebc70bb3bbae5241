"""Copies by OpenCV: its five interpolations, its JPEG, PNG and WebP writers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import How, MakingError, Recipe, Source

_WAYS = ("AREA", "LINEAR", "CUBIC", "LANCZOS4", "NEAREST")


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; a job is an interpolation and the writer's quality ("" for its default)."""
    for quality in (30, 50, 75, 90):
        yield _one(f.recompressed(quality), f"q{quality}", "", str(quality))
    yield _one(f.RECOMPRESS, "q80-progressive", "", "80", "progressive")
    for way in _WAYS:
        for scale in (0.25, 0.6):
            yield _one(f.RESIZE, f"{way.lower()}{scale}", way, "85", scale=scale)
    yield _one(f.RESIZE_SMALL, "area0.15", "AREA", "85", scale=0.15)
    yield _one(f.RESIZE, "up1.5-cubic", "CUBIC", "85", scale=1.5)
    yield _one(f.RESIZE, "area0.5-default", "AREA", "", scale=0.5)
    yield _one(f.RESIZE_ODD, "floor0.371", "LINEAR", "85", scale=0.371, rounding="floor")
    yield _one(f.LOSSLESS, "topng", "", "", suffix=".png")
    yield _one(f.LOSSY, "webp70", "", "70", suffix=".webp")
    yield _one(f.ORIENTATION, "applied", "", "88", base="turned6")
    yield _one(f.DEPTH, "16-to-8", "", "", suffix=".png", base="deep")
    yield _one(f.DEPTH, "16-to-jpeg-half", "AREA", "88", scale=0.5, base="deep")
    yield _one(f.MESSENGER, "1280-q80", "AREA", "80", longest=1280)


def _one(family: str, case: str, *job: str, suffix: str = ".jpg", **more: object) -> Recipe:
    return Recipe(family, case, "OpenCV", How.OPENCV, suffix, job, **more)  # type: ignore[arg-type]


def carry_out(recipe: Recipe, source: Source, out: Path) -> None:
    """Make one file; raise MakingError when OpenCV cannot."""
    import cv2

    way, quality, *more = recipe.job
    picture = cv2.imread(str(source.path), cv2.IMREAD_COLOR)
    if picture is None:
        raise MakingError("OpenCV cannot read it")
    size = recipe.size(source.width, source.height)
    if way and size != (source.width, source.height):
        picture = cv2.resize(picture, size, interpolation=getattr(cv2, f"INTER_{way}"))
    options: list[int] = []
    if quality:
        options = [cv2.IMWRITE_WEBP_QUALITY if recipe.suffix == ".webp" else cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    if more:
        options += [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    try:
        written = cv2.imwrite(str(out), picture, options)
    except cv2.error as error:
        raise MakingError(str(error)) from error
    if not written:
        raise MakingError("OpenCV wrote nothing")
