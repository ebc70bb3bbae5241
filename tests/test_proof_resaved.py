"""What was only stored as a JPEG is known by its coded bytes, undecoded; anything more is not."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms

from tests.drawing import descriptor, scene, stored
from twinwatch.imaging import draft
from twinwatch.imaging.fingerprint import TRANSPOSES
from twinwatch.imaging.source import opened
from twinwatch.photo import Evidence, Verdict
from twinwatch.proof import prove
from twinwatch.proof.attempts import Attempt
from twinwatch.proof.judge import NOTHING_LEFT
from twinwatch.proof.order import likely
from twinwatch.proof.picture import INVERSE, Picture, unloaded
from twinwatch.proof.resaved import resaved

PHOTO = scene(21, (1200, 900))
ORIGINAL = stored(PHOTO, quality=93)
SEEN = Image.open(io.BytesIO(ORIGINAL)).convert("RGB")  # what a program that stores it again sees


def told(a: bytes, b: bytes, transform: int = 1) -> tuple[Attempt | None, Picture, Picture]:
    looks = (draft(a), draft(b))
    one, other = (unloaded(opened(data), look.header, data) for look, data in zip(looks, (a, b), strict=True))
    return resaved(one, other, (looks[0].where, looks[1].where), transform, likely(one, other)), one, other


def evidence(a: bytes, b: bytes) -> Evidence:
    with descriptor(a) as fd_a, descriptor(b) as fd_b:
        return prove(fd_a, fd_b)


def is_decoded(picture: Picture) -> bool:
    return not getattr(picture.image, "tile", [])  # Pillow forgets where the coded data are when it has decoded them


@pytest.mark.parametrize(
    "copy",
    [
        stored(SEEN, quality=80),
        stored(SEEN, quality=60, subsampling=0),
        stored(SEEN, quality=75, subsampling=1),
        stored(SEEN.convert("L"), quality=85),
        stored(SEEN, qtables=[[30] * 64, [50] * 64]),
        stored(SEEN, qtables=[[30] * 64, [50] * 64, [70] * 64]),
    ],
    ids=["default", "full-chroma", "chroma-halved-across", "grey", "two-tables", "three-tables"],
)
def test_a_jpeg_stored_again_is_known_without_decoding_it(copy: bytes) -> None:
    attempt, original, other = told(ORIGINAL, copy)
    assert attempt == Attempt("a", 1, "same size", NOTHING_LEFT)
    assert is_decoded(original)
    assert not is_decoded(other)
    back, _, _ = told(copy, ORIGINAL)
    assert back == Attempt("b", 1, "same size", NOTHING_LEFT)


def test_what_is_known_so_is_told_as_ever() -> None:
    said = evidence(ORIGINAL, stored(SEEN, quality=80))
    assert said.verdict is Verdict.RE_ENCODED
    assert said.words == "made again from {a} (1200x900, same size, the copy's own JPEG tables): no difference"
    assert (said.original, said.measures["direction"], said.measures["score"]) == ("a", "proved", 0.0)


def test_a_png_saved_as_jpeg_is_known_too() -> None:
    attempt, _, copy = told(stored(PHOTO, "PNG"), stored(PHOTO, quality=80))
    assert attempt == Attempt("a", 1, "same size", NOTHING_LEFT)
    assert not is_decoded(copy)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turn_that_was_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    original = stored(PHOTO, quality=93, exif=exif)
    upright = stored(Image.open(io.BytesIO(original)).transpose(TRANSPOSES[orientation]), quality=80)
    attempt, _, _ = told(original, upright)
    assert attempt == Attempt("a", 1, "same size", NOTHING_LEFT)
    attempt, _, _ = told(ORIGINAL, stored(SEEN.transpose(Image.Transpose.ROTATE_270), quality=80), 6)
    assert attempt == Attempt("a", 6, "same size", NOTHING_LEFT)
    attempt, _, _ = told(stored(SEEN.transpose(Image.Transpose.ROTATE_270), quality=80), ORIGINAL, INVERSE[6])
    assert attempt == Attempt("b", INVERSE[6], "same size", NOTHING_LEFT)


@pytest.mark.parametrize("place", [(40, 30), (1100, 860)], ids=["above", "below"])
def test_an_edit_is_no_storing(place: tuple[int, int]) -> None:
    edited = SEEN.copy()
    edited.paste((200, 30, 30), (*place, place[0] + 24, place[1] + 24))
    assert told(ORIGINAL, stored(edited, quality=80))[0] is None
    assert evidence(ORIGINAL, stored(edited, quality=80)).verdict is Verdict.LOOK_ALIKE


@pytest.mark.parametrize("option", ["optimize", "progressive", "restart_marker_rows"])
def test_other_ways_to_code_the_same_go_the_long_way(option: str) -> None:
    copy = stored(SEEN, "JPEG", quality=80, **{option: True})
    assert told(ORIGINAL, copy)[0] is None
    assert evidence(ORIGINAL, copy).verdict is Verdict.RE_ENCODED


def test_files_with_the_same_tables_are_not_decided_here() -> None:
    assert told(ORIGINAL, stored(SEEN, quality=93))[0] is None


def test_another_size_is_not_decided_here() -> None:
    assert told(ORIGINAL, stored(SEEN.resize((600, 450)), quality=80))[0] is None


def test_what_shows_other_colours_is_not_decided_here() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert told(ORIGINAL, stored(SEEN, quality=80, icc_profile=lab))[0] is None


def test_a_flat_picture_is_not_proved_by_its_bytes() -> None:
    flat = Image.new("RGB", (1200, 900), (90, 120, 60))
    original = stored(flat, quality=93)
    copy = stored(Image.open(io.BytesIO(original)).convert("RGB"), quality=80)
    assert evidence(original, copy).verdict in (Verdict.LOOK_ALIKE, Verdict.SAME_PIXELS)
