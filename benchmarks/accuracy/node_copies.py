"""Copies by sharp and jimp, the picture libraries of Node's servers."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import Recipe
from benchmarks.accuracy.scripts import scripted as _one


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; a job is one object for node_jobs.mjs."""
    yield from _by_sharp()
    yield from _by_jimp()


def _by_sharp() -> Iterator[Recipe]:
    for quality in (30, 50, 80, 92):
        yield _one("sharp", f.recompressed(quality), f"q{quality}", job={"quality": quality})
    yield _one("sharp", f.RECOMPRESS, "mozjpeg-q75", job={"quality": 75, "mozjpeg": True})
    yield _one("sharp", f.RECOMPRESS, "q85-444", job={"quality": 85, "chromaSubsampling": "4:4:4"})
    for kernel in ("nearest", "cubic", "mitchell", "lanczos2", "lanczos3", "mks2013"):
        for scale in (0.3, 0.64):
            yield _one("sharp", f.RESIZE, f"{kernel}{scale}", job={"kernel": kernel, "quality": 80}, scale=scale)
    for scale in (0.12, 0.2):
        yield _one("sharp", f.RESIZE_SMALL, f"default{scale}", job={"kernel": "lanczos3", "quality": 80}, scale=scale)
    yield _one("sharp", f.RESIZE, "up1.5", job={"kernel": "lanczos3", "quality": 85}, scale=1.5)
    yield _one("sharp", f.RESIZE_LINEAR, "gamma0.5", job={"kernel": "lanczos3", "gamma": 2.2}, scale=0.5)
    yield _one("sharp", f.RESIZE_SHARP, "sharpen0.4", job={"kernel": "lanczos3", "sharpen": 0.5}, scale=0.4)
    yield _one("sharp", f.RESIZE_STAGED, "shrink-on-load0.11", job={"kernel": "cubic", "fast": True}, scale=0.11)
    yield _one("sharp", f.LOSSY, "webp80", ".webp", {"format": "webp", "quality": 80})
    yield _one("sharp", f.LOSSY, "avif50", ".avif", {"format": "avif", "quality": 50, "effort": 2})
    yield _one("sharp", f.PALETTE, "png8", ".png", {"format": "png", "palette": True})
    yield _one("sharp", f.PALETTE, "gif", ".gif", {"format": "gif", "effort": 3})
    yield _one("sharp", f.LOSSLESS, "topng", ".png", {"format": "png"})
    yield _one("sharp", f.ORIENTATION, "rotate", job={"rotate": True, "quality": 85}, base="turned6")
    yield _one("sharp", f.PROFILE, "p3-srgb", job={"quality": 85}, base="p3")
    yield _one("sharp", f.PROFILE, "adobe-srgb", job={"quality": 85}, base="adobe")
    yield _one("sharp", f.PROFILE, "p3-kept", job={"quality": 85, "keepIcc": True}, base="p3")
    yield _one("sharp", f.DEPTH, "alpha-webp", ".webp", {"format": "webp", "quality": 85}, base="alpha")
    yield _one(
        "sharp", f.MESSENGER, "1600-q75", job={"kernel": "lanczos3", "quality": 75, "progressive": True}, longest=1600
    )
    yield _one("sharp", f.ROTATION, "rot90", job={"angle": 90, "quality": 85})


def _by_jimp() -> Iterator[Recipe]:
    for quality in (40, 80):
        yield _one("jimp", f.recompressed(quality), f"q{quality}", job={"quality": quality})
    for mode in ("", "nearestNeighbor", "bilinearInterpolation", "bicubicInterpolation", "hermiteInterpolation"):
        job = {"quality": 85, "mode": mode}
        yield _one("jimp", f.RESIZE, f"{mode.removesuffix('Interpolation') or 'default'}0.45", job=job, scale=0.45)
    yield _one("jimp", f.LOSSLESS, "topng", ".png", {"mode": ""})
