"""Programs that scale by the same filter round otherwise: each is made again to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.drawing import scene, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof.scaling import roundings, scalers

ORIGINAL = stored(scene(12, (1200, 900)), quality=95)


def _averaged(picture: Image.Image, more: float) -> Image.Image:
    """Average every four by four pixels at once, add so much and cut off."""
    levels = np.asarray(picture).reshape(225, 4, 300, 4, 3).mean(axis=(1, 3))
    return Image.fromarray(np.floor(levels + more).astype(np.uint8))


def _columns_first(picture: Image.Image) -> Image.Image:
    low = picture.resize((1200, 360), Image.Resampling.LANCZOS)
    return low.resize((480, 360), Image.Resampling.LANCZOS)


HOW: dict[str, Callable[[Image.Image], Image.Image]] = {
    "rounded once": lambda picture: _averaged(picture, 0.5),
    "cut off": lambda picture: _averaged(picture, 0.0),
    "columns first": _columns_first,
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_other_programs_roundings_are_made_again(how: str, format_: str) -> None:
    evidence = prove(ORIGINAL, stored(HOW[how](decoded(ORIGINAL)), format_))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
    assert how in evidence.words
    assert float(evidence.measures["exact"]) > 0.99


@pytest.mark.parametrize("how", HOW)
def test_what_was_made_again_to_the_last_bit_excuses_no_faint_mark(how: str) -> None:
    edited = decoded(ORIGINAL)
    ImageDraw.Draw(edited).rectangle((600, 500, 640, 520), fill=tuple(min(255, 12 + level) for level in _level(edited)))
    evidence = prove(ORIGINAL, stored(HOW[how](edited), quality=90))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def _level(picture: Image.Image) -> tuple[int, ...]:
    return tuple(np.asarray(picture)[500:520, 600:640].mean(axis=(0, 1)).astype(int).tolist())


def test_only_plain_filters_have_other_roundings() -> None:
    names = scalers((1200, 900), (300, 225))
    assert roundings("lanczos") == ["lanczos, rounded once", "lanczos, cut off", "lanczos, columns first"]
    assert {name for base in names for name in roundings(base)} < set(names)
    assert [base for base in names if roundings(base)] == ["lanczos", "bicubic", "bilinear", "box", "hamming"]
