"""What a pair's first picture can be: the photo as found, or one prepared from it (turned, tagged, deep, see-through).

A base is made once and is itself the original: its copies are judged against it, not against the photo.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from benchmarks.accuracy.profiles import profile
from benchmarks.accuracy.recipe import MakingError, Source, key

_SUFFIXES = {"deep": ".png", "alpha": ".png", "opaque": ".png", "rgb": ".png"}
_TURNS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def base(name: str, photo: Source, folder: Path) -> Source:
    """Return the base of this name, made in `folder` unless it is there; raise MakingError when it cannot be."""
    if name == "photo" or (name == "jpeg" and photo.suffix in (".jpg", ".jpeg")):
        return photo
    if name == "rgb" and photo.suffix in (".jpg", ".jpeg", ".png"):
        return photo  # what the codecs' own encoders can read
    path = folder / f"base-{name}-{key(name)}{_SUFFIXES.get(name, '.jpg')}"
    if not path.exists():
        part = path.with_name(f".{os.getpid()}-{path.name}")
        with Image.open(photo.path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        _MAKERS[name](picture, part, name)
        os.replace(part, path)
    with Image.open(path) as made:
        return Source(path, made.width, made.height, photo.name)


def _jpeg(picture: Image.Image, path: Path, _name: str) -> None:
    picture.save(path, quality=93, subsampling=0)


def _aligned(picture: Image.Image, path: Path, _name: str) -> None:
    """Write whole JPEG blocks only, so that the file can be turned without loss."""
    whole = (picture.width // 16 * 16, picture.height // 16 * 16)
    picture.crop((0, 0, *whole)).save(path, quality=93)


def _turned(picture: Image.Image, path: Path, name: str) -> None:
    orientation = int(name.removeprefix("turned"))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera"
    whole = picture.crop((0, 0, picture.width // 16 * 16, picture.height // 16 * 16))
    whole.transpose(_TURNS[orientation]).save(path, quality=93, exif=exif)


def _tagged(picture: Image.Image, path: Path, name: str) -> None:
    picture.save(path, quality=93, icc_profile=profile(name))


def _grey(picture: Image.Image, path: Path, _name: str) -> None:
    picture.convert("L").save(path, quality=93)


def _cmyk(picture: Image.Image, path: Path, _name: str) -> None:
    picture.convert("CMYK").save(path, quality=93)


def _rgb(picture: Image.Image, path: Path, _name: str) -> None:
    picture.save(path)


def _opaque(picture: Image.Image, path: Path, _name: str) -> None:
    picture.convert("RGBA").save(path)


def _alpha(picture: Image.Image, path: Path, _name: str) -> None:
    mask = Image.new("L", picture.size, 0)
    edge = min(picture.size) // 10
    ImageDraw.Draw(mask).rounded_rectangle((edge, edge, picture.width - edge, picture.height - edge), edge, fill=255)
    picture.putalpha(mask.filter(ImageFilter.GaussianBlur(edge / 8)))
    picture.save(path)


def _deep(picture: Image.Image, path: Path, _name: str) -> None:
    """Write 16 bits a channel, the lower eight of them real: a soft curve over the picture's own values."""
    try:
        import cv2
    except ImportError as error:
        raise MakingError("16-bit pictures are written with OpenCV") from error
    values = np.asarray(picture).astype(np.float64) / 255
    deep = np.round((0.92 * values + 0.04 * values**2 + 0.02) * 65535).astype(np.uint16)
    if not cv2.imwrite(str(path), deep[:, :, ::-1]):
        raise MakingError("OpenCV could not write 16 bits")


def copy_of(photo: Path, folder: Path) -> Path:
    """Put the photo itself beside its copies under a short name, once."""
    path = folder / f"photo{photo.suffix.lower()}"
    if not path.exists():
        part = path.with_name(f".{os.getpid()}-{path.name}")
        shutil.copyfile(photo, part)
        os.replace(part, path)
    return path


_MAKERS: dict[str, Callable[[Image.Image, Path, str], None]] = {
    "jpeg": _jpeg,
    "aligned": _aligned,
    **{f"turned{orientation}": _turned for orientation in _TURNS},
    "p3": _tagged,
    "adobe": _tagged,
    "grey": _grey,
    "cmyk": _cmyk,
    "rgb": _rgb,
    "opaque": _opaque,
    "alpha": _alpha,
    "deep": _deep,
}
