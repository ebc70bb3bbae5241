"""The index keys find every hash within the radius, and the pre-filter does not depend on who is asked first."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twinwatch.index.packing import expected
from twinwatch.matching import CHUNK_BITS, chunks, distance, flips, nearest, plausible
from twinwatch.photo import Fingerprint, Header, PerceptualHash

hashes = st.integers(0, (1 << 64) - 1).map(PerceptualHash)
edges = st.integers(1, 20_000)
headers = st.builds(
    Header, st.just("JPEG"), edges, edges, st.integers(1, 8), st.just("RGB"), st.just(8), st.booleans(), st.just(1)
)


@given(hashes, hashes, hashes)
def test_distance_is_a_metric(a: PerceptualHash, b: PerceptualHash, c: PerceptualHash) -> None:
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c)


@given(hashes, hashes)
def test_chunks_are_a_sum_of_bits_and_lose_none(a: PerceptualHash, b: PerceptualHash) -> None:
    differ = tuple(own ^ other for own, other in zip(chunks(a), chunks(b), strict=True))
    assert differ == chunks(PerceptualHash(a ^ b))
    assert (differ == (0, 0, 0)) == (a == b)
    assert all(chunk.bit_length() <= bits for chunk, bits in zip(differ, CHUNK_BITS, strict=True))


@given(hashes)
def test_a_picture_s_orientations_lie_side_by_side(value: PerceptualHash) -> None:
    """But for the few bits around the median their chunks differ in the two lowest bits alone: one page has them."""
    mirrored = [tuple(chunk >> 2 for chunk in chunks(PerceptualHash(expected(value, k)))) for k in range(2, 9)]
    assert mirrored[:3] == [tuple(chunk >> 2 for chunk in chunks(value))] * 3
    assert mirrored[3:] == [mirrored[3]] * 4


@given(hashes, st.sets(st.integers(0, 63), max_size=8), st.integers(0, 8))
def test_every_hash_within_the_radius_is_near_in_a_chunk(value: PerceptualHash, flipped: set[int], radius: int) -> None:
    assume(len(flipped) <= radius)
    other = PerceptualHash(value ^ sum(1 << bit for bit in flipped))
    parts = zip(chunks(value), chunks(other), flips(radius), strict=True)
    assert any(own ^ chunk in differing for own, chunk, differing in parts)


@pytest.mark.parametrize(
    ("radius", "flipped"), [(0, (-1, -1, 0)), (1, (-1, 0, 0)), (2, (0, 0, 0)), (5, (1, 1, 1)), (8, (2, 2, 2))]
)
def test_no_more_is_looked_up_than_is_needed(radius: int, flipped: tuple[int, ...]) -> None:
    for bits, most, differing in zip(CHUNK_BITS, flipped, flips(radius), strict=True):
        assert len(set(differing)) == len(differing) == sum(math.comb(bits, count) for count in range(most + 1))
        assert list(differing) == sorted(differing)


@given(st.lists(hashes, min_size=8, max_size=8), hashes)
def test_nearest_is_the_least_of_eight_distances(eight: list[PerceptualHash], value: PerceptualHash) -> None:
    bits, number = nearest(Fingerprint(tuple(eight), 50.0, "x"), value)
    assert bits == min(distance(own, value) for own in eight)
    assert distance(eight[number - 1], value) == bits


@given(headers, headers, st.booleans())
def test_plausible_is_symmetric(a: Header, b: Header, turned: bool) -> None:
    assert plausible(a, b, turned=turned) == plausible(b, a, turned=turned)


@given(headers)
def test_a_picture_is_plausible_as_its_own_copy_also_turned(header: Header) -> None:
    assert plausible(header, header, turned=False)
    quarter = Header("JPEG", header.upright[1], header.upright[0], 1, "RGB", 8, False, 1)
    assert plausible(header, quarter, turned=True)
