"""Colour profiles made from their published primaries, so that none has to be shipped: Display P3, Adobe RGB, sRGB."""

from __future__ import annotations

import struct
from functools import cache

from PIL import ImageCms

_D50 = (0.9642, 1.0, 0.8249)
# Primaries adapted to D50, as in the ICC registry's "Display P3" and "Adobe RGB (1998)".
_PRIMARIES = {
    "p3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "adobe": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}
_NAMES = {"p3": "Display P3", "adobe": "Adobe RGB (1998)"}


@cache
def profile(name: str) -> bytes:
    """Return the ICC version 2 matrix profile `p3` or `adobe`."""
    curve = _gamma(563) if name == "adobe" else _table([_srgb_curve(i / 1023) for i in range(1024)])
    red, green, blue = (_xyz(colour) for colour in _PRIMARIES[name])
    tags = [
        (b"desc", _description(_NAMES[name])),
        (b"cprt", b"text" + bytes(4) + b"No copyright\0"),
        (b"wtpt", _xyz(_D50)),
        (b"rXYZ", red),
        (b"gXYZ", green),
        (b"bXYZ", blue),
        (b"rTRC", curve),
        (b"gTRC", curve),
        (b"bTRC", curve),
    ]
    return _assembled(tags)


@cache
def srgb_profile() -> bytes:
    """Return little CMS's own sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _assembled(tags: list[tuple[bytes, bytes]]) -> bytes:
    start = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for signature, data in tags:
        directory += signature + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _numbers(_D50) + bytes(48)
    return header + directory + body


def _numbers(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + _numbers(values)


def _description(text: str) -> bytes:
    ascii_ = text.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(ascii_)) + ascii_ + bytes(78)


def _gamma(eighths: int) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, eighths)


def _table(values: list[float]) -> bytes:
    return (
        b"curv"
        + bytes(4)
        + struct.pack(">I", len(values))
        + b"".join(struct.pack(">H", round(v * 65535)) for v in values)
    )


def _srgb_curve(value: float) -> float:
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
