"""The decision is total, keeps exactly one of each pair, and does not depend on order or on who came first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

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
    reference: bool = False, readable: bool = True, gps: bool = False, xmp: bool = False, kind: str = "JPEG",
) -> Photo:  # fmt: skip
    header = Header(kind, pixels, 100, 1, "RGB", 8, False, 1, Metadata(gps=gps, xmp=xmp)) if readable else None
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
    (1, Policy(set_aside=frozenset()), False), (1, Policy(rotated="review"), True),
    (1, Policy(mirrored="review"), True),
    (8, Policy(rotated="review"), False), (4, Policy(), False), (5, Policy(), False), (3, Policy(), True),
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


COPY = Evidence(Verdict.RE_ENCODED)


def keeper(one: Photo, other: Photo, evidence: Evidence = COPY) -> str:
    """Return the path of the one that stays."""
    decision = decide(one, [Match(other, evidence)], Policy(), movable)
    assert isinstance(decision, Duplicate)
    return str(decision.moves[0].keeper.path)


@pytest.mark.parametrize(("mtime", "stays"), [
    (2_000_000_000, "a.jpg"), (2_000_000_001, "b.jpg.jpg"), (-2_000_000_000, "a.jpg"), (-2_000_000_001, "a.jpg"),
])  # fmt: skip
def test_an_age_within_two_seconds_says_nothing(mtime: int, stays: str) -> None:
    shorter, longer = photo(1, path="a.jpg", mtime=5 * 10**9 + mtime), photo(2, path="b.jpg.jpg", mtime=5 * 10**9)
    assert keeper(shorter, longer) == keeper(longer, shorter) == stays


@pytest.mark.parametrize(("one", "other", "rule"), [
    ({"pixels": 200}, {"gps": True, "kind": "HEIF", "mtime": -(10**10)}, "the one with more pixels"),
    ({"gps": True}, {"kind": "HEIF", "mtime": -(10**10)}, "the one with richer metadata"),
    ({"kind": "HEIF"}, {"mtime": -(10**10)}, "the one in the better format"),
    ({"kind": "GIF"}, {"kind": "???", "mtime": -(10**10)}, "the one in the better format"),
    ({"mtime": -(10**10)}, {}, "the older one"),
    ({"path": "IMG_1.jpg"}, {"path": "IMG_1 (1).jpg"}, "the one with the plainer name"),
    ({"path": "IMG_2.jpg"}, {"path": "IMG_1-edited.jpg"}, "the one with the plainer name"),
    ({"path": "a/b.jpg"}, {"path": "a/c.jpg"}, "the one with the shorter path"),
    ({"path": "b.jpg"}, {"path": "a/b.jpg"}, "the one with the shorter path"),
    ({"kind": "JPEG"}, {"readable": False, "mtime": -(10**10)}, "the one with more pixels"),
])  # fmt: skip
def test_the_rules_are_asked_in_their_order(one: dict[str, Any], other: dict[str, Any], rule: str) -> None:
    better_one, worse = photo(1, **{"path": "one.jpg", **one}), photo(2, **{"path": "two.jpg", **other})
    for newcomer, known in ((better_one, worse), (worse, better_one)):
        decision = decide(newcomer, [Match(known, COPY)], Policy(), movable)
        assert isinstance(decision, Duplicate)
        assert [(move.keeper, move.duplicate, move.rule) for move in decision.moves] == [(better_one, worse, rule)]


@pytest.mark.parametrize(("original", "likely", "one", "stays"), [
    ("a", False, {"pixels": 50}, "a.jpg"), ("b", False, {"pixels": 200}, "bb.jpg"),
    ("a", True, {}, "a.jpg"), ("b", True, {}, "bb.jpg"),
    ("a", True, {"pixels": 50}, "bb.jpg"), ("b", True, {"pixels": 200}, "a.jpg"), ("b", True, {"gps": True}, "a.jpg"),
    ("a", True, {"pixels": 200}, "a.jpg"), ("b", True, {"xmp": True}, "bb.jpg"),
])  # fmt: skip
def test_a_proved_original_stays_and_a_likely_one_unless_something_speaks_against_it(
    original: Side, likely: bool, one: dict[str, Any], stays: str
) -> None:
    first, second = photo(1, path="a.jpg", **one), photo(2, path="bb.jpg")
    evidence = Evidence(Verdict.RE_ENCODED, original, measures={"direction": "likely"} if likely else {})
    assert keeper(first, second, evidence) == stays
    assert keeper(second, first, swapped(evidence)) == stays


def test_of_several_better_ones_the_reference_then_the_best_is_the_keeper() -> None:
    newcomer = photo(1, path="new (1).jpg", pixels=50)
    plain, large = photo(2, path="a.jpg"), photo(3, path="b.jpg", pixels=200)
    shelved = photo(4, path="z.jpg", pixels=60, reference=True)
    first = photo(5, path="0.jpg", pixels=200)
    for known, best in (
        ([plain, large], large),
        ([first, plain], first),
        ([plain, large, shelved], shelved),
        ([shelved, plain], shelved),
    ):
        for order in (known, known[::-1]):
            decision = decide(newcomer, [Match(one, COPY) for one in order], Policy(), movable)
            assert isinstance(decision, Duplicate)
            assert [move.keeper for move in decision.moves] == [best]


def test_a_newcomer_in_a_reference_root_replaces_what_may_go_and_leaves_the_rest() -> None:
    newcomer = photo(1, path="new.jpg", reference=True)
    arrival, resident = photo(2, path="b.jpg"), photo(3, path="c.jpg", arrived=False)
    decision = decide(newcomer, [Match(resident, COPY), Match(arrival, COPY)], Policy(), movable)
    assert isinstance(decision, Duplicate)
    assert [(move.duplicate, move.keeper) for move in decision.moves] == [(arrival, newcomer)]
    left = decide(newcomer, [Match(resident, COPY)], Policy(), movable)
    assert left == Undecided(resident, newcomer, COPY, "was here before twinwatch watched; nobody asked to move it")


def test_what_a_person_is_shown_is_the_likeliest_pair_and_the_reason() -> None:
    newcomer, near, far = photo(1), photo(2, path="b.jpg"), photo(3, path="longer.jpg")
    alike = Evidence(Verdict.LOOK_ALIKE)
    shown = decide(newcomer, [Match(far, alike), Match(near, alike)], Policy(), movable)
    assert shown == Undecided(newcomer, near, alike, "alike, but not proved to be a copy")
    mirrored, plain = Evidence(Verdict.RE_ENCODED, None, 2), Evidence(Verdict.SAME_PIXELS, None, 2)
    shown = decide(newcomer, [Match(near, mirrored), Match(far, plain)], Policy(), movable)
    assert shown == Undecided(newcomer, far, plain, "a mirrored copy")
    shelved = photo(4, path="z.jpg", reference=True)
    shown = decide(
        replace(shelved, path=PurePosixPath("w.jpg")), [Match(photo(5, arrived=False), COPY)], Policy(), movable
    )
    assert isinstance(shown, Undecided)
    shown = decide(photo(6, reference=True, path="q.jpg"), [Match(shelved, COPY)], Policy(), movable)
    assert isinstance(shown, Undecided)
    assert shown.why == "its root is a reference"


def test_an_identical_arrival_that_would_win_goes_before_the_nearest_resident() -> None:
    newcomer = photo(1, path="a.jpg", gps=True)
    near, far = photo(2, path="bb.jpg", arrived=False), photo(3, path="ccc.jpg", arrived=False)
    same = Evidence(Verdict.IDENTICAL)
    decision = decide(newcomer, [Match(far, same), Match(near, same)], Policy(), movable)
    assert isinstance(decision, Duplicate)
    assert [(m.duplicate, m.keeper, m.rule) for m in decision.moves] == [
        (newcomer, near, "the one that was here before")
    ]
    assert isinstance(decide(replace(newcomer, arrived=False), [Match(near, same)], Policy(), movable), Undecided)


@pytest.mark.parametrize(("transform", "inverse"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)])
def test_evidence_is_turned_round_with_the_pair(transform: int, inverse: int) -> None:
    policy = Policy(mirrored="hold")
    evidence = Evidence(Verdict.RE_ENCODED, "a", transform, "said", {"one": 1})
    decision = decide(photo(1, path="a.jpg"), [Match(photo(2, path="b.jpg"), evidence)], policy, movable)
    assert isinstance(decision, Duplicate)
    assert decision.moves[0].evidence == Evidence(Verdict.RE_ENCODED, "b", inverse, "said", {"one": 1})
