"""The JSON form of the values goes there and back, and nonsense is refused by the promised exceptions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinwatch.photo import (
    ContentDigest,
    Evidence,
    FileStat,
    Fingerprint,
    Header,
    Metadata,
    PerceptualHash,
    Reading,
    Trouble,
    Verdict,
)  # fmt: skip

texts = st.none() | st.text(max_size=30)
metadata = st.builds(
    Metadata, st.integers(0, 500), st.booleans(), texts, texts, st.booleans(), texts, st.booleans(), st.booleans()
)
headers = st.builds(
    Header, st.text(max_size=20), st.integers(1, 1 << 31), st.integers(1, 1 << 31), st.integers(1, 8),
    st.text(max_size=20), st.integers(1, 32), st.booleans(), st.integers(1, 1 << 20), metadata,
)  # fmt: skip
hashes = st.lists(st.integers(0, (1 << 64) - 1).map(PerceptualHash), min_size=8, max_size=8).map(tuple)
fingerprints = st.builds(Fingerprint, hashes, st.floats(0, 128), st.text(max_size=50))
readings = st.builds(
    Reading, st.binary(min_size=32, max_size=32).map(ContentDigest), st.none() | headers, st.none() | fingerprints,
    st.none() | st.sampled_from(Trouble), st.text(max_size=100),
)  # fmt: skip
measures = st.floats(allow_nan=False) | st.integers() | st.text(max_size=10)
evidences = st.builds(
    Evidence, st.sampled_from(Verdict), st.sampled_from(["a", "b", None]), st.integers(1, 8), st.text(max_size=100),
    st.dictionaries(st.text(max_size=10), measures, max_size=4),
)  # fmt: skip
floats = st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | floats | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NONSENSE = (ValueError, KeyError, TypeError, AttributeError)


@given(readings)
def test_a_reading_survives_json(reading: Reading) -> None:
    assert Reading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


@given(evidences)
def test_evidence_survives_json(evidence: Evidence) -> None:
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*way, key) for key, _ in below] + [place for key, inner in below for place in places(inner, (*way, key))]


@given(readings, anything, st.data())
def test_a_reading_with_nonsense_in_it_is_refused_or_still_a_reading(
    reading: Reading, nonsense: object, data: st.DataObject
) -> None:
    value = json.loads(json.dumps(reading.to_json()))
    *way, last = data.draw(st.sampled_from(places(value)))
    place = value
    for step in way:
        place = place[step]
    place[last] = nonsense
    try:
        read = Reading.from_json(value)
    except NONSENSE:
        return
    assert len(read.digest) == 32
    if read.header is not None:
        assert min(read.header.width, read.header.height) >= 1
        assert read.header.orientation in range(1, 9)
    if read.fingerprint is not None:
        assert all(0 <= one < 1 << 64 for one in read.fingerprint.hashes)
        assert len(read.fingerprint.hashes) == 8


@given(anything)
def test_anything_else_is_refused(value: Any) -> None:
    for parse in (Reading.from_json, Evidence.from_json):
        with pytest.raises(NONSENSE):
            parse(value)


def test_upright_swaps_the_edges_of_a_quarter_turn_only() -> None:
    assert [Header("JPEG", 3, 2, turn, "RGB", 8, False, 1).upright for turn in (1, 3, 5, 6, 8)] == [
        (3, 2), (3, 2), (2, 3), (2, 3), (2, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "blocks", "placeholder"), [(4096, 0, False), (4097, 0, True), (4097, 8, False), (0, 0, False)]
)
def test_a_placeholder_is_large_and_has_no_blocks(size: int, blocks: int, placeholder: bool) -> None:
    assert FileStat(1, 1, size, 0, 0, blocks, 1).is_placeholder == placeholder


def test_one_file_seen_through_two_mounts_is_known_by_its_times() -> None:
    here = FileStat(1, 7, 5000, 10**18 + 1, 10**18 + 5, 16, 1)
    assert here.may_be_same_file(replace(here, device=2))
    assert here.may_be_same_file(replace(here, device=2, inode=9))
    assert not here.may_be_same_file(replace(here, inode=9))
    assert not here.may_be_same_file(replace(here, device=2, ctime_ns=10**18 + 6))
    in_seconds = replace(here, mtime_ns=10**18, ctime_ns=10**18)
    assert not in_seconds.may_be_same_file(replace(in_seconds, device=2, inode=9))
    assert in_seconds.may_be_same_file(replace(in_seconds, device=2))
