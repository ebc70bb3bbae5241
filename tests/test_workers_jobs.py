"""The real jobs in a real child: enclosed or not, the same answer. A library that loads something late fails here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from PIL import Image, ImageCms, features

from twinwatch.photo import Evidence, Likeness, Likenesses, Metric, Reading
from twinwatch.proof import comparators
from twinwatch.workers import Workers

imaging = pytest.importorskip("twinwatch.imaging")
proof = pytest.importorskip("twinwatch.proof")

SOON = 100.0


def drawn(mode: str = "RGB", size: tuple[int, int] = (320, 240)) -> Image.Image:
    across = Image.radial_gradient("L").resize(size)
    down = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (across, down, across.rotate(40))).convert(mode)


def tagged() -> dict[str, object]:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A camera"
    return {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}


def draw(folder: Path) -> dict[str, Path]:
    """Draw one picture in every way that decoders take different paths for."""
    ways: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "plain.jpg": (drawn(), "JPEG", {"quality": 90}),
        "small.jpg": (drawn(size=(160, 120)), "JPEG", {"quality": 70}),
        "progressive.jpg": (drawn(), "JPEG", {"quality": 80, "progressive": True}),
        "tagged.jpg": (drawn(), "JPEG", tagged()),
        "grey.jpg": (drawn("L"), "JPEG", {}),
        "cmyk.jpg": (drawn("CMYK"), "JPEG", {}),
        "plain.png": (drawn(), "PNG", {}),
        "palette.png": (drawn().quantize(16), "PNG", {}),
        "alpha.png": (drawn("RGBA"), "PNG", {}),
        "deep.png": (Image.new("I;16", (320, 240), 40000), "PNG", {}),
        "turned.png": (drawn().transpose(Image.Transpose.ROTATE_90), "PNG", {}),
        "plain.gif": (drawn(), "GIF", {}),
        "moving.gif": (drawn(), "GIF", {"save_all": True, "append_images": [drawn().rotate(90)]}),
        "plain.bmp": (drawn(), "BMP", {}),
        "lzw.tif": (drawn(), "TIFF", {"compression": "tiff_lzw"}),
        "jpeg.tif": (drawn(), "TIFF", {"compression": "jpeg"}),
    }
    if features.check("webp"):
        ways["plain.webp"] = (drawn(), "WEBP", {"quality": 80})
        ways["lossless.webp"] = (drawn(), "WEBP", {"lossless": True})
    if features.check("avif"):
        ways["plain.avif"] = (drawn(), "AVIF", {"quality": 70})
    for name, (picture, format_, options) in ways.items():
        picture.save(folder / name, format_, **options)
    (folder / "broken.jpg").write_bytes((folder / "plain.jpg").read_bytes()[:2000])
    (folder / "noise.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8)
    (folder / "empty.jpg").write_bytes(b"")
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return draw(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    imaging.warm()
    proof.warm()
    with Workers(1) as pool:
        yield pool


def test_an_enclosed_child_reads_what_anyone_reads(workers: Workers, pictures: dict[str, Path]) -> None:
    for name, path in pictures.items():
        with path.open("rb") as photo:
            inside: Reading = workers.read(photo.fileno()).result(SOON)
            assert inside == Reading.from_json(imaging.read(photo.fileno()).to_json()), name


def test_an_enclosed_child_digests_any_bytes(workers: Workers, pictures: dict[str, Path]) -> None:
    for name, path in pictures.items():
        with path.open("rb") as photo:
            assert workers.digest(photo.fileno()).result(SOON) == blake3(path.read_bytes()).digest(), name


def test_an_enclosed_child_proves_what_anyone_proves(workers: Workers, pictures: dict[str, Path]) -> None:
    with pictures["plain.png"].open("rb") as original:
        for name, path in pictures.items():
            with path.open("rb") as other:
                pair = original.fileno(), other.fileno()
                inside: Evidence = workers.prove(*pair).result(SOON)
                assert inside == Evidence.from_json(proof.prove(*pair).to_json()), name


def test_an_enclosed_child_measures_what_anyone_measures(workers: Workers, pictures: dict[str, Path]) -> None:
    with pictures["plain.png"].open("rb") as original:
        for name, path in pictures.items():
            with path.open("rb") as other:
                pair = original.fileno(), other.fileno()
                inside: Likenesses = workers.measure(*pair, Metric).result(SOON)
                assert inside == comparators.measure(*pair, Metric), name


def test_only_the_metrics_asked_for_are_measured(workers: Workers, pictures: dict[str, Path]) -> None:
    with pictures["plain.jpg"].open("rb") as photo:
        found = workers.measure(photo.fileno(), photo.fileno(), [Metric.SSIM, Metric.MSE]).result(SOON)
    assert found == {
        Metric.SSIM: Likeness(1.0, "above", 0.9, True),
        Metric.MSE: Likeness(0.0, "below", 200.0, True),
    }


def test_reading_leaves_the_daemon_s_offset_to_itself(workers: Workers, pictures: dict[str, Path]) -> None:
    """A duplicated descriptor shares its offset: the answer must not depend on it."""
    with pictures["plain.jpg"].open("rb") as photo:
        first = workers.read(photo.fileno()).result(SOON)
        os.lseek(photo.fileno(), 100, os.SEEK_SET)
        assert workers.read(photo.fileno()).result(SOON) == first


def test_says_its_formats_and_algorithm(workers: Workers) -> None:
    abilities = workers.describe().result(SOON)
    assert abilities.algorithm == imaging.algorithm()
    assert abilities.formats == imaging.formats()
    assert abilities.formats["JPEG"]
