"""One side of a proof as a look at it finds it: decoded at the least size that its codec offers, and no bytes kept.

A sketch is a function of the file's bytes alone, so those of the files that were compared last are remembered: of a
burst each frame is compared with the same few.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from PIL import Image

from twinwatch.imaging.fingerprint import fingerprint, oriented
from twinwatch.imaging.header import header, profile_of
from twinwatch.imaging.jpeg import Layout, is_jpeg, layout
from twinwatch.imaging.source import named_errors, opened
from twinwatch.photo import Header, PerceptualHash
from twinwatch.proof.exposure import Eighths, fine_detail, reach
from twinwatch.proof.picture import JpegTables, Picture, as_rgb, loaded, tables_of, unloaded, with_profile

Plane = NDArray[np.float32]
Levels = NDArray[np.uint8]

TILE = 4
"""Width and height of a tile, in pixels of a coarse picture."""

MOST_COARSE = 420
"""Long side of the coarse pictures, pixels: at 240 one frame in eight of a shaken burst passed for a copy."""

_WIDE = {"B": np.uint16, "H": np.uint32}
_SIDE = 64  # of the miniatures that tell the orientation, pixels
_SKETCH = 480  # long side that a decoder is asked for at least, pixels
_FINE = 25.0  # mean luma step of a JPEG's tables (quality 77): with less all of a picture's grain must be there
_DETAIL = 4.0  # luma deviation in a tile, grey levels: with less it could belong to any picture
_DETAILED_TILES = 16
_DETAILED_SHARE = 0.01
_KEPT = 48  # sketches, of the files that were compared last
_KEPT_BYTES = 32 << 20  # of their pixels together


@dataclass(frozen=True, slots=True)
class Coarse:
    """What is compared tile by tile: luma, its tiles' means, how far each pixel's neighbours reach, and whether it has
    detail enough.
    """

    luma: Levels
    tiles: Plane
    reach: Levels
    informative: bool

    @property
    def fine(self) -> Eighths:
        """What each pixel differs from its neighbours, in eighths of a level (`exposure.fine_detail`)."""
        return fine_detail(self.luma)


@dataclass(frozen=True, eq=False)
class Sketch:
    """One side, decoded as cheaply as its codec can.

    `image` is RGB in stored orientation, of 480 pixels along or more (all of a small picture), mid-grey where it is
    see-through; `extent` is the part of it that shows the picture: the last pixels of an eighth of a JPEG may lie half
    outside. `where` is the layout of a JPEG, `tables` are its steps, `picture` the full decode where there was no
    cheaper one.
    """

    where: Layout | None
    tables: JpegTables | None
    header: Header
    image: Image.Image
    extent: tuple[float, float]
    picture: Picture | None
    _coarse: dict[tuple[tuple[int, int], int], Coarse] = field(default_factory=dict)

    def full(self, data: bytes) -> Picture:
        """Return the whole, decoded when its pixels are first asked for; raise UnreadableError. `data` is the file."""
        return unloaded(opened(data, self.where), self.header, data) if self.picture is None else self.picture

    def small(self, size: tuple[int, int], how: Image.Resampling, turn: int = 1, *, luma: bool = False) -> Image.Image:
        """Return a miniature of this size, RGB or luma: the upright picture, turned by the EXIF orientation `turn`."""
        across = (turn >= 5) != (self.header.orientation >= 5)
        image = self.image.convert("YCbCr").getchannel(0) if luma else self.image
        shrunk = image.resize(size[::-1] if across else size, how, box=(0, 0, *self.extent), reducing_gap=3.0)
        return oriented(oriented(shrunk, self.header.orientation), turn)

    @property
    def is_fine(self) -> bool:
        """Tell whether it was stored so well, as far as its file tells, that all of its grain must be there."""
        if self.tables is not None:
            return self.tables.coarseness <= _FINE
        return self.picture is not None and self.picture.known_storage

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
            luma = np.asarray(self.small(size, Image.Resampling.HAMMING, turn, luma=True))
            self._coarse.clear()
            tiles = tiles_of(luma)
            self._coarse[size, turn] = Coarse(luma, tiles, reach(luma), _informative(luma, tiles))
        return self._coarse[size, turn]

    def shown(self) -> Sketch:
        """Return the sketch in the colours that its profile shows, as sRGB."""
        profile = profile_of(self.image) if self.picture is None else self.picture.profile
        return replace(self, image=with_profile(self.image, profile, None), _coarse={})

    @property
    def weight(self) -> int:
        """The bytes of memory that it takes, but for a full decode: RGB pixels, and the coarse picture's."""
        return 3 * self.image.width * self.image.height + 2 * MOST_COARSE**2


class Sketches:
    """Makes sketches, and remembers the last few: the same bytes give the same sketch."""

    def __init__(self) -> None:
        self._last: OrderedDict[bytes, Sketch] = OrderedDict()  # by the content digest, the one used last at the end
        self._weight = 0  # of all of them

    def of(self, data: bytes) -> Sketch:
        """Return the sketch of a file; raise UnreadableError when it cannot be decoded."""
        key = blake3(data).digest()
        if key in self._last:
            self._last.move_to_end(key)
            return self._last[key]
        found = sketch(data)
        if found.picture is None:  # else it would be large, and what a proof does with it is not for the next
            self._last[key] = found
            self._weight += found.weight
            while len(self._last) > _KEPT or self._weight > _KEPT_BYTES:
                _, oldest = self._last.popitem(last=False)
                self._weight -= oldest.weight
        return found


def sketch(data: bytes) -> Sketch:
    """Sketch the first frame; raise UnreadableError when it cannot be decoded."""
    with named_errors(data):
        where = layout(data) if is_jpeg(data) else None  # a search through all of it: once
        image = opened(data, where)
        found = header(image, data, where)
        tables, longer = tables_of(image), max(found.width, found.height)
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
        return Sketch(where, tables, found, rgb, (found.width / scale, found.height / scale), picture)


def tiles_of(plane: NDArray[Any]) -> Plane:
    """Return the means of whole tiles: exact, of whole grey levels and of their squares.

    Whole numbers are added up as such, in the next wider type where a tile's sum may not fit.
    """
    height, width = (length // TILE * TILE for length in plane.shape)
    wide = plane[:height, :width].astype(_WIDE.get(plane.dtype.char, plane.dtype), copy=False)
    across = functools.reduce(np.add, (wide[place::TILE] for place in range(TILE)))
    sums = functools.reduce(np.add, (across[:, place::TILE] for place in range(TILE)))
    return np.asarray(sums.astype(np.float32, copy=False) / np.float32(TILE**2))


def _informative(levels: Levels, tiles: Plane) -> bool:
    squares = np.square(levels, dtype=np.uint16)
    spread = np.sqrt(np.maximum(tiles_of(squares) - np.square(tiles), 0))
    return int((spread >= _DETAIL).sum()) >= max(_DETAILED_TILES, _DETAILED_SHARE * spread.size)
