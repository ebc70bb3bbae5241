"""Which known photos are worth a proof: the index keys of a perceptual hash, and the pre-filter. Pure.

A 64-bit hash is cut into three chunks of 21, 21 and 22 bits (multi-index hashing, Norouzi et al. 2012): two hashes at
most `radius` bits apart differ by few bits in at least one chunk, so looking up every chunk value that near finds all
of them, exactly.

The bits of a chunk are mixed, so that the hashes of one picture in its orientations lie side by side. Mirroring turns
over all bits of odd columns, of odd rows, or of both (but for a few around the median). Two bits that are turned over
together differ by the same before and after: such sums are the upper bits of a chunk, and what remains the lowest.
"""

from __future__ import annotations

import itertools
from functools import cache

from twinwatch.photo import Fingerprint, Header, PerceptualHash

CHUNK_BITS = (21, 21, 22)

_PLACES = {
    (row, column): tuple(63 - 8 * y - x for y in range(row, 8, 2) for x in range(column, 8, 2))
    for row in (0, 1)
    for column in (0, 1)
}
"""Bits of a hash by the parity of their row and column: of one parity all are turned over together, of (0, 0) never."""

_CHUNKS = (
    (_PLACES[0, 0], _PLACES[0, 1][:5]),
    (_PLACES[0, 1][5:], _PLACES[1, 0][:10]),
    (_PLACES[1, 0][10:], _PLACES[1, 1]),
)
"""The bits of each chunk, in groups that are turned over together."""

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
    """Cut a hash into its three mixed chunks; two chunks differ by the mix of the bits in which the hashes differ."""
    a, b, c, d, e, f, g, h = value.to_bytes(8, "little")
    of_a, of_b, of_c, of_d, of_e, of_f, of_g, of_h = _tables()
    found = of_a[a] ^ of_b[b] ^ of_c[c] ^ of_d[d] ^ of_e[e] ^ of_f[f] ^ of_g[g] ^ of_h[h]
    return found & 0x1FFFFF, (found >> 21) & 0x1FFFFF, found >> 42


@cache
def flips(radius: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return, for each chunk, by what (as a mask) that of a hash within `radius` bits of another may differ.

    It does so in one chunk at least: were more bits flipped in every one, there would be more than `radius` in all. So
    the most that are flipped need only sum to `radius - 2`.
    """
    low, middle, high = (_masks(place, (radius - 2 + place) // 3) for place in range(3))
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


def _masks(place: int, most: int) -> tuple[int, ...]:
    """Return, in ascending order, what a chunk may differ by when at most so many of its bits are flipped."""
    found = {0} if most >= 0 else set()
    for _ in range(most):
        found |= {mask ^ bit for mask in found for bit in _mixed_bits(place)}
    return tuple(sorted(found))


@cache
def _mixed_bits(place: int) -> tuple[int, ...]:
    """Return what each bit of a chunk is mixed to, in the order of `_CHUNKS`."""
    mixed: list[int] = []
    upper, lowest = CHUNK_BITS[place], 0
    for bits in _CHUNKS[place]:
        # Of those that are turned over, each but the last is added to the last, which is kept by itself.
        alone = bits is not _PLACES[0, 0]
        own = list(range(upper - 1, upper - 1 - len(bits) + alone, -1))
        upper -= len(own)
        mixed.extend(1 << bit for bit in own)
        if alone:
            mixed.append(sum(1 << bit for bit in own) | 1 << lowest)
            lowest += 1
    return tuple(mixed)


@cache
def _tables() -> tuple[tuple[int, ...], ...]:
    """Return for each byte of a hash, lowest first, what its values are mixed to: all chunks in one number."""
    columns: dict[int, int] = {}
    for place, groups in enumerate(_CHUNKS):
        shift = sum(CHUNK_BITS[:place])
        bits = itertools.chain.from_iterable(groups)
        columns |= {bit: mixed << shift for bit, mixed in zip(bits, _mixed_bits(place), strict=True)}
    tables = []
    for byte in range(8):
        table = [0]
        for bit in range(8):
            table.extend([known ^ columns[8 * byte + bit] for known in table])
        tables.append(tuple(table))
    return tuple(tables)
