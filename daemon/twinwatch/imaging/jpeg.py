"""What a JPEG's markers say, without decoding: is it complete, where does it end, what pictures does it hold.

Pure bytes in, values out. Markers are those of ITU-T T.81 table B.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SOI = b"\xff\xd8"
_PADDING = re.compile(rb"\xff+")
# A marker inside entropy-coded data: 0xFF not followed by stuffing (00), a restart (D0-D7) or fill (FF).
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_EOI, _SOS, _APP14 = 0xD9, 0xDA, 0xEE
_APPLICATION = range(0xE0, 0xF0)
_COMMENT = 0xFE


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a JPEG are.

    `coded` are the (start, end) offsets of all that decides the pixels: tables, frame headers, scans. `end` is the
    offset behind the end-of-image marker, or None when the data ends before it.
    """

    coded: tuple[tuple[int, int], ...]
    end: int | None

    def beside(self, data: bytes) -> Iterator[bytes]:
        """Yield what is not coded pixels: metadata, and whatever follows the picture."""
        at = 0
        for start, end in (*self.coded, (len(data), len(data))):
            if at < start:
                yield data[at:start]
            at = end

    @property
    def complete(self) -> bool:
        """Tell whether the end-of-image marker was reached."""
        return self.end is not None


def is_jpeg(data: bytes) -> bool:
    """Tell whether the bytes begin as a JPEG does."""
    return data[:3] == b"\xff\xd8\xff"


def layout(data: bytes) -> Layout:
    """Walk the markers of the first image in `data`; never raises, an early end or nonsense gives `end=None`."""
    coded: list[tuple[int, int]] = []
    at = 2
    while True:
        found = _PADDING.match(data, at)
        if found is None or found.end() >= len(data):
            return Layout(tuple(coded), None)
        start, marker, body = at, data[found.end()], found.end() + 1
        if marker == _EOI:
            return Layout(tuple(coded), body)
        if marker in range(0xD0, 0xD9) or marker == 0x01:  # stand-alone markers
            at = body
            continue
        length = int.from_bytes(data[body : body + 2], "big")
        at = body + length
        if length < 2 or at > len(data):
            return Layout(tuple(coded), None)
        if marker == _SOS:
            after = _MARKER.search(data, at)
            if after is None:
                return Layout(tuple(coded), None)
            at = after.start()
        if marker == _APP14 or not (marker in _APPLICATION or marker == _COMMENT):
            coded.append((start, at))


def same_picture(a: bytes, where_a: Layout, b: bytes, where_b: Layout) -> bool:
    """Tell whether two complete JPEGs hold the same tables and scans, whatever metadata lies between them."""
    if not (where_a.complete and where_b.complete) or len(where_a.coded) != len(where_b.coded):
        return False
    view_a, view_b = memoryview(a), memoryview(b)
    return bool(where_a.coded) and all(
        view_a[s:e] == view_b[t:f] for (s, e), (t, f) in zip(where_a.coded, where_b.coded, strict=True)
    )
