"""From a descriptor to an opened picture: the limits, the allow-list, and every decoder failure given a name.

Whatever a decoder throws leaves this file as `UnreadableError` with a `Trouble`. Files are read, not mapped: a file
that shrinks while mapped would kill the process (SIGBUS), a short read is only a truncated picture.
"""

from __future__ import annotations

import io
import os
import struct
import traceback
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from twinwatch.errors import PhotoError
from twinwatch.imaging import jpeg, jxl, raw
from twinwatch.photo import Header, Trouble

for _format in ("Jpeg", "Mpo", "Png", "WebP", "Gif", "Tiff", "Bmp"):  # not Image.init(), which imports forty others
    import_module(f"PIL.{_format}ImagePlugin")
_PLUGINS = {name: import_module(name) for name in ("pillow_heif", "pillow_jxl") if find_spec(name) is not None}
"""Optional decoders that are installed; importing pillow_jxl registers it."""

MAX_BYTES = 256 << 20
"""Largest file that is decoded: two of them and their pixels must fit a worker. A 100-megapixel JPEG has 60 MiB."""

MAX_PIXELS = 256_000_000
"""Largest frame: the biggest phone sensors write 200 megapixels (16320 x 12240)."""

MAX_JXL_PIXELS = 128_000_000
"""Largest JPEG XL: libjxl decodes in floating point. In 3 GiB 144 megapixels were read, 192 were not."""

DRAFT = 480
"""Long side that a decoder is asked for at least, pixels: what a proof looks at first, and what is hashed."""

MAX_FRAMES = 2_000
"""Most frames of an animation."""

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF", "JXL")
"""Pillow's names of the formats that it may decode. Everything else (PSD, EPS, FITS, ...) is never tried."""

PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = (b"\xff\xd8\xff", PNG, b"GIF8", b"II*\0", b"MM\0*", b"BM")
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    AttributeError,
    AssertionError,
)
_SIGNS_OF_A_BUG = (TypeError, AttributeError, AssertionError)
"""What a decoder may raise of damaged bytes, but code of ours only when it is wrong."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the sandbox allows no new threads
if heif := _PLUGINS.get("pillow_heif"):
    heif.options.DECODE_THREADS = 1
    heif.register_heif_opener(thumbnails=False)
if "pillow_jxl" in _PLUGINS:
    _jxl_plugin: Any = import_module("pillow_jxl.JpegXLImagePlugin")
    _jxl_plugin.DECODE_THREADS = 0  # none beside the one that asks


class UnreadableError(PhotoError):
    """This file gives no picture; `trouble` says why in a word, the message in the decoder's own words."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        self.trouble = trouble
        self.detail = detail[:300]
        super().__init__(f"{trouble}: {self.detail}")


def load(fd: int) -> bytes:
    """Return the file's bytes; raise UnreadableError when there are more than MAX_BYTES."""
    size = os.fstat(fd).st_size
    if size > MAX_BYTES:
        raise UnreadableError(Trouble.TOO_LARGE, f"{size} bytes, the limit is {MAX_BYTES}")
    data = os.pread(fd, size, 0)  # at once: pieces would be copied a second time to be put together
    while len(data) < size and (more := os.pread(fd, size - len(data), len(data))):
        data += more  # a signal, or a network file system, gave less
    return data


@contextmanager
def named_errors(data: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises inside the block into an UnreadableError; a bug of ours goes on as what it is.

    `data` are the bytes being decoded: they tell a broken file from one that has not arrived in full.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UnreadableError(Trouble.TOO_LARGE, str(error)) from error
        except MemoryError as error:
            raise UnreadableError(Trouble.NO_MEMORY, "out of memory") from error
        except UnidentifiedImageError as error:
            raise UnreadableError(_unidentified(data), "no decoder for these bytes") from error
        except _DECODER_ERRORS as error:
            if isinstance(error, _SIGNS_OF_A_BUG) and _raised_by_us(error):
                raise  # it ends the worker, which says so: the file is not called broken
            trouble = Trouble.TRUNCATED if _ends_early(data, str(error)) else Trouble.BROKEN
            raise UnreadableError(trouble, f"{type(error).__name__}: {error}") from error


def _raised_by_us(error: Exception) -> bool:
    """Tell whether the innermost call was one of twinwatch's own: not of Pillow, a plugin, numpy or imagehash."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return str(frames[-1][0].f_globals.get("__name__")).partition(".")[0] == "twinwatch"


def opened(data: bytes, where: jpeg.Layout | None = None) -> Image.Image:
    """Open the picture in `data`, header only; call within `named_errors`. `where` is a JPEG's layout, if it is known.

    Raises UnreadableError for what is too large, raw or cut short; the decoder's own errors otherwise.
    """
    if not data:
        raise UnreadableError(Trouble.TRUNCATED, "no bytes yet")
    if short := _short(data, where):
        raise UnreadableError(Trouble.TRUNCATED, short)
    if data.startswith(PNG) and (damage := _png_damage(data)):
        raise UnreadableError(Trouble.BROKEN, damage)
    image = _preview(data) if raw.is_raw(data) else _by_pillow(data)
    _refuse_pixels(image.width, image.height)
    if image.format == "TIFF" and raw.is_raw_tiff(image.getexif(), data):
        image = _preview(data)
        _refuse_pixels(image.width, image.height)
    if int(getattr(image, "n_frames", 1)) > MAX_FRAMES:
        raise UnreadableError(Trouble.TOO_LARGE, f"{getattr(image, 'n_frames', 1)} frames")
    if image.mode == "LAB":  # Pillow decodes it and makes no other colours of it
        raise UnreadableError(Trouble.UNSUPPORTED, "colours in L*a*b*")
    return image


def ask_small(image: Image.Image, found: Header, mode: str) -> float:
    """Ask the decoder of an opened picture for `mode` at DRAFT pixels along or more; return by what it will shrink it.

    1 where its codec can do no less than all of it. `found` is the picture's header.
    """
    longer = max(found.width, found.height)
    image.draft(mode, (DRAFT * found.width // longer, DRAFT * found.height // longer))
    # libjpeg scales down by 2, 4 or 8 and rounds the size up.
    halved = (one for one in (1, 2, 4, 8) if -(-found.width // one) == image.width)
    return next(halved, found.width / image.width)


def _by_pillow(data: bytes) -> Image.Image:
    known = jxl.facts(data)
    if known is not None and supported("JXL"):  # its plugin decodes as it opens
        _refuse_pixels(known.width, known.height, MAX_JXL_PIXELS)
        if known.animated:
            raise UnreadableError(Trouble.UNSUPPORTED, "an animated JPEG XL: its decoder shows one frame only")
    try:
        image = Image.open(io.BytesIO(data), formats=_allowed())
        if jpeg.is_jpeg(data):
            # All at once: libjpeg decodes a row of blocks again that the end of a piece has cut.
            image.decodermaxblock = len(data)
        return image
    except UnidentifiedImageError:
        if raw.wears_tiff(data) and raw.knows(data):
            return _preview(data)  # some raws have a first directory that Pillow does not understand
        raise


def _preview(data: bytes) -> Image.Image:
    found = raw.preview(data)
    if isinstance(found, Image.Image):
        return found
    raise UnreadableError(*found)


def _refuse_pixels(width: int, height: int, most: int = MAX_PIXELS) -> None:
    if width * height > most:
        raise UnreadableError(Trouble.TOO_LARGE, f"{width}x{height} pixels")


def supported(name: str) -> bool:
    """Tell whether the decoder of this format (Pillow's name, or RAW) is installed."""
    if name == raw.FORMAT:
        return raw.installed()
    return ("JPEG" if name == "MPO" else name) in Image.OPEN  # an MPO is a JPEG with pictures behind it


@cache
def _allowed() -> tuple[str, ...]:
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _short(data: bytes, where: jpeg.Layout | None = None) -> str:
    """Say in which way the container is cut short, or nothing. Decoders tolerate some of these."""
    if jpeg.is_jpeg(data) and not (where or jpeg.layout(data)).complete:
        return "no end-of-image marker"
    if data.startswith(PNG) and data.rfind(b"IEND\xaeB`\x82") < 0:  # found at once in a whole one
        return "no IEND chunk"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return "shorter than its RIFF header says"
    if data[:4] == b"GIF8" and b"\x3b" not in data[-4096:]:
        return "no GIF trailer"
    if data[4:8] in (b"ftyp", b"JXL "):
        return _short_boxes(data)
    return ""


def _png_damage(data: bytes) -> str:
    """Check the checksums of a PNG's chunks: Pillow leaves those of the pixels out and shows what it can."""
    at, view = len(PNG), memoryview(data)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        name = bytes(view[at + 4 : at + 8])
        critical = not name[0] & 0x20  # a capital first letter: the pixels depend on it (PNG 5.4)
        if critical and zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return f"checksum of a {name.decode('latin-1')} chunk"
        if name == b"IEND":
            return ""
        at = end + 4
    return ""


def _short_boxes(data: bytes) -> str:
    """Say whether a top-level box (ISO/IEC 14496-12) of a HEIF, AVIF or JPEG XL reaches over the end."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:
            return ""
        if size < 8:
            return ""  # padding after the last box: the decoder will say
        at += size
        if at > len(data):
            return "shorter than its boxes say"
    return ""


def _ends_early(data: bytes, words: str) -> bool:
    low = words.lower()
    return bool(_short(data)) or "truncated" in low or "end of file" in low or "unexpected end" in low


def _unidentified(data: bytes) -> Trouble:
    known = data.startswith(_MAGIC) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    if known:
        return Trouble.TRUNCATED if _short(data) else Trouble.BROKEN
    return Trouble.UNSUPPORTED
