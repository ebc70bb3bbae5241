"""Which known photos are worth a proof: the index keys of a perceptual hash, and the pre-filter. Pure.

A 64-bit hash is cut into three chunks of 21, 21 and 22 bits (multi-index hashing, Norouzi et al. 2012): two hashes at
most `radius` bits apart differ by few bits in at least one chunk, so looking up every chunk value that near finds all
of them, exactly.
"""

from __future__ import annotations

import itertools
from functools import cache

from twinwatch.photo import Fingerprint, Header, PerceptualHash

CHUNK_BITS = (21, 21, 22)

MIN_DETAIL = 4.0
"""Standard deviation of the 32x32 luma thumbnail (0-255) below which a picture is flat and its hash mostly noise."""

MAX_SCALE = 24.0
"""Largest ratio of two copies' longer edges: a 170-pixel thumbnail of a 4000-pixel photo; a guess, generous."""

ASPECT_TOLERANCE = 0.05
"""Relative difference of aspect ratios allowed for a copy: a crop of 2 % on each side, and rounding of small edges."""


def distance(a: PerceptualHash, b: PerceptualHash) -> int:
    """Count the differing bits of two hashes, 0 to 64."""
    return (a ^ b).bit_count()


def chunks(value: PerceptualHash) -> tuple[int, int, int]:
    """Cut a hash into its three chunks, lowest bits first."""
    return value & 0x1FFFFF, (value >> 21) & 0x1FFFFF, value >> 42


@cache
def flips(radius: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return, for each chunk, by what (as a mask) a hash within `radius` bits of another may differ from it there.

    It does so in one chunk at least: were more bits flipped in every one, there would be more than `radius` in all. So
    the most that are flipped need only sum to `radius - 2`.
    """
    low, middle, high = (_masks(bits, (radius - 2 + place) // 3) for place, bits in enumerate(CHUNK_BITS))
    return low, middle, high


def nearest(print_: Fingerprint, value: PerceptualHash) -> tuple[int, int]:
    """Return (distance, EXIF orientation number) of the orientation of `print_` that comes nearest to `value`."""
    return min((distance(own, value), number) for number, own in enumerate(print_.hashes, 1))


def is_flat(print_: Fingerprint) -> bool:
    """Tell whether the picture has too little detail for its hash to mean anything."""
    return print_.detail < MIN_DETAIL


def plausible(a: Header, b: Header, *, turned: bool) -> bool:
    """Tell from the headers alone whether one could be a copy of the other.

    `turned` says that the hashes matched with a quarter turn between them, so that width meets height.
    """
    (wide, high), (other_wide, other_high) = a.upright, b.upright
    if turned:
        other_wide, other_high = other_high, other_wide
    scale = max(wide, high) / max(other_wide, other_high)
    if not 1 / MAX_SCALE <= scale <= MAX_SCALE:
        return False
    rounding = 1 / min(wide, high, other_wide, other_high)
    aspect = (wide * other_high) / (high * other_wide)
    return max(aspect, 1 / aspect) - 1 <= ASPECT_TOLERANCE + rounding


def taken_apart(a: Header | None, b: Header | None) -> bool:
    """Tell whether a camera wrote into both that they were taken at different seconds."""
    if a is None or b is None:
        return False
    one, other = a.metadata, b.metadata
    said = one.camera and other.camera and one.captured_at and other.captured_at
    return bool(said) and one.captured_at != other.captured_at


def _masks(bits: int, most: int) -> tuple[int, ...]:
    """Return every number of so many bits of which at most so many are set."""
    places = (itertools.combinations(range(bits), count) for count in range(most + 1))
    return tuple(sum(1 << place for place in some) for some in itertools.chain.from_iterable(places))
