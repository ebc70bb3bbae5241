"""The same numbers shown in other colours are another picture: PNG rendering chunks, and profiles that lie."""

from __future__ import annotations

import zlib

import pytest
from PIL import Image, ImageCms

from tests.drawing import descriptor, scene, stored
from twinwatch.photo import Verdict
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
