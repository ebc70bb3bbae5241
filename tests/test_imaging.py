"""imaging: a digest for every file, imagehash's own hash for every picture, a trouble for every bad one."""

from __future__ import annotations

import io
import json
import os
import struct

import imagehash
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from tests.drawing import descriptor, scene, stored
from twinwatch import imaging
from twinwatch.imaging.fingerprint import TRANSPOSES
from twinwatch.imaging.header import header
from twinwatch.imaging.source import UnreadableError, named_errors
from twinwatch.photo import Reading, Trouble


def read(data: bytes) -> Reading:
    with descriptor(data) as fd:
        return imaging.read(fd)


def hashed(picture: Image.Image) -> int:
    return int(str(imagehash.phash(picture)), 16)


def tagged(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP"])
def test_the_hash_is_imagehash_of_the_upright_picture(format_: str, orientation: int) -> None:
    data = stored(
        scene(3, (300, 200)), format_, exif=tagged(orientation), **({"lossless": True} if format_ == "WEBP" else {})
    )
    reading = read(data)
    assert reading.header is not None
    assert reading.fingerprint is not None
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
        assert reading.header.upright == upright.size
        assert reading.fingerprint.hashes[0] == hashed(upright)


@pytest.mark.parametrize("seed", range(4))
def test_the_other_seven_hashes_are_those_of_the_turned_picture(seed: int) -> None:
    picture = scene(seed, (320, 240))
    reading = read(stored(picture, "PNG"))
    assert reading.fingerprint is not None
    for orientation, transpose in TRANSPOSES.items():
        found = reading.fingerprint.hashes[orientation - 1]
        assert (found ^ hashed(picture.transpose(transpose))).bit_count() <= 2  # a median between two equal terms


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_a_large_picture_is_averaged_down_first_and_keeps_its_hash(format_: str) -> None:
    picture = scene(5, (2400, 1600))
    reading = read(stored(picture, format_))
    assert reading.fingerprint is not None
    assert (reading.fingerprint.hashes[0] ^ hashed(picture)).bit_count() <= 2


def test_the_digest_is_of_all_bytes_whatever_they_are() -> None:
    for data in (b"", b"not a picture", stored(scene()), stored(scene())[:500]):
        assert read(data).digest == blake3(data).digest()


def test_a_huge_file_is_refused_with_its_digest() -> None:
    fd = os.memfd_create("huge")
    try:
        os.ftruncate(fd, (256 << 20) + 1)
        reading = imaging.read(fd)
    finally:
        os.close(fd)
    hasher = blake3()
    for _ in range(256):
        hasher.update(bytes(1 << 20))
    hasher.update(b"\0")
    assert reading.trouble is Trouble.TOO_LARGE
    assert reading.digest == hasher.digest()


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_that_ends_early_may_still_be_arriving(format_: str, share: float) -> None:
    data = stored(scene(2, (200, 150)), format_)
    reading = read(data[: int(len(data) * share)])
    assert reading.trouble is Trouble.TRUNCATED, reading.detail


def test_a_jpeg_without_its_last_two_bytes_is_truncated_although_decoders_tolerate_it() -> None:
    assert read(stored(scene())[:-2]).trouble is Trouble.TRUNCATED


def test_progressive_jpegs_and_bytes_behind_the_end_are_complete() -> None:
    data = stored(scene(), progressive=True)
    assert read(data).trouble is None
    assert read(data + b"trailer").trouble is None
    assert read(data[: len(data) // 2]).trouble is Trouble.TRUNCATED


def test_a_damaged_picture_is_broken() -> None:
    data = bytearray(stored(scene(), "PNG"))
    at = data.index(b"IDAT") + 200
    data[at : at + 400] = bytes(400)
    assert read(bytes(data)).trouble is Trouble.BROKEN


def test_a_decompression_bomb_is_too_large() -> None:
    data = bytearray(stored(Image.new("L", (8, 8)), "PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    assert read(bytes(data)).trouble in (Trouble.TOO_LARGE, Trouble.BROKEN)
    data = bytearray(stored(Image.new("L", (8, 8)), "BMP"))
    data[18:26] = struct.pack("<ii", 60_000, 60_000)
    assert read(bytes(data)).trouble is Trouble.TOO_LARGE


@pytest.mark.parametrize(
    "data", [b"plain text, not a picture at all" * 9, b"%PDF-1.7\n" + bytes(600), b"8BPS" + bytes(99)]
)
def test_other_files_are_unsupported(data: bytes) -> None:
    assert read(data).trouble is Trouble.UNSUPPORTED


def test_a_raw_in_tiffs_clothes_is_unsupported() -> None:
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\x01\x04\x00\x00"  # DNGVersion
    assert read(stored(scene(1, (64, 64)), "TIFF", tiffinfo=tags)).trouble is Trouble.UNSUPPORTED


def test_colours_that_pillow_cannot_convert_are_unsupported() -> None:
    reading = read(stored(Image.new("LAB", (64, 48), (100, 20, 200)), "TIFF"))
    assert (reading.trouble, "L*a*b*" in reading.detail) == (Trouble.UNSUPPORTED, True)


def test_the_header_tells_what_would_be_lost() -> None:
    exif = tagged(6)
    exif[271], exif[272] = "Acme", "Phone 1"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:17 10:11:12"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d GCamera:MotionPhoto="1" hdrgm:Version="1.0"/></x:xmpmeta>'
    header = read(stored(scene(1, (300, 200)), exif=exif, icc_profile=lab, xmp=xmp)).header
    assert header is not None
    assert (header.width, header.height, header.upright, header.orientation) == (300, 200, (200, 300), 6)
    meta = header.metadata
    assert (meta.gps, meta.captured_at, meta.camera) == (True, "2024:05:17 10:11:12", "Acme Phone 1")
    assert meta.exif_tags >= 6
    assert meta.xmp
    assert meta.motion_video
    assert meta.gain_map
    assert meta.profile is not None
    assert len(meta.profile) == 16


def test_an_srgb_profile_is_no_profile() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    header = read(stored(scene(1, (64, 64)), icc_profile=srgb)).header
    assert header is not None
    assert header.metadata.profile is None


def grey_profile(*, srgb: bool) -> bytes:
    """Build a grey ICC profile (ICC.1:2010, 8.4.3) with sRGB's curve, or with one of 1.8."""
    steps = [step / 1023 for step in range(1024)]
    light = (
        [((s + 0.055) / 1.055) ** 2.4 if s > 0.04045 else s / 12.92 for s in steps] if srgb else [s**1.8 for s in steps]
    )
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, 5) + b"grey\0" + bytes(79),
        b"wtpt": b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061),
        b"kTRC": b"curv" + struct.pack(">II1024H", 0, 1024, *(round(65535 * level) for level in light)),
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(body), len(value))
        body += padded
    head = bytearray(128)
    head[:4] = struct.pack(">I", at + len(body))
    head[8:12], head[12:24], head[36:40] = b"\x02\x40\0\0", b"mntrGRAYXYZ ", b"acsp"
    head[68:80] = struct.pack(">iii", 63190, 65536, 54061)
    return bytes(head) + table + body


@pytest.mark.parametrize("space", ["RGB", "grey"])
def test_a_profile_of_another_name_that_shows_as_srgb_is_no_profile(space: str) -> None:
    """Each program calls its own sRGB by a name of its own: GEGL says "babl profile"."""
    drawn = scene(1, (64, 64))
    if space == "RGB":
        raw = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        name = "sRGB built-in".encode("utf-16-be")
        assert name in raw
        other, image = raw.replace(name, "my own colour".encode("utf-16-be")), drawn
    else:
        other, image = grey_profile(srgb=True), drawn.convert("L")
    header = read(stored(image, icc_profile=other)).header
    assert header is not None
    assert header.metadata.profile is None


def test_a_grey_profile_of_another_curve_is_a_profile() -> None:
    header = read(stored(scene(1, (64, 64)).convert("L"), icc_profile=grey_profile(srgb=False))).header
    assert header is not None
    assert header.metadata.profile is not None


def test_a_video_behind_a_jpeg_is_a_motion_photo() -> None:
    header = read(stored(scene(1, (64, 64))) + b"\0\0\0\x18ftypmp42" + bytes(100)).header
    assert header is not None
    assert header.metadata.motion_video


def test_depth_alpha_and_frames() -> None:
    deep = read(stored(Image.new("I;16", (64, 64), 40_000), "PNG"))
    clear = read(stored(scene(1, (64, 64)).convert("RGBA"), "PNG"))
    moving = read(stored(scene(1, (64, 64)), "GIF", save_all=True, append_images=[scene(2, (64, 64))]))
    assert deep.header is not None
    assert deep.header.bits == 16
    assert clear.header is not None
    assert clear.header.alpha
    assert moving.header is not None
    assert moving.header.frames == 2


def test_flat_pictures_have_no_detail_and_sixteen_bit_greys_do_not_saturate() -> None:
    import numpy as np

    flat = read(stored(Image.new("RGB", (200, 200), "navy"), "PNG")).fingerprint
    ramp = np.linspace(0, 65535, 200 * 200).reshape(200, 200).astype(np.uint16)
    deep = read(stored(Image.fromarray(ramp), "PNG")).fingerprint
    assert flat is not None
    assert flat.detail == 0
    assert deep is not None
    assert deep.detail > 50


def test_a_reading_survives_the_pipe() -> None:
    for data in (stored(scene()), b"nothing"):
        reading = read(data)
        assert Reading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


def test_formats_and_algorithm_have_names() -> None:
    imaging.warm()
    assert imaging.formats()["JPEG"]
    assert "pillow-" in imaging.algorithm()
    assert len(imaging.algorithm()) <= 200


SAMPLES = [stored(scene(1, (96, 64)), name) for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), max_size=12))
def test_damaged_files_give_a_reading_and_no_exception(data: bytes, damage: list[tuple[int, int]]) -> None:
    broken = bytearray(data)
    for at, value in damage:
        broken[at % len(broken)] = value
    reading = read(bytes(broken))
    assert (reading.fingerprint is None) == (reading.trouble is not None)


def test_a_bug_of_ours_is_not_called_a_broken_picture_and_a_decoders_is() -> None:
    with pytest.raises(AttributeError), named_errors(b""):
        header(None, b"")  # type: ignore[arg-type]
    with pytest.raises(UnreadableError, match="AttributeError"), named_errors(b""):
        ImageOps.expand(None)  # type: ignore[arg-type]
