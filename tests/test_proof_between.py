"""A copy that was scaled from a JPEG nobody has any more: that JPEG is found, and the copy made from it exactly."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.drawing import scene, stamped, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof.between import stored_before
from twinwatch.proof.finishing import Generation
from twinwatch.proof.ground import Ground
from twinwatch.proof.picture import decode
from twinwatch.proof.recreate import Recipe, Target, measured

R = Image.Resampling
ORIGINAL = stored(scene(3, (800, 600)), quality=95)
CHAINS = [(40, 0.6, R.LANCZOS, 90), (50, 1.5, R.BICUBIC, 75), (60, 1.5, R.BICUBIC, 90)]


def _scaled(data: bytes, scale: float, how: R) -> Image.Image:
    picture = decoded(data)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), how)


@pytest.mark.parametrize(("before", "scale", "how", "after"), CHAINS)
def test_what_was_scaled_from_a_stored_copy_is_made_from_that(before: int, scale: float, how: R, after: int) -> None:
    evidence = prove(ORIGINAL, stored(_scaled(stored(decoded(ORIGINAL), quality=before), scale, how), quality=after))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
    assert f"{how.name.lower()}, from a JPEG of quality {before}" in evidence.words
    assert float(evidence.measures["exact"]) > 0.99


@pytest.mark.parametrize(("before", "scale", "how", "after"), CHAINS)
def test_an_edit_before_or_after_it_is_no_copy(before: int, scale: float, how: R, after: int) -> None:
    first = stored(_scaled(stored(stamped(decoded(ORIGINAL)), quality=before), scale, how), quality=after)
    then = stored(stamped(_scaled(stored(decoded(ORIGINAL), quality=before), scale, how)), quality=after)
    assert [prove(ORIGINAL, edited).verdict for edited in (first, then)] == [Verdict.LOOK_ALIKE] * 2


def _between(copy: bytes, turn: int = 1, original: Image.Image | None = None) -> Generation | None:
    picture = decode(copy)
    ground, target = Ground(original or decoded(ORIGINAL), turn), Target(picture.rgb(), picture.tables)
    scaler = "same size" if ground.size == target.image.size else "lanczos"
    told = stored_before(ground, target, measured(ground, target, Recipe(scaler), target.windows))
    return None if told is None else told.jpeg


def test_it_is_told_with_its_sampling_and_also_of_a_turned_picture() -> None:
    small = stored(_scaled(stored(decoded(ORIGINAL), quality=52, subsampling=0), 0.7, R.LANCZOS), quality=85)
    assert _between(small) == Generation(52, 0)
    # Stored upright, the blocks begin at its own corner, wherever the picture's was.
    upright = stored(decoded(ORIGINAL), quality=48)
    turned = stored(_scaled(upright, 0.7, R.LANCZOS).transpose(Image.Transpose.ROTATE_270), quality=85)
    assert _between(turned, turn=6) == Generation(48, 2)


def test_there_is_none_where_none_brings_it_nearer_or_too_little_is_left_of_it() -> None:
    assert _between(stored(_scaled(ORIGINAL, 0.7, R.LANCZOS), quality=85)) is None
    assert _between(stored(decoded(stored(decoded(ORIGINAL), quality=50)), quality=85)) is None, "not scaled"
    assert _between(stored(_scaled(stored(decoded(ORIGINAL), quality=50), 0.3, R.LANCZOS), quality=85)) is None
