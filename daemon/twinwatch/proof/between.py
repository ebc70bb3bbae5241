"""A copy that was scaled from a JPEG nobody has any more: web sites and phones scale what they have stored.

That JPEG is found by trying, as those after scaling are (`generations`): by what brings the copy nearest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from twinwatch.proof import recreate
from twinwatch.proof.finishing import Generation
from twinwatch.proof.ground import Ground

_QUALITIES = range(40, 89, 4)  # finer ones leave too little to tell
_CHOICE = [Generation(quality, subsampling) for subsampling in (2, 0) for quality in _QUALITIES]
_NEIGHBOURS = (-2, -1, 1, 2)
_FINALISTS = 3  # looked at in more than the first window
_LEAST_SCALE = 0.4  # of the source's size: scaled down by more, hardly anything of a JPEG is left
_WORTH = 0.9  # of the distance without it


class Between(NamedTuple):
    """The JPEG between, the source as it left it, and the recipes from there, the nearest first."""

    jpeg: Generation
    ground: Ground
    recipes: list[recreate.Recipe]


def stored_before(source: Ground, target: recreate.Target, found: recreate.Recipe) -> Between | None:
    """Find the JPEG that a scaled target was made from; None where none brings it nearer.

    `found` is the nearest recipe without, by a known scaler: from other pixels another would be learned.
    """
    if source.size == target.image.size or target.image.width < _LEAST_SCALE * source.size[0]:
        return None
    plain = replace(found, kernel=None)
    grounds: dict[Generation, Ground] = {}

    def distance(generation: Generation, looked_at: int = len(target.windows)) -> float:
        ground = grounds.setdefault(generation, replace(source, before=generation))
        return recreate.measured(ground, target, plain, target.windows[:looked_at]).distance

    finalists = sorted(_CHOICE, key=lambda one: distance(one, 1))[:_FINALISTS]
    best = min(finalists, key=distance)
    near = [replace(best, quality=best.quality + step) for step in _NEIGHBOURS]
    best = min([best, *near], key=distance)
    told = Between(best, grounds[best], recreate.recipes(grounds[best], target))
    return told if told.recipes[0].distance < _WORTH * found.distance else None
