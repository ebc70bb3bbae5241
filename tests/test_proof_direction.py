"""Of two sizes the original is the one that the other has nothing beside; also where no known program made it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFilter

from tests.drawing import scene, stored, wide_profile
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof.picking import picked
from twinwatch.proof.picture import decode, same
from twinwatch.proof.requantised import requantised

R = Image.Resampling
SMALL = stored(scene(41, (640, 480)), quality=92)
SEEN = Image.open(io.BytesIO(SMALL)).convert("RGB")
LARGER = (960, 720)
CAMERA = Image.Exif()
CAMERA[271], CAMERA[272] = "Maker", "Phone"


def half_a_pixel_early(picture: Image.Image) -> Image.Image:
    """Enlarge as libvips and sharp do: bicubic, each sample at the corner of its target pixel."""
    framed = Image.fromarray(np.pad(np.asarray(picture), ((1, 1), (1, 1), (0, 0)), mode="edge"))
    early = 1 - picture.width / LARGER[0] / 2
    return framed.resize(LARGER, R.BICUBIC, box=(early, early, early + picture.width, early + picture.height))


def sharply(picture: Image.Image) -> Image.Image:
    """Enlarge by a cubic that overshoots as none of the known does."""
    step = picture.width / LARGER[0]
    return picture.transform(LARGER, Image.Transform.AFFINE, (step, 0, 0, 0, step, 0), R.BICUBIC)


def assert_original(original: bytes, copy: bytes) -> None:
    """The same is told whichever of the two is given first."""
    for evidence, side in ((prove(original, copy), "a"), (prove(copy, original), "b")):
        assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, side), evidence


@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize(
    "enlarged",
    [half_a_pixel_early, sharply, lambda picture: picture.resize(LARGER, R.BILINEAR)],
    ids=["early", "sharply", "plainly"],
)
def test_an_enlargement_is_the_copy(enlarged: Callable[[Image.Image], Image.Image], quality: int) -> None:
    assert_original(SMALL, stored(enlarged(SEEN), quality=quality))


def test_an_enlargement_without_loss_is_the_copy() -> None:
    assert_original(SMALL, stored(half_a_pixel_early(SEEN), "PNG"))


@pytest.mark.parametrize("softness", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("how", [R.LANCZOS, R.BOX], ids=["known", "twice"])
def test_a_reduction_is_the_copy_also_of_a_soft_photo(how: R, softness: float) -> None:
    photo = scene(43, LARGER, grain=2).filter(ImageFilter.GaussianBlur(softness))
    original = stored(photo, quality=92)
    seen = decoded(original)
    if how is R.BOX:
        seen = seen.resize((800, 600), R.BOX)  # then once more: by no scaler in one step
    assert_original(original, stored(seen.resize((640, 480), R.LANCZOS), quality=80))


@pytest.mark.parametrize("quality", [85, 95])
def test_pixels_picked_on_the_edge_may_be_the_first_of_two(quality: int) -> None:
    """Where a middle lies between two pixels, some programs take the one before it: in a smooth sky no line tells."""
    pixels = np.asarray(scene(44, (1280, 960), grain=0))
    rows, columns = (
        ((2 * np.arange(count) + 1) * length - 1) // (2 * count) for length, count in ((960, 528), (1280, 704))
    )
    taken = Image.fromarray(pixels[rows][:, columns])
    found = picked(Image.fromarray(pixels), Image.open(io.BytesIO(stored(taken, quality=quality))).convert("RGB"))
    assert found is not None
    assert same(found, taken)


def test_a_line_that_noise_puts_out_of_order_is_no_reason_to_pick_none() -> None:
    """In an even sky another line comes nearer by chance: one above and two below the right place, say."""
    pixels = np.asarray(scene(44, (640, 480), grain=0))
    rows, columns = ((np.arange(count) * 2 + 1) * length // (2 * count) for length, count in ((480, 300), (640, 400)))
    strayed = rows.copy()
    strayed[[40, 41]] += [2, -1]
    found = picked(Image.fromarray(pixels), Image.fromarray(pixels[strayed][:, columns]))
    assert found is not None
    assert same(found, Image.fromarray(pixels[rows][:, columns]))


@pytest.mark.parametrize("size", [(2203, 1461), (1600, 1200)])
def test_pixels_picked_by_a_scale_of_its_own_are_found(size: tuple[int, int]) -> None:
    """As libvips does it: 991 of 2203 are less than 0.45, and where a middle lies on an edge floats decide."""
    photo = scene(49, size, grain=0.5)
    columns, rows = (_stepped(length, 0.45) for length in size)
    taken = Image.fromarray(np.asarray(photo)[rows][:, columns])
    found = picked(photo, Image.open(io.BytesIO(stored(taken, quality=85))).convert("RGB"))
    assert found is not None
    assert (np.asarray(found) == np.asarray(taken)).mean() > 0.98  # of two lines of a sky either may be taken


def _stepped(length: int, scale: float) -> NDArray[np.intp]:
    middles = np.arange(round(scale * length)) + 0.5
    uneven = np.where(np.arange(len(middles)) % 4 < 2, 1e-9, -1e-9)
    return np.asarray(np.floor(middles / scale + uneven), dtype=np.intp)


@pytest.mark.parametrize("coarse", [60, 80])
@pytest.mark.parametrize("optimize", [False, True], ids=["by its bytes", "the long way"])
def test_a_photo_that_was_saved_finer_later_is_the_copy(coarse: int, *, optimize: bool) -> None:
    """Each comes out exactly from the other: but a photo of its own would have what the coarser tables leave out."""
    original = stored(SEEN, quality=coarse, subsampling=0)  # halved chroma would not come back
    resaved = decoded(original)
    assert_original(original, stored(resaved, quality=96, subsampling=0, optimize=optimize, exif=CAMERA))


@pytest.mark.parametrize(("coarse", "fine"), [(50, 75), (60, 90), (75, 95)])
@pytest.mark.parametrize("subsampling", [0, 2], ids=["all chroma", "halved chroma"])
def test_a_copy_that_was_saved_finer_keeps_the_steps_of_its_original(coarse: int, fine: int, subsampling: int) -> None:
    """What is saved finer does not come back exactly where its chroma is halved: its luma tells."""
    original = stored(SEEN, quality=coarse)
    assert_original(original, stored(decoded(original), quality=fine, subsampling=subsampling, exif=CAMERA))


def test_a_png_of_another_decoder_keeps_the_steps_of_its_jpeg() -> None:
    original = stored(SEEN, quality=80)
    pixels = np.asarray(decoded(original)).astype(np.int16)
    rounded = np.random.default_rng(5).integers(0, 8, pixels.shape)  # another arithmetic: a level off, here and there
    other = pixels + (rounded == 0) - (rounded == 1)
    assert_original(original, stored(Image.fromarray(other.clip(0, 255).astype(np.uint8)), "PNG"))


def test_steps_are_only_told_of_where_the_picture_met_them() -> None:
    fresh = scene(48, (640, 480))
    coarse, fine, finest = (decode(stored(fresh, quality=quality)) for quality in (50, 80, 95))
    again = decode(stored(coarse.rgb(), quality=80))
    assert coarse.tables is not None
    assert fine.tables is not None
    steps, own = coarse.tables.tables[0], fine.tables.tables[0]
    assert requantised(again.rgb(), own, steps)
    assert requantised(coarse.rgb(), None, steps)
    assert not requantised(fine.rgb(), own, steps)
    assert not requantised(finest.rgb(), None, steps)
    assert not requantised(again.rgb().crop((4, 4, 636, 476)), own, steps)  # another grid
    assert not requantised(Image.new("RGB", (640, 480), (90, 120, 150)), own, steps)  # nothing tells


@pytest.mark.parametrize("grain", [0.0, 1.0])
def test_a_photo_that_was_saved_coarser_later_is_the_original(grain: float) -> None:
    """Also a soft one with little detail, whichever of the two has a camera's name."""
    soft = scene(47, (800, 600), grain=grain).filter(ImageFilter.GaussianBlur(2))
    original = stored(soft, quality=96)
    seen = decoded(original)
    assert_original(original, stored(seen, quality=75))
    assert_original(stored(soft, quality=96, exif=CAMERA), stored(seen, quality=75))


def test_a_cameras_coarse_photo_is_the_original_of_what_was_saved_finer() -> None:
    original = stored(SEEN, quality=75, exif=CAMERA)
    assert_original(original, stored(decoded(original), quality=95))


def sixteen_bits(picture: Image.Image, finer: int = 0) -> bytes:
    """Write a PNG of 16 bits a channel, as converters do by default; Pillow writes none (PNG, 11.2.2).

    `finer` is how far the lower eight bits go beyond what the upper ones say.
    """
    own = np.random.default_rng(5).integers(0, finer + 1, (picture.height, picture.width, 3))
    values = (np.asarray(picture).astype(np.int64) * 257 + own).clip(0, 65535)
    raw = b"".join(b"\0" + row.tobytes() for row in values.astype(">u2"))
    size = struct.pack(">IIBBBBB", *picture.size, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_more_bits_than_the_photo_had_are_no_gain() -> None:
    assert_original(SMALL, sixteen_bits(SEEN))


def test_a_jpeg_of_a_deep_picture_is_the_copy() -> None:
    deep = sixteen_bits(scene(45, (640, 480)), finer=100)
    assert_original(deep, stored(Image.open(io.BytesIO(deep)).convert("RGB"), quality=80))


@pytest.mark.parametrize("format_", ["PNG", "BMP"])
def test_of_two_lossless_ones_the_deeper_is_the_original(format_: str) -> None:
    deep = sixteen_bits(scene(46, (640, 480)), finer=100)
    assert_original(deep, stored(Image.open(io.BytesIO(deep)).convert("RGB"), format_))


def test_an_opaque_alpha_channel_is_worth_less_than_more_bits() -> None:
    """GD writes such ones of whatever it reads."""
    deep = sixteen_bits(scene(46, (640, 480)), finer=100)
    assert_original(deep, stored(Image.open(io.BytesIO(deep)).convert("RGBA"), "PNG"))


def test_what_nothing_tells_is_told_alike_in_both_orders() -> None:
    """Java and GD write other numbers, or none, where nothing shows them."""
    seen = scene(46, (640, 480)).convert("RGBA")
    seen.putalpha(Image.linear_gradient("L").resize(seen.size))
    hidden = np.asarray(seen).copy()
    hidden[hidden[:, :, 3] == 0] = 0
    one, other = stored(seen, "PNG"), stored(Image.fromarray(hidden), "PNG")
    forth, back = prove(one, other), prove(other, one)
    assert (forth.verdict, back.verdict) == (Verdict.RE_ENCODED, Verdict.RE_ENCODED), forth
    assert {forth.original, back.original} == {"a", "b"}


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_wider_profile_than_the_photo_had_is_no_gain(share: float) -> None:
    photo = stored(scene(47, (800, 600)), quality=92, exif=CAMERA)
    seen = decoded(photo).resize((round(800 * share), round(600 * share)), R.LANCZOS)
    srgb = ImageCms.createProfile("sRGB")
    wide = ImageCms.profileToProfile(seen, srgb, ImageCms.ImageCmsProfile(io.BytesIO(wide_profile())))
    assert wide is not None
    assert_original(photo, stored(wide, quality=80, icc_profile=wide_profile()))


FILTERS = st.sampled_from([R.LANCZOS, R.BOX, R.BICUBIC, R.BILINEAR, R.NEAREST])
FORMATS = st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 9), st.sampled_from([0.26, 0.5, 0.64, 1.0, 1.5]), FILTERS, FORMATS, FORMATS, st.booleans())
def test_whatever_is_compared_the_same_is_told_in_both_orders(
    seed: int, share: float, how: R, one: str, other: str, turned: bool
) -> None:
    picture = scene(seed, (300, 225))
    copy = picture.resize((round(300 * share), round(225 * share)), how)
    if turned:
        copy = copy.transpose(Image.Transpose.ROTATE_90)
    files = stored(picture, one), stored(copy, other)
    forth, back = prove(*files), prove(*reversed(files))
    assert forth.verdict == back.verdict, (forth, back)
    if forth.verdict is Verdict.RE_ENCODED:
        assert {forth.original, back.original} == {"a", "b"}, (forth, back)
