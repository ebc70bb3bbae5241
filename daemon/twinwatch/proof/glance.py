"""The cheap look before the full decode: which way round are they, and can they be copies of each other at all?

Both pictures are averaged down to a few hundred pixels, where scalers and codecs hardly differ, and compared tile by
tile. Most look-alikes end here, at the cost of decoding an eighth of each JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.imaging.fingerprint import fingerprint, oriented
from twinwatch.imaging.header import header
from twinwatch.imaging.source import named_errors, opened
from twinwatch.photo import Header
from twinwatch.proof.picture import Picture, decode, loaded
from twinwatch.proof.scaling import posterised

Plane = NDArray[np.float32]

_SIDE = 64  # of the miniatures that tell the orientation, pixels
_SKETCH = 480  # long side that a decoder is asked for at least, pixels
_COARSE = 360  # long side of the coarse pictures, pixels: at 240 one frame in eight of a shaken burst passed for a copy
_COARSE_PALETTE = 240  # the same where a palette of few colours must average out
_SHARE = 0.5  # of the smaller picture's size: what the scaler did is averaged out
_TILE = 4  # coarse pixels
_RIVAL = 1.5  # a second orientation is tried when it is this much worse at most (symmetrical pictures)

# Measured on 1,500 copies of 16 photos by 60 kinds of software and 560 look-alikes (4 sources), as `Glance` tells it:
# copies tile <= 3.8 and pixel <= 7.0; with a palette of 256 colours <= 8.7 and 10.3; video frames 41 and 38 or more,
# other shots of a shelf 9.2 and 5.2 or more.
_MOST_TILE, _MOST_PIXEL = 5.0, 10.0
_MOST_TILE_PALETTE, _MOST_PIXEL_PALETTE = 14.0, 18.0

_SHADOW = 64  # grey levels: darker, light that is kept in eight bits (`scaling.posterised`) differs by more than this
_DETAIL = 4.0  # luma deviation in a tile, grey levels: with less it could belong to any picture
_DETAILED_TILES = 16
_DETAILED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Sketch:
    """One side, decoded as cheaply as its codec can.

    `image` is RGB in stored orientation, of 480 pixels along or more (all of a small picture), mid-grey where it is
    see-through; `extent` is the part of it that shows the picture: the last pixels of an eighth of a JPEG may lie half
    outside. `picture` is the full decode where there was no cheaper one.
    """

    data: bytes
    header: Header
    image: Image.Image
    extent: tuple[float, float]
    picture: Picture | None

    def full(self) -> Picture:
        """Return the full decode; raise UnreadableError."""
        return decode(self.data) if self.picture is None else self.picture

    def small(self, size: tuple[int, int], how: Image.Resampling, turn: int = 1) -> Image.Image:
        """Return a miniature of this size as RGB: the upright picture, turned by the EXIF orientation `turn`."""
        across = (turn >= 5) != (self.header.orientation >= 5)
        shrunk = self.image.resize(size[::-1] if across else size, how, box=(0, 0, *self.extent), reducing_gap=3.0)
        return oriented(oriented(shrunk, self.header.orientation), turn)


def sketch(data: bytes) -> Sketch:
    """Sketch the first frame; raise UnreadableError when it cannot be decoded."""
    with named_errors(data):
        image = opened(data)
        found = header(image, data)
        longer = max(found.width, found.height)
        image.draft("RGB", (_SKETCH * found.width // longer, _SKETCH * found.height // longer))
        if image.size == (found.width, found.height):
            picture = loaded(image, found, data)
            rgb, scale = picture.rgb(128), 1
            while min(rgb.size) >= 2 * _SKETCH:
                rgb, scale = rgb.reduce(2), scale * 2
        else:
            picture = None
            # libjpeg scales down by 2, 4 or 8 and rounds the size up.
            scale = next(s for s in (2, 4, 8) if -(-found.width // s) == image.width)
            rgb = image.convert("RGB")
        return Sketch(data, found, rgb, (found.width / scale, found.height / scale), picture)


@dataclass(frozen=True, slots=True)
class Glance:
    """What a glance at two sketches told.

    `bits` is the least pHash distance over the eight orientations, `mean` the mean difference of the 64x64 miniatures
    in grey levels, `transforms` the orientations that turn upright a into upright b, the best first and only those
    worth trying. `tile` and `pixel` are the worst of the coarse pictures as multiples of what detail there excuses.
    `informative` tells whether both have enough detail for a re-creation to prove anything: black frames and fog have
    not, nor has a night's noise, which averages out. `at` is the worst tile's corner (x, y) in pixels of upright b.
    """

    bits: int
    mean: float
    transforms: tuple[int, ...]
    tile: float
    pixel: float
    at: tuple[int, int]
    informative: bool

    def refuses(self, *, palette: bool) -> bool:
        """Tell whether these cannot be copies; `palette`: one was reduced to 256 colours or fewer."""
        if palette:
            return self.tile > _MOST_TILE_PALETTE or self.pixel > _MOST_PIXEL_PALETTE
        return self.tile > _MOST_TILE or self.pixel > _MOST_PIXEL


def glance(a: Sketch, b: Sketch) -> Glance:
    """Compare two sketches."""
    ranked = _orientations(a, b)
    mean, best = ranked[0]
    rivals = sorted((k for m, k in ranked[:2] if m <= mean + _RIVAL), key=lambda k: k != 1)
    size = _coarse_size(a.header, b.header, best)
    ours, theirs = _coarse(a, size, best), _coarse(b, size, 1)
    tile, pixel = _apart(ours, theirs)
    if tile.max() > _MOST_TILE and min(plane.flat[tile.argmax()] for plane in map(_tiles, (ours, theirs))) < _SHADOW:
        if a.header.pixels >= b.header.pixels:
            again = _apart(_coarse(replace(a, image=posterised(a.image)), size, best), theirs)
        else:
            again = _apart(ours, _coarse(replace(b, image=posterised(b.image)), size, 1))
        tile, pixel = min((tile, pixel), again, key=lambda apart: float(apart[0].max()))
    row, column = (int(i) for i in np.unravel_index(int(tile.argmax()), tile.shape))
    scale = b.header.upright[0] / size[0]
    return Glance(
        bits=_distance_in_bits(a, b),
        mean=round(mean, 2),
        transforms=tuple(rivals),
        tile=round(float(tile.max()), 2),
        pixel=round(float(pixel.max()), 2),
        at=(round(column * _TILE * scale), round(row * _TILE * scale)),
        informative=_informative(ours) and _informative(theirs),
    )


def _coarse(side: Sketch, size: tuple[int, int], turn: int) -> Plane:
    return np.asarray(side.small(size, Image.Resampling.BOX, turn).convert("L")).astype(np.float32)


def _apart(ours: Plane, theirs: Plane) -> tuple[Plane, Plane]:
    """Return by how much tiles and pixels differ, as multiples of what detail there excuses."""
    difference, detail = ours - theirs, np.minimum(_range(ours), _range(theirs))
    return np.abs(_tiles(difference)) / (2 + 0.1 * _tiles(detail)), np.abs(difference) / (4 + 0.35 * detail)


def _orientations(a: Sketch, b: Sketch) -> list[tuple[float, int]]:
    """Return (mean difference in grey levels, orientation) of the miniatures, best orientation first."""
    ours, theirs = (_miniature(side).convert("YCbCr") for side in (a, b))
    wanted = np.asarray(theirs).astype(np.int16)
    return sorted(
        (float(np.abs(np.asarray(oriented(ours, k)).astype(np.int16) - wanted).mean()), k) for k in range(1, 9)
    )


def _miniature(side: Sketch) -> Image.Image:
    return side.small((_SIDE, _SIDE), Image.Resampling.BILINEAR)


def _distance_in_bits(a: Sketch, b: Sketch) -> int:
    hashes, wanted = fingerprint(_miniature(a), "").hashes, fingerprint(_miniature(b), "").hashes[0]
    return min((h ^ wanted).bit_count() for h in hashes)


def _coarse_size(a: Header, b: Header, turn: int) -> tuple[int, int]:
    """Return the size at which both are compared: half the smaller picture, at most so many pixels long."""
    width, height = b.upright if b.pixels <= a.pixels else a.upright if turn < 5 else a.upright[::-1]
    most = _COARSE_PALETTE if "P" in (a.mode, b.mode) else _COARSE
    share = min(_SHARE, most / max(width, height))
    return max(2 * _TILE, round(width * share)), max(2 * _TILE, round(height * share))


def _range(luma: Plane) -> Plane:
    """Return for every pixel how far its 3x3 neighbourhood reaches, in grey levels."""
    around = np.pad(luma, 1, mode="edge")
    height, width = luma.shape
    shifted = np.stack([around[y : y + height, x : x + width] for y in range(3) for x in range(3)])
    return np.asarray(shifted.max(axis=0) - shifted.min(axis=0))


def _tiles(plane: Plane) -> Plane:
    """Return the means of whole tiles."""
    height, width = (length // _TILE * _TILE for length in plane.shape)
    whole = plane[:height, :width].reshape(height // _TILE, _TILE, width // _TILE, _TILE)
    return np.asarray(whole.mean(axis=(1, 3)))


def _informative(luma: Plane) -> bool:
    spread = np.sqrt(np.maximum(_tiles(luma * luma) - np.square(_tiles(luma)), 0))
    return int((spread >= _DETAIL).sum()) >= max(_DETAILED_TILES, _DETAILED_SHARE * spread.size)
