"""One pass over a file: digest always, header and fingerprint unless there is trouble."""

from __future__ import annotations

from blake3 import blake3
from PIL import Image

from twinwatch.content import digest_of
from twinwatch.imaging.fingerprint import fingerprint, oriented
from twinwatch.imaging.header import header
from twinwatch.imaging.jpeg import is_jpeg, layout
from twinwatch.imaging.source import UnreadableError, load, named_errors, opened
from twinwatch.imaging.versions import algorithm
from twinwatch.photo import ContentDigest, Fingerprint, Header, Reading

# The DCT decoder may hand out 1/2, 1/4 or 1/8 of the picture; the hash needs 32, and 160 changes it as little as 256.
_DRAFT = (160, 160)


def read(fd: int) -> Reading:
    """Read the file behind `fd` from its start; a bad file gives a reading with its trouble, never an exception.

    Raises OSError only when the descriptor itself cannot be read.
    """
    try:
        data = load(fd)
    except UnreadableError as error:
        return Reading(digest_of(fd), None, None, error.trouble, error.detail)
    digest = ContentDigest(blake3(data).digest())
    found: Header | None = None
    try:
        with named_errors(data):
            where = layout(data) if is_jpeg(data) else None  # a search through all of it: once
            image = opened(data, where)
            found = header(image, data, where)
            return Reading(digest, found, _fingerprint(image, found.orientation))
    except UnreadableError as error:
        return Reading(digest, found, None, error.trouble, error.detail)


def _fingerprint(image: Image.Image, orientation: int) -> Fingerprint:
    """Decode, cheaply where the codec can, and hash; data that ends early raises, as Pillow does unless told not to."""
    image.draft("L", _DRAFT)
    image.load()
    part = min(image.width // _DRAFT[0], image.height // _DRAFT[1])
    if part > 1 and image.mode in ("L", "RGB"):  # the average of whole pixels, as the DCT decoder gives it
        image = image.reduce(part)
    return fingerprint(oriented(image, orientation), algorithm())
