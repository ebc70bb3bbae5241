"""JPEG by encoders that reckon otherwise than libjpeg's usual one, which Pillow, browsers and OpenCV store by.

Each turns RGB into luma and chroma, halves chroma, transforms and rounds in whole numbers of its own, so that a third
to all of the blocks come out a step beside. What is theirs is done here; Pillow stores and reads the rest.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.imaging.jpeg import layout
from twinwatch.proof.picture import JpegTables
from twinwatch.proof.quantised import blocks_of, cosines, pixels_of
from twinwatch.proof.residual import JFIF, JFIF_OFFSET

Levels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Whole = NDArray[np.int32]

_SOF0 = 0xC0  # the frame header of a baseline JPEG (ITU-T T.81, B.2.2): height and width lie 5 bytes behind its start
_LONGEST = 65_500 - 16  # pixels: libjpeg's JPEG_MAX_DIMENSION, less the blocks that are filled up
_STRIP = 256  # rows at a time, a multiple of 16: what is worked on stays in the processor's cache
_UNIT = 1 << 16  # of fixed-point numbers
_TIE = np.float32(1e-3)  # of a level: a half is rounded up, whatever the rounding of four bytes made of it
_SPAN = {0: (1, 1), 1: (2, 1), 2: (2, 2)}  # pixels of luma, across and down, that share one of chroma


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """How an encoder reckons; `words` name it for a person.

    Luma and chroma are `matrix` times red, green and blue, plus `offset`, cut off to whole numbers. `quantised` gives
    steps of 64 luma or chroma pixels a block; without, they are as libjpeg has them. `even` says that a chroma pixel is
    the mean of four, rounded up at a half; libjpeg rounds it up and down in turns.
    """

    words: str
    matrix: Floats
    offset: Floats
    quantised: Callable[[Levels, Sequence[int]], Whole] | None = None
    even: bool = False
    samplings: tuple[int, ...] = (0, 1, 2)  # as Pillow numbers them: what it writes


def others(tables: JpegTables, size: tuple[int, int] = (0, 0)) -> list[Encoder]:
    """Return the encoders that may have written a JPEG of these tables, and that can be imitated at this size."""
    if len(tables.tables) != 3 or max(size) > _LONGEST:
        return []
    return [one for one in _ENCODERS if tables.subsampling in one.samplings]


def stored(image: Image.Image, tables: JpegTables, encoder: Encoder) -> Image.Image:
    """Store RGB with these steps as an encoder does, and decode it again; returns RGB. `subsampling` must be known."""
    if tables.subsampling is None:
        raise ValueError("tables without a known sampling")
    width, height = image.size
    across, down = span = _SPAN[tables.subsampling]
    luma, *chroma = _planes(image, encoder, (8 * across, 8 * down))
    planes = [luma, *(_averaged(plane, span, even=encoder.even) for plane in chroma)]
    if encoder.quantised is not None:
        steps = zip(planes, tables.tables, strict=True)
        planes = [_requantised(plane, table, encoder.quantised) for plane, table in steps]
    wide = [np.repeat(np.repeat(plane, down, axis=0), across, axis=1) for plane in planes[1:]]
    file = io.BytesIO()
    qtables = [list(table) for table in tables.tables[:2]]
    # These planes are made of the steps, so that libjpeg finds the same ones: all it may round otherwise is luma.
    whole = Image.merge("YCbCr", [Image.fromarray(plane) for plane in (planes[0], *wide)])
    whole.save(file, "JPEG", qtables=qtables, subsampling=tables.subsampling)
    again = Image.open(io.BytesIO(_cut_to(file.getvalue(), image.size)), formats=("JPEG",))
    if encoder.quantised is None:
        return again.convert("RGB")
    again.draft("YCbCr", None)
    return _in_rgb(planes[0][:height, :width], *(np.asarray(again.getchannel(band)) for band in ("Cb", "Cr")))


def _cut_to(data: bytes, size: tuple[int, int]) -> bytes:
    """Return a JPEG of whole blocks as one of a size that has as many: what lies beyond is in the last ones."""
    frame = next(start for start, _ in layout(data).coded if data[start + 1] == _SOF0)
    width, height = (length.to_bytes(2, "big") for length in size)
    return data[: frame + 5] + height + width + data[frame + 9 :]


def _planes(image: Image.Image, encoder: Encoder, block: tuple[int, int]) -> list[Levels]:
    """Return luma and chroma in whole numbers, in whole blocks of this width and height that repeat the edge.

    Products and sums are whole numbers that four bytes hold exactly.
    """
    beyond = -image.height % block[1], -image.width % block[0]
    pixels = np.pad(np.asarray(image), ((0, beyond[0]), (0, beyond[1]), (0, 0)), mode="edge")
    found = np.empty((3, *pixels.shape[:2]), np.uint8)
    for top in range(0, len(pixels), _STRIP):
        strip = pixels[top : top + _STRIP].astype(np.float32) @ encoder.matrix.T + encoder.offset
        found[:, top : top + _STRIP] = np.clip(strip, 0, 255).astype(np.uint8).transpose(2, 0, 1)
    return list(found)


def _averaged(plane: Levels, span: tuple[int, int], *, even: bool) -> Levels:
    """Return chroma with one pixel for so many across and down."""
    across, down = span
    if span == (1, 1):
        return plane
    wide = plane.astype(np.uint16)
    sums = np.add.reduce([wide[row::down, column::across] for row in range(down) for column in range(across)])
    turns = np.arange(sums.shape[1], dtype=np.uint16) % 2
    bias = across * down // 2 if even else turns + 1 if down == 2 else turns
    return np.asarray((sums + bias) // (across * down), dtype=np.uint8)


def _requantised(plane: Levels, table: Sequence[int], quantised: Callable[[Levels, Sequence[int]], Whole]) -> Levels:
    """Return a plane as its steps show it."""
    found = np.empty_like(plane)
    steps = np.array(table, np.float32).reshape(8, 8)
    for top in range(0, len(plane), _STRIP):
        shown = pixels_of(quantised(blocks_of(plane[top : top + _STRIP]), table) * steps)
        found[top : top + _STRIP] = np.clip(np.floor(shown + (np.float32(0.5) + _TIE)), 0, 255)
    return found


def _fast(blocks: Levels, table: Sequence[int]) -> Whole:
    """Return the steps of blocks by libjpeg's fast integer transform (`jfdctfst.c`, `jcdctmgr.c`; AA&N, 1988).

    ImageMagick stores so up to quality 90, as does `cjpeg -dct fast`. Shape (rows, columns, 8, 8), as the blocks.
    """
    pixels = np.ascontiguousarray(blocks.transpose(3, 2, 0, 1), dtype=np.int32) - 128
    found = _fast_pass(_fast_pass(pixels).transpose(1, 0, 2, 3)).transpose(2, 3, 0, 1)
    divisors = (np.array(table, np.int32).reshape(8, 8) * _AAN + (1 << 10)) >> 11
    return np.asarray(np.sign(found) * ((np.abs(found) + (divisors >> 1)) // divisors))


def _fast_pass(rows: Whole) -> Whole:
    """Transform along the first axis; the constants are in 256ths, and what they make is cut off."""
    sums, apart = [rows[k] + rows[7 - k] for k in range(4)], [rows[k] - rows[7 - k] for k in range(4)]
    found = np.empty_like(rows)
    even = sums[0] + sums[3], sums[1] + sums[2]
    found[0], found[4] = even[0] + even[1], even[0] - even[1]
    odd = sums[0] - sums[3], sums[1] - sums[2]
    turned = ((odd[0] + odd[1]) * 181) >> 8
    found[2], found[6] = odd[0] + turned, odd[0] - turned
    low, middle, high = apart[3] + apart[2], apart[2] + apart[1], apart[1] + apart[0]
    both = ((low - high) * 98) >> 8
    low, high = ((low * 139) >> 8) + both, ((high * 334) >> 8) + both
    middle = (middle * 181) >> 8
    plus, minus = apart[0] + middle, apart[0] - middle
    found[5], found[3], found[1], found[7] = minus + low, minus - low, plus + high, plus - high
    return found


_FACTORS = np.array([1.0, *(np.cos(k * np.pi / 16) * np.sqrt(2) for k in range(1, 8))])
_AAN = np.rint(np.outer(_FACTORS, _FACTORS) * (1 << 14)).astype(np.int32)
"""By what the fast transform leaves each coefficient too large, in 16384ths."""


def _cut_off(blocks: Levels, table: Sequence[int]) -> Whole:
    """Return the steps of blocks as Rust's image crate rounds them (`transform.rs`, `encoder.rs`).

    Its transform gives eighths of a unit, those of every other row rounded by a 32nd where a half was meant; these are
    cut off to whole units before they are divided by their steps.
    """
    eighths = np.floor(cosines(blocks) * np.float32(8) + _ROUNDED_BY)
    whole = np.trunc(eighths / np.float32(8))
    steps = np.array(table, np.float32).reshape(8, 8)
    return np.asarray(np.sign(whole) * np.floor(np.abs(whole) / steps + np.float32(0.5)), dtype=np.int32)


_ROUNDED_BY = np.array([[1 / 2], [1 / 32]] * 4, np.float32)


def _in_rgb(luma: Levels, blue: Levels, red: Levels) -> Image.Image:
    """Turn luma and chroma into RGB as libjpeg does (`jdcolor.c`)."""
    found = np.empty((*luma.shape, 3), np.uint8)
    for top in range(0, len(luma), _STRIP):
        rows = slice(top, top + _STRIP)
        y = luma[rows].astype(np.int16)
        green = (_BLUE_IN_GREEN[blue[rows]] + _RED_IN_GREEN[red[rows]]) >> 16
        for band, more in enumerate((_RED[red[rows]], green.astype(np.int16), _BLUE[blue[rows]])):
            found[rows, :, band] = np.clip(y + more, 0, 255)
    return Image.fromarray(found)


_AWAY = np.arange(256) - 128
_RED, _BLUE = (((round(by * _UNIT) * _AWAY + _UNIT // 2) >> 16).astype(np.int16) for by in (1.402, 1.772))
_RED_IN_GREEN = (-round(0.71414 * _UNIT) * _AWAY).astype(np.int32)
_BLUE_IN_GREEN = (-round(0.34414 * _UNIT) * _AWAY + _UNIT // 2).astype(np.int32)
"""What chroma adds to red, green and blue, 65536ths in green."""


def _fixed(*rows: tuple[int, int, int]) -> Floats:
    return np.array(rows, np.float32) / np.float32(_UNIT)


_LIBJPEG = _fixed((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
_HALF_AND_LESS = _fixed((32768, (128 << 16) + 32767, (128 << 16) + 32767))[0]

_ENCODERS = (
    Encoder("stored by a fast cosine transform", _LIBJPEG, _HALF_AND_LESS, _fast),
    Encoder(
        "stored as Go does",
        _fixed((19595, 38470, 7471), (-11056, -21712, 32768), (32768, -27440, -5328)),
        _fixed((32768, 257 << 15, 257 << 15))[0],
        even=True,
        samplings=(2,),
    ),
    Encoder("stored as Rust's image crate does", JFIF, JFIF_OFFSET, _cut_off, samplings=(0,)),
)
