"""The cheap look before the full decode: which way round are they, and can they be copies of each other at all?

Both pictures are averaged down to a few hundred pixels, where scalers and codecs hardly differ, and compared tile by
tile. Most look-alikes end here, at the cost of decoding an eighth of each JPEG.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.imaging.fingerprint import fingerprint, oriented
from twinwatch.imaging.header import header, profile_of
from twinwatch.imaging.jpeg import Layout, is_jpeg, layout
from twinwatch.imaging.source import named_errors, opened
from twinwatch.photo import Header, PerceptualHash
from twinwatch.proof.picture import Picture, as_rgb, decode, loaded, with_profile
from twinwatch.proof.scaling import posterised

Plane = NDArray[np.float32]
Levels = NDArray[np.uint8]

_SIDE = 64  # of the miniatures that tell the orientation, pixels
_SKETCH = 480  # long side that a decoder is asked for at least, pixels
_COARSE = 420  # long side of the coarse pictures, pixels: at 240 one frame in eight of a shaken burst passed for a copy
_COARSE_PALETTE = 240  # the same where a palette of few colours must average out
_SHARE = 0.5  # of the smaller picture's size: what the scaler did is averaged out
_TILE = 4  # coarse pixels
_RIVAL = 1.5  # a second orientation is tried when it is this much worse at most (symmetrical pictures)

# Measured on 1,900 copies of 12 photos by 60 kinds of software and 560 look-alikes (4 sources), as `Glance` tells it:
# copies tile <= 5.1 and pixel <= 9.5 (small type in the picture); with a palette of 256 colours <= 8.7 and 10.3; video
# frames 41 and 38 or more, other shots of a shelf 9.2 and 5.2 or more.
_MOST_TILE, _MOST_PIXEL = 5.2, 10.0
_MOST_TILE_PALETTE, _MOST_PIXEL_PALETTE = 14.0, 18.0

_SHADOW = 64  # grey levels: darker, light that is kept in eight bits (`scaling.posterised`) differs by more than this
_DETAIL = 4.0  # luma deviation in a tile, grey levels: with less it could belong to any picture
_DETAILED_TILES = 16
_DETAILED_SHARE = 0.01


_KEPT = 8  # sketches of the files that were compared last: of a burst each frame is compared with the same few
_KEPT_BYTES = 32 << 20  # of their files and pixels together


@dataclass(frozen=True, slots=True)
class Coarse:
    """What is compared tile by tile: luma, how far each pixel's neighbours reach, and whether it has detail enough."""

    luma: Levels
    reach: Levels
    informative: bool


@dataclass(frozen=True, eq=False)
class Sketch:
    """One side, decoded as cheaply as its codec can.

    `image` is RGB in stored orientation, of 480 pixels along or more (all of a small picture), mid-grey where it is
    see-through; `extent` is the part of it that shows the picture: the last pixels of an eighth of a JPEG may lie half
    outside. `where` is the layout of a JPEG, `picture` the full decode where there was no cheaper one.
    """

    data: bytes
    where: Layout | None
    header: Header
    image: Image.Image
    extent: tuple[float, float]
    picture: Picture | None
    _coarse: dict[tuple[tuple[int, int], int], Coarse] = field(default_factory=dict)

    def full(self) -> Picture:
        """Return the full decode; raise UnreadableError."""
        return decode(self.data) if self.picture is None else self.picture

    def small(self, size: tuple[int, int], how: Image.Resampling, turn: int = 1) -> Image.Image:
        """Return a miniature of this size as RGB: the upright picture, turned by the EXIF orientation `turn`."""
        across = (turn >= 5) != (self.header.orientation >= 5)
        shrunk = self.image.resize(size[::-1] if across else size, how, box=(0, 0, *self.extent), reducing_gap=3.0)
        return oriented(oriented(shrunk, self.header.orientation), turn)

    @cached_property
    def miniature(self) -> Image.Image:
        """The upright picture at 64x64, RGB."""
        return self.small((_SIDE, _SIDE), Image.Resampling.BILINEAR)

    @cached_property
    def hashes(self) -> tuple[PerceptualHash, ...]:
        """The perceptual hashes of the miniature in the eight orientations."""
        return fingerprint(self.miniature, "").hashes

    def coarse(self, size: tuple[int, int], turn: int) -> Coarse:
        """Return the upright picture, turned by the EXIF orientation `turn`, at this size; the last one is kept."""
        if (size, turn) not in self._coarse:
            luma = np.asarray(self.small(size, Image.Resampling.HAMMING, turn).convert("YCbCr").getchannel(0))
            self._coarse.clear()
            self._coarse[size, turn] = Coarse(luma, _range(luma), _informative(luma))
        return self._coarse[size, turn]

    def shown(self) -> Sketch:
        """Return the sketch in the colours that its profile shows, as sRGB."""
        profile = profile_of(self.image) if self.picture is None else self.picture.profile
        return replace(self, image=with_profile(self.image, profile, None), _coarse={})

    @property
    def weight(self) -> int:
        """The bytes of memory that it takes, but for a full decode."""
        return len(self.data) + 3 * self.image.width * self.image.height


class Sketches:
    """Makes sketches, and remembers the last few: the same bytes give the same sketch."""

    def __init__(self) -> None:
        self._last: deque[Sketch] = deque()  # the one used last in front

    def of(self, data: bytes) -> Sketch:
        """Return the sketch of a file; raise UnreadableError when it cannot be decoded."""
        known = next((sketch for sketch in self._last if sketch.data == data), None)
        if known is not None:
            self._last.remove(known)
        found = known or sketch(data)
        if found.picture is None:  # else it would be large, and what a proof does with it is not for the next
            self._last.appendleft(found)
            while len(self._last) > _KEPT or sum(one.weight for one in self._last) > _KEPT_BYTES:
                self._last.pop()
        return found


def sketch(data: bytes) -> Sketch:
    """Sketch the first frame; raise UnreadableError when it cannot be decoded."""
    with named_errors(data):
        where = layout(data) if is_jpeg(data) else None  # a search through all of it: once
        image = opened(data, where)
        found = header(image, data, where)
        longer = max(found.width, found.height)
        image.draft("RGB", (_SKETCH * found.width // longer, _SKETCH * found.height // longer))
        if image.size == (found.width, found.height):
            picture = loaded(image, found, data)
            rgb, scale = picture.rgb(128), 1
            while max(rgb.size) >= 2 * _SKETCH:
                rgb, scale = rgb.reduce(2), scale * 2
        else:
            picture = None
            # libjpeg scales down by 2, 4 or 8 and rounds the size up.
            scale = next(s for s in (2, 4, 8) if -(-found.width // s) == image.width)
            image.load()
            rgb = as_rgb(image)
        return Sketch(data, where, found, rgb, (found.width / scale, found.height / scale), picture)


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
    ours, theirs = a.coarse(size, best), b.coarse(size, 1)
    tile, pixel = _apart(ours, theirs)
    if tile.max() > _MOST_TILE and min(_tiles(one.luma).flat[tile.argmax()] for one in (ours, theirs)) < _SHADOW:
        if a.header.pixels >= b.header.pixels:
            again = _apart(_in_eight_bits(a).coarse(size, best), theirs)
        else:
            again = _apart(ours, _in_eight_bits(b).coarse(size, 1))
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
        informative=ours.informative and theirs.informative,
    )


def _apart(ours: Coarse, theirs: Coarse) -> tuple[Plane, Plane]:
    """Return by how much tiles and pixels differ, as multiples of what detail there excuses."""
    difference = ours.luma.astype(np.float32) - theirs.luma
    detail = np.minimum(ours.reach, theirs.reach).astype(np.float32)
    return np.abs(_tiles(difference)) / (2 + 0.1 * _tiles(detail)), np.abs(difference) / (4 + 0.35 * detail)


def _in_eight_bits(side: Sketch) -> Sketch:
    return replace(side, image=posterised(side.image), _coarse={})


def _orientations(a: Sketch, b: Sketch) -> list[tuple[float, int]]:
    """Return (mean difference in grey levels, orientation) of the miniatures, best orientation first."""
    ours, theirs = (np.asarray(side.miniature.convert("YCbCr")).astype(np.int16) for side in (a, b))
    return sorted((float(np.abs(turned - theirs).mean()), k) for k, turned in enumerate(_turned(ours), 1))


def _turned(pixels: NDArray[np.int16]) -> tuple[NDArray[np.int16], ...]:
    """Return the square picture as the eight orientations show it: `fingerprint.TRANSPOSES`, on an array."""
    across, down = pixels[:, ::-1], pixels[::-1]
    sideways = pixels.transpose(1, 0, 2)
    return (
        *(pixels, across, pixels[::-1, ::-1], down),
        *(sideways, down.transpose(1, 0, 2), sideways[::-1, ::-1], across.transpose(1, 0, 2)),
    )


def _distance_in_bits(a: Sketch, b: Sketch) -> int:
    return min((h ^ b.hashes[0]).bit_count() for h in a.hashes)


def _coarse_size(a: Header, b: Header, turn: int) -> tuple[int, int]:
    """Return the size at which both are compared: half the smaller picture, at most so many pixels long."""
    width, height = b.upright if b.pixels <= a.pixels else a.upright if turn < 5 else a.upright[::-1]
    most = _COARSE_PALETTE if "P" in (a.mode, b.mode) else _COARSE
    share = min(_SHARE, most / max(width, height))
    return max(2 * _TILE, round(width * share)), max(2 * _TILE, round(height * share))


def _range(luma: Levels) -> Levels:
    """Return for every pixel how far its 3x3 neighbourhood reaches, in grey levels."""
    around = np.pad(luma, 1, mode="edge")
    high, low = (of(of(around[:-2], around[1:-1]), around[2:]) for of in (np.maximum, np.minimum))
    return np.asarray(
        np.maximum(np.maximum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
        - np.minimum(np.minimum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    )


def _tiles(plane: Plane | Levels) -> Plane:
    """Return the means of whole tiles: exact, of whole grey levels and of their squares."""
    height, width = (length // _TILE * _TILE for length in plane.shape)
    rows = plane[:height, :width].reshape(height // _TILE, _TILE, width).sum(axis=1)
    return np.asarray(sum(rows[:, place::_TILE] for place in range(_TILE)) / np.float32(_TILE**2))


def _informative(levels: Levels) -> bool:
    luma = levels.astype(np.float32)
    spread = np.sqrt(np.maximum(_tiles(luma * luma) - np.square(_tiles(luma)), 0))
    return int((spread >= _DETAIL).sum()) >= max(_DETAILED_TILES, _DETAILED_SHARE * spread.size)
