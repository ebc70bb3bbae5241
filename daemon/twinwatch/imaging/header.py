"""A picture's header: what the file says of itself beside its pixels. Lenient: nonsense in metadata is no metadata."""

from __future__ import annotations

import functools
import io
import re
import struct

import numpy as np
from blake3 import blake3
from PIL import Image, ImageChops, ImageCms

from twinwatch.imaging import jpeg, jxl
from twinwatch.imaging.source import PNG
from twinwatch.photo import Header, Metadata

_ORIENTATION, _MAKE, _MODEL, _EXIF_IFD, _GPS_IFD, _CAPTURED, _LATITUDE = 274, 271, 272, 0x8769, 0x8825, 0x9003, 2
_METADATA_ERRORS = (OSError, SyntaxError, ValueError, struct.error, TypeError, LookupError, EOFError, ArithmeticError)
_MODE_BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 16, "F": 32}
_LOSSLESS = {"PNG", "BMP", "TIFF", "GIF"}
_SRGB_TOLERANCE = 3
"""Grey levels. Measured: seven of sRGB, Facebook's tiny "c2" and GEGL's "babl profile" among them, differ by up to 1,
nine others by 64 and more."""
_MOTION_XMP = re.compile(rb"(?:MotionPhoto|MicroVideo)(?:=[\"']|>)1")
# Google's and the ISO 21496-1 gain map, Apple's in HEIC and in JPEG.
_GAIN_MAP = (b"hdrgm:", b"urn:iso:std:iso:ts:21496", b"hdrgainmap", b"HDRGainMap")


def is_lossless(format_: str, data: bytes) -> bool:
    """Tell whether a file keeps pixels as they were handed to it (a palette may still have cost colours)."""
    return b"VP8L" in data[12:64] if format_ == "WEBP" else format_ in _LOSSLESS


def header(image: Image.Image, data: bytes, where: jpeg.Layout | None = None) -> Header:
    """Describe an opened picture; `data` are its file's bytes, `where` is a JPEG's layout if it is known already.

    Raises nothing that decoding would not.
    """
    if where is None and jpeg.is_jpeg(data):
        where = jpeg.layout(data)
    exif = _exif(image)
    orientation = 1 if _is_turned_already(image) else exif.get(_ORIENTATION, 1)
    return Header(
        format=image.format or "",
        width=image.width,
        height=image.height,
        orientation=orientation if isinstance(orientation, int) and orientation in range(1, 9) else 1,
        mode=image.mode,
        bits=_bits(image, data),
        alpha=image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info,
        frames=int(getattr(image, "n_frames", 1)),
        metadata=_metadata(image, exif, data, where),
    )


def _is_turned_already(image: Image.Image) -> bool:
    """Tell whether the decoder turns the picture upright itself, and its size too: what EXIF says is done then.

    Pillow does with a TIFF, libjxl with a JPEG XL unless that is a JPEG packed without loss, which is unpacked again.
    """
    return image.format == "TIFF" or (image.format == "JXL" and not getattr(image, "jpeg", False))


def profile_of(image: Image.Image) -> bytes | None:
    """Return the picture's ICC profile, or None where there is none, it is sRGB, or it cannot be read."""
    raw = image.info.get("icc_profile")
    if not isinstance(raw, bytes) or not raw:
        return None
    return None if _is_srgb(raw) else raw


@functools.lru_cache(maxsize=64)
def _is_srgb(raw: bytes) -> bool:
    """Tell whether a profile shows colours, or greys, as sRGB does, or cannot be read; its name proves nothing."""
    steps = (0, 64, 128, 192, 255)
    numbers = {
        "RGB": [(r, g, b) for r in steps for g in steps for b in steps],
        "GRAY": [(grey, grey, grey) for grey in range(256)],
    }
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(raw))
        space = profile.profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, *_METADATA_ERRORS):
        return True
    if space not in numbers:
        return False
    meant = Image.new("RGB", (len(numbers[space]), 1))
    meant.putdata(numbers[space])
    stored = meant if space == "RGB" else meant.getchannel(0)
    try:
        shown = ImageCms.profileToProfile(stored, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *_METADATA_ERRORS):
        return False
    return shown is not None and int(np.max(np.asarray(ImageChops.difference(meant, shown)))) <= _SRGB_TOLERANCE


def _rendering(image: Image.Image, data: bytes) -> str | None:
    """Return how a PNG wants its numbers shown where no ICC profile says it and it is not as sRGB, else None.

    PNG 11.3.2: cICP goes before sRGB and gAMA; 1/2.2 is what sRGB is close to.
    """
    if image.format != "PNG":
        return None
    at = data.find(b"cICP", 0, max(0, data.find(b"IDAT")))
    if at >= 0 and data[at + 4 : at + 6] != b"\x01\x0d":  # ITU-T H.273: BT.709 primaries, sRGB transfer
        return f"cicp-{data[at + 4 : at + 8].hex()}"
    gamma = image.info.get("gamma")
    if "srgb" in image.info or not isinstance(gamma, float) or abs(gamma * 2.2 - 1) <= 0.02:
        return None
    return f"gamma-{gamma:.4f}"


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except _METADATA_ERRORS:
        return Image.Exif()


def _directory(exif: Image.Exif, tag: int) -> dict[int, object]:
    try:
        return dict(exif.get_ifd(tag))
    except _METADATA_ERRORS:
        return {}


def _metadata(image: Image.Image, exif: Image.Exif, data: bytes, where: jpeg.Layout | None) -> Metadata:
    details, gps = _directory(exif, _EXIF_IFD), _directory(exif, _GPS_IFD)
    captured = _text(details.get(_CAPTURED))
    camera = " ".join(part for part in (_text(exif.get(_MAKE)), _text(exif.get(_MODEL))) if part)
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    packet = xmp.encode(errors="replace") if isinstance(xmp, str) else bytes(xmp)
    profile = profile_of(image)
    return Metadata(
        exif_tags=len(exif) + len(details) + len(gps),
        gps=_LATITUDE in gps,
        captured_at=captured or None,
        camera=camera or None,
        xmp=bool(packet),
        profile=blake3(profile).hexdigest()[:16] if profile else _rendering(image, data),
        motion_video=bool(_MOTION_XMP.search(packet)) or _video_behind(data, where),
        gain_map=_has_gain_map(data, where),
    )


def _has_gain_map(data: bytes, where: jpeg.Layout | None) -> bool:
    if data.startswith(PNG):
        return False  # there is no place for one
    # Of a JPEG only what is not coded pixels is searched: those are nearly all of it, and hold no metadata.
    parts = (data,) if where is None else where.beside(data)
    return any(mark in part for part in parts for mark in _GAIN_MAP)


def _video_behind(data: bytes, where: jpeg.Layout | None) -> bool:
    """Tell whether an MP4 follows the end of a JPEG, or a Samsung trailer names one."""
    if where is None:
        return not data.startswith(PNG) and b"MotionPhoto_Data" in data
    return where.end is not None and where.end < len(data) and data.find(b"ftyp", where.end) >= 0


def _text(value: object) -> str:
    """Clean an EXIF string: no NULs, no control signs, at most 100 characters."""
    if not isinstance(value, str):
        return ""
    return (value if value.isprintable() else "".join(filter(str.isprintable, value))).strip()[:100]


def _bits(image: Image.Image, data: bytes) -> int:
    """Return the stored bits a channel, where the container says so; Pillow hands out many deep pictures as 8 bits."""
    if image.format == "PNG":
        return max(8, data[24]) if image.mode != "1" else 1
    if image.format == "TIFF":
        stored = image.getexif().get(258)
        first = stored[0] if isinstance(stored, tuple) and stored else stored
        return int(first) if isinstance(first, int) and 1 <= first <= 64 else _MODE_BITS.get(image.mode, 8)
    if image.format == "JXL" and (known := jxl.facts(data)) is not None:
        return known.bits
    if image.format in ("AVIF", "HEIF"):
        at = data.find(b"pixi")  # ISO/IEC 23008-12 6.5.6: version and flags (4), channels (1), bits of each (1)
        return data[at + 9] if 0 < at < len(data) - 9 and data[at + 9] in (8, 10, 12, 16) else 8
    return _MODE_BITS.get(image.mode, 8)
