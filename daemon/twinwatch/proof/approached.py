"""What is asked where a picture was not made exactly, and all else calls it a copy: its scaler or codec excused much.

Seen at a part of its size nothing may stand out (`halved`), and it may not lie beside its re-creation (`moved`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from twinwatch.proof import halved, moved
from twinwatch.proof.judge import Bounds, Judgement
from twinwatch.proof.residual import Residual

_LIMITS = ("text", "colour", "text")
_MISSING, _MISSING_UNSCALED = 1.0, 1.3
"""As the third of `halved.standing_out`, of scaled pictures and of others: AVIF and WebP of quality 15 up to 1.21."""
_UNSCALED = (0.23, 0.3)
"""As `Bounds.moved`, of a picture that has the size of its source. Measured: 926 copies up to 0.11 and 0.09, two
with a palette 0.29, in 64 colours 0.19; frames of a slow pan 0.29 and more all over."""


def judge(
    found: Judgement,
    target: Image.Image,
    made: Image.Image,
    left: Residual,
    bounds: Bounds,
    given: Sequence[Image.Image] = (),
    *,
    scaled: bool,
) -> Judgement:
    """Add to the judgement of a proof what its target and its re-creation show when they are looked at otherwise.

    The pictures are as for `halved.standing_out`; `scaled` ones may lie beside each other by what scalers differ in.
    """
    if not found.proved or found.mostly_exact or min(target.size) < halved.SMALLEST:
        return found
    greys = halved.in_grey(target, made, *given)
    most_of = (*bounds.halved, _MISSING if scaled else _MISSING_UNSCALED)
    asked = zip(halved.standing_out(target, made, left, given, greys), most_of, _LIMITS, strict=True)
    scores = [(round(more / most, 3), at, limit) for (more, at), most, limit in asked]
    if max(scores)[0] <= 1:
        scores.append((round(_beside(greys, bounds.moved if scaled else _UNSCALED), 3), found.at, "place"))
    score, at, limit = max(scores)
    return replace(found, score=score, limit=limit, at=at) if score > found.score else found


def _beside(greys: Sequence[Image.Image], most: tuple[float, float]) -> float:
    """Return by how much more the target lies beside than it may; its palette moves what has few slopes, too."""
    target, made, *given = greys
    paid = np.max([(0.0, 0.0), *(moved.beside(each, made) for each in given)], axis=0)
    return float(np.max(np.array(moved.beside(target, made)) / (most + paid)))
