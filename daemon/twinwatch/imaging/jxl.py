"""What a JPEG XL says of itself before it is decoded: its plugin decodes all of it at once, whatever its size.

Pure bytes in, values out. Bits and boxes are those of ISO/IEC 18181-1 (annex D) and 18181-2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_NAKED = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_ENOUGH = 256  # bytes of a codestream: the fields that are read here end long before


@dataclass(frozen=True, slots=True)
class Facts:
    """Stored pixels (before the codestream's own orientation), bits a channel, and whether it moves."""

    width: int
    height: int
    bits: int
    animated: bool


def facts(data: bytes) -> Facts | None:
    """Read the head of a JPEG XL; None for another file, or one that ends before its head does."""
    coded = _codestream(data)
    if not coded.startswith(_NAKED):
        return None
    bits = _Bits(coded[len(_NAKED) :])
    try:
        width, height = _size(bits)
        if bits.flag():  # all_default: 8 bits, nothing moves
            return Facts(width, height, 8, animated=False)
        animated = bits.flag() and _extra_fields(bits)
        floating = bits.flag()
        depth = (
            bits.one_of((32, 0), (16, 0), (24, 0), (1, 6))
            if floating
            else bits.one_of((8, 0), (10, 0), (12, 0), (1, 6))
        )
        return Facts(width, height, depth, animated)
    except EOFError:
        return None


def _extra_fields(bits: _Bits) -> bool:
    """Read orientation, intrinsic size and preview; return whether an animation header follows, and read it."""
    bits.number(3)
    if bits.flag():
        _size(bits)
    if bits.flag():
        _preview_size(bits)
    animated = bits.flag()
    if animated:
        bits.one_of((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.one_of((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.one_of((0, 0), (0, 3), (0, 16), (0, 32))
        bits.flag()
    return animated


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.flag()

    def length() -> int:
        return (bits.number(5) + 1) * 8 if small else bits.one_of((1, 9), (1, 13), (1, 18), (1, 30))

    height = length()
    across, down = _RATIOS[bits.number(3)]
    return (height * across // down if down else length()), height


def _preview_size(bits: _Bits) -> None:
    small = bits.flag()

    def length() -> int:
        if small:
            return bits.one_of((16, 0), (32, 0), (1, 5), (33, 9))
        return bits.one_of((1, 6), (65, 8), (321, 10), (1345, 12))

    length()
    if not bits.number(3):
        length()


class _Bits:
    """A codestream's bits, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._left = len(data) * 8
        self._value = int.from_bytes(data, "little")

    def number(self, count: int) -> int:
        if count > self._left:
            raise EOFError
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def flag(self) -> bool:
        return bool(self.number(1))

    def one_of(self, *choices: tuple[int, int]) -> int:
        """Read a U32: two bits choose the (least value, bits that are added to it)."""
        least, count = choices[self.number(2)]
        return least + self.number(count)


def _codestream(data: bytes) -> bytes:
    if not data.startswith(_CONTAINER):
        return data[:_ENOUGH]
    coded = b""
    for name, start, end in _boxes(data):
        if name == b"jxlc":
            return data[start : min(end, start + _ENOUGH)]
        if name == b"jxlp" and len(coded) < _ENOUGH:
            coded += data[start + 4 : min(end, start + 4 + _ENOUGH)]  # behind the part's number
    return coded


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start, end) of the top-level boxes' contents."""
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = len(data) if size == 0 else at + size
        if end < at + head:
            return
        yield data[at + 4 : at + 8], at + head, min(end, len(data))
        at = end
