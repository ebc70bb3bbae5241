"""What to do with a newcomer, given its proofs: the keep rules and the decision. Pure.

Nothing here depends on who came first or on the order of the matches: the same two files get the same keeper.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from twinwatch.naming import looks_edited, plainness
from twinwatch.photo import COPY_VERDICTS, Evidence, Photo, Verdict

KeepRule = Literal["original", "pixels", "metadata", "format", "age", "name"]
Handling = Literal["hold", "review"]

FORMAT_RANK = ("HEIF", "JXL", "AVIF", "JPEG", "MPO", "WEBP", "TIFF", "PNG", "BMP", "GIF")
"""Better keeper first when pixels and metadata are equal: what cameras write before what programs convert it to."""

SAME_AGE_NS = 2_000_000_000
"""Modification times this near say nothing of age: FAT stores them in steps of two seconds."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the person wants moved, and which of two copies they want to keep."""

    set_aside: frozenset[Verdict] = COPY_VERDICTS  # verdicts whose duplicate is moved
    rotated: Handling = "hold"
    mirrored: Handling = "review"
    keep: tuple[KeepRule, ...] = ("original", "pixels", "metadata", "format", "age", "name")  # first that tells wins


@dataclass(frozen=True, slots=True)
class Match:
    """A known photo and the proof of the newcomer (a) against it (b)."""

    photo: Photo
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Unique:
    """No copy is known."""


@dataclass(frozen=True, slots=True)
class Move:
    """One duplicate to set aside and the keeper that stays; `evidence` has the duplicate as a, the keeper as b."""

    duplicate: Photo
    keeper: Photo
    evidence: Evidence
    rule: str  # what makes the keeper the keeper: "the one with more pixels"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Proven copies that may be set aside, one keeper for all."""

    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """Something a person should look at; nothing is moved. `evidence` has `photo` as a and `other` as b."""

    photo: Photo  # the one that might go: the newcomer, or a known photo of which the newcomer is the better keeper
    other: Photo
    evidence: Evidence
    why: str


Decision = Unique | Duplicate | Undecided


def decide(newcomer: Photo, matches: Sequence[Match], policy: Policy, may_move: Callable[[Photo], bool]) -> Decision:
    """Decide what happens to `newcomer`; `may_move` says which photos may be set aside at all.

    Proven copies come first. Where several known photos are copies of the newcomer, the best of them all is the keeper;
    either the newcomer goes, or the known photos go that were proved against it - never a photo proved against another.
    """
    copies = [m for m in matches if m.evidence.verdict in COPY_VERDICTS]
    movable = [m for m in copies if not held_for_review(m.evidence, policy)]
    if movable:
        return _settle_copies(newcomer, movable, policy, may_move)
    if copies:
        match = min(copies, key=_closest)
        return _undecided(newcomer, match, held_for_review(match.evidence, policy))
    alike = [m for m in matches if m.evidence.verdict is Verdict.LOOK_ALIKE]
    if alike:
        return _undecided(newcomer, min(alike, key=_closest), "alike, but not proved to be a copy")
    return Unique()


def better(a: Photo, b: Photo, evidence: Evidence, policy: Policy) -> tuple[bool, str]:
    """Tell whether `a` is the better keeper of the pair, and by which rule; `evidence` has the same a and b."""
    if a.reference != b.reference:
        return a.reference, "in a reference root"
    for rule in policy.keep:
        told = _RULES[rule](a, b, evidence)
        if told:
            return told > 0, _WORDS[rule]
    # Equal in all that matters: any fixed order will do, as long as it is the same whoever came first.
    return _place(a) < _place(b), "the one with the shorter path"


def held_for_review(evidence: Evidence, policy: Policy) -> str:
    """Say why this copy is only shown for review, or nothing when it may be moved."""
    if evidence.verdict not in policy.set_aside:
        return f"the policy leaves {evidence.verdict} copies alone"
    if evidence.mirrored and policy.mirrored == "review":
        return "a mirrored copy"
    if evidence.rotated and policy.rotated == "review":
        return "a rotated copy"
    return ""


def _settle_copies(
    newcomer: Photo, copies: Sequence[Match], policy: Policy, may_move: Callable[[Photo], bool]
) -> Decision:
    judged = [(match, *better(newcomer, match.photo, match.evidence, policy)) for match in copies]
    betters = [(match, rule) for match, newcomer_wins, rule in judged if not newcomer_wins]
    if betters:
        match, rule = _best(betters, policy)
        if may_move(newcomer):
            return Duplicate((Move(newcomer, match.photo, match.evidence, rule),))
        return _undecided(newcomer, match, _not_movable(newcomer))
    moves = tuple(
        Move(match.photo, newcomer, _swapped(match.evidence), rule)
        for match, _, rule in judged
        if may_move(match.photo)
    )
    if moves:
        return Duplicate(moves)
    # The newcomer would be the keeper, but the others must stay. With the same bytes nothing is lost either way.
    same = [match for match in copies if match.evidence.verdict is Verdict.IDENTICAL]
    if same and may_move(newcomer):
        match = min(same, key=_closest)
        return Duplicate((Move(newcomer, match.photo, match.evidence, "the one that was here before"),))
    match = min(copies, key=_closest)
    return Undecided(match.photo, newcomer, _swapped(match.evidence), _not_movable(match.photo))


def _undecided(newcomer: Photo, match: Match, why: str) -> Undecided:
    return Undecided(newcomer, match.photo, match.evidence, why)


def _best(betters: Sequence[tuple[Match, str]], policy: Policy) -> tuple[Match, str]:
    # Between two known photos there is no proof: compare what can be compared without one.
    none = Evidence(Verdict.SAME_PIXELS)

    def order(one: tuple[Match, str], other: tuple[Match, str]) -> int:
        if one[0].photo.reference != other[0].photo.reference:
            return -1 if one[0].photo.reference else 1
        return -1 if better(one[0].photo, other[0].photo, none, policy)[0] else 1

    # Ages within two seconds count as equal, so three may each be better than the next: start in a fixed order.
    return min(sorted(betters, key=lambda one: _place(one[0].photo)), key=functools.cmp_to_key(order))


def _not_movable(photo: Photo) -> str:
    return (
        "its root is a reference" if photo.reference else "was here before twinwatch watched; nobody asked to move it"
    )


def _closest(match: Match) -> tuple[int, tuple[int, bytes, int]]:
    return list(Verdict).index(match.evidence.verdict), _place(match.photo)


def _swapped(evidence: Evidence) -> Evidence:
    inverse = {6: 8, 8: 6}.get(evidence.transform, evidence.transform)
    other = {"a": "b", "b": "a", None: None}[evidence.original]
    words = evidence.words
    return Evidence(evidence.verdict, other, inverse, words, evidence.measures)  # type: ignore[arg-type]


def _place(photo: Photo) -> tuple[int, bytes, int]:
    path = str(photo.path).encode("utf-8", "surrogateescape")
    return len(path), path, photo.root  # two roots may have the same path


def _sign(a: float, b: float) -> int:
    return (a > b) - (a < b)


def _format(photo: Photo) -> int:
    name = "" if photo.reading.header is None else photo.reading.header.format
    return FORMAT_RANK.index(name) if name in FORMAT_RANK else len(FORMAT_RANK)


def _pixels(photo: Photo) -> int:
    # A file that cannot be read may still be, byte for byte, the copy of another.
    return 0 if photo.reading.header is None else photo.reading.header.pixels


def _richness(photo: Photo) -> int:
    return 0 if photo.reading.header is None else photo.reading.header.metadata.richness


def _original(a: Photo, b: Photo, evidence: Evidence) -> int:
    told = {"a": 1, "b": -1, None: 0}[evidence.original]
    if told and not evidence.direction_proved:
        # Where the encoder is unknown the direction is a guess (measured: wrong in 1 to 5 %) that nothing may oppose.
        # More tags, XMP or a profile do not: editors add them.
        pixels = _sign(a.header.pixels, b.header.pixels)
        taken = _sign(a.header.metadata.taken, b.header.metadata.taken)
        return 0 if -told in (pixels, taken) else told
    return told


def _age(a: Photo, b: Photo, _: Evidence) -> int:
    if abs(a.stat.mtime_ns - b.stat.mtime_ns) <= SAME_AGE_NS:
        return 0
    return _sign(b.stat.mtime_ns, a.stat.mtime_ns)


def _name(a: Photo, b: Photo, _: Evidence) -> int:
    edited = _sign(looks_edited(b.path.name), looks_edited(a.path.name))
    if edited:
        return edited
    one, other = plainness(a.path.name), plainness(b.path.name)
    return (other > one) - (other < one)


_RULES: dict[str, Callable[[Photo, Photo, Evidence], int]] = {
    "original": _original,
    "pixels": lambda a, b, _: _sign(_pixels(a), _pixels(b)),
    "metadata": lambda a, b, _: _sign(_richness(a), _richness(b)),
    "format": lambda a, b, _: _sign(_format(b), _format(a)),
    "age": _age,
    "name": _name,
}

_WORDS = {
    "original": "the original, from which the other was made",
    "pixels": "the one with more pixels",
    "metadata": "the one with richer metadata",
    "format": "the one in the better format",
    "age": "the older one",
    "name": "the one with the plainer name",
}
