"""Writes small camera raw files that are real: a mosaic of a sensor with the camera's preview before it."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

_BYTE, _ASCII, _SHORT, _LONG, _SIGNED_RATIONAL = 1, 2, 3, 4, 10
_LETTER = {_BYTE: "B", _SHORT: "H", _LONG: "I", _SIGNED_RATIONAL: "i"}

_Entry = tuple[int, int, "bytes | list[int]"]


def dng(
    preview: bytes | Image.Image | None, orientation: int = 1, mosaic: tuple[int, int] = (96, 64), magic: bytes = b"*\0"
) -> bytes:
    """Return a DNG (1.4) of little-endian: a preview in its first directory, 16-bit Bayer data in a second.

    `preview` are a JPEG's bytes, a picture that is stored without compression, or None for a raw without one. Another
    `magic` makes of it what LibRaw takes for an Olympus or Panasonic raw, which are TIFFs in all but that.
    """
    file = bytearray(b"II" + magic + bytes(4))
    width, height = mosaic
    sensor = (np.arange(width * height, dtype="<u2") % 4096).tobytes()
    raw: list[_Entry] = [
        (254, _LONG, [0]),
        (256, _LONG, [width]),
        (257, _LONG, [height]),
        (258, _SHORT, [16]),
        (259, _SHORT, [1]),
        (262, _SHORT, [32803]),  # a colour filter array
        (273, _LONG, [_put(file, sensor)]),
        (277, _SHORT, [1]),
        (278, _LONG, [height]),
        (279, _LONG, [len(sensor)]),
        (33421, _SHORT, [2, 2]),
        (33422, _BYTE, [0, 1, 1, 2]),
    ]
    about: list[_Entry] = [
        (271, _ASCII, b"Acme\0"),
        (272, _ASCII, b"Box 1\0"),
        (274, _SHORT, [orientation]),
        (50706, _BYTE, [1, 4, 0, 0]),
        (50708, _ASCII, b"Acme Box 1\0"),
        (50721, _SIGNED_RATIONAL, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
    ]
    if preview is None:
        first = _directory(file, raw + about)
    else:
        first = _directory(file, [*_preview(file, preview), *about, (330, _LONG, [_directory(file, raw)])])
    file[4:8] = struct.pack("<I", first)
    return bytes(file)


def iiq(preview: Image.Image) -> bytes:
    """Return what a Phase One raw looks like from outside: a TIFF of its thumbnail, and a sign behind the header."""
    file = bytearray(b"II*\0" + bytes(4) + b"IIIITIFF")
    first = _directory(file, _preview(file, preview)[1:])
    file[4:8] = struct.pack("<I", first)
    return bytes(file)


def _preview(file: bytearray, preview: bytes | Image.Image) -> list[_Entry]:
    if isinstance(preview, Image.Image):
        size, data, compression, photometric = preview.size, preview.tobytes(), 1, 2
    else:
        with Image.open(io.BytesIO(preview)) as image:
            size, data, compression, photometric = image.size, preview, 7, 6
    return [
        (254, _LONG, [1]),
        (256, _LONG, [size[0]]),
        (257, _LONG, [size[1]]),
        (258, _SHORT, [8, 8, 8]),
        (259, _SHORT, [compression]),
        (262, _SHORT, [photometric]),
        (273, _LONG, [_put(file, data)]),
        (277, _SHORT, [3]),
        (278, _LONG, [size[1]]),
        (279, _LONG, [len(data)]),
    ]


def _directory(file: bytearray, entries: list[_Entry]) -> int:
    rows = []
    for tag, kind, values in sorted(entries, key=lambda entry: entry[0]):
        data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_LETTER[kind]}", *values)
        count = len(values) // 2 if kind == _SIGNED_RATIONAL else len(values)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", _put(file, data))
        rows.append(struct.pack("<HHI", tag, kind, count) + place)
    return _put(file, struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4))


def _put(file: bytearray, data: bytes) -> int:
    at = len(file)
    file += data + bytes(len(data) % 2)
    return at
