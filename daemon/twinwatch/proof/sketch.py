"""One side of a proof as a look at it finds it: decoded at the least size that its codec offers, and no bytes kept."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.imaging.fingerprint import fingerprint, oriented
from twinwatch.imaging.header import header, profile_of
from twinwatch.imaging.jpeg import Layout, is_jpeg, layout
from twinwatch.imaging.source import DRAFT, ask_small, named_errors, opened
from twinwatch.photo import Header, PerceptualHash
from twinwatch.proof.exposure import Eighths, fine_detail, reach
from twinwatch.proof.picture import JpegTables, Picture, as_rgb, loaded, tables_of, with_profile

Plane = NDArray[np.float32]
Levels = NDArray[np.uint8]

TILE = 4
"""Width and height of a tile, in pixels of a coarse picture."""

MOST_COARSE = 420
"""Long side of the coarse pictures, pixels: at 240 one frame in eight of a shaken burst passed for a copy."""

COARSE_WEIGHT = 3 * MOST_COARSE**2
"""Bytes of memory that a coarse picture of 4:3 takes: luma and reach, a byte a pixel, and fine detail, two."""

SIDE = 64
"""Of the miniatures that tell the orientation, pixels."""

FINE = 25.0
"""Mean luma step of a JPEG's tables (quality 77): with less all of a picture's grain must be there."""

_WIDE = {"B": np.uint16, "H": np.uint32}
_DETAIL = 4.0  # luma deviation in a tile, grey levels: with less it could belong to any picture
_DETAILED_TILES = 16
_DETAILED_SHARE = 0.01


@dataclass(frozen=True)
class Coarse:
    """What is compared tile by tile: luma, its tiles' means, and how far each pixel's neighbours reach."""

    luma: Levels
    tiles: Plane
    reach: Levels

    @cached_property
    def informative(self) -> bool:
        """Tell whether it has detail enough for a re-creation to prove anything."""
        return _informative(self.luma, self.tiles)

    @cached_property
    def fine(self) -> Eighths:
        """What each pixel differs from its neighbours, in eighths of a level (`exposure.fine_detail`)."""
        return fine_detail(self.luma)


class Look(Protocol):
    """A picture that can be compared at a size much smaller than its own."""

    @property
    def header(self) -> Header:
        """Return what the file says of itself."""

    @property
    def where(self) -> Layout | None:
        """Return the layout of a JPEG."""

    @property
    def longer(self) -> float:
        """Return its long side, in pixels that it has here."""

    @property
    def hashes(self) -> tuple[PerceptualHash, ...]:
        """Return its perceptual hashes in the eight orientations."""

    @property
    def outline(self) -> Levels:
        """Return luma of the upright picture at 64x64."""

    @property
    def is_fine(self) -> bool:
        """Tell whether it was stored so well, as far as its file tells, that all of its grain must be there."""

    def coarse(self, size: tuple[int, int], turn: int) -> Coarse:
        """Return the upright picture, turned by the EXIF orientation `turn`, at this size."""


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

    @property
    def longer(self) -> float:
        """Return its long side, in pixels that it has here."""
        return max(self.extent)

    def small(self, size: tuple[int, int], how: Image.Resampling, turn: int = 1, *, luma: bool = False) -> Image.Image:
        """Return a miniature of this size, RGB or luma: the upright picture, turned by the EXIF orientation `turn`."""
        image = self.image.convert("YCbCr").getchannel(0) if luma else self.image
        return shrunk(image, self.extent, self.header.orientation, size, how, turn)

    @property
    def is_fine(self) -> bool:
        """Tell whether it was stored so well, as far as its file tells, that all of its grain must be there."""
        if self.tables is not None:
            return self.tables.coarseness <= FINE
        return self.picture is not None and self.picture.known_storage

    @cached_property
    def miniature(self) -> Image.Image:
        """The upright picture at 64x64, RGB."""
        return self.small((SIDE, SIDE), Image.Resampling.BILINEAR)

    @cached_property
    def hashes(self) -> tuple[PerceptualHash, ...]:
        """The perceptual hashes of the miniature in the eight orientations."""
        return fingerprint(self.miniature, "").hashes

    @cached_property
    def outline(self) -> Levels:
        """Luma of the miniature."""
        return np.asarray(self.miniature.convert("YCbCr").getchannel(0))

    def coarse(self, size: tuple[int, int], turn: int) -> Coarse:
        """Return the upright picture, turned by the EXIF orientation `turn`, at this size; the last one is kept."""
        if (size, turn) not in self._coarse:
            self._coarse.clear()
            self._coarse[size, turn] = coarse(np.asarray(self.small(size, Image.Resampling.HAMMING, turn, luma=True)))
        return self._coarse[size, turn]

    def shown(self) -> Sketch:
        """Return the sketch in the colours that its profile shows, as sRGB."""
        profile = profile_of(self.image) if self.picture is None else self.picture.profile
        return replace(self, image=with_profile(self.image, profile, None), _coarse={})

    @property
    def weight(self) -> int:
        """The bytes of memory that it takes, but for a full decode: RGB pixels, and the coarse picture's."""
        return 3 * self.image.width * self.image.height + COARSE_WEIGHT


def sketch(data: bytes) -> Sketch:
    """Sketch the first frame; raise UnreadableError when it cannot be decoded."""
    with named_errors(data):
        where = layout(data) if is_jpeg(data) else None  # a search through all of it: once
        image = opened(data, where)
        found = header(image, data, where)
        tables = tables_of(image)
        scale = ask_small(image, found, "RGB")
        picture: Picture | None = None
        if image.size == (found.width, found.height):
            picture = loaded(image, found, data)
            rgb = picture.rgb(128)
            part = 1 << max(0, (max(rgb.size) // DRAFT).bit_length() - 1)
            if part > 1:
                rgb, scale = rgb.reduce(part), scale * part
        else:
            image.load()
            rgb = as_rgb(image)
        return Sketch(where, tables, found, rgb, (found.width / scale, found.height / scale), picture)


def shrunk(
    image: Image.Image,
    extent: tuple[float, float],
    orientation: int,
    size: tuple[int, int],
    how: Image.Resampling,
    turn: int = 1,
) -> Image.Image:
    """Return what a picture in stored orientation shows within its extent, upright and turned by `turn`, at a size."""
    across = (turn >= 5) != (orientation >= 5)
    small = image.resize(size[::-1] if across else size, how, box=(0, 0, *extent), reducing_gap=3.0)
    return oriented(oriented(small, orientation), turn)


def coarse(luma: Levels) -> Coarse:
    """Return what luma of any size tells tile by tile."""
    tiles = tiles_of(luma)
    return Coarse(luma, tiles, reach(luma))


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
