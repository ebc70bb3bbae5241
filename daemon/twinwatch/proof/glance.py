"""The cheap look before the full decode: which way round are they, and can they be copies of each other at all?

Both pictures are averaged down to a few hundred pixels, where scalers and codecs hardly differ, and compared tile by
tile. Most look-alikes end here, at the cost of decoding an eighth of each JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.photo import Header
from twinwatch.proof.exposure import kinship
from twinwatch.proof.scaling import posterised
from twinwatch.proof.sketch import MOST_COARSE, TILE, Coarse, Levels, Look, Plane, Sketch, tiles_of

_COARSE_PALETTE = 240  # long side of the coarse pictures where a palette of few colours must average out, pixels
_SHARE = 0.5  # of the smaller picture's size: what the scaler did is averaged out
_FAR_OUTLINE = 14.0  # grey levels between outlines: of other pictures
_RIVAL = 1.5  # a second orientation is tried when it is this much worse at most (symmetrical pictures)

# Measured on 1,900 copies of 12 photos by 60 kinds of software and 560 look-alikes (4 sources), as `Glance` tells it:
# copies tile <= 5.1 and pixel <= 9.5 (small type in the picture), by scalers that pick pixels up to 8.6 and 14.3; with
# a palette of 256 colours <= 8.7 and 10.3; video frames 41 and 38 or more, other shots of a shelf 9.2 and 5.2 or more.
_MOST = (5.2, 10.0)
_MOST_SCALED = (9.0, 16.0)
_MOST_PALETTE = (14.0, 18.0)

# Measured as `exposure.kinship` on 5,500 copies, where they have grain: 0.28 or more, stored coarsely or scaled by
# dropped pixels; 1,290 of one size, finely stored and as grainy, 0.6, but for four that were below quality 55 before:
# 0.50 to 0.53. So has the next shot that was stored as coarsely: those cannot be told. Other shots from a tripod, at
# night or in a burst: -0.05 to 0.8.
_LEAST_KIN, _LEAST_KIN_FINE = 0.25, 0.6
_AS_STRONG = 0.5  # share of the other's grain
_CALM = 16  # grey levels that a neighbourhood reaches in the coarse picture: beyond is an edge, which both shots have

_PIXEL = 4  # grey levels by which a pixel may differ where there is no detail
_SHADOW = 64  # grey levels: darker, light that is kept in eight bits (`scaling.posterised`) differs by more than this


@dataclass(frozen=True, slots=True)
class Glance:
    """What a glance at two sketches told.

    `bits` is the least pHash distance over the eight orientations, `mean` the mean difference of the 64x64 miniatures
    in grey levels (of Y, Cb and Cr where they are `coloured`, else of luma), `transforms` the orientations that turn
    upright a into upright b, the best first and only those worth trying. `tile` and `pixel` are the worst of the coarse
    pictures as multiples of what detail there excuses. `apart` tells that these differ by more than any copy, and
    `kinship` is the correlation of their grain, with the least that a copy has (`exposure.kinship`; 1 where they are
    apart anyway). `informative` tells whether both, where they are not apart, have enough detail for a re-creation to
    prove anything: black frames and fog have not, nor has a night's noise, which averages out. `at` is the worst tile's
    corner (x, y) in pixels of upright b.
    """

    bits: int
    mean: float
    transforms: tuple[int, ...]
    tile: float
    pixel: float
    at: tuple[int, int]
    informative: bool
    apart: bool
    kinship: tuple[float, float]
    coloured: bool

    @property
    def two_shots(self) -> bool:
        """Tell whether these are two exposures: each has a grain of its own."""
        return self.kinship[0] < self.kinship[1]


def glance(a: Sketch, b: Sketch) -> Glance:
    """Compare two sketches."""
    ranked = _orientations(*(_channels(side.miniature.convert("YCbCr")) for side in (a, b)))
    mean, best = ranked[0]
    rivals = sorted((k for m, k in ranked[:2] if m <= mean + _RIVAL), key=lambda k: k != 1)
    size = _coarse_size(a.header, b.header, best)
    ours, theirs = a.coarse(size, best), b.coarse(size, 1)
    tile, pixel = _apart(ours, theirs)
    most = _most(a.header, b.header)
    if tile.max() > most[0] >= tile.max(where=~_dark(ours, theirs), initial=0):
        if a.header.pixels >= b.header.pixels:
            again = _apart(_in_eight_bits(a).coarse(size, best), theirs)
        else:
            again = _apart(ours, _in_eight_bits(b).coarse(size, 1))
        tile, pixel = min((tile, pixel), again, key=lambda apart: float(apart[0].max()))
    return _told(a, b, mean, tuple(rivals), tile, pixel, coloured=True)


def glance_at_luma(a: Look, b: Look) -> Glance | None:
    """Compare two looks by luma alone; None where it takes their colours to tell.

    So it does where they are other pictures, may be turned two ways, are shown by other profiles or have few colours.
    """
    one, other = a.header, b.header
    if "P" in (one.mode, other.mode) or one.metadata.profile != other.metadata.profile:
        return None
    (mean, best), (second, _) = _orientations(a.outline[None], b.outline[None])[:2]
    if mean > _FAR_OUTLINE or second <= mean + _RIVAL:
        return None
    size = _coarse_size(one, other, best)
    if max(size) > min(a.longer, b.longer):
        return None
    ours, theirs = a.coarse(size, best), b.coarse(size, 1)
    tile, pixel = _apart(ours, theirs)
    if tile.max() > _most(one, other)[0] >= tile.max(where=~_dark(ours, theirs), initial=0):
        return None  # some programs keep light in eight bits
    return _told(a, b, mean, (best,), tile, pixel, coloured=False)


def _told(
    a: Look, b: Look, mean: float, transforms: tuple[int, ...], tile: Plane, pixel: float, *, coloured: bool
) -> Glance:
    best = transforms[0]
    size = _coarse_size(a.header, b.header, best)
    ours, theirs = a.coarse(size, best), b.coarse(size, 1)
    most = _most(a.header, b.header)
    apart = bool(tile.max() > most[0] or pixel > most[1])
    grain = (1.0, _LEAST_KIN) if apart else _kinship(a, b, ours, theirs)
    return Glance(
        bits=_distance_in_bits(a, b),
        mean=round(mean, 2),
        transforms=transforms,
        tile=round(float(tile.max()), 2),
        pixel=round(pixel, 2),
        at=_worst(tile, b.header, size),
        informative=apart or (ours.informative and theirs.informative),
        apart=apart,
        kinship=grain,
        coloured=coloured,
    )


def _most(a: Header, b: Header) -> tuple[float, float]:
    """Return the bounds of the worst tile and of the worst pixel."""
    if "P" in (a.mode, b.mode):
        return _MOST_PALETTE
    return _MOST if _one_size(a, b) else _MOST_SCALED


def _one_size(a: Header, b: Header) -> bool:
    return sorted(a.upright) == sorted(b.upright)


def _worst(tile: Plane, header: Header, size: tuple[int, int]) -> tuple[int, int]:
    """Return the worst tile's corner (x, y) in pixels of the upright picture that was compared at this size."""
    row, column = (int(i) for i in np.unravel_index(int(tile.argmax()), tile.shape))
    scale = header.upright[0] / size[0]
    return round(column * TILE * scale), round(row * TILE * scale)


def _dark(ours: Coarse, theirs: Coarse) -> NDArray[np.bool_]:
    return np.minimum(ours.tiles, theirs.tiles) < _SHADOW


def _apart(ours: Coarse, theirs: Coarse) -> tuple[Plane, float]:
    """Return by how much tiles differ, and the pixel that differs most, as multiples of what detail there excuses."""
    detail = np.minimum(ours.reach, theirs.reach)
    tile = np.abs(ours.tiles - theirs.tiles) / (2 + 0.1 * tiles_of(detail))
    difference = _difference(ours.luma, theirs.luma).ravel()

    def worth(places: NDArray[np.intp]) -> Plane:
        allowed = _PIXEL + 0.35 * detail.ravel()[places].astype(np.float32)
        return np.asarray(difference[places].astype(np.float32) / allowed)

    # Without any detail no pixel is worth more than its difference: hardly one is left to weigh.
    least = float(worth(np.array([difference.argmax()]))[0])
    return tile, float(worth(np.flatnonzero(difference >= _PIXEL * least)).max())


def _kinship(a: Look, b: Look, ours: Coarse, theirs: Coarse) -> tuple[float, float]:
    """Return the correlation of their grain, and the least that a copy has."""
    found, share = kinship(ours.fine, theirs.fine, np.maximum(ours.reach, theirs.reach) <= _CALM)
    as_stored = _one_size(a.header, b.header) and a.is_fine and b.is_fine and share >= _AS_STRONG
    return round(found, 3), _LEAST_KIN_FINE if as_stored else _LEAST_KIN


def _in_eight_bits(side: Sketch) -> Sketch:
    return replace(side, image=posterised(side.image), _coarse={})


def _channels(miniature: Image.Image) -> Levels:
    return np.ascontiguousarray(np.asarray(miniature).transpose(2, 0, 1))


def _orientations(ours: Levels, theirs: Levels) -> list[tuple[float, int]]:
    """Return (mean difference in grey levels, orientation) of two miniatures, best orientation first.

    Both of shape (channels, rows, columns).
    """
    sideways = np.ascontiguousarray(theirs.transpose(0, 2, 1))
    mirrored = (ours, ours[:, :, ::-1], ours[:, ::-1, ::-1], ours[:, ::-1])
    # 6 and 8 mirror before they transpose (`fingerprint.TRANSPOSES`); both sides transposed differ by the same.
    pairs = [(one, theirs) for one in mirrored] + [(mirrored[place], sideways) for place in (0, 3, 2, 1)]
    return sorted((_mean_difference(*pair), k) for k, pair in enumerate(pairs, 1))


def _mean_difference(one: Levels, other: Levels) -> float:
    apart = _difference(one, other)
    return int(apart.sum(dtype=np.uint32)) / apart.size


def _difference(one: Levels, other: Levels) -> Levels:
    return np.asarray(np.maximum(one, other) - np.minimum(one, other))


def _distance_in_bits(a: Look, b: Look) -> int:
    return min((h ^ b.hashes[0]).bit_count() for h in a.hashes)


def _coarse_size(a: Header, b: Header, turn: int) -> tuple[int, int]:
    """Return the size at which both are compared: half the smaller picture, at most so many pixels long."""
    width, height = b.upright if b.pixels <= a.pixels else a.upright if turn < 5 else a.upright[::-1]
    most = _COARSE_PALETTE if "P" in (a.mode, b.mode) else MOST_COARSE
    share = min(_SHARE, most / max(width, height))
    return max(2 * TILE, round(width * share)), max(2 * TILE, round(height * share))
