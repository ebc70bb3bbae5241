"""proof: what is a copy is proved, with its original; what only looks alike never is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from tests.drawing import brightened, chat, cropped, descriptor, edited, logo, messages, scene, shifted, stamped, stored
from tests.proving import prove
from twinwatch import proof
from twinwatch.imaging import formats
from twinwatch.imaging.fingerprint import TRANSPOSES
from twinwatch.photo import COPY_VERDICTS, Evidence, Verdict
from twinwatch.proof.picture import INVERSE

R = Image.Resampling
PHOTO = scene(7, (800, 600))
ORIGINAL = stored(PHOTO, quality=95)
SEEN = Image.open(io.BytesIO(ORIGINAL)).convert("RGB")  # what a program that makes a copy sees


def assert_copy(original: bytes, copy: bytes, transform: int = 1) -> None:
    """The pair is proved in both orders, with the same original and the inverse transform."""
    there, back = prove(original, copy), prove(copy, original)
    assert there.verdict is Verdict.RE_ENCODED, there
    assert (there.original, there.transform) == ("a", transform), there
    assert back.verdict is Verdict.RE_ENCODED, back
    assert (back.original, back.transform) == ("b", INVERSE[transform]), back
    assert there.words
    assert Evidence.from_json(there.to_json()) == there


def assert_no_copy(a: bytes, b: bytes) -> None:
    for evidence in (prove(a, b), prove(b, a)):
        assert evidence.verdict in (Verdict.LOOK_ALIKE, Verdict.DISTINCT), evidence


def half(picture: Image.Image, how: R = R.LANCZOS, share: float = 0.5) -> Image.Image:
    return picture.resize((round(picture.width * share), round(picture.height * share)), how)


def test_the_same_bytes_are_identical_even_when_they_are_no_picture() -> None:
    assert prove(ORIGINAL, ORIGINAL).verdict is Verdict.IDENTICAL
    assert prove(b"anything", b"anything").verdict is Verdict.IDENTICAL


def test_other_metadata_around_the_same_scans_are_the_same_pixels() -> None:
    exif = Image.Exif()
    exif[271] = "Acme"
    segment = b"Exif\0\0" + exif.tobytes()
    with_exif = ORIGINAL[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + ORIGINAL[2:]
    evidence = prove(ORIGINAL, with_exif)
    assert evidence.verdict is Verdict.SAME_PIXELS
    assert evidence.original == "b"  # the one that has more to lose


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "BMP"])
def test_lossless_formats_hold_the_same_pixels(format_: str) -> None:
    evidence = prove(ORIGINAL, stored(SEEN, format_))
    assert evidence.verdict is Verdict.SAME_PIXELS


def test_an_orientation_tag_instead_of_turned_pixels_is_the_same_picture() -> None:
    exif = Image.Exif()
    exif[274] = 6
    tagged = stored(SEEN.transpose(TRANSPOSES[INVERSE[6]]), "PNG", exif=exif)
    assert prove(ORIGINAL, tagged).verdict is Verdict.SAME_PIXELS


@pytest.mark.parametrize("quality", [30, 50, 75, 90])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_recompressed(quality: int, subsampling: int) -> None:
    assert_copy(ORIGINAL, stored(SEEN, quality=quality, subsampling=subsampling))


def test_a_right_re_creation_leaves_nothing() -> None:
    evidence = prove(ORIGINAL, stored(half(SEEN), quality=60, progressive=True))
    assert evidence.measures["score"] == 0.0


@pytest.mark.parametrize("how", list(R), ids=lambda how: how.name)
@pytest.mark.parametrize("share", [0.3, 0.61])
def test_resized(how: R, share: float) -> None:
    assert_copy(ORIGINAL, stored(half(SEEN, how, share), quality=80))


def test_enlarged() -> None:
    assert_copy(ORIGINAL, stored(half(SEEN, R.BICUBIC, 1.5), quality=88))


def test_several_generations() -> None:
    data = ORIGINAL
    for quality in (84, 72, 79, 86):
        data = stored(Image.open(io.BytesIO(data)), quality=quality)
    assert prove(ORIGINAL, data).verdict is Verdict.RE_ENCODED


def test_two_messengers() -> None:
    once = Image.open(io.BytesIO(stored(half(SEEN, share=0.8), quality=75)))
    assert prove(ORIGINAL, stored(half(once, R.BICUBIC, 0.8), quality=80)).verdict is Verdict.RE_ENCODED


@pytest.mark.parametrize("transform", range(2, 9))
def test_turned_and_mirrored(transform: int) -> None:
    assert_copy(ORIGINAL, stored(SEEN.transpose(TRANSPOSES[transform]), quality=85), transform)


@pytest.mark.parametrize(("format_", "quality"), [("WEBP", 80), ("WEBP", 60), ("AVIF", 60), ("HEIF", 50)])
def test_codecs_that_hide_their_tables(format_: str, quality: int) -> None:
    if not formats()[format_]:
        pytest.skip(f"no {format_} here")
    evidence = prove(ORIGINAL, stored(half(SEEN, share=0.7), format_, quality=quality))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


def test_a_palette_of_256_colours() -> None:
    evidence = prove(ORIGINAL, stored(SEEN.quantize(256), "GIF"))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence


def test_transparency_resized() -> None:
    picture = PHOTO.copy()
    picture.putalpha(Image.linear_gradient("L").resize(PHOTO.size))
    assert_copy(stored(picture, "PNG"), stored(half(picture), "PNG"))


@pytest.mark.parametrize("quality", [50, 92])
@pytest.mark.parametrize(
    "look_alike",
    [
        brightened(SEEN),
        brightened(SEEN, 0.97),
        edited(SEEN),
        edited(SEEN, 0.03),
        stamped(SEEN),
        cropped(SEEN),
        shifted(SEEN),
        shifted(SEEN, 1),
        ImageOps.grayscale(SEEN),
        ImageOps.expand(SEEN, 20, "white"),
        ImageOps.autocontrast(SEEN, cutoff=1),
        scene(7, (800, 600), grain=14.0, frame=1),
    ],
    ids=[
        "brighter",
        "darker",
        "edit",
        "big edit",
        "date",
        "crop",
        "shift",
        "shift 1",
        "grey",
        "border",
        "tone",
        "grain",
    ],
)
def test_look_alikes_of_a_photo(look_alike: Image.Image, quality: int) -> None:
    assert_no_copy(ORIGINAL, stored(look_alike, quality=quality))
    if quality == 92:
        assert_no_copy(ORIGINAL, stored(half(look_alike), quality=quality))
        assert_no_copy(ORIGINAL, stored(look_alike, "WEBP", quality=quality))


@pytest.mark.parametrize("quality", [80, 95])
def test_the_next_shot_from_a_tripod_has_its_own_grain(quality: int) -> None:
    assert_no_copy(ORIGINAL, stored(scene(7, (800, 600), frame=1), quality=quality))


def test_a_small_mark_in_an_exact_copy_is_found_however_busy_the_place() -> None:
    busy = np.asarray(SEEN.resize((200, 150))).copy()
    busy[64:80, 64:80] = np.indices((16, 16)).sum(axis=0)[:, :, None] % 2 * 220
    marked = busy.copy()
    marked[68:72, 68:72] = 140
    assert_no_copy(stored(Image.fromarray(busy), "PNG"), stored(Image.fromarray(marked), quality=88))


def test_chats_that_differ_in_a_message_or_a_digit() -> None:
    said = messages(1)
    other = [*said[:5], "see you not", *said[6:]]
    first = chat(said)
    for second in (chat(other), chat(said, clock="21:41"), chat(messages(2))):
        assert_no_copy(stored(first, "PNG"), stored(second, "PNG"))
        assert_no_copy(stored(first, "PNG"), stored(second, quality=60))
        assert_no_copy(stored(first, quality=80), stored(second, quality=40))
        assert_no_copy(stored(first, "PNG"), stored(half(second), quality=70))


def test_a_chat_recompressed_is_a_copy() -> None:
    first = chat(messages(1))
    assert_copy(stored(first, "PNG"), stored(first, quality=50))


def test_transparent_logos_that_are_equal_without_alpha() -> None:
    one, two = logo(1), logo(2)
    assert np.array_equal(np.asarray(one.convert("RGB")), np.asarray(two.convert("RGB")))
    assert_no_copy(stored(one, "PNG"), stored(two, "PNG"))
    assert_no_copy(stored(one, "PNG"), stored(one.convert("RGB"), "PNG"))


def test_flat_pictures_prove_nothing_but_equal_pixels() -> None:
    flat = [Image.new("RGB", (400, 300), (v, v, v)) for v in (0, 2, 253)]
    assert_no_copy(stored(flat[0]), stored(flat[1]))
    assert_no_copy(stored(flat[0]), stored(half(flat[0])))
    assert prove(stored(flat[2]), stored(flat[2], "PNG")).verdict is Verdict.SAME_PIXELS


def test_plain_drawings_prove_nothing_but_equal_pixels() -> None:
    flag = Image.new("RGB", (600, 400), "white")
    flag.paste("red", (0, 0, 600, 133))
    flag.paste("blue", (0, 267, 600, 400))
    assert_no_copy(stored(flag, "PNG"), stored(half(flag), "PNG"))


def test_an_animation_is_not_its_first_frame() -> None:
    first, second = scene(1, (200, 150)), scene(2, (200, 150))
    moving = stored(first, "GIF", save_all=True, append_images=[second])
    assert_no_copy(moving, stored(first, "GIF"))
    assert_no_copy(moving, stored(first, "GIF", save_all=True, append_images=[scene(3, (200, 150))]))
    again = stored(first, "GIF", save_all=True, append_images=[second], comment=b"again")
    assert prove(moving, again).verdict is Verdict.SAME_PIXELS


def test_sixteen_bits_are_compared_as_they_are() -> None:
    ramp = np.add.outer(np.arange(300) * 97, np.arange(400) * 53).astype(np.uint16)
    finer = ramp.copy()
    finer[100:140, 100:140] ^= 3  # below what eight bits can show
    one, two = stored(Image.fromarray(ramp), "PNG"), stored(Image.fromarray(finer), "PNG")
    assert prove(one, two).verdict not in (Verdict.IDENTICAL, Verdict.SAME_PIXELS)
    assert prove(one, stored(Image.fromarray(ramp), "TIFF")).verdict is Verdict.SAME_PIXELS


def test_other_pictures_are_distinct() -> None:
    assert prove(ORIGINAL, stored(scene(99, (700, 700)))).verdict is Verdict.DISTINCT


@pytest.mark.parametrize("bad", [ORIGINAL[: len(ORIGINAL) // 2], b"", b"no picture at all"])
def test_what_cannot_be_read_cannot_be_proved(bad: bytes) -> None:
    for evidence in (prove(ORIGINAL, bad), prove(bad, ORIGINAL)):
        assert evidence.verdict is Verdict.UNDECODABLE
        assert evidence.verdict not in COPY_VERDICTS


def pages(pictures: list[Image.Image], format_: str = "TIFF", **options: object) -> bytes:
    return stored(pictures[0], format_, save_all=True, append_images=pictures[1:], **options)


def deep(low: int, mode: str) -> Image.Image:
    """A grey picture of which eight bits show, and others differ with `low`."""
    shown = np.asarray(PHOTO.convert("L")).astype(np.int32) << 8
    values = shown | np.random.default_rng(low).integers(0, 256, shown.shape)
    return Image.fromarray(values.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))


@pytest.mark.parametrize(("mode", "format_"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I", "TIFF"), ("F", "TIFF")])
def test_deep_pictures_that_differ_where_eight_bits_do_not_show_it_are_no_copies(mode: str, format_: str) -> None:
    one, other = deep(1, mode), deep(2, mode)
    assert_no_copy(stored(one, format_), stored(other, format_))
    assert prove(stored(one, format_), stored(one, format_, description="x", dpi=(72, 72))).verdict in COPY_VERDICTS
    if format_ == "TIFF":
        assert_no_copy(pages([one, one]), pages([one, other]))


@pytest.mark.parametrize("format_", ["PNG", "GIF", "WEBP"])
def test_an_animation_shown_faster_is_no_copy(format_: str) -> None:
    both = [half(PHOTO), half(shifted(PHOTO, 9))]
    slow, fast = (pages(both, format_, duration=duration, lossless=True) for duration in (2000, 100))
    assert_no_copy(slow, fast)
    assert prove(slow, pages(both, format_, duration=2000, lossless=True, comment="x")).verdict in COPY_VERDICTS


def test_of_two_jpegs_with_the_same_scans_the_one_with_a_second_picture_behind_it_is_the_original() -> None:
    second, third = stored(scene(8, (200, 150))), stored(scene(9, (200, 150)))
    there, back = prove(ORIGINAL, ORIGINAL + second), prove(ORIGINAL + second, ORIGINAL)
    assert (there.verdict, there.original) == (Verdict.SAME_PIXELS, "b")
    assert (back.verdict, back.original) == (Verdict.SAME_PIXELS, "a")
    assert_no_copy(ORIGINAL + second, ORIGINAL + third)
    assert prove(ORIGINAL, ORIGINAL + bytes(200)).original is None  # padding is nothing
    stereo = pages([PHOTO, scene(8, (800, 600))], "MPO", quality=95)
    assert prove(ORIGINAL, stereo).original == "b"
    assert_no_copy(stereo, pages([PHOTO, scene(9, (800, 600))], "MPO", quality=95))


def test_the_same_scans_in_other_colours_are_no_copy() -> None:
    jfif = ORIGINAL[2 : 4 + int.from_bytes(ORIGINAL[4:6], "big")]
    in_rgb = stored(PHOTO, quality=95, keep_rgb=True)  # told by an Adobe marker, which a JFIF marker overrules
    assert b"JFIF" in jfif
    assert_no_copy(in_rgb, in_rgb[:2] + jfif + in_rgb[2:])


@pytest.mark.parametrize("colours", [8, 16, 64])
@pytest.mark.parametrize("format_", ["PNG", "GIF"])
def test_another_palette_makes_another_picture(colours: int, format_: str) -> None:
    picture = PHOTO.quantize(colours)
    redder = picture.copy()
    redder.putpalette(
        [min(255, value + 12 * (place % 3 == 0)) for place, value in enumerate(picture.getpalette() or [])]
    )
    assert_no_copy(stored(picture, format_), stored(redder, format_))
    assert_no_copy(stored(picture.convert("RGB"), "PNG"), stored(redder, format_))


@pytest.mark.parametrize("place", [0.4, 0.6, 0.8, 0.9])
def test_a_file_with_a_few_other_bytes_is_damaged_and_no_copy(place: float) -> None:
    """Bit rot: which of the two is the good one cannot be told, so a person looks."""
    whole = stored(scene(3, (320, 240)), quality=90)
    for bit in range(8):
        data = bytearray(whole)
        data[int(len(data) * place)] ^= 1 << bit
        with descriptor(whole) as fd_a, descriptor(bytes(data)) as fd_b:
            evidence = proof.prove(fd_a, fd_b)
        same = np.array_equal(np.asarray(Image.open(io.BytesIO(whole))), np.asarray(Image.open(io.BytesIO(data))))
        assert same or evidence.verdict not in COPY_VERDICTS, evidence


def test_a_turn_that_was_written_over_another_is_no_damage() -> None:
    """As a file manager turns a photo that has been turned before: one byte of its metadata changes."""
    tagged, again = (stored(scene(3, (640, 480)), quality=90, exif=_turned(turn)) for turn in (1, 6))
    assert sum(x != y for x, y in zip(tagged, again, strict=True)) == 1
    evidence = prove(tagged, again)
    assert (evidence.verdict, evidence.transform) == (Verdict.RE_ENCODED, 6)


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def test_colours_that_cannot_be_read_are_not_proved_either() -> None:
    lab = stored(Image.new("LAB", (64, 48), (100, 20, 200)), "TIFF")
    assert prove(lab, lab + b"\0").verdict is Verdict.UNDECODABLE
