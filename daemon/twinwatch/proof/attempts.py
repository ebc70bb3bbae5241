"""Making each of two pictures from the other, in every plausible way, and choosing the attempt that tells most.

Every way is looked at in a few windows; only the most promising make the whole picture, until one of them proves.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from twinwatch.photo import Side
from twinwatch.proof import making
from twinwatch.proof.judge import Judgement
from twinwatch.proof.order import Likely
from twinwatch.proof.picture import INVERSE, Picture, keeps_all, rescaled

_EXACT = 0.12  # of the allowance: the cause was found, not only approached
_HOPELESS = 3.0  # times the allowance in the windows: the rest of the picture cannot mend it
_ENLARGED = 0.9
"""By how much nearer an enlargement must be made than a reduction. Measured on 56 enlargements by seven programs: 0.06
to 0.87 of the distance that the reduction leaves."""
_CLEAN = 1.25  # `Judgement.stray` beside an edit in the other direction
_LESS = 0.5  # the same as a share of what strays there
_JPEG_DECODERS = 10.0  # the same where one of them does not smooth the chroma of a JPEG (GraphicsMagick: up to 8.9)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to make the target, and what it left."""

    side: Side
    transform: int
    how: str
    judgement: Judgement
    doubtful: bool = False  # as a direction: the target's format would have kept what is lost
    disproved: bool = False  # the same beyond what decoders differ in
    both_ways: bool = False  # the other makes this one as well

    @property
    def exact(self) -> bool:
        """Tell whether the target came out as it is."""
        return self.judgement.score <= _EXACT and self.proved

    @property
    def proved(self) -> bool:
        """Tell whether the target was made from the source."""
        return self.judgement.proved and not self.disproved

    def outweighs(self, other: Attempt) -> bool:
        """Tell whether this proves that `other`, which looks like an edit in the other direction, is none.

        An edit stays as far from the picture whichever of the two it is remade from.
        """
        stray = self.judgement.stray
        return stray <= min(_CLEAN, _LESS * other.judgement.stray)

    @property
    def direction_proved(self) -> bool:
        """Tell whether the target was exactly made from the source and not the source from the target."""
        return self.exact and not self.both_ways


@dataclass(frozen=True, slots=True)
class _Looked:
    side: Side
    transform: int
    way: making.Way
    seen: making.Made
    place: int  # of its direction in the order of likelihood
    certain: bool  # the target's own coefficients tell that the source came first

    @property
    def promising(self) -> tuple[int, float, float]:
        """Order the ways: all windows made exactly, most of them, near; of these the likelier direction first.

        One that the target's coefficients tell of goes before all others where it is near: the other direction gives
        back what had been rounded before, and proves nothing.

        Of two sizes the one that makes the other better is the original: an enlargement has nothing of its own. How far
        they stay from each other tells that most clearly, unless a codec hides what it added to one of them.
        """
        judgement = self.seen.judgement
        if self.certain and judgement.score <= 1:
            return -1, self.place, judgement.score
        if judgement.score <= _EXACT:
            return 0, self.place, judgement.score
        if judgement.mostly_exact:
            return 1, self.place, judgement.score
        if rescaled(self.way.source, self.way.target):
            if self.way.source.known_storage and self.way.target.known_storage:
                return 2, self.seen.distance / (_ENLARGED if self.way.enlarges else 1), 0
            return 2, judgement.score, 0
        return (2, self.place, judgement.score) if judgement.score <= 1 else (3, judgement.score, 0)


def decisive(a: Picture, b: Picture, transforms: Sequence[int], likely: Likely) -> Attempt | None:
    """Return the attempt that tells what the two are to each other; None when neither may be made from the other.

    `transforms` are the orientations worth trying, each turning upright `a` into upright `b`; `likely` tells of each
    which of the two is likelier to be the original.
    """
    tried: list[Attempt] = []
    both_ways = _same_tables(a, b)
    looked = _look(a, b, transforms, likely)
    settled = _settled(looked, tried, both_ways=both_ways)
    windows_exact = bool(looked) and looked[-1].seen.judgement.score <= _EXACT
    if windows_exact and (settled is None or not settled.exact) and not rescaled(a, b):
        # Not so beyond the windows: so comes out what was edited, and what is made again from its own copy.
        rest = _look(a, b, transforms, likely, {(one.transform, one.side) for one in looked})
        other = _settled(rest, tried, both_ways=both_ways)
        settled = other if settled is None or (other is not None and other.exact) else settled
    return settled or _most_telling(tried)


def _settled(looked: Sequence[_Looked], tried: list[Attempt], *, both_ways: bool) -> Attempt | None:
    """Make the whole, the most promising way first, until one settles it; what was `tried` grows."""
    for one in sorted(looked, key=lambda looked: looked.promising):
        hopeless = one.seen.judgement.score > _HOPELESS
        if hopeless and tried:
            continue
        attempt = _attempt(one, one.seen if hopeless else one.way.make(), both_ways=both_ways)
        if attempt.exact:
            return attempt
        edited = [other for other in tried if other.judgement.edited]
        if edited and attempt.proved and not hopeless:
            # An original remade from its copy may be equal but for a few tiles, as an edit is.
            attempt = _attempt(one, one.way.make(closely=True), both_ways=both_ways)
        tried.append(attempt)
        if attempt.proved and not attempt.doubtful and all(attempt.outweighs(other) for other in edited):
            return attempt
    return None


def _look(
    a: Picture, b: Picture, transforms: Sequence[int], likely: Likely, done: Container[tuple[int, Side]] = ()
) -> list[_Looked]:
    """Look at every plausible way, the likelier direction first, until one makes the windows exactly.

    Where most tiles come out equal the scaler is right, and no other decoding is looked at; the other direction is, as
    it may outweigh this one: an enlargement still has most of the pixels that it was made of. Without the ways (turn,
    side) that are `done`.
    """
    looked: list[_Looked] = []
    for transform in transforms:
        first, certain = likely(transform)
        sides: tuple[Side, Side] = ("a", "b") if first == "a" else ("b", "a")
        for place, side in enumerate(sides, len(looked)):
            source, target = (a, b) if side == "a" else (b, a)
            if (transform, side) in done or not _may_be_made(source, target):
                continue
            right = exact = False
            for way in making.ways(source, target, transform if side == "a" else INVERSE[transform]):
                if right and way.shrunk > 1:
                    continue
                looked.append(_Looked(side, transform, way, way.look(), place, certain and side == first))
                seen = looked[-1].seen.judgement
                exact = exact or seen.score <= _EXACT
                right = right or exact or seen.mostly_exact
            if exact:
                return looked
    return looked


def _attempt(looked: _Looked, made: making.Made, *, both_ways: bool) -> Attempt:
    kept = keeps_all(looked.way.source, looked.way.target) and not made.lossy
    lost = made.judgement.worst_luma if kept else 0.0
    disproved = lost > (_JPEG_DECODERS if looked.way.source.tables is not None else making.DECODERS)
    doubtful = lost > making.DECODERS and not looked.certain
    return Attempt(looked.side, looked.transform, made.how, made.judgement, doubtful, disproved, both_ways)


def _most_telling(tried: Sequence[Attempt]) -> Attempt | None:
    """Choose among attempts of which none settled it: an edit, a proof, the nearest."""
    for attempt in tried:
        if attempt.judgement.edited:
            return attempt
    for attempt in tried:
        if attempt.proved:
            return attempt
    return min(tried, key=lambda attempt: attempt.judgement.score, default=None)


def _same_tables(a: Picture, b: Picture) -> bool:
    """Tell whether two JPEGs of one size were quantised alike: then each makes the other, and neither is first."""
    return a.tables is not None and a.tables == b.tables and not rescaled(a, b)


def _may_be_made(source: Picture, target: Picture) -> bool:
    """Tell whether the target could have been made from the source: not with alpha out of nothing.

    More bits or a wider profile than the source has are no gain: programs write both by default.
    """
    if source.see_through() != target.see_through():
        return False
    # Else their pixels were compared: two lossless files of one size are equal or are two pictures.
    return not (source.lossless and source.header.bits <= 8 and keeps_all(source, target))
