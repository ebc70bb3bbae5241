"""Copies by what pages and apps resize with, in Node: Skia (Chromium's and Android's), pica, photon (Rust's image)."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import Recipe
from benchmarks.accuracy.scripts import scripted as _one

_SKIA = "Skia"
_UNSHARP = {"unsharpAmount": 160, "unsharpRadius": 0.6, "unsharpThreshold": 1}  # what pica's page recommends
_SOFTER = {"unsharpAmount": 80, "unsharpRadius": 0.6, "unsharpThreshold": 2}


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; a job is one object for node_jobs.mjs."""
    yield from _by_skia()
    yield from _by_pica()
    yield from _by_photon()


def _by_skia() -> Iterator[Recipe]:
    for quality in (30, 50, 80, 92):
        yield _one(_SKIA, f.recompressed(quality), f"q{quality}", job={"quality": quality})
    for smoothing in ("low", "high", "off"):  # medium makes smaller as high does
        for scale in (0.28, 0.55):
            job = {"smoothing": smoothing, "quality": 80}
            yield _one(_SKIA, f.RESIZE, f"{smoothing}{scale}", job=job, scale=scale)
        yield _one(_SKIA, f.RESIZE_SMALL, f"{smoothing}0.15", job={"smoothing": smoothing, "quality": 85}, scale=0.15)
    for scale in (0.28, 0.55):
        yield _one(_SKIA, f.RESIZE, f"as-loaded{scale}", job={"quality": 80}, scale=scale)
    yield _one(_SKIA, f.RESIZE, "up1.5", job={"smoothing": "high", "quality": 85}, scale=1.5)
    job = {"smoothing": "high", "quality": 80}
    yield _one(_SKIA, f.RESIZE_ODD, "floor0.433", job=job, scale=0.433, rounding="floor")
    for scale in (0.2, 0.36):  # the halves that pages draw because a browser's own smoothing was once poor
        job = {"smoothing": "low", "halves": True, "quality": 85}
        yield _one(_SKIA, f.RESIZE_STAGED, f"halves{scale}", job=job, scale=scale)
    yield _one(_SKIA, f.LOSSY, "webp80", ".webp", {"format": "webp", "quality": 80})
    job = {"format": "webp", "smoothing": "high", "quality": 60}
    yield _one(_SKIA, f.LOSSY, "webp60-0.5", ".webp", job, scale=0.5)
    yield _one(_SKIA, f.LOSSY, "avif60", ".avif", {"format": "avif", "quality": 60})
    yield _one(_SKIA, f.LOSSLESS, "topng", ".png", {"format": "png"})
    yield _one(_SKIA, f.ORIENTATION, "drawn", job={"quality": 85}, base="turned6")
    yield _one(_SKIA, f.ROTATION, "rot90", job={"turn": True, "quality": 85})
    yield _one(_SKIA, f.PROFILE, "p3-srgb", job={"quality": 88}, base="p3")
    job = {"format": "png", "smoothing": "medium"}
    yield _one(_SKIA, f.DEPTH, "alpha-half", ".png", job, scale=0.5, base="alpha")
    yield _one(_SKIA, f.MESSENGER, "1280-q80", job={"smoothing": "high", "quality": 80}, longest=1280)


def _by_pica() -> Iterator[Recipe]:
    for name in ("box", "hamming", "lanczos2", "lanczos3", "mks2013"):
        for scale in (0.3, 0.64):
            yield _one("pica", f.RESIZE, f"{name}{scale}", job={"filter": name, "quality": 85}, scale=scale)
        job = {"filter": name, "quality": 85, **_UNSHARP}
        yield _one("pica", f.RESIZE_SHARP, f"{name}0.4-unsharp", job=job, scale=0.4)
    for name, scale in (("lanczos3", 0.64), ("hamming", 0.26)):
        job = {"filter": name, "quality": 90, **_SOFTER}
        yield _one("pica", f.RESIZE_SHARP, f"{name}{scale}-softer", job=job, scale=scale)
    for name, scale in (("mks2013", 0.15), ("lanczos3", 0.2)):
        yield _one("pica", f.RESIZE_SMALL, f"{name}{scale}", job={"filter": name, "quality": 85}, scale=scale)
    yield _one("pica", f.RESIZE, "up1.5", job={"filter": "lanczos3", "quality": 85}, scale=1.5)
    yield _one("pica", f.RESIZE, "png-lanczos3-0.5", ".png", {"filter": "lanczos3", "format": "png"}, scale=0.5)
    yield _one(
        "pica", f.LOSSY, "webp75-0.5", ".webp", {"filter": "mks2013", "format": "webp", "quality": 75}, scale=0.5
    )
    yield _one("pica", f.MESSENGER, "1280-q80", job={"filter": "mks2013", "quality": 80}, longest=1280)


def _by_photon() -> Iterator[Recipe]:
    for quality in (30, 50, 80, 92):
        yield _one("photon", f.recompressed(quality), f"q{quality}", job={"quality": quality})
    for name in ("Nearest", "Triangle", "CatmullRom", "Gaussian", "Lanczos3"):
        for scale in (0.3, 0.64):
            job = {"filter": name, "quality": 85}
            yield _one("photon", f.RESIZE, f"{name.lower()}{scale}", job=job, scale=scale)
    yield _one("photon", f.RESIZE_SMALL, "lanczos3-0.15", job={"filter": "Lanczos3", "quality": 85}, scale=0.15)
    yield _one("photon", f.RESIZE, "up1.5", job={"filter": "CatmullRom", "quality": 85}, scale=1.5)
    job = {"filter": "Triangle", "quality": 80}
    yield _one("photon", f.RESIZE_ODD, "ceil0.371", job=job, scale=0.371, rounding="ceil")
    yield _one("photon", f.LOSSLESS, "topng", ".png", {"format": "png"})
    yield _one("photon", f.LOSSLESS, "webp-lossless", ".webp", {"format": "webp"})  # it writes no other WebP
    yield _one("photon", f.DEPTH, "16-to-8", ".png", {"format": "png"}, base="deep")
    yield _one("photon", f.MESSENGER, "1280-q80", job={"filter": "Lanczos3", "quality": 80}, longest=1280)
