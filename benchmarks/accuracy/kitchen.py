"""All recipes together: what every installed program makes, and the chains of several programs."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.accuracy import (
    chromium_copies,
    families,
    gd_copies,
    go_copies,
    java_copies,
    jpeg_copies,
    magick_copies,
    node_copies,
    opencv_copies,
    pillow_copies,
    tool_copies,
    web_copies,
)
from benchmarks.accuracy.programs import Programs
from benchmarks.accuracy.recipe import How, Recipe

_CHAINS = {2: 6, 3: 4, 4: 2, 5: 2}  # chains of so many saves: how many for each photo
_RESIZED_CHAINS = 4
_TWO_HOPS = 4
SEVERAL = "several"
_LOSING = (families.LOSSY, families.PALETTE, families.MESSENGER, families.RESIZE)


def recipes(programs: Programs) -> list[Recipe]:
    """Return every recipe whose program is installed."""
    modules = (
        pillow_copies,
        magick_copies,
        jpeg_copies,
        tool_copies,
        opencv_copies,
        node_copies,
        chromium_copies,
        web_copies,
        gd_copies,
        java_copies,
        go_copies,
    )
    return [recipe for module in modules for recipe in module.recipes() if programs.has(recipe.programs())]


def chains(known: list[Recipe], rng: random.Random) -> Iterator[Recipe]:
    """Yield generations of JPEGs by programs drawn at random, some with a resize between, and messengers' two hops."""
    saves = _plain(known, (families.RECOMPRESS,))
    resizes = _plain(known, (families.RESIZE, families.RESIZE_STAGED))
    hops = _plain(known, (families.MESSENGER,))
    for length, count in _CHAINS.items():
        for _ in range(count):
            yield _chain(families.GENERATIONS, [_drawn(saves, rng) for _ in range(length)])
    for _ in range(_RESIZED_CHAINS):
        yield _chain(families.RESAVED, [_drawn(saves, rng), _drawn(resizes, rng), _drawn(saves, rng)])
    for _ in range(_TWO_HOPS):
        yield _chain(families.MESSENGER, [_drawn(hops, rng), _drawn(hops, rng)])


def savers(known: list[Recipe], rng: random.Random) -> list[Recipe]:
    """Return three ways to save a look-alike: plain, re-encoded by one program, resized by another, drawn anew."""
    plain = next(recipe for recipe in known if recipe.program == "Pillow" and recipe.case == "q90")
    saves = _plain(known, (families.RECOMPRESS, families.LOSSY, families.LOSSLESS))
    resizes = _plain(known, (families.RESIZE, families.RESIZE_STAGED, families.RESIZE_LINEAR, families.MESSENGER))
    return [plain, _drawn(saves, rng), _drawn(resizes, rng)]


def losing(known: list[Recipe], rng: random.Random) -> list[Recipe]:
    """Return four ways to save a small edit that lose much: a hidden codec, a palette, a messenger, a smaller size."""
    choices = [_plain(known, (family,), ("photo", "rgb")) for family in _LOSING]
    return [_drawn(choice, rng) for choice in choices if choice]


def _plain(known: list[Recipe], of: tuple[str, ...], bases: tuple[str, ...] = ("photo",)) -> dict[str, list[Recipe]]:
    """Return the recipes of these families that any picture can be given to, by program."""
    found: dict[str, list[Recipe]] = {}
    for recipe in known:
        readable = recipe.base in bases or (recipe.base == "jpeg" and recipe.program == "cjpeg")
        if recipe.family in of and readable and recipe.label == "copy" and recipe.program != "jimp":
            found.setdefault(recipe.program, []).append(recipe)
    return found


def _drawn(choice: dict[str, list[Recipe]], rng: random.Random) -> Recipe:
    """Draw a program first, so that one with many recipes is not drawn more often."""
    return rng.choice(choice[rng.choice(sorted(choice))])


def _chain(family: str, steps: list[Recipe]) -> Recipe:
    case = ">".join(f"{step.program}-{step.case}" for step in steps)
    label = min((step.label for step in steps), key=lambda one: one != "policy")
    return Recipe(family, case, SEVERAL, How.CHAIN, steps[-1].suffix, label=label, steps=tuple(steps))
