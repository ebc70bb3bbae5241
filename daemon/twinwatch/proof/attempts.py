"""Making each of two pictures from the other, in every plausible way, and choosing the attempt that tells most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from twinwatch.imaging.fingerprint import oriented
from twinwatch.photo import Side
from twinwatch.proof import judge, recreate
from twinwatch.proof.picture import INVERSE, Picture, same, with_profile
from twinwatch.proof.residual import residual

EXACT = 0.15
"""Of the allowance: the cause was found, not only approached."""

_HOPELESS = 3.0  # times the allowance in the windows: the rest of the picture cannot mend it
_MOST_WHOLE = 2  # recipes that make the whole picture
_RIVAL_RECIPE = 1.1  # a second recipe makes the whole when it came this near


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to make the target, and what it left."""

    side: Side
    transform: int
    how: str
    judgement: judge.Judgement


def decisive(a: Picture, b: Picture, transforms: Sequence[int]) -> Attempt | None:
    """Return the attempt that tells what the two are to each other; None when neither may be made from the other.

    `transforms` are the orientations worth trying, each turning upright `a` into upright `b`.
    """
    tried = _attempts(a, b, transforms)
    return _decisive(tried, a, b) if tried else None


def _attempts(a: Picture, b: Picture, transforms: Sequence[int]) -> list[Attempt]:
    """Make each from the other in every plausible turn, the likelier direction first, until one comes out exactly."""
    tried: list[Attempt] = []
    for transform in transforms:
        for side in _likely_original(a, b):
            source, target = (a, b) if side == "a" else (b, a)
            if not _may_be_made(source, target):
                continue
            turn = transform if side == "a" else INVERSE[transform]
            tried.append(_attempt(source, target, turn, side, transform))
            if _is_exact(tried[-1]):
                return tried
    return tried


def _decisive(tried: list[Attempt], a: Picture, b: Picture) -> Attempt:
    """Choose the attempt that tells what the two are to each other."""
    if _is_exact(tried[-1]):
        return tried[-1]
    # An original remade from its copy may be equal but for a few tiles, as an edit is: only the other direction, when
    # it is exact, outweighs that.
    for attempt in tried:
        if attempt.judgement.edited:
            return attempt
    proved = [attempt for attempt in tried if attempt.judgement.proved]
    if proved and not _rescaled(a, b):
        return proved[0]  # of equals, the likelier original
    # Of two sizes the one that makes the other better is the original: an enlargement has nothing of its own.
    return min(tried, key=lambda attempt: attempt.judgement.score)


def _is_exact(attempt: Attempt) -> bool:
    return attempt.judgement.score <= EXACT and not attempt.judgement.edited


def _rescaled(a: Picture, b: Picture) -> bool:
    return a.header.upright != b.header.upright and a.header.upright != b.header.upright[::-1]


def _attempt(source: Picture, target: Picture, turn: int, side: Side, transform: int) -> Attempt:
    """Make `target` from `source` turned by `turn` (upright to upright), on every background that matters."""
    backgrounds = (0, 255) if source.see_through() or target.see_through() else (None,)
    worst: Attempt | None = None
    for background in backgrounds:
        wanted = target.rgb(background)
        ready = oriented(oriented(source.rgb(background), source.header.orientation), turn)
        ready = oriented(ready, INVERSE[target.header.orientation])
        attempt = _made(with_profile(ready, source.profile, target.profile), wanted, target, side, transform)
        if worst is None or attempt.judgement.score > worst.judgement.score:
            worst = attempt
    if worst is None:
        raise ValueError("no background")
    return worst


def _made(ready: Image.Image, wanted: Image.Image, picture: Picture, side: Side, transform: int) -> Attempt:
    """Search the recipe on a few windows, and only when these come near make the whole."""
    see_through = picture.see_through()
    target = recreate.Target(wanted, picture.tables, None if see_through else picture.palette)
    bounds = _bounds(picture)
    found = recreate.recipes(ready, target)
    best = _glimpse(ready, target, found[0], bounds, side, transform)
    if best.judgement.score > _HOPELESS:
        return best
    nearest = found[0].distance
    whole: Attempt | None = None
    for recipe in found[:_MOST_WHOLE]:
        if whole is not None and recipe.distance > nearest * _RIVAL_RECIPE:
            break
        again = recreate.made(ready, target, recipe)
        if recipe.dither is None and same(wanted, again):
            return Attempt(side, transform, recipe.words, judge.NOTHING_LEFT)
        judgement = judge.judge(residual(wanted, again), bounds)
        if recipe.dither is not None:  # the nearest colour of a palette may be another one: it must not hide a tone
            plain = residual(wanted, recreate.made(ready, target, replace(recipe, dither=None)))
            judgement = replace(judgement, score=max(judgement.score, judge.recoloured(plain)))
        if whole is None or judgement.score < whole.judgement.score:
            whole = Attempt(side, transform, recipe.words, judgement)
        if judgement.proved:
            break
    return whole or best


def _glimpse(
    ready: Image.Image,
    target: recreate.Target,
    recipe: recreate.Recipe,
    bounds: judge.Bounds,
    side: Side,
    transform: int,
) -> Attempt:
    """Judge only the windows; the worst of them stands for the picture."""
    worst: Attempt | None = None
    for box, window in recreate.made_windows(ready, target, recipe):
        left = residual(target.image.crop(box), window)
        judgement = judge.judge(left, bounds, window=(box[0], box[1]))
        if worst is None or judgement.score > worst.judgement.score:
            worst = Attempt(side, transform, recipe.words, judgement)
    if worst is None:
        raise ValueError("a picture without windows")
    return worst


def _bounds(target: Picture) -> judge.Bounds:
    if target.palette is not None and target.header.format == "GIF":
        return judge.PALETTE
    if target.lossless:
        return judge.LOSSLESS
    known = target.tables is not None and target.tables.subsampling is not None
    return judge.KNOWN_TABLES if known else judge.HIDDEN_TABLES


def _likely_original(a: Picture, b: Picture) -> tuple[Side, Side]:
    """Order the directions: more pixels first, then a camera's name, finer quantisation, metadata."""

    def worth(p: Picture) -> tuple[int, bool, float, int]:
        fineness = -p.tables.coarseness if p.tables else 0.0 if p.lossless else -math.inf
        meta = p.header.metadata
        return (p.header.pixels, meta.camera is not None, fineness, meta.richness)

    return ("a", "b") if worth(a) >= worth(b) else ("b", "a")


def _may_be_made(source: Picture, target: Picture) -> bool:
    """Tell whether the target could have been made from the source: not with more depth, nor alpha out of nothing."""
    if target.header.bits > max(8, source.header.bits):
        return False
    if source.see_through() != target.see_through():
        return False
    colour_gained = target.profile is not None and source.profile is None
    return not colour_gained
