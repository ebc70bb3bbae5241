"""One way to make a picture from another: looked at in a few windows, and made in full only when asked.

A way knows what it starts from, how that is turned, whether a colour profile was dropped, and what the target's file
tells. It judges nothing beyond saying how far its result stays from the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image, ImageChops

from twinwatch.proof import approached, between, judge, paletted, recoded, recreate
from twinwatch.proof.detail import lost_detail
from twinwatch.proof.encoders import Encoder
from twinwatch.proof.exposure import kinship_of
from twinwatch.proof.finishing import quantise
from twinwatch.proof.ground import Ground
from twinwatch.proof.hidden import Hidden
from twinwatch.proof.picking import picked
from twinwatch.proof.picture import INVERSE, Picture, as_rgb, composed, keeps_all, same, with_profile
from twinwatch.proof.quantised import excused_at_edges, explained
from twinwatch.proof.residual import joined, residual

_MOST_RECOLOURED = 9.0
"""Grey levels that a dropped profile may have stood for: Display P3 2-5. With more it shows another picture."""

_CHAIN_HOPE = 3.0  # times the allowance: what earlier generations can leave (measured: up to 2.5)
_ROUNDED_HOPE = 3.2  # the same of another encoder's rounding (measured: up to 3.1)
_QUIET, _QUIET_SCALED = 0.9, 1.6
"""Grey levels of unexplained noise in the calmest windows, at the same size and scaled by a scaler that is only
approached. Measured: JPEG copies 0 to 0.3 and 0 to 1.5, after coarser generations up to 2.4; the same scene taken again
from a tripod 0.6 to 2.9."""

_MORE_THROUGH_JPEGS = 1.5
"""How often that noise may be left where earlier JPEGs were found, as these are only approached. Measured: 71 of 72
copies up to 0.9, one 1.19; another shot for which a coarse JPEG was found 2.7."""

_SHRINKS = 2  # parts of a JPEG's size looked at: the smallest that is enough, and the next, as libvips takes it

DECODERS = 1.5
"""Grey levels, mean over a tile: two decoders of one file differ by less."""

_KIN = 0.34
"""The least kinship (`exposure`) of what went through a codec that hides its loss: it excuses much, and another shot
from a tripod has up to 0.33. Measured: 20 of 240 copies through coarse WebP and AVIF have less."""

_LEARNED = 0.8
"""The share of its allowance within which a learned scaler must reduce: it has learned from what it is judged by.
Measured: 36 of 41 copies up to 0.78, seven edits of a few pixels 0.81 to 1."""
_MOST_WHOLE = 2  # recipes that make the whole picture
_RIVAL_RECIPE = 1.1  # a second recipe makes the whole when it came this near


@dataclass(frozen=True, slots=True)
class Made:
    """What one way led to: how it was made, in words, and what was left; of a look also the windows' mean distance.

    `lossy`: by a codec that does not say what it lost, before the one that the target is stored by.
    """

    how: str
    judgement: judge.Judgement
    distance: float = 0.0  # grey levels
    lossy: bool = False


class Way:
    """Make `target` from `source` turned by the EXIF orientation `turn` (upright to upright).

    With `dropped`, by a program that forgot the source's colour profile and kept its numbers; with `shrunk`, by one
    that decoded the source JPEG at this part of its size (2, 4, 8) before it scaled.
    """

    def __init__(self, source: Picture, target: Picture, turn: int, *, dropped: bool = False, shrunk: int = 1) -> None:
        self.source = source
        self.target = target
        self._turn = turn
        self._dropped = dropped
        self.shrunk = shrunk
        self._bounds = _bounds(source, target)
        self._backgrounds = (0, 255) if source.see_through() or target.see_through() else (None,)
        self._recipes: list[list[recreate.Recipe]] = []
        self._opaque: tuple[Ground, recreate.Target] | None = None

    def look(self) -> Made:
        """Search the recipe in a few windows and judge these; on see-through pictures the worse background counts."""
        looked = []
        for background in self._backgrounds:
            ready, target = self._scene(background)
            found = recreate.recipes(ready, target)
            seen = _in_windows(ready, target, found[0], self._bounds)
            # Which of two sizes was first shows only when the larger is enlarged as well as it can be.
            if (seen.score > 1 or self.enlarges) and (learned := self._learned(ready, target)):
                other = _in_windows(ready, target, learned, self._bounds)
                better = learned.distance < found[0].distance if self.enlarges else other.score < seen.score
                found, seen = ([learned, *found], other) if better else ([*found, learned], seen)
            self._recipes.append(found)
            looked.append(Made(found[0].words, seen, found[0].distance))
        return max(looked, key=lambda made: made.judgement.score)

    @property
    def enlarges(self) -> bool:
        """Tell whether the target has more pixels than the source."""
        return self.target.header.pixels > self.source.header.pixels

    def make(self, *, closely: bool = False) -> Made:
        """Make the whole picture; call after `look`. `closely`: say what rounding explains even where it is proved."""
        made = [
            self._made(*self._scene(background), found, closely=closely)
            for background, found in zip(self._backgrounds, self._recipes, strict=True)
        ]
        worst = max(made, key=lambda made: made.judgement.score)
        loaded = f"loaded at 1/{self.shrunk}, " if self.shrunk > 1 else ""
        dropped = ", its colour profile dropped" if self._dropped else ""
        return replace(worst, how=f"{loaded}{worst.how}{dropped}")

    def _scene(self, background: int | None) -> tuple[Ground, recreate.Target]:
        """Return what is made from what; of pictures that nothing shows through the same ones each time."""
        if background is not None:
            return self._shown(background)
        self._opaque = self._opaque or self._shown(None)
        return self._opaque

    def _shown(self, background: int | None) -> tuple[Ground, recreate.Target]:
        source, target = self.source, self.target
        stored = source.rgb(background) if self.shrunk == 1 else as_rgb(source.shrunk(self.shrunk))
        turn = composed(source.header.orientation, self._turn, INVERSE[target.header.orientation])
        coloured = None
        if not self._dropped and source.profile != target.profile:
            coloured = partial(with_profile, source=source.profile, target=target.profile)
        palette = None if target.palette is None or target.see_through() else paletted.in_use(target.palette)
        shown = target.rgb(background)
        return Ground(stored, turn, coloured), recreate.Target(
            shown, target.steps, palette, hidden=self._bounds is judge.HIDDEN_TABLES
        )

    def _made(self, ready: Ground, target: recreate.Target, found: list[recreate.Recipe], *, closely: bool) -> Made:
        if target.hidden:
            noise = recoded.OF_JXL if self.target.header.format == "JXL" else recoded.USUAL
            return Made(*Hidden(ready, target, self._bounds, noise).nearest(found))
        best = self._openly(ready, target, found, closely=closely)
        if self._explained(best):
            return best
        return self._through_loss(ready, target, found) or self._from_another(ready, target, found, best) or best

    def _explained(self, made: Made) -> bool:
        """Tell whether what is left tells enough by itself, or too little to ask what else the copy went through."""
        judgement = made.judgement
        if judgement.mostly_exact or judgement.score > _CHAIN_HOPE or self.target.palette is not None:
            return True
        lost = keeps_all(self.source, self.target) and judgement.worst_luma > DECODERS
        return judgement.proved and not lost

    def _through_loss(self, ready: Ground, target: recreate.Target, found: Sequence[recreate.Recipe]) -> Made | None:
        """Make it through a codec that does not say what it lost; None where it lost nothing, or is not made so."""
        if ready.size != target.image.size:
            return None  # another scaler than the known ones leaves as much, and would excuse what it did not do
        same_size = next(recipe for recipe in found if recipe.kernel is None)
        if not recreate.something_between(ready, target, same_size) or self._was_saved_of(ready, target):
            return None
        if kinship_of(recreate.calm(ready, target, same_size)) < _KIN:
            return None
        plain = replace(target, tables=None, hidden=True)
        windows = ((plain.image.crop(box), ready.part(box)) for box in plain.windows)
        if not lost_detail(self.target, self.source, windows):
            return None
        how, judgement = Hidden(ready, plain, judge.HIDDEN_TABLES, recoded.BEFORE, target.tables).nearest(found)
        return Made(how, judgement, lossy=True) if judgement.proved else None

    def _from_another(
        self, ready: Ground, target: recreate.Target, found: Sequence[recreate.Recipe], best: Made
    ) -> Made | None:
        """Make it from a JPEG that the source was stored as before; None where it is not made so."""
        if best.judgement.proved or target.tables is None or self.shrunk > 1:
            return None
        known = next(recipe for recipe in found if recipe.sampler is None)
        told = between.stored_before(ready, target, known)
        if told is None:
            return None
        made = self._nearest(told.ground, target, told.recipes, closely=False)
        strange = self._strangeness(told.ground, target, told.recipes[0], made) / _MORE_THROUGH_JPEGS
        made = _no_stranger(replace(made, how=f"{made.how}, from a JPEG of {told.jpeg.words}"), strange)
        return made if made.judgement.proved else None

    def _was_saved_of(self, ready: Ground, target: recreate.Target) -> bool:
        """Tell whether the source may be the target itself, saved as its file says: also where that cannot be told."""
        if self.source.steps is None:
            return False
        if ready.turn != 1 or ready.coloured is not None:
            return True
        back = recreate.Target(ready.stored, self.source.steps)
        return not recreate.something_between(Ground(target.image), back, recreate.Recipe("same size"))

    def _openly(self, ready: Ground, target: recreate.Target, found: list[recreate.Recipe], *, closely: bool) -> Made:
        """Make it by what its file tells: its own tables, and the JPEGs before them."""
        best = self._nearest(ready, target, found, closely=closely)
        strange = self._strangeness(ready, target, found[0], best)
        if max(best.judgement.score, strange) > 1 and found[0].sampler is None:
            learned = next((one for one in found if one.sampler is not None), None) or self._learned(ready, target)
            if learned is not None:
                made = self._nearest(ready, target, [learned], closely=closely)
                stranger = self._strangeness(ready, target, learned, made)
                if max(made.judgement.score, stranger) < max(best.judgement.score, strange):
                    best, strange, found = made, stranger, [learned, *found]
        if target.tables is None or best.judgement.mostly_exact or best.judgement.score > _CHAIN_HOPE:
            return best
        if best.judgement.proved and strange <= 1:
            return best
        # Nothing but earlier generations leaves noise that the file's own tables do not explain, unless another camera
        # shot did.
        recipe = recreate.with_generations(ready, target, found)
        if recipe.before:
            # What is cut off has moved the tone already as it was, and must not stand for a turned hue.
            cut_off = any(one.cut_off for one in recipe.before)
            if cut_off:
                bounds = replace(self._bounds, shift=judge.CUT_OFF_SHIFT)
            else:
                bounds = replace(self._bounds, tone=judge.LOOSER_TONE)
            through = _whole(ready, target, recipe, bounds, closely=closely)
            strange = self._strangeness(ready, target, recipe, through) / _MORE_THROUGH_JPEGS
            through = _no_stranger(through, strange)
            # More that is equal tells of the right cause, whatever tile was the worst before.
            better = through.judgement.proved and through.judgement.equal > best.judgement.equal
            return through if better else min(best, through, key=lambda made: made.judgement.score)
        return _no_stranger(best, strange)

    def _strangeness(self, ready: Ground, target: recreate.Target, recipe: recreate.Recipe, made: Made) -> float:
        """Return how much noise is left that the target's tables do not explain, as a multiple of what copies have."""
        if target.tables is None or made.judgement.mostly_exact or made.judgement.score > _CHAIN_HOPE:
            return 0.0
        quiet = _QUIET if ready.size == target.image.size else _QUIET_SCALED
        return round(recreate.noise(ready, target, recipe) / quiet, 3)

    def _nearest(self, ready: Ground, target: recreate.Target, found: list[recreate.Recipe], *, closely: bool) -> Made:
        """Make the whole by the nearest recipes, and by what explains that one of them is exact nearly everywhere."""
        tried: list[Made] = []
        for recipe in found[:_MOST_WHOLE]:
            if tried and recipe.distance > found[0].distance * _RIVAL_RECIPE:
                break
            tried.append(_whole(ready, target, recipe, self._bounds, closely=closely))
            if tried[-1].judgement.proved:
                break
        best = min(tried, key=lambda made: made.judgement.score)
        # Where steps of its own led it astray, other scalers may come nearer than the pixels at the right place do.
        # A palette hides what tells pixels that were picked from those that lie beside: so it follows a zoom.
        nearest = target.palette is None and any(recipe.scaler.startswith("nearest") for recipe in found)
        if not best.judgement.proved and nearest:
            best = self._picked(ready, target, found[0].encoder, best)
        strays = best.judgement.edited or (best.judgement.mostly_exact and best.judgement.stray > 1)
        if strays and target.tables is not None:
            # Nothing was edited where it was saved once more: it comes out exactly then.
            again = recreate.saved_again(ready, target, found[0], best.judgement.at)
            if again.before:
                # Only what brings more of it out equal tells of the right cause.
                made = _whole(ready, target, again, self._bounds, closely=closely)
                best = max(best, made, key=lambda made: made.judgement.equal)
        return best

    def _learned(self, ready: Ground, target: recreate.Target) -> recreate.Recipe | None:
        """Learn a scaler that is none of the known ones, where a picture was scaled from all of its pixels."""
        if self.shrunk > 1 or ready.size == target.image.size or target.hidden or target.palette is not None:
            return None
        return recreate.learned_recipe(ready, target)

    def _picked(self, ready: Ground, target: recreate.Target, encoder: Encoder | None, best: Made) -> Made:
        """Try the very pixels that the target was made of, where most of them were found."""
        pixels = picked(ready.part((0, 0, *ready.size)), target.image)
        if pixels is None:
            return best
        recipe = recreate.Recipe("nearest, rounded as in the copy", encoder=encoder)
        made = replace(
            _whole(Ground(pixels), target, replace(recipe, scaler="same size"), self._bounds), how=recipe.words
        )
        return min(best, made, key=lambda made: (not made.judgement.proved, made.judgement.score))


def _no_stranger(made: Made, strange: float) -> Made:
    """Refuse what has more noise that its tables do not explain (`Way._strangeness`) than copies have."""
    if strange <= 1:
        return made
    return replace(made, judgement=replace(made.judgement, score=max(made.judgement.score, strange), limit="grain"))


def ways(source: Picture, target: Picture, turn: int) -> list[Way]:
    """Return the ways worth trying: from all pixels or, of a JPEG, from an eighth; colours converted or not."""
    found = [Way(source, target, turn)]
    if source.profile is not None and target.profile is None:
        small = source.rgb(255).resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0)
        if _apart(small, with_profile(small, source.profile, None)) <= _MOST_RECOLOURED:
            found.append(Way(source, target, turn, dropped=True))
    shrunk = [part for part in (8, 4, 2) if min(source.size) >= part * min(target.size) - part]
    if source.tables is not None and shrunk:
        found += [Way(source, target, turn, shrunk=part) for part in shrunk[:_SHRINKS]]
    return found


def _apart(a: Image.Image, b: Image.Image) -> float:
    """Return the mean difference of two pictures of one size, in grey levels."""
    return float(np.mean(np.asarray(ImageChops.difference(a, b))))


def _in_windows(
    ready: Ground, target: recreate.Target, recipe: recreate.Recipe, bounds: judge.Bounds
) -> judge.Judgement:
    """Judge the windows; the worst of them stands for the picture, with the share of all that came out equal."""
    judged, lefts, reached = [], [], []
    plain = replace(recipe, dither=None) if target.palette is not None else recipe
    for box, window in recreate.made_windows(ready, target, plain):
        lefts.append(residual(target.image.crop(box), window))
        excuse = None
        if target.palette is not None:
            excuse = paletted.cost(window, target.palette)
            reached.append(residual(target.image.crop(box), quantise(window, target.palette, dither=True)))
        judged.append(judge.judge(lefts[-1], bounds, window=(box[0], box[1]), excuse=excuse))
    worst = max(judged, key=lambda judgement: judgement.score)
    exact = sum(judgement.exact for judgement in judged) / len(judged)
    found = replace(worst, exact=exact)
    # What a palette cannot show is no tone.
    tones = [judge.with_tone(found, joined(each), bounds) for each in (lefts, reached) if each]
    return min(tones, key=lambda judgement: judgement.score)


def _whole(
    ready: Ground, target: recreate.Target, recipe: recreate.Recipe, bounds: judge.Bounds, *, closely: bool = False
) -> Made:
    """Make the whole picture by one recipe."""
    again = recreate.made(ready, target, replace(recipe, dither=None))
    scaled = ready.size != target.image.size
    if same(target.image, again):
        return Made(recipe.words, judge.NOTHING_LEFT)
    if target.palette is not None:
        dither = bool(recipe.dither)
        return Made(recipe.words, paletted.judge(target.image, again, target.palette, dither=dither, scaled=scaled))
    left = residual(target.image, again)
    judgement = judge.judge(left, bounds, scaled=scaled)
    if target.tables is not None and (closely or not judgement.proved) and judgement.score <= _ROUNDED_HOPE:
        # Another encoder rounds the same coefficients to the neighbouring step.
        before = recreate.made(ready, replace(target, tables=None), recipe)
        asked = judge.exceeding(left, bounds)
        earlier = [one.table for one in recipe.before]
        rounded = explained(target.image, before, target.tables.tables[0], asked, earlier)
        rounded = excused_at_edges(rounded, left.rough, target.image.size)
        judgement = judge.judge(left, bounds, explained=rounded, scaled=scaled)
    judgement = approached.judge(judgement, target.image, again, left, bounds, scaled=scaled)
    if recipe.sampler is not None and target.image.width < ready.size[0]:
        judgement = replace(judgement, score=round(judgement.score / _LEARNED, 3))
    return Made(recipe.words, judgement)


def _bounds(source: Picture, target: Picture) -> judge.Bounds:
    if target.palette is not None:
        return judge.PALETTE
    if target.steps is None:
        return judge.LOSSLESS if target.lossless else judge.HIDDEN_TABLES
    if target.steps.subsampling is None:
        return judge.ODD_SAMPLING
    known = judge.KNOWN_TABLES.with_step(target.steps.tables[-1][0])
    return known if source.lossless or source.tables is not None else replace(known, tone=judge.LOOSER_TONE)
