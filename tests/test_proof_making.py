"""proof, the making: what software really does to a picture is found again; what only comes near is not."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from tests.drawing import edited, scene, shifted, stamped, stored, wide_profile
from tests.proving import prove
from twinwatch.photo import COPY_VERDICTS, Verdict
from twinwatch.proof import generations
from twinwatch.proof.finishing import Generation, Resaving, encode_jpeg
from twinwatch.proof.fitting import fitted
from twinwatch.proof.glance import glance
from twinwatch.proof.picture import JpegTables, decode
from twinwatch.proof.quantised import excused_at_edges, explained, unexplained
from twinwatch.proof.recreate import Recipe, rivals
from twinwatch.proof.sketch import sketch

R = Image.Resampling
PHOTO = scene(7, (800, 600))
ORIGINAL = stored(PHOTO, quality=95)
SEEN = Image.open(io.BytesIO(ORIGINAL)).convert("RGB")


def saved(picture: Image.Image, *qualities: int) -> bytes:
    """Save as JPEG again and again."""
    data = b""
    for quality in qualities:
        data = stored(picture, quality=quality)
        picture = Image.open(io.BytesIO(data)).convert("RGB")
    return data


@pytest.mark.parametrize("qualities", [(40, 80), (60, 85, 75), (82, 71, 88, 76, 80)])
def test_a_copy_of_a_copy_is_made_again_through_its_generations(qualities: tuple[int, ...]) -> None:
    evidence = prove(ORIGINAL, saved(SEEN, *qualities))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert evidence.original == "a"


def test_the_generations_between_are_named() -> None:
    tables = decode(saved(SEEN, 78)).tables
    assert tables is not None
    window = SEEN.crop((128, 128, 384, 384))
    aim = encode_jpeg(Generation(52, 2).applied(window), tables)
    assert generations.earlier([window], tables, [aim])[1] == (Generation(52, 2),)
    assert generations.earlier([window], tables, [encode_jpeg(window, tables)])[1] == ()


PLAIN = scene(3, (800, 600))


@pytest.mark.parametrize("qualities", [(60, 60), (75, 75, 75, 75, 75, 75)])
def test_a_copy_that_was_saved_again_with_the_same_tables_is_made_again(qualities: tuple[int, ...]) -> None:
    """Each saving moves a few blocks more, which looks like an edit beside the others."""
    original = stored(PLAIN, quality=95)
    evidence = prove(original, saved(Image.open(io.BytesIO(original)).convert("RGB"), *qualities))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert "of the same tables" in evidence.words


def test_an_edit_is_no_copy_however_often_it_was_saved_with_the_same_tables() -> None:
    evidence = prove(stored(PLAIN, quality=95), saved(stamped(PLAIN), 60, 60, 60))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_two_qualities_in_turns_are_found_though_neither_alone_comes_nearer() -> None:
    tables = decode(saved(SEEN, 85)).tables
    assert tables is not None
    own, other = Resaving(tables), Generation(80, 2)
    window = SEEN.crop((128, 128, 384, 384))
    aim = own.applied(other.applied(own.applied(window)))
    assert generations.earlier([window], tables, [aim]) == (0.0, (own, other))


def test_a_profile_that_was_converted_or_dropped_is_found_again() -> None:
    vivid = ImageEnhance.Color(SEEN).enhance(1.5)
    wide = stored(vivid, quality=95, icc_profile=wide_profile())
    converted = ImageCms.profileToProfile(
        Image.open(io.BytesIO(wide)),
        ImageCms.ImageCmsProfile(io.BytesIO(wide_profile())),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    assert converted is not None
    exported = prove(wide, stored(converted, quality=80))
    assert (exported.verdict, exported.original) == (Verdict.RE_ENCODED, "a"), exported
    dropped = prove(wide, stored(Image.open(io.BytesIO(wide)).convert("RGB"), quality=80, icc_profile=None))
    assert (dropped.verdict, dropped.original) == (Verdict.RE_ENCODED, "a"), dropped
    assert "profile dropped" in dropped.words


def test_colours_that_a_profile_shows_far_apart_are_compared_as_they_are_shown() -> None:
    """False colours of a thermal camera, converted from Display P3: the numbers alone are another picture's."""
    green = [
        round(low + (high - low) * value / 255)
        for low, high in ((95, 125), (150, 255), (30, 80))
        for value in range(256)
    ]
    heat = scene(4, (640, 480)).convert("L").convert("RGB").point(green)
    wide = stored(heat, quality=95, icc_profile=wide_profile())
    converted = ImageCms.profileToProfile(
        Image.open(io.BytesIO(wide)).convert("RGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(wide_profile())),
        ImageCms.createProfile("sRGB"),
    )
    assert converted is not None
    evidence = prove(wide, stored(converted, quality=85, icc_profile=None))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert float(evidence.measures["glance_mean"]) < 2


def test_a_dropped_profile_shows_only_where_there_is_colour() -> None:
    """The windows of a nearly grey picture come out equal either way."""
    grey = scene(7, (1600, 1200)).convert("L").convert("RGB")
    ImageDraw.Draw(grey).ellipse((700, 30, 840, 130), fill=(60, 190, 70))
    wide = stored(grey, quality=95, icc_profile=wide_profile())
    evidence = prove(wide, stored(Image.open(io.BytesIO(wide)).convert("RGB"), quality=75, icc_profile=None))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
    assert "profile dropped" in evidence.words


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_samplers_that_start_at_the_corner_are_found(share: float) -> None:
    wide, high = round(SEEN.width * share), round(SEEN.height * share)
    pixels = np.asarray(SEEN)
    rows, columns = (np.arange(high) * SEEN.height // high), (np.arange(wide) * SEEN.width // wide)
    evidence = prove(ORIGINAL, stored(Image.fromarray(pixels[rows][:, columns]), quality=88))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert "from the corner" in evidence.words
    assert evidence.measures["score"] == 0


def test_a_picture_that_a_page_shrank_by_halves_is_found() -> None:
    """Each time drawn at half its size, where a canvas averages four pixels, and last by what is left to do."""
    step, down = 200 / 150, 150 / 112
    shrunk = SEEN.reduce(4).transform((150, 112), Image.Transform.AFFINE, (step, 0, 0, 0, down, 0), R.BILINEAR)
    evidence = prove(ORIGINAL, stored(shrunk, quality=88))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert "by halves" in evidence.words
    assert float(evidence.measures["score"]) < 0.5  # a level of rounding at each step


def test_a_filter_is_fitted_for_the_nearest_plain_filter_too() -> None:
    """Galleries average and sharpen: unfiltered pixels are as sharp, and nearer until one is fitted."""
    tried = [Recipe(name) for name in ("bicubic, unfiltered", "bilinear, unfiltered", "nearest", "box", "lanczos")]
    assert [one.scaler for one in rivals(tried)] == ["bicubic, unfiltered", "bilinear, unfiltered", "box"]
    assert [one.scaler for one in rivals(tried[2:])] == ["nearest", "box"]


def test_rows_that_a_program_picked_by_other_rounding_are_found_in_a_jpeg_of_them() -> None:
    rows, columns = ((2 * np.arange(n) + 1) * length // (2 * n) for n, length in ((331, 600), (441, 800)))
    rows[100:140] += 1  # as another rounding takes them
    pixels = np.asarray(SEEN)[rows][:, columns]
    evidence = prove(ORIGINAL, stored(Image.fromarray(pixels), quality=82))
    assert (evidence.verdict, evidence.measures["equal"]) == (Verdict.RE_ENCODED, 1), evidence
    assert "rounded as in the copy" in evidence.words


def test_a_jpeg_loaded_at_half_its_size_is_found() -> None:
    big = stored(scene(5, (1600, 1200)), quality=92)
    loaded = Image.open(io.BytesIO(big))
    loaded.draft("RGB", (800, 600))
    evidence = prove(big, stored(loaded.resize((700, 525), R.BILINEAR), quality=80))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert "loaded at 1/2" in evidence.words
    assert evidence.measures["score"] == 0


PALETTES = {
    "gif": lambda picture: stored(picture.quantize(256), "GIF"),
    "gif, 192 colours": lambda picture: stored(picture.quantize(192, dither=Image.Dither.FLOYDSTEINBERG), "GIF"),
    "png8": lambda picture: stored(picture.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
}


@pytest.mark.parametrize("how", PALETTES)
def test_a_palette_is_a_copy_and_hides_no_edit(how: str) -> None:
    copy = prove(ORIGINAL, PALETTES[how](SEEN))
    assert copy.verdict is Verdict.RE_ENCODED, copy
    assert copy.original == "a"
    for other in (edited(SEEN), stamped(SEEN), ImageEnhance.Brightness(SEEN).enhance(1.08), SEEN.convert("L")):
        evidence = prove(ORIGINAL, PALETTES[how](other.convert("RGB")))
        assert evidence.verdict not in COPY_VERDICTS, evidence


@pytest.mark.parametrize("quality", [15, 60, 90])
@pytest.mark.parametrize("format_", ["AVIF", "WEBP"])
def test_codecs_that_hide_their_tables_are_calibrated_by_their_own_noise(format_: str, quality: int) -> None:
    copy = prove(ORIGINAL, stored(SEEN, format_, quality=quality))
    assert copy.verdict is Verdict.RE_ENCODED, copy
    for other in (edited(SEEN), stamped(SEEN), shifted(SEEN), ImageEnhance.Color(SEEN).enhance(1.15)):
        evidence = prove(ORIGINAL, stored(other, format_, quality=quality))
        assert evidence.verdict not in COPY_VERDICTS, evidence


@pytest.mark.parametrize("factor", [0.85, 0.5, 0.0, 1.15])
@pytest.mark.parametrize("quality", [50, 90])
def test_paler_and_more_vivid_colours_are_no_copy(factor: float, quality: int) -> None:
    evidence = prove(ORIGINAL, stored(ImageEnhance.Color(SEEN).enhance(factor), quality=quality))
    assert evidence.verdict not in COPY_VERDICTS, evidence


def test_the_next_shot_from_a_tripod_is_no_copy() -> None:
    rng = np.random.default_rng(4)
    leaves = np.asarray(
        Image.fromarray(rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)).resize((800, 600), R.BICUBIC)
    ).astype(float)
    for quality in (75, 90, 95):
        shots = [
            stored(
                Image.fromarray((leaves * 0.6 + 50 + rng.normal(0, 5, leaves.shape)).clip(0, 255).astype(np.uint8)),
                quality=quality,
            )
            for _ in range(2)
        ]
        evidence = prove(*shots)
        assert evidence.verdict not in COPY_VERDICTS, (quality, evidence)


def test_a_frame_moved_by_two_pixels_is_no_copy_even_when_shrunk() -> None:
    for how in (R.BOX, R.BICUBIC):
        evidence = prove(ORIGINAL, stored(shifted(SEEN).resize((200, 150), how), quality=85))
        assert evidence.verdict not in COPY_VERDICTS, evidence


def test_a_fitted_filter_never_moves_the_picture() -> None:
    window = SEEN.crop((100, 100, 356, 356))
    blurred = SEEN.resize((400, 300), R.BICUBIC).resize((800, 600), R.BICUBIC).crop((100, 100, 356, 356))
    assert fitted([window], [blurred]) is not None
    assert fitted([window], [SEEN.crop((101, 101, 357, 357))]) is None


ALL = np.ones((75, 100), dtype=bool)
TABLE = decode(ORIGINAL).tables or JpegTables(((1,) * 64,), 0)


@settings(max_examples=25)
@given(st.integers(25, 95))
def test_rounding_explains_what_an_encoder_did_and_not_what_a_person_did(quality: int) -> None:
    coded = decode(stored(SEEN, quality=quality))
    assert coded.tables is not None
    table = coded.tables.tables[0]
    assert explained(coded.rgb(), SEEN, table, ALL).mean() > 0.995  # the rest was clipped
    marked = stamped(SEEN)
    where = np.asarray(marked.convert("L")).astype(int) != np.asarray(SEEN.convert("L")).astype(int)
    touched = where.reshape(75, 8, 100, 8).sum(axis=(1, 3)) > 24
    stored_mark = decode(stored(marked, quality=quality)).rgb()
    assert explained(stored_mark, SEEN, table, ALL)[touched].mean() < 0.1


def test_noise_of_another_shot_is_unexplained_and_that_of_the_encoder_is_not() -> None:
    own, next_shot = scene(7, (640, 480)), scene(7, (640, 480), frame=1)
    coded = decode(stored(own, quality=90))
    assert coded.tables is not None
    assert np.median(unexplained(coded.rgb(), own, coded.tables.tables[0])) < 0.3
    assert np.median(unexplained(coded.rgb(), next_shot, coded.tables.tables[0])) > 2


def test_a_glance_refuses_an_edit_without_making_anything() -> None:
    evidence = prove(ORIGINAL, stored(edited(SEEN, 0.02), quality=90))
    assert evidence.verdict is Verdict.LOOK_ALIKE
    assert "scaler" not in evidence.measures
    assert " of {b}" in evidence.words


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_sketch_of_an_eighth_is_the_picture_of_the_full_decode(orientation: int) -> None:
    """The last pixels of a scaled JPEG may lie half outside the picture, on whichever side they end up."""
    exif = Image.Exif()
    exif[274] = orientation
    picture = scene(9, (1280, 1280), grain=0).resize((3841, 3841), R.BICUBIC)  # 480 and an eighth of a pixel
    rough, full = sketch(stored(picture, quality=90, exif=exif)), sketch(stored(picture, "PNG", exif=exif))
    assert rough.picture is None
    assert full.picture is not None
    seen = glance(rough, full)
    assert seen.transforms[0] == 1
    assert seen.tile < 0.8
    assert seen.pixel < 0.6


def test_equal_tables_prove_no_direction() -> None:
    """A re-save with the tables it had is made from the original, and the original from it."""
    original = saved(PHOTO, 80)
    again = saved(Image.open(io.BytesIO(original)).convert("RGB"), 80)
    assert original != again
    evidence = prove(original, again)
    assert evidence.verdict in COPY_VERDICTS
    assert not evidence.direction_proved


def test_a_lossless_file_that_lost_something_was_not_made_from_the_other() -> None:
    picture = stored(SEEN, "PNG")
    for quality in (60, 90):
        chain = saved(SEEN, 88, quality)
        for evidence in (prove(picture, chain), replace(prove(chain, picture), original="a")):
            assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
        assert prove(chain, picture).original == "b"


def page(changed: bool) -> Image.Image:
    """Draw a screenshot of small text; one digit of it may be another one."""
    picture = Image.new("RGB", (800, 600), (255, 255, 255))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    rng = np.random.default_rng(2)
    for row in range(38):
        amounts = "  ".join(f"item {int(n):04d} EUR" for n in rng.integers(0, 9999, 6))
        if changed and row == 20:
            amounts = amounts.replace("6", "9", 1)
        pen.text((10, 8 + 15 * row), amounts, font=font, fill=(0, 0, 0))
    return picture


SAVED = {
    "png": lambda picture: stored(picture, "PNG"),
    "jpeg": lambda picture: stored(picture, quality=85),
    "webp": lambda picture: stored(picture, "WEBP", quality=80),
}


@pytest.mark.parametrize("how", SAVED)
def test_one_digit_of_a_screenshot_is_another_picture(how: str) -> None:
    original = stored(page(changed=False), "TIFF")
    assert prove(original, SAVED[how](page(changed=False))).verdict in COPY_VERDICTS
    evidence = prove(original, SAVED[how](page(changed=True)))
    assert evidence.verdict not in COPY_VERDICTS, evidence


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_another_colour_of_the_eyes_is_another_picture(quality: int) -> None:
    recoloured = SEEN.copy()
    mask = Image.new("L", SEEN.size)
    ImageDraw.Draw(mask).ellipse((300, 300, 316, 316), fill=255)
    recoloured.paste(ImageEnhance.Color(SEEN).enhance(0.4), (0, 0), mask)
    for one, other in ((SEEN, recoloured), (recoloured, SEEN)):
        evidence = prove(stored(one, "PNG"), stored(other, quality=quality))
        assert evidence.verdict not in COPY_VERDICTS, evidence


def chart(seed: int, title: str = "Temperature of the cellar") -> Image.Image:
    """Draw three lines, a grid and its numbers on white: nearly all of it is flat."""
    dice = np.random.default_rng(seed)
    drawn = Image.new("RGB", (1000, 700), "white")
    pen = ImageDraw.Draw(drawn)
    for y in range(100, 650, 90):
        pen.line((80, y, 960, y), fill=(225, 225, 225))
        pen.text((30, y - 8), str(700 - y), font=ImageFont.load_default(16), fill=(60, 60, 60))
    for colour in ((31, 119, 180), (255, 127, 14), (44, 160, 44)):
        heights = np.clip(350 + np.cumsum(dice.normal(0, 14, 60)), 100, 640)
        pen.line([(80 + 15 * at, float(height)) for at, height in enumerate(heights)], colour, 3, "curve")
    pen.text((300, 40), f"{title} {seed}", font=ImageFont.load_default(28), fill=(20, 20, 20))
    return drawn


@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize("seed", [1, 2])
def test_white_ground_that_comes_out_equal_makes_no_edit_of_what_another_program_stored(
    seed: int, quality: int
) -> None:
    rounded = chart(seed).convert("YCbCr").convert("RGB")  # as another program hands it to its encoder
    evidence = prove(stored(chart(seed), "PNG"), stored(rounded, quality=quality))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


@pytest.mark.parametrize(
    "title", ["Temperature of the collar", "Temperature of the cellar.", "Temperature 0f the cellar"]
)
def test_another_letter_on_white_ground_is_an_edit(title: str) -> None:
    edit = chart(2, title).convert("YCbCr").convert("RGB")
    for data in (stored(edit, quality=75), stored(edit, "WEBP", quality=75), stored(edit.quantize(64), "PNG")):
        evidence = prove(stored(chart(2), "PNG"), data)
        assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_a_faint_mark_on_white_ground_is_an_edit() -> None:
    marked = chart(2)
    ImageDraw.Draw(marked).text((820, 660), "copy", font=ImageFont.load_default(24), fill=(245, 245, 245))
    evidence = prove(stored(chart(2), "PNG"), stored(marked, quality=92))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


def test_two_lossless_files_of_one_size_are_equal_or_two_pictures() -> None:
    faint = Image.fromarray((np.asarray(SEEN).astype(int) + np.array((1, 0, -1))).clip(0, 255).astype(np.uint8))
    evidence = prove(stored(SEEN, "PNG"), stored(faint, "BMP"))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


@pytest.mark.parametrize("format_", ["WEBP", "AVIF"])
def test_a_picture_without_detail_in_any_tile_is_judged_and_not_called_broken(format_: str) -> None:
    """Large soft photographs have their detail in the whole, and hardly a grey level in eight pixels."""
    soft = scene(7, (400, 300), grain=0).resize((3200, 2400), R.BICUBIC).filter(ImageFilter.GaussianBlur(60))
    evidence = prove(stored(soft, quality=95), stored(soft, format_, quality=80))
    assert evidence.verdict is not Verdict.UNDECODABLE, evidence
    assert "score" in evidence.measures


def colour_noise(picture: Image.Image, deviation: float) -> Image.Image:
    """Return a grey version with coarse noise of colour alone, as an old film has it: codecs leave most of it out."""
    grey = np.asarray(picture.convert("L").convert("RGB")).astype(np.float32)
    shape = (picture.height // 2, picture.width // 2, 3)
    noise = np.random.default_rng(4).normal(0, deviation, shape).repeat(2, 0).repeat(2, 1)
    return Image.fromarray((grey + noise - noise.mean(axis=2, keepdims=True)).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(("format_", "quality", "deviation"), [("WEBP", 60, 8), ("AVIF", 35, 14), ("WEBP", 30, 20)])
def test_faint_colours_that_a_codec_leaves_out_make_no_other_picture(
    format_: str, quality: int, deviation: float
) -> None:
    original = stored(colour_noise(PHOTO, deviation), quality=95)
    seen = Image.open(io.BytesIO(original)).convert("RGB")
    evidence = prove(original, stored(seen, format_, quality=quality))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


@pytest.mark.parametrize(("format_", "quality"), [("WEBP", 70), ("AVIF", 50)])
def test_a_faint_wire_is_not_a_codecs_noise(format_: str, quality: int) -> None:
    wired = SEEN.copy()
    sky = wired.getpixel((60, 70))
    assert isinstance(sky, tuple)
    ImageDraw.Draw(wired).line((60, 70, 320, 95), fill=tuple(level - 30 for level in sky), width=2)
    evidence = prove(ORIGINAL, stored(wired, format_, quality=quality))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence
    plain = prove(ORIGINAL, stored(SEEN, format_, quality=quality))
    assert plain.verdict is Verdict.RE_ENCODED, plain


def test_blocks_cut_by_the_edge_may_differ_as_whole_ones_do() -> None:
    whole = np.array([[True, True, False], [True, True, False], [False, False, False]])
    rough = np.array([[2.0, 5.0, 4.9], [0, 0, 5.1], [5.0, 6.0, 0]], dtype=np.float32)
    assert excused_at_edges(whole, rough, (24, 24)).tolist() == whole.tolist()
    assert excused_at_edges(whole, rough, (24, 22)).tolist()[2] == [True, False, True]
    assert excused_at_edges(whole, rough, (20, 24))[:, 2].tolist() == [True, False, True]


def test_a_generation_of_another_programs_tables_is_found() -> None:
    """ffmpeg scales the matrix of MPEG, which no IJG quality comes near."""
    window = SEEN.crop((300, 200, 428, 328))
    tables = decode(stored(window, quality=85)).tables
    assert tables is not None
    first = Generation(9, 2, mpeg=True)
    assert first.table[:8] == (8, 18, 21, 24, 29, 30, 32, 38)
    left, chain = generations.earlier([window], tables, [encode_jpeg(first.applied(window), tables)])
    assert (left, chain) == (0.0, (first,))


def test_a_generation_whose_luma_was_cut_off_to_whole_numbers_is_found() -> None:
    """As Rust's image crate does it: half a level darker at each saving, and two savings are a tone."""
    window = SEEN.crop((300, 200, 428, 328))
    red, green, blue = np.moveaxis(np.asarray(window).astype(np.float64), 2, 0)
    planes = (
        0.299 * red + 0.587 * green + 0.114 * blue,
        128 - 0.168736 * red - 0.331264 * green + 0.5 * blue,
        128 + 0.5 * red - 0.418688 * green - 0.081312 * blue,
    )
    cut = Image.merge("YCbCr", [Image.fromarray(plane.clip(0, 255).astype(np.uint8)) for plane in planes])
    before = Image.open(io.BytesIO(stored(cut, quality=64, subsampling=0))).convert("RGB")
    tables = decode(stored(window, quality=85)).tables
    assert tables is not None
    left, chain = generations.earlier([window], tables, [encode_jpeg(before, tables)])
    assert chain == (Generation(64, 0, cut_off=True),)
    assert left < 0.01  # another precision cuts a few pixels off elsewhere


def test_what_was_cut_off_more_than_once_is_a_tone() -> None:
    """Cut off often enough, any picture would come near to one in a slightly different light."""
    window = SEEN.crop((300, 200, 428, 328))
    tables = decode(stored(window, quality=85)).tables
    assert tables is not None
    darker = window
    for quality in (92, 80, 88):
        darker = Generation(quality, 0, cut_off=True).applied(darker)
    _, chain = generations.earlier([window], tables, [encode_jpeg(darker, tables)])
    assert [one for one in chain if isinstance(one, Generation) and one.cut_off] == [chain[0]]


def test_sampling_factors_that_all_components_share_are_no_sampling() -> None:
    plain = stored(SEEN.crop((0, 0, 160, 160)), quality=70, subsampling=0)
    frame = plain.index(b"\xff\xc0")
    odd = bytearray(plain)
    for component in range(3):
        odd[frame + 11 + 3 * component] = 0x12  # as ffmpeg writes 4:4:4; the scans would have to follow
    tables = decode(bytes(odd)).tables
    assert tables is not None
    assert tables.subsampling == 0


@pytest.mark.parametrize("scale", [0.7, 0.3])
def test_light_that_is_kept_in_eight_bits_is_found_in_shadows_too(scale: float) -> None:
    dark = np.asarray(PHOTO.point([round(255 * (level / 255) ** 1.8) for level in range(256)] * 3))
    original = stored(Image.fromarray(dark), quality=95)
    seen = np.asarray(Image.open(io.BytesIO(original)).convert("RGB")) / 255
    light = Image.fromarray(np.floor(255 * seen**2.2).astype(np.uint8))
    size = (round(800 * scale), round(600 * scale))
    small = np.asarray(light.resize(size, R.LANCZOS)) / 255
    evidence = prove(original, stored(Image.fromarray(np.floor(255 * small ** (1 / 2.2)).astype(np.uint8)), quality=85))
    assert evidence.verdict is Verdict.RE_ENCODED, evidence
    assert "8-bit light" in evidence.words


def rounded(pixels: np.ndarray, step: int) -> Image.Image:
    """Round all channels to multiples of `step`, as near-lossless does, but for smooth ground."""
    levels = pixels.astype(int)
    around = np.pad(levels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    beside = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    apart = np.max([np.abs(levels - one).max(axis=2) for one in beside], axis=0)
    nearest = np.minimum((levels + (step - 1) // 2 + levels // step % 2) // step * step, 255)  # halves to the even one
    done = np.where((apart > 2)[:, :, None], nearest, levels)
    return Image.fromarray(done.astype(np.uint8))


@pytest.mark.parametrize("step", [2, 4])
def test_what_webp_rounded_near_losslessly_is_a_copy(step: int) -> None:
    original, copy = stored(PHOTO, "PNG"), stored(rounded(np.asarray(PHOTO), step), "WEBP", lossless=True)
    for pair, side in (((original, copy), "a"), ((copy, original), "b")):
        evidence = prove(*pair)
        assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, side), evidence
        assert "near-lossless" in evidence.words


@pytest.mark.parametrize("step", [2, 4])
def test_a_jpeg_is_the_original_of_what_webp_rounded_of_it(step: int) -> None:
    """Saved with its steps once more it comes near to itself: only the rounding tells which was first."""
    original = stored(PHOTO, quality=92)
    seen = np.asarray(Image.open(io.BytesIO(original)).convert("RGB"))
    copy = stored(rounded(seen, step), "WEBP", lossless=True)
    for pair, side in (((original, copy), "a"), ((copy, original), "b")):
        evidence = prove(*pair)
        assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, side), evidence
        assert "near-lossless" in evidence.words


@pytest.mark.parametrize("how", ["stamp", "patch", "brighter", "faint letters", "twice as much"])
def test_an_edit_in_a_lossless_webp_is_no_rounding(how: str) -> None:
    seen = np.asarray(PHOTO).copy()
    if how == "stamp":
        done = rounded(np.asarray(stamped(PHOTO)), 2)
    elif how == "patch":  # rounded in one place only
        seen[100:200, 100:200] = np.asarray(rounded(seen, 4))[100:200, 100:200]
        done = Image.fromarray(seen)
    elif how == "brighter":
        done = PHOTO.point([min(255, level + 1) for level in range(256)] * 3)
    elif how == "faint letters":
        seen[:200] = 255
        plain = Image.fromarray(seen)
        written = plain.copy()
        ImageDraw.Draw(written).text((60, 60), "white on white", font=ImageFont.load_default(40), fill=(253, 253, 253))
        evidence = prove(stored(plain, "PNG"), stored(rounded(np.asarray(written), 2), "WEBP", lossless=True))
        assert evidence.verdict is Verdict.LOOK_ALIKE, evidence
        return
    else:
        done = rounded(seen, 16)
    evidence = prove(stored(PHOTO, "PNG"), stored(done, "WEBP", lossless=True))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("noise", [4, 12])
def test_a_copy_that_was_saved_finer_than_its_original_is_the_copy(noise: int, turned: bool) -> None:
    """Remade from its copy the original comes near, and the copy from its original exactly."""
    grain = np.random.default_rng(1).normal(0, noise, (608, 800, 1))
    photo = Image.fromarray(np.clip(np.asarray(scene(3, (800, 608))) + grain, 0, 255).astype(np.uint8))
    original = stored(photo, quality=60)
    shown = Image.open(io.BytesIO(original)).convert("RGB")
    copy = stored(shown.transpose(Image.Transpose.ROTATE_90) if turned else shown, quality=95)
    for evidence, side in ((prove(original, copy), "a"), (prove(copy, original), "b")):
        assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, side), evidence
        assert evidence.measures["direction"] == "proved"


@pytest.mark.parametrize(("shown", "told"), [(98, True), (99, False), (92, True), (90, False)])
def test_rounding_explains_half_a_level_more_of_a_blocks_mean(shown: int, *, told: bool) -> None:
    """Programs that cut luma off to whole numbers are so much darker before they round: here to three levels."""
    target, made = (Image.new("RGB", (8, 8), (level,) * 3) for level in (95, shown))
    assert explained(target, made, [24] * 64, np.array([[True]])).all() == told


def test_a_filter_moves_a_picture_that_was_not_scaled_by_next_to_nothing() -> None:
    page = scene(3, (480, 320), grain=3)
    beside = page.transform(page.size, Image.Transform.AFFINE, (1, 0, 0.15, 0, 1, 0), R.BICUBIC)
    boxes = [(x, y, x + 96, y + 96) for x in (16, 176, 336) for y in (16, 176)]
    ours, theirs = ([image.crop(box) for box in boxes] for image in (page, beside))
    assert fitted(ours, theirs) is not None
    assert fitted(ours, theirs, scaled=False) is None
    assert fitted(ours, [one.filter(ImageFilter.SHARPEN) for one in ours], scaled=False) is not None


def test_where_nearly_all_came_out_equal_a_faint_mark_is_an_edit() -> None:
    """Rounding explains what differs in a copy, and not what was painted over."""
    page = scene(4, (960, 720))

    def saved(picture: Image.Image) -> bytes:
        return stored(picture.resize((720, 540), R.LANCZOS), quality=90)

    assert prove(stored(page, "PNG"), saved(page)).verdict is Verdict.RE_ENCODED
    marked = page.copy()
    colour = tuple(level + 3 for level in np.asarray(page)[405, 506].tolist())
    ImageDraw.Draw(marked).ellipse((500, 400, 512, 410), fill=colour)
    evidence = prove(stored(page, "PNG"), saved(marked))
    assert evidence.verdict is Verdict.LOOK_ALIKE, evidence
