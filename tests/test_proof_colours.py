"""The same numbers shown in other colours are another picture: PNG rendering chunks, and profiles that lie."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageEnhance

from tests.drawing import descriptor, scene, stored
from tests.proving import prove as proved
from twinwatch.photo import COPY_VERDICTS, Verdict
from twinwatch.proof import prove


def _png(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG with these chunks behind its header chunk (8 signature bytes and 25 of IHDR)."""
    plain = stored(image, "PNG")
    extra = b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in chunks
    )
    return plain[:33] + extra + plain[33:]


@pytest.mark.parametrize(
    "chunk", [(b"gAMA", (20000).to_bytes(4, "big")), (b"cICP", bytes((9, 16, 0, 1)))], ids=["gAMA", "cICP"]
)
def test_equal_numbers_shown_in_other_colours_are_no_copy(chunk: tuple[bytes, bytes]) -> None:
    image = scene(3)
    with descriptor(_png(image)) as plain, descriptor(_png(image, chunk)) as other:
        assert prove(plain, other).verdict is Verdict.LOOK_ALIKE
        assert prove(other, plain).verdict is Verdict.LOOK_ALIKE
    usual = _png(image, (b"gAMA", (45455).to_bytes(4, "big")))
    with descriptor(_png(image)) as plain, descriptor(usual) as same:
        assert prove(plain, same).verdict is Verdict.SAME_PIXELS


def test_a_profile_that_only_calls_itself_srgb_is_another_profile() -> None:
    image = scene(3)
    genuine = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, blue = (genuine.index(tag, 128) for tag in (b"rXYZ", b"bXYZ"))
    swapped = bytearray(genuine)
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    with descriptor(stored(image, "PNG")) as plain, descriptor(stored(image, "PNG", icc_profile=genuine)) as same:
        assert prove(plain, same).verdict is Verdict.SAME_PIXELS
    with descriptor(stored(image, "PNG")) as plain, descriptor(stored(image, "PNG", icc_profile=bytes(swapped))) as lie:
        assert prove(plain, lie).verdict is Verdict.LOOK_ALIKE


PALE = ImageEnhance.Color(scene(5, (640, 480))).enhance(0.35)


def turned_hue(picture: Image.Image, degrees: float = 6.0) -> Image.Image:
    """Turn all colours about grey."""
    levels = np.asarray(picture.convert("YCbCr")).astype(np.float64)
    colour = (levels[:, :, 1] - 128) + 1j * (levels[:, :, 2] - 128)
    colour *= np.exp(1j * np.radians(degrees))
    planes = (levels[:, :, 0], colour.real + 128, colour.imag + 128)
    bands = [Image.fromarray(plane.round().clip(0, 255).astype(np.uint8)) for plane in planes]
    return Image.merge("YCbCr", bands).convert("RGB")


def warmer(picture: Image.Image) -> Image.Image:
    """Give more red and less blue, as in the light of a lamp."""
    red, green, blue = picture.split()
    return Image.merge("RGB", (red.point(lambda v: v * 1.016), green, blue.point(lambda v: v * 0.984)))


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((320, 240), Image.Resampling.LANCZOS)


SAVED: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": lambda picture: stored(picture, quality=75),
    "half": lambda picture: stored(half(picture), quality=80),
    "PNG": lambda picture: stored(half(picture), "PNG"),
    "WebP": lambda picture: stored(picture, "WEBP", quality=75),
    "palette": lambda picture: stored(picture.quantize(256), "PNG"),
}


@pytest.mark.parametrize("how", sorted(SAVED))
@pytest.mark.parametrize("edit", [turned_hue, warmer], ids=["hue", "warmer"])
def test_weak_colours_that_turned_or_became_warmer_are_another_picture(
    edit: Callable[[Image.Image], Image.Image], how: str
) -> None:
    original, save = stored(PALE, quality=93), SAVED[how]
    with Image.open(io.BytesIO(original)) as opened:
        seen = opened.convert("RGB")
    same = proved(original, save(seen))
    assert same.verdict in COPY_VERDICTS, same
    assert proved(original, save(edit(seen))).verdict is Verdict.LOOK_ALIKE


@pytest.mark.parametrize("quality", [60, 90])
def test_a_grey_version_is_no_copy_of_a_photo_that_has_a_little_colour(quality: int) -> None:
    """Stored with no place for colours a grey version comes out exactly: what it lacks is told by looking at it."""
    grey = scene(5, (640, 480)).convert("L").convert("RGB")
    red = grey.copy()
    ImageDraw.Draw(red).ellipse((300, 200, 340, 240), fill=(190, 40, 40))
    assert proved(stored(red, quality=93), stored(red.convert("L"), quality=quality)).verdict is Verdict.LOOK_ALIKE
    assert proved(stored(grey, quality=93), stored(grey.convert("L"), quality=quality)).verdict is Verdict.RE_ENCODED
