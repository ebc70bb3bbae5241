"""Copies by libjpeg-turbo's djpeg, cjpeg and jpegtran, by netpbm's scaler between them, and by exiftool.

cjpeg's three DCTs, its subsamplings and its scan scripts are what other programs' JPEG writers differ in; djpeg -scale
is the shrink-on-load of many of them. Only JPEG photos have these copies.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import How, Recipe

_DECODE = "{djpeg} -pnm -outfile {tmp}.ppm {src}"
_CJPEG = "{cjpeg} %s -outfile {out} {tmp}.ppm"
_SAMPLINGS = ("2x2", "2x1", "1x1", "1x2")
_DCTS = ("int", "fast", "float")


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; those that read with djpeg or jpegtran start from the base `jpeg`."""
    yield from _recompressed()
    yield from _scaled()
    yield from _lossless()


def _cjpeg(family: str, case: str, options: str, before: tuple[str, ...] = (_DECODE,), **more: object) -> Recipe:
    job = (*before, _CJPEG % options)
    return Recipe(family, case, "cjpeg", How.COMMANDS, ".jpg", job, base="jpeg", **more)  # type: ignore[arg-type]


def _recompressed() -> Iterator[Recipe]:
    for quality in (30, 50, 75, 90):
        for dct in _DCTS:
            yield _cjpeg(f.recompressed(quality), f"q{quality}-{dct}", f"-quality {quality} -dct {dct}")
    for sampling in _SAMPLINGS:
        yield _cjpeg(f.RECOMPRESS, f"q80-{sampling}", f"-quality 80 -sample {sampling}")
    yield _cjpeg(f.RECOMPRESS, "q75-progressive", "-quality 75 -progressive -optimize")
    yield _cjpeg(f.RECOMPRESS, "q70-smooth", "-quality 70 -smooth 5")
    yield _cjpeg(f.RECOMPRESS, "q60-restart", "-quality 60 -restart 1 -baseline")
    yield _cjpeg(f.RECOMPRESS, "q90-then-luma-70", "-quality 90,70")
    for dct in ("fast", "float"):
        decode = f"{{djpeg}} -dct {dct} -nosmooth -pnm -outfile {{tmp}}.ppm {{src}}"
        yield _cjpeg(f.RECOMPRESS, f"djpeg-{dct}-nosmooth", "-quality 82", (decode,))
    job = ("{djpeg} -grayscale -outfile {tmp}.ppm {src}", _CJPEG % "-quality 80 -grayscale")
    yield Recipe(f.DEPTH, "grey-q80", "cjpeg", How.COMMANDS, ".jpg", job, base="grey")


def _scaled() -> Iterator[Recipe]:
    for eighths in (1, 2, 4, 6, 7):
        decode = f"{{djpeg}} -scale {eighths}/8 -pnm -outfile {{tmp}}.ppm {{src}}"
        family = f.RESIZE_SMALL if eighths == 1 else f.RESIZE_STAGED
        yield _cjpeg(family, f"djpeg-scale-{eighths}-8", "-quality 85", (decode,), scale=eighths / 8, rounding="ceil")
    for options, name in (("", "pamscale"), ("-linear", "pamscale-linear"), ("-filter=sinc", "pamscale-sinc")):
        scale = f"{{netpbm}} {options} -width={{w}} -height={{h}} {{tmp}}.ppm"
        job = (_DECODE, f"{scale} > {{tmp}}.small", "{cjpeg} -quality 85 -outfile {out} {tmp}.small")
        yield Recipe(f.RESIZE, f"{name}0.5", "netpbm", How.COMMANDS, ".jpg", job, scale=0.5, base="jpeg")


def _lossless() -> Iterator[Recipe]:
    for name, options in (
        ("copy-none", "-copy none"),
        ("progressive", "-copy all -optimize -progressive"),
        ("optimize", "-copy none -optimize"),
        ("restart", "-copy all -restart 2"),
    ):
        line = f"{{jpegtran}} {options} -outfile {{out}} {{src}}"
        yield Recipe(f.BYTES, name, "jpegtran", How.COMMANDS, ".jpg", (line,), base="jpeg")
    for angle in (90, 180, 270):
        line = f"{{jpegtran}} -copy none -perfect -rotate {angle} -outfile {{out}} {{src}}"
        yield Recipe(f.ROTATION, f"lossless{angle}", "jpegtran", How.COMMANDS, ".jpg", (line,), base="aligned")
    line = "{jpegtran} -copy all -perfect -rotate 90 -outfile {out} {src}"
    yield Recipe(f.ORIENTATION, "lossless-tag-left", "jpegtran", How.COMMANDS, ".jpg", (line,), base="turned6")
    for name, options in (
        ("strip-all", "-all="),
        ("strip-gps-thumbnail", "-gps:all= -ThumbnailImage="),
        ("add-caption", '-Description="A day at the sea" -Keywords=sea -Rating=4'),
        ("new-date", '-AllDates="2031:02:03 04:05:06"'),
    ):
        line = f"{{exiftool}} -q -q -m -o {{out}} {options} {{src}}"
        yield Recipe(f.BYTES, name, "exiftool", How.COMMANDS, ".jpg", (line,), base="jpeg")
    line = "{exiftool} -q -q -m -n -Orientation=6 -o {out} {src}"
    yield Recipe(f.ORIENTATION, "tag-added", "exiftool", How.COMMANDS, ".jpg", (line,), base="jpeg")
