"""A lossless file that was a JPEG before still has its steps: so it is no original of what is finer than they."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.drawing import chat, messages, scene, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof.finishing import Generation
from twinwatch.proof.formerly import formerly
from twinwatch.proof.picture import decode

CAMERA = Image.Exif()
CAMERA[271], CAMERA[272] = "Maker", "Phone"
FRESH = scene(61, (640, 480))
PHOTO = stored(FRESH, quality=92, exif=CAMERA)


def by_mpeg(picture: Image.Image, scale: int, subsampling: int) -> bytes:
    """Store a picture as ffmpeg does."""
    return stored(picture, qtables=[list(Generation(scale, subsampling, mpeg=True).table)] * 2, subsampling=subsampling)


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("quality", [30, 50, 75, 90])
def test_the_steps_of_an_earlier_jpeg_are_found(quality: int, subsampling: int) -> None:
    before = stored(FRESH, quality=quality, subsampling=subsampling)
    assert formerly(decode(stored(decoded(before), "PNG"))) == decode(before).tables


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("scale", [3, 9])
def test_the_steps_of_an_mpeg_program_are_found(scale: int, subsampling: int) -> None:
    before = by_mpeg(FRESH, scale, subsampling)
    assert formerly(decode(stored(decoded(before), "PNG"))) == decode(before).tables


def test_where_there_were_none_none_are_found() -> None:
    was = decoded(stored(FRESH, quality=60))
    blocks = Image.new("RGB", (320, 320))
    for place in range(100):  # a drawing on the grid of a JPEG: few values, and those fit some steps
        box = (place % 10 * 32, place // 10 * 32, place % 10 * 32 + 28, place // 10 * 32 + 12)
        ImageDraw.Draw(blocks).rectangle(box, fill=(place * 2, 90, 255 - place))
    for picture in (
        FRESH,
        FRESH.filter(ImageFilter.GaussianBlur(2)),
        chat(messages(5)),
        blocks,
        Image.new("RGB", (640, 480), (90, 120, 150)),
        was.crop((3, 5, 640, 480)),  # off its grid
        was.resize((600, 450), Image.Resampling.BICUBIC),
    ):
        assert formerly(decode(stored(picture, "PNG"))) is None
    assert formerly(decode(stored(was, quality=95))) is None, "it says itself how it is stored"
    assert formerly(decode(stored(was.quantize(200), "PNG"))) is None


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize("quality", [45, 75])
def test_a_coarser_jpeg_kept_without_loss_is_the_copy(quality: int, format_: str) -> None:
    """Whatever metadata it was given: all its pixels are kept, and they are not the photo's."""
    keeping: dict[str, Any] = {"lossless": True} if format_ == "WEBP" else {}
    if format_ != "BMP":
        keeping["exif"] = CAMERA
    copy = stored(decoded(stored(decoded(PHOTO), quality=quality)), format_, **keeping)
    for evidence, side in ((prove(PHOTO, copy), "a"), (prove(copy, PHOTO), "b")):
        assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, side), evidence
        assert "the JPEG that the copy was" in evidence.words


def test_one_that_was_made_smaller_before_is_the_copy() -> None:
    small = decoded(PHOTO).resize((384, 288), Image.Resampling.LANCZOS)
    evidence = prove(PHOTO, stored(decoded(by_mpeg(small, 4, 0)), "PNG", exif=CAMERA))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


def test_a_photo_without_loss_is_the_original_of_what_lost_and_was_kept_then() -> None:
    """Two lossless files of one size differ: only what one of them was before tells how."""
    evidence = prove(stored(FRESH, "PNG"), stored(decoded(stored(FRESH, quality=60)), "PNG", exif=CAMERA))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


@pytest.mark.parametrize("finer", [80, 95])
def test_what_was_made_of_a_jpegs_pixels_later_is_its_copy(finer: int) -> None:
    """The JPEG itself is gone: what has all its pixels is as good as it."""
    kept = decoded(stored(FRESH, quality=60))
    evidence = prove(stored(kept, "PNG"), stored(kept, quality=finer, exif=CAMERA))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


def test_an_edit_before_it_was_kept_is_no_copy() -> None:
    edited = decoded(PHOTO)
    ImageDraw.Draw(edited).text((300, 200), "12:34", fill="white", font_size=20)
    evidence = prove(PHOTO, stored(decoded(stored(edited, quality=60)), "PNG"))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_a_frame_of_the_same_scene_is_no_copy_of_another() -> None:
    next_shot = scene(61, (640, 480), frame=1)
    evidence = prove(PHOTO, stored(decoded(stored(next_shot, quality=60)), "PNG"))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


@pytest.mark.parametrize("quality", range(1, 101))
def test_the_tables_of_a_quality_are_those_that_libjpeg_writes(quality: int) -> None:
    with Image.open(io.BytesIO(stored(scene(1, (16, 16)), quality=quality))) as picture:
        written = picture.quantization  # type: ignore[attr-defined]
    generation = Generation(quality, 2)
    assert (list(generation.table), list(generation.chroma)) == (written[0], written[1])
