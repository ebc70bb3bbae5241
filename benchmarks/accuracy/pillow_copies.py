"""Copies by Pillow: every filter, draft and reducing_gap, codecs, orientation, profiles, messengers.

A recipe's `job` is the name of a function here and its arguments as text; each function takes the source, the wanted
size and where to write.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms, ImageFilter, ImageOps

from benchmarks.accuracy import families as f
from benchmarks.accuracy.profiles import srgb_profile
from benchmarks.accuracy.recipe import How, Label, Recipe, Source

pillow_heif.register_heif_opener()

_QUALITIES = (30, 40, 50, 60, 70, 75, 80, 85, 90, 95)
_FILTERS = ("NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS")
_MESSENGERS = {  # longest side, JPEG quality: what these apps are known to send
    "whatsapp": (1600, 75, "progressive"),
    "whatsapp-hd": (4096, 80, "progressive"),
    "telegram": (1280, 87, ""),
    "messenger": (2048, 72, "progressive"),
    "signal": (1600, 70, ""),
    "wechat": (1080, 70, ""),
    "viber": (1600, 80, ""),
    "instagram": (1080, 72, "progressive"),
    "x": (2048, 85, "progressive"),
    "saver": (4618, 82, ""),
    "mail": (640, 75, ""),
    "thumb512": (512, 80, ""),
}
Size = tuple[int, int]


def carry_out(recipe: Recipe, source: Source, out: Path) -> None:
    """Make one file; raise OSError or ValueError when Pillow cannot."""
    name, *arguments = recipe.job
    _FUNCTIONS[name](source, recipe.size(source.width, source.height), out, *arguments)


def recipes() -> Iterator[Recipe]:
    """Yield every recipe of Pillow's."""
    yield Recipe(f.BYTES, "other-name", "byte copy", How.PILLOW, ".jpg", ("copy",), base="jpeg")
    yield from _recompressed()
    yield from _resized()
    yield from _formats()
    yield from _turned_and_coloured()
    for name, (longest, quality, progressive) in _MESSENGERS.items():
        yield _one(f.MESSENGER, name, "resize", "LANCZOS", str(quality), "2", progressive, longest=longest)
    yield _one(f.MESSENGER, "thumb256", "resize", "LANCZOS", "80", longest=256, label=Label.POLICY)


def _one(family: str, case: str, *job: str, suffix: str = ".jpg", **more: object) -> Recipe:
    program = "pillow-heif" if suffix == ".heic" else "Pillow"
    return Recipe(family, case, program, How.PILLOW, suffix, job, **more)  # type: ignore[arg-type]


def _recompressed() -> Iterator[Recipe]:
    for quality in _QUALITIES:
        yield _one(f.recompressed(quality), f"q{quality}", "resize", "LANCZOS", str(quality))
    yield _one(f.RECOMPRESS, "q80-444-progressive", "resize", "LANCZOS", "80", "0", "progressive")
    yield _one(f.RECOMPRESS, "q80-422", "resize", "LANCZOS", "80", "1")
    yield _one(f.BYTES, "strip-keep", "keep", base="jpeg")


def _resized() -> Iterator[Recipe]:
    for scale in (0.1, 0.15, 0.25, 0.33, 0.5, 0.75, 0.9):
        yield _one(f.resized(scale), f"lanczos{scale}", "resize", "LANCZOS", "88", scale=scale)
    for name in _FILTERS:
        for scale, quality in ((0.29, 80), (0.66, 70)):
            yield _one(f.RESIZE, f"{name.lower()}{scale}-q{quality}", "resize", name, str(quality), scale=scale)
    yield _one(f.RESIZE, "up1.5-bicubic", "resize", "BICUBIC", "88", scale=1.5)
    yield _one(f.RESIZE, "png0.5", "resize", "LANCZOS", "", suffix=".png", scale=0.5)
    for gap in ("1.0", "2.0", "3.0"):
        yield _one(f.RESIZE_STAGED, f"gap{gap}-0.2", "reduce", gap, scale=0.2)
    yield _one(f.RESIZE_STAGED, "draft0.3", "draft", scale=0.3, base="jpeg")
    yield _one(f.RESIZE_STAGED, "halvings0.2", "halve", scale=0.2)
    for rounding in ("floor", "ceil"):
        yield _one(f.RESIZE_ODD, f"{rounding}0.377", "resize", "BICUBIC", "82", scale=0.377, rounding=rounding)
    yield _one(f.RESIZE_SHARP, "unsharp0.5", "sharpened", "0.6", "60", scale=0.5)
    yield _one(f.RESIZE_SHARP, "unsharp0.3", "sharpened", "1.0", "40", scale=0.3)


def _formats() -> Iterator[Recipe]:
    for suffix in (".png", ".tif", ".bmp"):
        yield _one(f.LOSSLESS, f"to{suffix[1:]}", "save", suffix=suffix)
    yield _one(f.LOSSLESS, "webp-lossless", "save", "lossless", suffix=".webp")
    for suffix, qualities in ((".webp", (50, 80)), (".heic", (35, 60)), (".avif", (35, 60))):
        for quality in qualities:
            yield _one(f.LOSSY, f"{suffix[1:]}{quality}", "save", str(quality), suffix=suffix)
    yield _one(f.LOSSY, "webp-0.5", "save", "80", suffix=".webp", scale=0.5)
    yield _one(f.LOSSY, "avif-0.5", "save", "60", suffix=".avif", scale=0.5)
    for method in ("MEDIANCUT", "FASTOCTREE"):
        yield _one(f.PALETTE, f"gif-{method.lower()}", "palette", method, suffix=".gif")
    yield _one(f.PALETTE, "png8", "palette", "MEDIANCUT", suffix=".png")


def _turned_and_coloured() -> Iterator[Recipe]:
    for turn in (3, 6, 8):
        yield _one(f.ORIENTATION, f"kept{turn}", "orientation", "kept", base=f"turned{turn}")
        yield _one(f.ORIENTATION, f"applied{turn}", "orientation", "applied", base=f"turned{turn}")
    yield _one(f.ORIENTATION, "applied-half", "orientation", "applied", scale=0.5, base="turned6")
    for angle in (90, 180, 270):
        yield _one(f.ROTATION, f"rot{angle}", "rotate", str(angle))
    yield _one(f.ROTATION, "rot90-half", "rotate", "90", scale=0.5)
    for base in ("p3", "adobe"):
        yield _one(f.PROFILE, f"{base}-kept", "coloured", "kept", base=base)
        yield _one(f.PROFILE, f"{base}-srgb", "coloured", "srgb", base=base)
        yield _one(f.PROFILE, f"{base}-srgb-half", "coloured", "srgb", scale=0.5, base=base)
        yield _one(f.PROFILE, f"{base}-dropped", "resize", "LANCZOS", "88", base=base, label=Label.POLICY)
    yield _one(f.PROFILE, "srgb-tag-added", "coloured", "tagged")
    yield _one(f.DEPTH, "grey-as-rgb", "resize", "LANCZOS", "85", base="grey")
    yield _one(f.DEPTH, "opaque-alpha-jpeg", "resize", "LANCZOS", "85", base="opaque")
    yield _one(f.DEPTH, "alpha-webp-lossless", "save", "lossless", suffix=".webp", base="alpha")
    yield _one(f.DEPTH, "alpha-half", "save", suffix=".png", scale=0.5, base="alpha")
    yield _one("blur, sharpen, crop up to 2 %", "crop1", "crop", "0.01", label=Label.POLICY)
    yield _one("blur, sharpen, crop up to 2 %", "crop2", "crop", "0.02", label=Label.POLICY)


def _copy(source: Source, _size: Size, out: Path) -> None:
    shutil.copyfile(source.path, out)


def _resize(source: Source, size: Size, out: Path, name: str, quality: str, sampling: str = "2", how: str = "") -> None:
    with Image.open(source.path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling[name])
    if not quality:
        picture.save(out)
        return
    picture.save(out, quality=int(quality), subsampling=int(sampling), progressive=bool(how))


def _keep(source: Source, _size: Size, out: Path) -> None:
    with Image.open(source.path) as opened:
        opened.save(out, "JPEG", quality="keep", optimize=True)


def _reduce(source: Source, size: Size, out: Path, gap: str) -> None:
    with Image.open(source.path) as opened:
        opened.convert("RGB").resize(size, Image.Resampling.BICUBIC, reducing_gap=float(gap)).save(out, quality=85)


def _draft(source: Source, size: Size, out: Path) -> None:
    with Image.open(source.path) as opened:
        opened.thumbnail(size)
        opened.convert("RGB").save(out, quality=82)


def _halve(source: Source, size: Size, out: Path) -> None:
    with Image.open(source.path) as opened:
        picture = opened.convert("RGB")
    while picture.width >= 2 * size[0]:
        picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BILINEAR)
    picture.resize(size, Image.Resampling.BILINEAR).save(out, quality=85)


def _sharpened(source: Source, size: Size, out: Path, radius: str, percent: str) -> None:
    with Image.open(source.path) as opened:
        picture = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    picture.filter(ImageFilter.UnsharpMask(float(radius), int(percent), 2)).save(out, quality=85)


def _save(source: Source, size: Size, out: Path, quality: str = "") -> None:
    with Image.open(source.path) as opened:
        picture = opened.convert("RGBA" if "A" in opened.getbands() else "RGB")
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    if quality == "lossless":
        picture.save(out, lossless=True, exact=True)
    elif quality:
        picture.save(out, quality=int(quality))
    else:
        picture.save(out)


def _palette(source: Source, _size: Size, out: Path, method: str) -> None:
    with Image.open(source.path) as opened:
        opened.convert("RGB").quantize(256, Image.Quantize[method]).save(out)


def _orientation(source: Source, size: Size, out: Path, what: str) -> None:
    with Image.open(source.path) as opened:
        exif = opened.info["exif"] if what == "kept" else b""
        picture = (opened if what == "kept" else ImageOps.exif_transpose(opened)).convert("RGB")
        turned = picture.size != opened.size
    if size != (source.width, source.height):
        picture = picture.resize(size[::-1] if turned else size, Image.Resampling.LANCZOS)
    picture.save(out, quality=85, exif=exif)


def _rotate(source: Source, size: Size, out: Path, angle: str) -> None:
    turn = {"90": Image.Transpose.ROTATE_90, "180": Image.Transpose.ROTATE_180, "270": Image.Transpose.ROTATE_270}
    with Image.open(source.path) as opened:
        picture = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    picture.transpose(turn[angle]).save(out, quality=88)


def _coloured(source: Source, size: Size, out: Path, what: str) -> None:
    with Image.open(source.path) as opened:
        picture, profile = opened.convert("RGB"), opened.info.get("icc_profile")
    if what == "srgb":
        converted = ImageCms.profileToProfile(picture, _profile(profile), ImageCms.createProfile("sRGB"))
        assert converted is not None
        picture, profile = converted, None
    elif what == "tagged":
        profile = srgb_profile()
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    picture.save(out, quality=88, **({"icc_profile": profile} if profile else {}))


def _profile(data: bytes | None) -> ImageCms.ImageCmsProfile:
    from io import BytesIO

    return ImageCms.ImageCmsProfile(BytesIO(data or srgb_profile()))


def _crop(source: Source, _size: Size, out: Path, share: str) -> None:
    width, height = source.width, source.height
    with Image.open(source.path) as opened:
        cut = (int(width * float(share)), 0, width, height - int(height * float(share)))
        opened.convert("RGB").crop(cut).save(out, quality=90)


_FUNCTIONS: dict[str, Callable[..., None]] = {
    "copy": _copy,
    "resize": _resize,
    "keep": _keep,
    "reduce": _reduce,
    "draft": _draft,
    "halve": _halve,
    "sharpened": _sharpened,
    "save": _save,
    "palette": _palette,
    "orientation": _orientation,
    "rotate": _rotate,
    "coloured": _coloured,
    "crop": _crop,
}
