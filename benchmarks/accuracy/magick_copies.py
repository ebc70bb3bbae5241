"""Copies by ImageMagick and GraphicsMagick. Their command lines are nearly the same; `{m}` is the program's start."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import How, Label, Recipe

_QUALITIES = (30, 40, 50, 60, 70, 75, 80, 85, 90, 95)
_SCALES = (0.1, 0.15, 0.25, 0.33, 0.5, 0.75, 0.9, 1.5)
_SOME_SCALES = (0.27, 0.62)
_SHARPENINGS = {
    # ImageMagick's own example, WordPress (Imagick::unsharpMaskImage 0.25, 0.25, 8, 0.065), Smashing Magazine's advice
    "unsharp": "-resize {w}x{h}! -unsharp 0x0.75+0.75+0.008",
    "wordpress": "-filter Triangle -define filter:support=2 -resize {w}x{h}! -unsharp 0.25x0.25+8+0.065",
    "smashing": "-filter Triangle -define filter:support=2 -thumbnail {w}x{h}! -unsharp 0.25x0.08+8.3+0.045",
    "adaptive": "-adaptive-resize {w}x{h}!",
}
_START = {"ImageMagick": "{ImageMagick}", "GraphicsMagick": "{GraphicsMagick} convert"}


def recipes() -> Iterator[Recipe]:
    """Yield every recipe of both programs."""
    for program, start in _START.items():
        yield from _common(program, start)
    yield from _resizing_by_imagemagick()
    yield from _others_by_imagemagick()


def _one(program: str, family: str, case: str, line: str, suffix: str = ".jpg", **more: object) -> Recipe:
    return Recipe(family, case, program, How.COMMANDS, suffix, (line,), **more)  # type: ignore[arg-type]


def _common(program: str, m: str) -> Iterator[Recipe]:
    for quality in _QUALITIES if program == "ImageMagick" else _QUALITIES[::3]:
        line = f"{m} {{src}} -quality {quality} {{out}}"
        yield _one(program, f.recompressed(quality), f"q{quality}", line)
    yield _one(program, f.RECOMPRESS, "q82-444", f"{m} {{src}} -sampling-factor 1x1 -quality 82 {{out}}")
    yield _one(program, f.RECOMPRESS, "q78-422", f"{m} {{src}} -sampling-factor 2x1 -quality 78 {{out}}")
    yield _one(program, f.RECOMPRESS, "q70-progressive", f"{m} {{src}} -strip -interlace Line -quality 70 {{out}}")
    for scale in _SCALES if program == "ImageMagick" else _SCALES[::2]:
        line = f"{m} {{src}} -resize {{w}}x{{h}}! -quality 85 {{out}}"
        yield _one(program, f.resized(scale), f"resize{scale}", line, scale=scale)
    for filter_ in ("Mitchell", "Triangle", "Box", "Catrom", "Point", "Hermite", "Lanczos"):
        for scale in _SOME_SCALES:
            line = f"{m} {{src}} -filter {filter_} -resize {{w}}x{{h}}! -quality 80 {{out}}"
            yield _one(program, f.RESIZE, f"{filter_.lower()}{scale}", line, scale=scale)
    yield _one(program, f.RESIZE, "sample0.5", f"{m} {{src}} -sample {{w}}x{{h}}! -quality 88 {{out}}", scale=0.5)
    yield _one(program, f.RESIZE, "scale0.4", f"{m} {{src}} -scale {{w}}x{{h}}! -quality 75 {{out}}", scale=0.4)
    yield _one(program, f.RESIZE, "png0.5", f"{m} {{src}} -resize {{w}}x{{h}}! {{out}}", ".png", scale=0.5)
    thumbnail = f"{m} {{src}} -thumbnail {{w}}x{{h}}! -quality 75 {{out}}"
    yield _one(program, f.RESIZE_STAGED, "thumbnail0.3", thumbnail, scale=0.3)
    yield from _shared_others(program, m)


def _shared_others(program: str, m: str) -> Iterator[Recipe]:
    for rounding in ("floor", "ceil"):
        line = f"{m} {{src}} -resize {{w}}x{{h}}! -quality 85 {{out}}"
        yield _one(program, f.RESIZE_ODD, f"{rounding}0.413", line, scale=0.413, rounding=rounding)
    for name, steps in _SHARPENINGS.items():
        if program == "ImageMagick" or name == "unsharp":
            line = f"{m} {{src}} {steps} -quality 82 {{out}}"
            yield _one(program, f.RESIZE_SHARP, f"{name}0.4", line, scale=0.4)
    for suffix in (".png", ".tif", ".bmp"):
        yield _one(program, f.LOSSLESS, f"to{suffix[1:]}", f"{m} {{src}} {{out}}", suffix)
    for quality in (60, 85):
        line = f"{m} {{src}} -quality {quality} {{out}}"
        yield _one(program, f.LOSSY, f"webp{quality}", line, ".webp")
    yield _one(program, f.PALETTE, "gif", f"{m} {{src}} {{out}}", ".gif")
    yield _one(program, f.ORIENTATION, "kept", f"{m} {{src}} -quality 85 {{out}}", base="turned6")
    yield _one(program, f.ORIENTATION, "applied", f"{m} {{src}} -auto-orient -quality 85 {{out}}", base="turned8")
    for angle in (90, 180, 270):
        yield _one(program, f.ROTATION, f"rot{angle}", f"{m} {{src}} -rotate {angle} -quality 85 {{out}}")
    yield _one(program, f.PROFILE, "p3-kept", f"{m} {{src}} -quality 80 {{out}}", base="p3")
    yield _one(program, f.PROFILE, "p3-srgb", f"{m} {{src}} -profile {{srgb}} -quality 85 {{out}}", base="p3")
    yield _one(program, f.DEPTH, "16-to-8", f"{m} {{src}} -depth 8 {{out}}", ".png", base="deep")
    yield _one(program, f.DEPTH, "16-to-jpeg", f"{m} {{src}} -quality 88 {{out}}", base="deep")
    yield _one(program, f.DEPTH, "grey-jpeg", f"{m} {{src}} -quality 80 {{out}}", base="grey")
    yield _one(program, f.DEPTH, "alpha-png", f"{m} {{src}} -quality 95 {{out}}", ".png", base="alpha")
    yield _one(
        program,
        f.DEPTH,
        "alpha-flattened",
        f"{m} {{src}} -background white -flatten -quality 88 {{out}}",
        base="alpha",
        label=Label.POLICY,
    )


def _resizing_by_imagemagick() -> Iterator[Recipe]:
    m, name = _START["ImageMagick"], "ImageMagick"
    for scale in (0.3, 0.5, 0.7):
        line = f"{m} {{src}} -colorspace RGB -resize {{w}}x{{h}}! -colorspace sRGB -quality 85 {{out}}"
        yield _one(name, f.RESIZE_LINEAR, f"linear{scale}", line, scale=scale)
    line = f"{m} {{src}} -colorspace Lab -resize {{w}}x{{h}}! -colorspace sRGB -quality 85 {{out}}"
    yield _one(name, f.RESIZE_LINEAR, "lab0.5", line, scale=0.5)
    for filter_ in ("Robidoux", "Gaussian", "Spline", "Lanczos2", "Sinc"):
        line = f"{m} {{src}} -filter {filter_} -resize {{w}}x{{h}}! -quality 85 {{out}}"
        yield _one(name, f.RESIZE, f"{filter_.lower()}0.45", line, scale=0.45)
    line = f"{m} {{src}} -distort Resize {{w}}x{{h}}! -quality 85 {{out}}"
    yield _one(name, f.RESIZE, "distort0.5", line, scale=0.5)
    line = f"{m} {{src}} -resize 60% -resize {{w}}x{{h}}! -quality 85 {{out}}"
    yield _one(name, f.RESIZE_STAGED, "twice0.3", line, scale=0.3)
    line = f"{m} -define jpeg:size={{w}}x{{h}} {{src}} -resize {{w}}x{{h}}! -quality 82 {{out}}"
    yield _one(name, f.RESIZE_STAGED, "jpeg-size0.2", line, scale=0.2)
    yield _one(name, f.RESIZE_STAGED, "jpeg-size0.45", line, scale=0.45)


def _others_by_imagemagick() -> Iterator[Recipe]:
    m, name = _START["ImageMagick"], "ImageMagick"
    for colours, dither in ((256, "FloydSteinberg"), (256, "None"), (128, "Riemersma")):
        line = f"{m} {{src}} -dither {dither} -colors {colours} PNG8:{{out}}"
        yield _one(name, f.PALETTE, f"png8-{colours}-{dither.lower()}", line, ".png")
    yield _one(name, f.LOSSY, "heic50", f"{m} {{src}} -quality 50 {{out}}", ".heic")
    yield _one(name, f.LOSSY, "jxl75", f"{m} {{src}} -quality 75 {{out}}", ".jxl")
    yield _one(name, f.LOSSLESS, "webp-lossless", f"{m} {{src}} -define webp:lossless=true {{out}}", ".webp")
    yield _one(name, f.ORIENTATION, "stripped", f"{m} {{src}} -strip -quality 85 {{out}}", base="turned6")
    line = f"{m} {{src}} -resize {{w}}x{{h}}! -strip -interlace Line -quality 75 {{out}}"
    yield _one(name, f.MESSENGER, "1600-q75", line, longest=1600)
    line = f"{m} {{src}} -resize {{w}}x{{h}}! -strip -quality 70 {{out}}"
    yield _one(name, f.MESSENGER, "1080-q70", line, longest=1080)
    line = f"{m} {{src}} -resize {{w}}x{{h}}! -depth 8 {{out}}"
    yield _one(name, f.DEPTH, "16-half", line, ".png", scale=0.5, base="deep")
    yield _one(name, f.DEPTH, "cmyk-q85", f"{m} {{src}} -quality 85 {{out}}", base="cmyk")
    line = f"{m} {{src}} -blur 0x1 -quality 90 {{out}}"
    yield _one(name, "blur, sharpen, crop up to 2 %", "blur1", line, label=Label.POLICY)
    line = f"{m} {{src}} -sharpen 0x1 -quality 90 {{out}}"
    yield _one(name, "blur, sharpen, crop up to 2 %", "sharpen", line, label=Label.POLICY)
