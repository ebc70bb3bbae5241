"""Making a picture again: scale it as that file says, finish it with that file's own tables or palette, decode.

The scaler is written nowhere, so it is searched: every candidate makes a few small windows of the target, and the
recipe that comes nearest makes the whole. Pure functions of pixels; nothing here judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice, product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from twinwatch.proof import generations
from twinwatch.proof.encoders import Encoder, others, stored
from twinwatch.proof.finishing import Generation, Resaving, encode_jpeg, quantise
from twinwatch.proof.fitting import fitted
from twinwatch.proof.picture import JpegTables
from twinwatch.proof.quantised import block_coefficients, unexplained
from twinwatch.proof.sampler import Sampler, learned
from twinwatch.proof.scaling import IN_EIGHT_BITS, Box, Source, roundings, scalers

_WINDOW = 128  # pixels of the target
_MARGIN = 16  # made around a window and thrown away: a JPEG block (with halved chroma), and a filter's reach
_CHAIN_MARGIN = 32  # the same for several generations
_WINDOWS = 5
_MOST_SAVED = 8  # times with the same tables: hardly a block moves after that
_EXACT = 0.02  # grey levels: nothing is left to find
_FINALISTS = 5  # recipes that make more than the first window
_NO_STEPS = (0,) * 64
_BLOCK, _SOME_DETAIL = 8, 2.0  # pixels along a block; grey levels: its deviation from where on it tells something
_BETWEEN = 0.2
"""Grey levels. Measured on 384 JPEGs saved of a picture by 15 programs: 0 to 0.21, one 0.29; on photos that had been a
WebP, AVIF or coarse HEIF before they were saved once more: 0.23 to 5."""
_ROUNDED_OTHERWISE = 2  # filters, the nearest, that are tried as other programs round
_ROUNDINGS = 3.0
"""Grey levels within which the nearest filter must be for that: what another rounding made nearer was within 2.2."""
_BY_ANOTHER = 2  # recipes, the nearest, that are tried by every encoder
_WORTH = 0.95  # of the distance by libjpeg's: an encoder that brings less is noise
_RIVALS = 2  # scalers that a filter is fitted for
_FILTERED, _FILTERED_UNSCALED = 1.15, 1.5
"""By how much nearer a filter must come than a scaler that is known, and than none at all: it follows noise as well."""


Part = Callable[[Box], Image.Image]


@dataclass(frozen=True)
class Target:
    """What is to be made: RGB pixels in stored orientation, and what the file tells of how they were stored."""

    image: Image.Image
    tables: JpegTables | None = None
    palette: Image.Image | None = None  # mode P
    hidden: bool = False  # stored by a codec that does not tell what it left out
    # Windows that were made once: scaled only, by a scaler and with a margin, and by a recipe.
    _scaled: dict[tuple[Source, str | Sampler, Box], Image.Image] = field(default_factory=dict, init=False)
    _made: dict[tuple[Source, Recipe, Box], Image.Image] = field(default_factory=dict, init=False)

    @cached_property
    def windows(self) -> list[Box]:
        """Return the windows with most detail: every way to make it is looked at in them."""
        return _chosen(self.image.size, self.image.crop)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to make the target, and how far (mean absolute, 0-255) it stayed from it in the windows.

    `scaler` is the name of a known one, or says that the `sampler` was learned.
    """

    scaler: str
    distance: float = 0.0
    kernel: ImageFilter.Kernel | None = None
    dither: bool | None = None  # with the target's palette: diffuse errors or not; None: palette not used
    before: tuple[Generation | Resaving, ...] = ()  # between scaling and the target's own tables
    sampler: Sampler | None = None
    encoder: Encoder | None = None  # of the target's own tables, where it is not libjpeg's usual one

    @property
    def words(self) -> str:
        """Name the recipe for a person."""
        fitted_ = ", fitted filter" if self.kernel is not None else ""
        palette = {None: "", False: ", the copy's own palette", True: ", the copy's own palette dithered"}[self.dither]
        times = [(words, len(list(same))) for words, same in groupby(one.words for one in self.before)]
        chain = " then ".join(words if count == 1 else f"{words} {count} times" for words, count in times)
        before = f", JPEG {chain} before" if chain else ""
        encoder = f", {self.encoder.words}" if self.encoder is not None else ""
        return f"{self.scaler}{fitted_}{palette}{before}{encoder}"


def recipes(source: Source, target: Target) -> list[Recipe]:
    """Try every recipe on the target's windows; the nearest first. Both pictures RGB and upright alike."""
    boxes = target.windows
    dithers = (None,) if target.palette is None else (False, True, None)
    tried: list[Recipe] = []
    names = list(scalers(source.size, target.image.size))
    later = {other for name in names for other in roundings(name)}
    for name, dither in product((name for name in names if name not in later), dithers):
        tried.append(measured(source, target, Recipe(name, dither=dither), boxes[:1]))
        if tried[-1].distance <= _EXACT:
            break
    tried.sort(key=lambda recipe: recipe.distance)
    if tried[0].distance > _EXACT and not target.hidden:
        most = _ROUNDINGS if target.palette is None else np.inf
        nearest = [one for one in tried if roundings(one.scaler) and one.distance <= most][:_ROUNDED_OTHERWISE]
        others = [replace(recipe, scaler=name) for recipe in nearest for name in roundings(recipe.scaler)]
        tried += [measured(source, target, recipe, boxes[:1]) for recipe in others]
        tried.sort(key=lambda recipe: recipe.distance)
    if tried[0].distance > _EXACT and target.tables is not None:
        tried = _otherwise_stored(source, target, tried)
    # A codec that smooths brings scalers nearer that smooth: which of them it was only shows when they are stored too.
    finalists = tried if target.hidden else tried[:_FINALISTS]
    best = [measured(source, target, recipe, boxes) for recipe in finalists]
    best.sort(key=lambda recipe: recipe.distance)
    aims = [target.image.crop(box) for box in boxes]
    # Sharpened pictures are nearest to what drops shadows; no program sharpens in eight-bit light.
    for recipe in rivals([one for one in best if one.scaler != IN_EIGHT_BITS]):
        if best[0].distance <= _EXACT:
            break
        ours = [_scaled_window(source, target, recipe, box) for box in boxes]
        if (kernel := fitted(ours, aims, scaled=source.size != target.image.size)) is not None:
            best.append(measured(source, target, replace(recipe, kernel=kernel), boxes))
    worse = _FILTERED_UNSCALED if source.size == target.image.size else _FILTERED
    return sorted(best, key=lambda recipe: recipe.distance * (worse if recipe.kernel is not None else 1))


def rivals(best: Sequence[Recipe]) -> list[Recipe]:
    """Return the nearest recipes, and that by the nearest plain filter: what was sharpened is as sharp as unfiltered.

    Of pixels that were picked a filter would make a shift.
    """
    found = list(best[:_RIVALS])
    plain = (recipe for recipe in best[_RIVALS:] if roundings(recipe.scaler))
    return found if any(roundings(recipe.scaler) for recipe in found) else [*found, *islice(plain, 1)]


def _otherwise_stored(source: Source, target: Target, tried: Sequence[Recipe]) -> list[Recipe]:
    """Return the recipes, and those that another encoder brings nearer in the first window; the nearest first."""

    def by(encoder: Encoder, recipes: Sequence[Recipe]) -> list[Recipe]:
        stored = [replace(recipe, encoder=encoder) for recipe in recipes]
        return [measured(source, target, recipe, target.windows[:1]) for recipe in stored]

    found = list(tried)
    for encoder in () if target.tables is None else others(target.tables, target.image.size):
        nearest = by(encoder, tried[:_BY_ANOTHER])
        if min(recipe.distance for recipe in nearest) < _WORTH * tried[0].distance:
            found += nearest + by(encoder, tried[_BY_ANOTHER:_FINALISTS])
    return sorted(found, key=lambda recipe: recipe.distance)


def learned_recipe(source: Source, target: Target) -> Recipe | None:
    """Learn how the target's windows were scaled; None when they tell no plausible way."""
    sampler = learned(source, target.image, target.windows)
    if sampler is None:
        return None
    return measured(source, target, Recipe("a scaler learned from the copy", sampler=sampler), target.windows)


def calm(source: Source, target: Target, recipe: Recipe) -> list[tuple[Image.Image, Image.Image]]:
    """Return the calmest windows as they are made before they are stored, each with the target's."""
    return _unstored(source, target, recipe, calm_windows(target.image.size, target.image.crop))


def noise(source: Source, target: Target, recipe: Recipe) -> float:
    """Return what the target's tables do not explain in its calmest windows, in grey levels; 0 without tables."""
    if target.tables is None:
        return 0.0
    pairs = calm(source, target, recipe)
    return _lower_half([unexplained(theirs, ours, target.tables.tables[0]).ravel() for ours, theirs in pairs])


def something_between(source: Source, target: Target, recipe: Recipe) -> bool:
    """Tell whether the target was stored otherwise before it was stored as its file says.

    Where there is some detail and its tables do not explain what is left: on flat ground nothing tells.
    """
    table = _NO_STEPS if target.tables is None else target.tables.tables[0]
    boxes = list(dict.fromkeys((*target.windows, *calm_windows(target.image.size, target.image.crop))))
    found = []
    for ours, theirs in _unstored(source, target, recipe, boxes):
        energy = np.square(block_coefficients(ours))
        energy[..., 0, 0] = 0
        detailed = energy.sum(axis=(2, 3)) >= (_BLOCK * _SOME_DETAIL) ** 2
        found.append(unexplained(theirs, ours, table)[detailed])
    return _lower_half(found) >= _BETWEEN


def _unstored(
    source: Source, target: Target, recipe: Recipe, boxes: Sequence[Box]
) -> list[tuple[Image.Image, Image.Image]]:
    plain = replace(target, tables=None)
    return [(_window(source, plain, recipe, box), target.image.crop(box)) for box in boxes]


def _lower_half(found: Sequence[NDArray[np.float32]]) -> float:
    """Return the mean of the lower half of all values: an edit does not reach it. 0 where there are none."""
    values = np.sort(np.concatenate(found))
    return float(values[: max(1, len(values) // 2)].mean()) if values.size else 0.0


def with_generations(source: Source, target: Target, found: Sequence[Recipe]) -> Recipe:
    """Return a recipe with the JPEGs that the copy was before, as far as they can be told.

    `found` are the recipes without, the nearest first. A fitted filter may stand for the scaler or for what the
    generations left: so the nearest recipe without one is tried as well.
    """
    tables = target.tables
    if tables is None or tables.subsampling is None:
        return found[0]
    plain = Target(target.image)
    arounds = [_around(box, target.image.size, _CHAIN_MARGIN) for box in target.windows]

    longer = []
    for recipe in dict.fromkeys((found[0], next(one for one in found if one.kernel is None))):
        ours = [made(source, plain, recipe, around) for around in arounds]
        left, chain = generations.earlier(ours, tables, [target.image.crop(around) for around in arounds])
        longer.append(replace(recipe, distance=left, before=chain))
    return min(longer, key=lambda recipe: recipe.distance)


def saved_again(source: Source, target: Target, recipe: Recipe, at: tuple[int, int]) -> Recipe:
    """Return a recipe that was saved with the target's own tables as often as it brings it nearest around a pixel.

    Where colours are clipped or chroma is halved each saving moves a few blocks more, until it moves none. `at` (x, y)
    is the place that came out worst without.
    """
    if target.tables is None:
        return recipe
    x, y = (place & ~15 for place in at)
    boxes = [_around((x, y, x, y), target.image.size, _WINDOW // 2), *target.windows]
    chains = [replace(recipe, before=(*recipe.before, *[Resaving(target.tables)] * n)) for n in range(_MOST_SAVED + 1)]
    return min((measured(source, target, chain, boxes) for chain in chains), key=lambda chain: chain.distance)


def made(source: Source, target: Target, recipe: Recipe, box: Box | None = None) -> Image.Image:
    """Make the target, or a window of it, from the source."""
    return _finished(_scaled(source, target, recipe, box or (0, 0, *target.image.size)), target, recipe)


def _scaled(source: Source, target: Target, recipe: Recipe, box: Box) -> Image.Image:
    size = target.image.size
    scale = recipe.sampler or scalers(source.size, size)[recipe.scaler]
    return scale(source, size, box)


def _finished(scaled: Image.Image, target: Target, recipe: Recipe) -> Image.Image:
    """Do to scaled pixels what comes after scaling."""
    if recipe.kernel is not None:
        scaled = scaled.filter(recipe.kernel)
    for generation in recipe.before:
        scaled = generation.applied(scaled)
    if recipe.dither is not None and target.palette is not None:
        return quantise(scaled, target.palette, dither=recipe.dither)
    if target.tables is None:
        return scaled
    if recipe.encoder is not None:
        return stored(scaled, target.tables, recipe.encoder)
    return encode_jpeg(scaled, target.tables)


def made_windows(source: Source, target: Target, recipe: Recipe) -> list[tuple[Box, Image.Image]]:
    """Make only the windows with the most detail."""
    return [(box, _window(source, target, recipe, box)) for box in target.windows]


def calm_windows(size: tuple[int, int], *parts: Part) -> list[Box]:
    """Return up to five windows with least detail in all pictures (of one size) together, aligned to 16-pixel blocks.

    `parts` hand out what of each picture lies in a box.
    """
    return _chosen(size, *parts, sign=1)


def windows(size: tuple[int, int]) -> list[Box]:
    """Return up to sixteen windows spread over a picture of this size, aligned to JPEG's 16-pixel blocks."""
    width, height = size
    if width <= 2 * _WINDOW and height <= 2 * _WINDOW:
        return [(0, 0, width, height)]
    wide, high = min(_WINDOW, width), min(_WINDOW, height)
    corners = {
        ((width - wide) * column // 3 & ~15, (height - high) * row // 3 & ~15)
        for row, column in product(range(4), range(4))
    }
    return [(left, top, left + wide, top + high) for left, top in sorted(corners)]


def _chosen(size: tuple[int, int], *parts: Part, sign: int = -1) -> list[Box]:
    """Choose up to five windows with most detail, or with `sign` 1 least."""
    return sorted(windows(size), key=lambda box: (sign * sum(_detail(part(box)) for part in parts), box))[:_WINDOWS]


def _detail(patch: Image.Image) -> float:
    """Return the mean absolute step between neighbouring pixels of luma."""
    luma = np.asarray(patch.convert("L")).astype(np.int16)
    return float(np.abs(np.diff(luma, axis=1)).mean() + np.abs(np.diff(luma, axis=0)).mean()) if luma.size > 1 else 0.0


def _around(box: Box, size: tuple[int, int], margin: int) -> Box:
    return (
        max(0, box[0] - margin),
        max(0, box[1] - margin),
        min(size[0], box[2] + margin),
        min(size[1], box[3] + margin),
    )


def _window(source: Source, target: Target, recipe: Recipe, box: Box) -> Image.Image:
    """Make a window of the target, once: it is measured first, and then judged."""
    key = source, replace(recipe, distance=0.0), box
    if key not in target._made:
        around = _around(box, target.image.size, _CHAIN_MARGIN if recipe.before else _MARGIN)
        target._made[key] = _finished(_surroundings(source, target, recipe, around), target, recipe).crop(
            _inside(box, around)
        )
    return target._made[key]


def _scaled_window(source: Source, target: Target, recipe: Recipe, box: Box) -> Image.Image:
    """Make a window as it is before anything comes after scaling."""
    around = _around(box, target.image.size, _MARGIN)
    return _surroundings(source, target, recipe, around).crop(_inside(box, around))


def _surroundings(source: Source, target: Target, recipe: Recipe, around: Box) -> Image.Image:
    """Scale a window with the margin around it, once for all that may come after."""
    key = source, recipe.sampler or recipe.scaler, around
    if key not in target._scaled:
        target._scaled[key] = _scaled(source, target, recipe, around)
    return target._scaled[key]


def _inside(box: Box, around: Box) -> Box:
    left, top = around[:2]
    return (box[0] - left, box[1] - top, box[2] - left, box[3] - top)


def measured(source: Source, target: Target, recipe: Recipe, boxes: Sequence[Box]) -> Recipe:
    """Return the recipe with how far it stays from the target in these windows."""
    total = 0.0
    for box in boxes:
        ours = np.asarray(_window(source, target, recipe, box)).astype(np.int16)
        total += float(np.abs(ours - np.asarray(target.image.crop(box)).astype(np.int16)).mean())
    return replace(recipe, distance=total / len(boxes))
