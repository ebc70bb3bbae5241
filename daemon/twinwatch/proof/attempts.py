"""Making each of two pictures from the other, in every plausible way, and choosing the attempt that tells most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from twinwatch.imaging.fingerprint import oriented
from twinwatch.photo import Side
from twinwatch.proof import judge, recreate
from twinwatch.proof.finishing import quantise
from twinwatch.proof.picture import INVERSE, Picture, same, with_profile
from twinwatch.proof.residual import residual

EXACT = 0.15
"""Of the allowance: the cause was found, not only approached."""

_MOST_RECOLOURED = 9.0
"""Grey levels that a dropped profile may have stood for: Display P3 2-5. With more it shows another picture."""

_HOPELESS = 3.0  # times the allowance in the windows: the rest of the picture cannot mend it
_CHAIN_HOPE = 2.5  # times the allowance: what earlier generations can leave (measured: up to 1.8)
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
    tried = [_shown(source, target, background, turn, side, transform) for background in backgrounds]
    return max(tried, key=lambda attempt: attempt.judgement.score)


def _shown(source: Picture, target: Picture, background: int | None, turn: int, side: Side, transform: int) -> Attempt:
    """Make `target` in its own colour profile; where it has none, also as a program that dropped the source's."""
    wanted = target.rgb(background)
    ready = oriented(oriented(source.rgb(background), source.header.orientation), turn)
    ready = oriented(ready, INVERSE[target.header.orientation])
    converted = with_profile(ready, source.profile, target.profile)
    attempt = _made(converted, wanted, target, side, transform)
    if source.profile is None or target.profile is not None or _is_exact(attempt):
        return attempt
    if _apart(ready, converted) > _MOST_RECOLOURED:
        return attempt
    dropped = _made(ready, wanted, target, side, transform)
    dropped = replace(dropped, how=f"{dropped.how}, its colour profile dropped")
    return min(attempt, dropped, key=lambda attempt: attempt.judgement.score)


def _apart(a: Image.Image, b: Image.Image) -> float:
    """Return the mean difference of two pictures' miniatures, in grey levels."""
    small = [image.resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0) for image in (a, b)]
    return float(np.mean(np.asarray(ImageChops.difference(*small))))


def _made(ready: Image.Image, wanted: Image.Image, picture: Picture, side: Side, transform: int) -> Attempt:
    """Search the recipe on a few windows, and only when these come near make the whole."""
    see_through = picture.see_through()
    target = recreate.Target(wanted, picture.tables, None if see_through else picture.palette)
    bounds = _bounds(picture)
    found = recreate.recipes(ready, target)
    best = _glimpse(ready, target, found[0], bounds, side, transform)
    if best.judgement.score > _HOPELESS:
        return best
    whole = best
    for number, recipe in enumerate(found[:_MOST_WHOLE]):
        if number and recipe.distance > found[0].distance * _RIVAL_RECIPE:
            break
        attempt = _whole(ready, target, recipe, bounds, side, transform)
        if not number or attempt.judgement.score < whole.judgement.score:
            whole = attempt
        if attempt.judgement.proved:
            return whole
    if target.tables is not None and whole.judgement.score <= _CHAIN_HOPE:
        recipe = recreate.with_generations(ready, target, found[0])
        if recipe.before:
            attempt = _whole(ready, target, recipe, bounds, side, transform)
            return min(whole, attempt, key=lambda attempt: attempt.judgement.score)
    return whole


def _whole(
    ready: Image.Image, target: recreate.Target, recipe: recreate.Recipe, bounds: judge.Bounds, side: Side, turn: int
) -> Attempt:
    """Make the whole picture by one recipe."""
    again = recreate.made(ready, target, recipe)
    if recipe.dither is None and same(target.image, again):
        return Attempt(side, turn, recipe.words, judge.NOTHING_LEFT)
    if target.palette is None:
        return Attempt(side, turn, recipe.words, judge.judge(residual(target.image, again), bounds))
    plain = recreate.made(ready, target, replace(recipe, dither=None))
    excuse, without = _palette_cost(plain, target.palette), residual(target.image, plain)
    judgement = min(
        # Our error diffusion meets theirs in no pixel: then the colours before it are the better measure.
        (judge.judge(left, bounds, excuse=excuse) for left in (residual(target.image, again), without)),
        key=lambda judgement: judgement.score,
    )
    # The nearest colour of a palette may be another one: it must not hide a tone.
    score = max(judgement.score, judge.recoloured(without))
    return Attempt(side, turn, recipe.words, replace(judgement, score=score))


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
    for box, window in recreate.made_windows(ready, target, replace(recipe, dither=None)):
        excuse = None if target.palette is None else _palette_cost(window, target.palette)
        left = residual(target.image.crop(box), window)
        judgement = judge.judge(left, bounds, window=(box[0], box[1]), excuse=excuse)
        if worst is None or judgement.score > worst.judgement.score:
            worst = Attempt(side, transform, recipe.words, judgement)
    if worst is None:
        raise ValueError("a picture without windows")
    return worst


def _palette_cost(image: Image.Image, palette: Image.Image) -> NDArray[np.float32]:
    """Return what this palette costs each tile, as `judge` excuses it: shape (rows, columns, 3)."""
    nearest = residual(quantise(image, palette, dither=False), image).rough
    diffused = residual(quantise(image, palette, dither=True), image).rough
    return np.stack([nearest[:, :, 0], nearest[:, :, 1:].max(axis=2), diffused[:, :, 0]], axis=2)


def _bounds(target: Picture) -> judge.Bounds:
    if target.palette is not None:
        return judge.PALETTE
    if target.lossless:
        return judge.LOSSLESS
    if target.tables is None or target.tables.subsampling is None:
        return judge.HIDDEN_TABLES
    return judge.KNOWN_TABLES.with_step(target.tables.tables[0][0])


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
