"""The decision is total, keeps exactly one of each pair, and does not depend on order or on who came first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinwatch.photo import (
    COPY_VERDICTS,
    ContentDigest,
    Evidence,
    FileStat,
    Header,
    Metadata,
    Photo,
    PhotoId,
    Reading,
    RootId,
    Side,
    Trouble,
    Verdict,
)
from twinwatch.verdict import Duplicate, Match, Policy, Undecided, Unique, decide


def photo(
    number: int = 1, *, path: str = "IMG_1.jpg", root: int = 1, pixels: int = 100, mtime: int = 0, arrived: bool = True,
    reference: bool = False, readable: bool = True, gps: bool = False, kind: str = "JPEG",
) -> Photo:  # fmt: skip
    header = Header(kind, pixels, 100, 1, "RGB", 8, False, 1, Metadata(gps=gps)) if readable else None
    reading = Reading(ContentDigest(bytes([number]) * 32), header, None, None if readable else Trouble.BROKEN)
    stat = FileStat(1, number, 100, mtime, mtime, 8, 1)
    return Photo(PhotoId(number), RootId(root), PurePosixPath(path), stat, reading, arrived, reference)


photos = st.builds(
    photo,
    st.integers(1, 9),
    path=st.sampled_from(["IMG_1.jpg", "IMG_1 (1).jpg", "a/IMG_1.jpg", "IMG_1-edited.jpg", "b/IMG_2.heic"]),
    root=st.integers(1, 2),
    pixels=st.sampled_from([100, 200]),
    mtime=st.integers(0, 5).map(lambda n: n * 1_500_000_000),
    arrived=st.booleans(),
    reference=st.booleans(),
    readable=st.booleans(),
    gps=st.booleans(),
    kind=st.sampled_from(["JPEG", "HEIF", "???"]),
)
evidences = st.builds(Evidence, st.sampled_from(Verdict), st.sampled_from(["a", "b", None]), st.integers(1, 8))
policies = st.builds(
    Policy, st.frozensets(st.sampled_from(sorted(COPY_VERDICTS))), st.sampled_from(["hold", "review"]),
    st.sampled_from(["hold", "review"]),
)  # fmt: skip
matches = st.lists(st.builds(Match, photos, evidences), max_size=5, unique_by=lambda m: (m.photo.root, m.photo.path))


def movable(one: Photo) -> bool:
    return one.arrived and not one.reference


def swapped(evidence: Evidence) -> Evidence:
    other: dict[Side | None, Side | None] = {"a": "b", "b": "a", None: None}
    return replace(
        evidence, original=other[evidence.original], transform={6: 8, 8: 6}.get(evidence.transform, evidence.transform)
    )


@given(photos, matches, policies)
def test_every_decision_keeps_a_photo_that_stays(newcomer: Photo, known: list[Match], policy: Policy) -> None:
    decision = decide(newcomer, known, policy, movable)
    if not isinstance(decision, Duplicate):
        return
    moved = [move.duplicate for move in decision.moves]
    assert moved != []
    assert all(movable(one) for one in moved)
    assert all(move.keeper not in moved for move in decision.moves)
    proofs = {id(match.photo): match.evidence for match in known}
    for move in decision.moves:
        assert newcomer in (move.duplicate, move.keeper)  # never a photo that was proved against another only
        other = move.keeper if move.duplicate is newcomer else move.duplicate
        proof = proofs[id(other)]
        assert proof.verdict in policy.set_aside
        assert move.evidence == (proof if move.duplicate is newcomer else swapped(proof))


@given(photos, matches, policies)
def test_the_order_of_the_matches_does_not_matter(newcomer: Photo, known: list[Match], policy: Policy) -> None:
    first = decide(newcomer, known, policy, movable)
    for other in (known[::-1], known[1:] + known[:1], known[2:] + known[:2]):
        again = decide(newcomer, other, policy, movable)
        if isinstance(first, Duplicate) and isinstance(again, Duplicate):
            assert sorted(map(repr, again.moves)) == sorted(map(repr, first.moves))
        else:
            assert again == first


@given(photos, photos, evidences)
def test_it_does_not_matter_who_came_first(a: Photo, b: Photo, evidence: Evidence) -> None:
    if (a.root, a.path) == (b.root, b.path):
        return
    one = decide(a, [Match(b, evidence)], Policy(mirrored="hold"), lambda photo: not photo.reference)
    two = decide(b, [Match(a, swapped(evidence))], Policy(mirrored="hold"), lambda photo: not photo.reference)
    assert type(one) is type(two)
    if isinstance(one, Duplicate) and isinstance(two, Duplicate) and a.reference == b.reference:
        assert one == two


@given(photos, photos, evidences)
def test_a_reference_photo_is_never_the_duplicate(a: Photo, b: Photo, evidence: Evidence) -> None:
    reference = replace(a, reference=True)
    for decision in (
        decide(reference, [Match(b, evidence)], Policy(), movable),
        decide(b, [Match(reference, evidence)], Policy(), movable),
    ):
        if isinstance(decision, Duplicate):
            assert [move.duplicate for move in decision.moves] == [b]


def test_two_unreadable_files_with_the_same_bytes_are_decided_without_a_header() -> None:
    plain, copy = photo(1, readable=False), photo(2, path="IMG_1 (1).jpg", readable=False)
    decision = decide(plain, [Match(copy, Evidence(Verdict.IDENTICAL))], Policy(), movable)
    assert isinstance(decision, Duplicate)
    assert decision.moves[0].keeper == plain


@pytest.mark.parametrize("newest", [1, 2])
def test_the_same_name_in_two_roots_has_the_same_keeper_whoever_comes_first(newest: int) -> None:
    one, two = photo(1, root=1), photo(2, root=2)
    newcomer, known = (one, two) if newest == 1 else (two, one)
    decision = decide(newcomer, [Match(known, Evidence(Verdict.IDENTICAL))], Policy(), movable)
    assert isinstance(decision, Duplicate)
    assert decision.moves[0].keeper == one


@pytest.mark.parametrize(("transform", "policy", "moved"), [
    (1, Policy(), True), (6, Policy(), True), (6, Policy(rotated="review"), False),
    (2, Policy(), False), (2, Policy(mirrored="hold"), True), (7, Policy(), False),
    (1, Policy(set_aside=frozenset()), False),
])  # fmt: skip
def test_turned_and_mirrored_copies_follow_the_policy(transform: int, policy: Policy, moved: bool) -> None:
    evidence = Evidence(Verdict.RE_ENCODED, "b", transform)
    decision = decide(photo(1), [Match(photo(2, path="b.jpg"), evidence)], policy, movable)
    assert isinstance(decision, Duplicate if moved else Undecided)


def test_look_alikes_are_shown_and_distinct_ones_are_not() -> None:
    other = photo(2, path="b.jpg")
    assert isinstance(decide(photo(), [Match(other, Evidence(Verdict.LOOK_ALIKE))], Policy(), movable), Undecided)
    assert decide(photo(), [Match(other, Evidence(Verdict.DISTINCT))], Policy(), movable) == Unique()
    assert decide(photo(), [Match(other, Evidence(Verdict.UNDECODABLE))], Policy(), movable) == Unique()
    assert decide(photo(), [], Policy(), movable) == Unique()


def test_a_resident_is_not_moved_but_an_identical_arrival_goes_before_it() -> None:
    resident, better = photo(1, arrived=False, path="copy (2).jpg"), photo(2, gps=True, pixels=200)
    same = decide(better, [Match(resident, Evidence(Verdict.IDENTICAL))], Policy(), movable)
    assert isinstance(same, Duplicate)
    assert (same.moves[0].duplicate, same.moves[0].keeper) == (better, resident)
    other = decide(better, [Match(resident, Evidence(Verdict.RE_ENCODED, "a"))], Policy(), movable)
    assert isinstance(other, Undecided)
