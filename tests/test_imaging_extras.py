"""The extras: JPEG XL and camera raw files are read, in a sandboxed child too, and never for more than they are."""

from __future__ import annotations

import io
import json
import random
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.cameras import dng, iiq
from tests.drawing import descriptor, scene, stored
from tests.e2e.running import twinwatch
from twinwatch import imaging, proof
from twinwatch.cli.diagnosis import decoders
from twinwatch.errors import WorkerError
from twinwatch.imaging import jxl
from twinwatch.photo import Reading, Trouble, Verdict
from twinwatch.proof.seen import Seen
from twinwatch.workers import Workers

SOON = 100.0
PHOTO = scene(8, (320, 200))
JPEG = stored(PHOTO, quality=90)
needs_jxl = pytest.mark.skipif(not imaging.formats()["JXL"], reason="the extra jxl is not installed")
needs_raw = pytest.mark.skipif(not imaging.formats()["RAW"], reason="the extra raw is not installed")


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    imaging.warm()
    proof.warm()
    with Workers(1) as pool:
        yield pool


def read(data: bytes) -> Reading:
    with descriptor(data) as fd:
        return imaging.read(fd)


def verdict(a: bytes, b: bytes) -> Verdict:
    with descriptor(a) as fd_a, descriptor(b) as fd_b:
        return proof.prove(fd_a, fd_b).verdict


def as_jxl(picture: Image.Image, **options: object) -> bytes:
    return stored(picture, "JXL", num_threads=0, **options)


def packed(jpeg: bytes, folder: Path) -> bytes:
    """Pack a JPEG into a JPEG XL without loss, from which the same bytes can be unpacked; the plugin wants a file."""
    (folder / "packed.jpg").write_bytes(jpeg)
    with Image.open(folder / "packed.jpg") as image:
        return as_jxl(image, lossless_jpeg=True)


def unpackable_no_more(data: bytes) -> bytes:
    """Take out what the JPEG's own bytes are made from: what is left is shown by the codestream alone."""
    boxes = [data[start - 8 : end] for name, start, end in jxl._boxes(data) if name != b"jbrd"]
    return b"".join(boxes)


def bits(*fields: tuple[int, int]) -> bytes:
    """Write a codestream's head from (value, count) fields, the lowest bit first."""
    value, at = 0, 0
    for field, count in fields:
        value |= field << at
        at += count
    return b"\xff\x0a" + value.to_bytes(at // 8 + 1, "little")


SMALL = ((1, 1), (5, 5), (3, 3))  # 48 high in eights, 4:3
SMALL_PREVIEW = ((1, 1), (1, 1), (0, 2), (0, 3), (2, 2), (15, 5))
PLAIN_DEPTH = ((0, 1), (0, 2))  # whole numbers, 8 bits


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((*SMALL, (1, 1)), jxl.Facts(64, 48, 8, False)),
        (((0, 1), (1, 2), (2999, 13), (0, 3), (1, 2), (3999, 13), (1, 1)), jxl.Facts(4000, 3000, 8, False)),
        (((0, 1), (3, 2), (99_999, 30), (7, 3), (1, 1)), jxl.Facts(200_000, 100_000, 8, False)),
        ((*SMALL, (0, 1), (0, 1), (0, 1), (1, 2)), jxl.Facts(64, 48, 10, False)),
        ((*SMALL, (0, 1), (0, 1), (0, 1), (3, 2), (15, 6)), jxl.Facts(64, 48, 16, False)),
        ((*SMALL, (0, 1), (0, 1), (1, 1), (0, 2)), jxl.Facts(64, 48, 32, False)),
        # extra fields: orientation, no intrinsic size, no preview, no animation
        ((*SMALL, (0, 1), (1, 1), (5, 3), (0, 3), *PLAIN_DEPTH), jxl.Facts(64, 48, 8, False)),
        # an intrinsic size and a preview of 16 by 48 pixels
        (
            (*SMALL, (0, 1), (1, 1), (0, 3), (1, 1), *SMALL, *SMALL_PREVIEW, (0, 1), (0, 1), (2, 2)),
            jxl.Facts(64, 48, 12, False),
        ),
        # an animation: 100 ticks a second, for ever
        (
            (*SMALL, (0, 1), (1, 1), (0, 3), (0, 2), (1, 1), (0, 2), (0, 2), (0, 2), (0, 1), *PLAIN_DEPTH),
            jxl.Facts(64, 48, 8, True),
        ),
    ],
)
def test_the_head_of_a_jpeg_xl_is_read_before_its_plugin_decodes(
    fields: tuple[tuple[int, int], ...], expected: jxl.Facts
) -> None:
    naked = bits(*fields)
    box = (len(naked) + 8).to_bytes(4, "big") + b"jxlc" + naked
    parts = (14).to_bytes(4, "big") + b"jxlp" + bytes(4) + naked[:2]
    parts += (len(naked) + 10).to_bytes(4, "big") + b"jxlp" + b"\x80\0\0\x01" + naked[2:]
    start = b"\0\0\0\x0cJXL \r\n\x87\n"
    assert [jxl.facts(data) for data in (naked, start + box, start + parts)] == [expected] * 3


def test_what_is_no_jpeg_xl_has_no_such_head() -> None:
    for data in (b"", b"\xff", JPEG, b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(9)):
        assert jxl.facts(data) is None


@needs_jxl
def test_a_jpeg_xl_too_large_or_moving_is_refused_before_it_is_decoded() -> None:
    for height in (100_000, 8_001):  # twice as wide
        assert read(bits((0, 1), (3, 2), (height - 1, 30), (7, 3), (1, 1)) + bytes(99)).trouble is Trouble.TOO_LARGE
    assert read(bits((0, 1), (3, 2), (7_999, 30), (7, 3), (1, 1)) + bytes(99)).trouble is Trouble.BROKEN
    moving = bits(*SMALL, (0, 1), (1, 1), (0, 3), (0, 2), (1, 1), (0, 2), (0, 2), (0, 2), (0, 1), *PLAIN_DEPTH)
    assert (read(moving + bytes(99)).trouble, "animated" in read(moving).detail) == (Trouble.UNSUPPORTED, True)


@needs_jxl
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_a_jpeg_xl_without_loss_is_the_same_picture(mode: str) -> None:
    picture = PHOTO.convert(mode)
    original, copy = stored(picture, "PNG"), as_jxl(picture, lossless=True)
    reading = read(copy)
    assert reading.header is not None
    assert (reading.header.format, reading.header.width, reading.header.height) == ("JXL", 320, 200)
    assert (reading.header.mode, reading.header.metadata.profile) == (mode, None)
    assert reading.fingerprint == read(original).fingerprint
    assert verdict(original, copy) is Verdict.SAME_PIXELS


@needs_jxl
def test_a_lossy_jpeg_xl_is_a_copy_of_its_original_and_no_copy_of_an_edit() -> None:
    copy = as_jxl(PHOTO, quality=85)
    assert verdict(stored(PHOTO, "PNG"), copy) is Verdict.RE_ENCODED
    edited = PHOTO.copy()
    edited.paste((20, 20, 20), (140, 80, 180, 110))
    assert verdict(stored(edited, "PNG"), copy) is Verdict.LOOK_ALIKE


@needs_jxl
def test_a_jpeg_xl_of_a_turned_photo_is_upright_with_and_without_its_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    jpeg = stored(PHOTO, exif=exif)
    whole = packed(jpeg, tmp_path)
    for data in (whole, unpackable_no_more(whole)):
        reading = read(data)
        assert reading.header is not None
        assert reading.fingerprint is not None
        assert reading.header.upright == (200, 320)
        ours, theirs = reading.fingerprint.hashes[0], read(jpeg).fingerprint
        assert theirs is not None
        assert (ours ^ theirs.hashes[0]).bit_count() <= 2
    assert verdict(jpeg, whole) is Verdict.SAME_PIXELS


@needs_jxl
def test_a_jpeg_xl_that_ends_early_gives_a_trouble(tmp_path: Path) -> None:
    whole = packed(JPEG, tmp_path)
    assert read(whole[: len(whole) // 2]).trouble is Trouble.TRUNCATED
    naked = as_jxl(PHOTO)
    assert read(naked[: len(naked) // 2]).trouble is Trouble.BROKEN  # it has no length to tell


@needs_raw
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_is_looked_at_by_its_preview(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    twin = read(stored(PHOTO, quality=90, exif=exif))
    for data in (dng(JPEG, orientation), dng(PHOTO, orientation), dng(JPEG, orientation, magic=b"RO")):
        reading = read(data)
        assert reading.trouble is None, reading.detail
        assert reading.header is not None
        assert twin.header is not None
        assert (reading.header.format, reading.header.upright) == ("RAW", twin.header.upright)
        assert reading.fingerprint is not None
        assert twin.fingerprint is not None
        assert (reading.fingerprint.hashes[0] ^ twin.fingerprint.hashes[0]).bit_count() <= 2


@needs_raw
def test_only_the_same_bytes_are_a_copy_of_a_raw() -> None:
    raw = dng(JPEG)
    assert verdict(raw, raw) is Verdict.IDENTICAL
    for other in (
        JPEG,
        stored(PHOTO, "PNG"),
        dng(JPEG, 6),
        dng(JPEG, mosaic=(48, 64)),
        stored(PHOTO.resize((160, 100))),
    ):
        assert (verdict(raw, other), verdict(other, raw)) == (Verdict.LOOK_ALIKE, Verdict.LOOK_ALIKE)
    assert verdict(raw, dng(stored(scene(9, (320, 200))))) is Verdict.DISTINCT


@needs_raw
def test_a_raw_without_a_preview_is_unsupported_and_one_cut_short_is_no_picture() -> None:
    none = read(dng(None))
    assert (none.trouble, none.header, none.fingerprint) == (Trouble.UNSUPPORTED, None, None)
    whole = dng(JPEG)
    for share in (0.1, 0.5, 0.9):
        assert read(whole[: int(len(whole) * share)]).trouble in (Trouble.BROKEN, Trouble.TRUNCATED)
    damaged = bytearray(whole)
    at = damaged.index(b"\xff\xda") + 100
    damaged[at : at + 2000] = bytes(2000)
    torn = read(bytes(damaged))
    assert (torn.fingerprint is None) == (torn.trouble is not None)


def test_a_raw_of_phase_one_is_no_tiff_of_its_thumbnail() -> None:
    with Image.open(io.BytesIO(iiq(PHOTO))) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("TIFF", PHOTO.size)
    assert verdict(iiq(PHOTO), stored(PHOTO, "PNG")) in (Verdict.LOOK_ALIKE, Verdict.UNDECODABLE)
    assert read(iiq(PHOTO)).trouble is Trouble.UNSUPPORTED


def test_a_raw_without_the_extra_says_which_one_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinwatch.imaging.raw._RAWPY", None)
    monkeypatch.setattr("twinwatch.proof.cascade._seen", Seen())  # of another test it may know how they look
    for data in (dng(JPEG), dng(JPEG, magic=b"RO")):
        reading = read(data)
        assert (reading.trouble, reading.header) == (Trouble.UNSUPPORTED, None)
        assert "the extra `raw`" in reading.detail
        assert verdict(data, data) is Verdict.IDENTICAL
        assert verdict(data, JPEG) is Verdict.UNDECODABLE


def test_an_enclosed_child_does_with_the_extras_what_anyone_does(workers: Workers, tmp_path: Path) -> None:
    files = {"photo.jpg": JPEG, "photo.dng": dng(JPEG), "bitmap.dng": dng(PHOTO, 6), "none.dng": dng(None)}
    if imaging.formats()["JXL"]:
        files |= {
            "lossy.jxl": as_jxl(PHOTO),
            "same.jxl": as_jxl(PHOTO, lossless=True),
            "packed.jxl": packed(JPEG, tmp_path),
        }
        files |= {"deep.jxl": as_jxl(Image.new("I;16", (64, 64), 40_000)), "cut.jxl": as_jxl(PHOTO)[:900]}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "photo.jpg").open("rb") as photo:
        for name in files:
            with (tmp_path / name).open("rb") as other:
                assert workers.read(other.fileno()).result(SOON) == imaging.read(other.fileno()), name
                pair = photo.fileno(), other.fileno()
                assert workers.prove(*pair).result(SOON) == proof.prove(*pair), name
    layers = workers.describe().result(SOON).sandbox
    assert [why for why in layers.values() if "threads were started" in why] == []


@needs_jxl
@needs_raw
def test_the_decoders_of_the_extras_start_no_threads() -> None:
    imaging.warm()
    before = len(list(Path("/proc/self/task").iterdir()))
    for data in (as_jxl(PHOTO), as_jxl(PHOTO, lossless=True), dng(JPEG), dng(PHOTO)):
        assert read(data).trouble is None
    assert len(list(Path("/proc/self/task").iterdir())) == before


@needs_jxl
@needs_raw
def test_damaged_files_cost_a_worker_at_most(workers: Workers, tmp_path: Path) -> None:
    dice = random.Random(11)
    wholes = (as_jxl(PHOTO), packed(JPEG, tmp_path), dng(JPEG), dng(PHOTO), dng(JPEG, magic=b"RO"))
    for number in range(100):
        damaged = bytearray(wholes[number % len(wholes)])
        for _ in range(dice.randint(1, 12)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        with (tmp_path / "damaged").open("rb") as photo:
            asked = workers.read(photo.fileno())
        error = asked.exception(SOON)
        if error is None:
            assert (asked.result().fingerprint is None) == (asked.result().trouble is not None)
        else:
            assert isinstance(error, WorkerError)
            assert error.trouble is not None, error


def test_doctor_names_the_extra_that_is_missing_and_its_package() -> None:
    all_there = {finding.check: finding for finding in decoders({"JPEG": True, "HEIF": True, "JXL": True, "RAW": True})}
    assert all_there["decoders"].found == "HEIF, JPEG, JXL, RAW"
    assert [finding.mend for finding in all_there.values()] == [""] * 2
    assert "only the same bytes" in all_there["decoder RAW"].found
    found = {row.check: row for row in decoders({"JPEG": True, "HEIF": False, "JXL": False, "RAW": False})}
    for name, extra, package in (
        ("HEIF", "heif", "pillow-heif"),
        ("JXL", "jxl", "pillow-jxl-plugin"),
        ("RAW", "raw", "rawpy"),
    ):
        row = found[f"decoder {name}"]
        assert (row.ok, f"[{extra}]" in row.found) == (name != "HEIF", True)
        assert row.mend.endswith(f" -m pip install {package}")


def test_the_packages_that_doctor_names_are_those_of_our_extras() -> None:
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())["project"]
    named = {finding.mend.rpartition(" ")[2] for finding in decoders(dict.fromkeys(("HEIF", "JXL", "RAW"), False))} - {
        ""
    }
    assert named == {
        re.split("[<>=]", line)[0] for lines in project["optional-dependencies"].values() for line in lines
    }


@needs_raw
def test_a_raw_of_a_known_jpeg_is_shown_as_its_look_alike(tmp_path: Path) -> None:
    root, state = tmp_path / "mirror", ("--state", tmp_path / "state")
    root.mkdir()
    (root / "IMG_1.jpg").write_bytes(JPEG)
    (root / "IMG_1.dng").write_bytes(dng(JPEG))
    (tmp_path / "other.dng").write_bytes(dng(JPEG, mosaic=(48, 64)))
    taken = [json.loads(line) for line in twinwatch("scan", root, "--json", *state).stdout.splitlines()]
    assert [Path(row["path"]).name for row in taken] == ["IMG_1.jpg"], "a RAW beside its JPEG is its companion"
    asked = twinwatch("check", tmp_path / "other.dng", "--json", *state, check=False)
    (row,) = [json.loads(line) for line in asked.stdout.splitlines()]
    assert (asked.returncode, row["path"], row["verdict"]) == (1, str(root / "IMG_1.jpg"), "look-alike")
