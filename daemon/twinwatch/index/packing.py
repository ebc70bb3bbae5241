"""How a photo's header and the hashes of its other orientations are stored in few bytes. Pure."""

from __future__ import annotations

import json
import re
import struct
from functools import cache, lru_cache
from typing import Any

from twinwatch.photo import Header, Metadata, PerceptualHash

_TURNED = struct.Struct(">7Q")
_ALL = (1 << 64) - 1
_CAPTURED = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)


def pack_turned(hashes: tuple[PerceptualHash, ...]) -> bytes:
    """Return seven hashes as what differs from what the first lets expect: a count and so many bits each.

    Mirroring negates coefficients, which turns their bits over but for the few between zero and the median.
    """
    places = bytearray()
    for orientation, value in enumerate(hashes[1:], 2):
        differs = value ^ expected(hashes[0], orientation)
        places.append(differs.bit_count())
        while differs:
            bit = differs & -differs
            places.append(bit.bit_length() - 1)
            differs ^= bit
    return bytes(places) if len(places) < _TURNED.size else _TURNED.pack(*hashes[1:])


def unpack_turned(first: PerceptualHash, packed: bytes) -> tuple[PerceptualHash, ...]:
    """Return all eight hashes, given the first and what `pack_turned` made of the others."""
    if len(packed) == _TURNED.size:
        return (first, *map(PerceptualHash, _TURNED.unpack(packed)))
    found, at = [first], 0
    for orientation in range(2, 9):
        value = expected(first, orientation)
        for place in packed[at + 1 : at + 1 + packed[at]]:
            value ^= 1 << place
        at += 1 + packed[at]
        found.append(PerceptualHash(value))
    return tuple(found)


def expected(first: PerceptualHash, orientation: int) -> int:
    """Return the hash in another orientation (2 to 8) if the median of the coefficients were zero."""
    mask = _odd(columns=orientation in (2, 3, 7, 8), rows=orientation in (3, 4, 6, 7))
    value = first ^ mask
    return value if orientation < 5 else _transposed(value)


@cache
def _odd(*, columns: bool, rows: bool) -> int:
    mask = 0
    for row in range(8):
        for column in range(8):
            if (columns and column % 2) != (rows and row % 2):
                mask |= 1 << (63 - 8 * row - column)
    return mask


def _transposed(value: int) -> int:
    # Three swaps of ever larger blocks (Hacker's Delight 7-3).
    for shift, mask in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0)):
        differs = (value ^ (value >> shift)) & mask
        value ^= differs ^ (differs << shift)
    return value & _ALL


def pack_header(header: Header) -> tuple[str, int, int, int, int | None]:
    """Return what many headers have in common, width, height, EXIF tags, and the `captured_number`."""
    meta = header.metadata
    captured = captured_number(meta.captured_at)
    common = _words(
        *(header.format, header.orientation, header.mode, header.bits, header.alpha, header.frames, meta.gps),
        *(None if captured is not None else meta.captured_at, meta.camera, meta.xmp, meta.profile),
        *(meta.motion_video, meta.gain_map),
    )
    return common, header.width, header.height, meta.exif_tags, captured


def unpack_header(common: str, width: int, height: int, tags: int, captured: int | None) -> Header:
    """Return the header that `pack_header` took apart."""
    form, orientation, mode, bits, alpha, frames, gps, irregular, camera, xmp, profile, video, gain_map = _fields(
        common
    )
    text = irregular
    if captured is not None:
        digits = f"{captured:014d}"
        text = f"{digits[:4]}:{digits[4:6]}:{digits[6:8]} {digits[8:10]}:{digits[10:12]}:{digits[12:]}"
    meta = Metadata(tags, gps, text, camera, xmp, profile, video, gain_map)
    return Header(form, width, height, orientation, mode, bits, alpha, frames, meta)


def captured_number(text: str | None) -> int | None:
    """Return a time of capture as the number YYYYMMDDhhmmss; None where there is none, or one in another form."""
    regular = _CAPTURED.fullmatch(text) if text else None
    return int("".join(regular.groups())) if regular else None


@lru_cache(1024)
def _words(*fields: str | int | bool | None) -> str:
    return json.dumps(fields, separators=(",", ":"))


@lru_cache(1024)
def _fields(common: str) -> tuple[Any, ...]:
    return tuple(json.loads(common))
