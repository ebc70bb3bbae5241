"""The whole stored again by a codec of ours, for a copy whose codec does not say what it did, and judged by its loss.

That codec is JPEG, whatever the copy's is: at a quality at which it loses as much, it loses it in much the same places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from PIL import Image

from twinwatch.proof import approached, judge, recoded, recoding, recreate
from twinwatch.proof.finishing import StandIn
from twinwatch.proof.ground import Ground
from twinwatch.proof.picture import JpegTables, same
from twinwatch.proof.residual import TILE, Asked, residuals, unstored

_HOPE = 4.0
"""Times the allowance without storing: a nearly grey picture lost its faint colours (measured: up to 3.1)."""

_OFTEN = "lanczos"
"""What most programs that care scale by. It smooths least of all scalers, so that coarse codecs hide it best."""

_STRIP = 512  # rows stored at a time
_LEFT, _LOST, _LUMA = Asked(0, 1), Asked(1, 2, spreads=False), Asked(0, 2, means=False)


class Hidden:
    """Makes `target` from `ready` and stores it again.

    `bounds` are for what is left without that, `noise` tells what may be left with it; `own` are the tables that the
    target was stored by after that, where they are known.
    """

    def __init__(
        self,
        ready: Ground,
        target: recreate.Target,
        bounds: judge.Bounds,
        noise: recoded.Noise,
        own: JpegTables | None = None,
    ) -> None:
        self._ready, self._target, self._bounds, self._noise = ready, target, bounds, noise
        self._own = own
        self._aims = [target.image.crop(box) for box in target.windows]
        self._windows = lru_cache(self._make_windows)
        self._stored = lru_cache(self._fit)

    def nearest(self, found: Sequence[recreate.Recipe]) -> tuple[str, judge.Judgement]:
        """Make it by the likeliest recipe, then others until one proves it: how, and what was left of the nearest."""
        tried: list[tuple[str, judge.Judgement]] = []
        asked = set()
        for recipe in self._likely(found):
            if recipe not in asked:
                asked.add(recipe)
                tried.append(self._by(recipe))
            if tried[-1][1].proved:
                break
        return min(tried, key=lambda told: told[1].score)

    def _likely(self, found: Sequence[recreate.Recipe]) -> Iterator[recreate.Recipe]:
        """Yield the recipes that may have been it: a codec smooths, and what smooths as much comes near without it."""
        plain = [recipe for recipe in found if recipe.kernel is None]
        if len(plain) > 1:
            yield min(plain, key=lambda recipe: recoding.kept_apart(self._windows(recipe), self._aims))
            stored = self._stored(plain[0])
            yield min(plain, key=lambda recipe: recoding.apart(self._windows(recipe), self._aims, stored))
        else:
            yield plain[0]
        yield found[0]
        yield from (recipe for recipe in plain if recipe.scaler == _OFTEN)

    def _by(self, recipe: recreate.Recipe) -> tuple[str, judge.Judgement]:
        """Judge the whole by what storing it loses; what came out equal for the most part, or not nearly, as it is.

        Of a chart most comes out equal through a codec that loses much elsewhere: that is no edit.
        """
        made = recreate.made(self._ready, self._target, recipe)
        if same(self._target.image, made):
            return recipe.words, judge.NOTHING_LEFT
        stored = self._stored(recipe)
        left, lost, luma = residuals(self._strips(made, stored), [_LEFT, _LOST, _LUMA])
        without = unstored(left, lost, luma)
        scaled = self._ready.size != made.size
        plain = judge.judge(without, self._bounds, scaled=scaled)
        if (plain.mostly_exact and plain.proved) or plain.score > _HOPE:
            return recipe.words, plain
        found = recoded.judge(left, lost, self._noise)
        # Whose grain it is shows better without our own noise in it.
        if plain.limit == "grain" and plain.score > max(1.0, found.score):
            found = replace(found, score=plain.score, limit="grain")
        found = approached.judge(
            found, self._target.image, made, without, replace(self._bounds, halved=self._noise.halved), scaled=scaled
        )
        return f"{recipe.words}, losing as much as {stored.words}", found

    def _strips(self, made: Image.Image, stored: StandIn) -> Iterator[tuple[Image.Image, ...]]:
        """Yield the target, the re-creation stored, and the re-creation; strip by strip."""
        top = 0
        while top < made.height:
            rest = made.height - top
            box = (0, top, made.width, top + (_STRIP if rest >= _STRIP + TILE else rest))
            part = made.crop(box)
            yield self._target.image.crop(box), stored.applied(part), part
            top = box[3]

    def _make_windows(self, recipe: recreate.Recipe) -> list[Image.Image]:
        return [window for _, window in recreate.made_windows(self._ready, self._target, recipe)]

    def _fit(self, recipe: recreate.Recipe) -> StandIn:
        return recoding.fitted(self._windows(recipe), self._aims, self._own)
