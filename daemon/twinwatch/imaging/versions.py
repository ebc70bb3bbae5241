"""What this machine can decode, under which versions the fingerprint was made, and getting it all into memory."""

from __future__ import annotations

import base64
import io
from functools import cache

import imagehash
import numpy as np
import PIL
from PIL import Image, ImageCms

from twinwatch.imaging import raw
from twinwatch.imaging.fingerprint import fingerprint
from twinwatch.imaging.samples import SAMPLES
from twinwatch.imaging.source import FORMATS, named_errors, opened, supported

_REVISION = 4  # raise it when the same file would get another hash from this code


@cache
def algorithm() -> str:
    """Name the hash, our revision of it and the library versions it depends on; call `warm` first in a sandbox."""
    return f"phash64/{_REVISION} pillow-{PIL.__version__} imagehash-{imagehash.__version__} numpy-{np.__version__}"


@cache
def formats() -> dict[str, bool]:
    """Tell for each allowed format (Pillow's name, or RAW) whether its decoder is installed."""
    return {name: supported(name) for name in (*FORMATS, raw.FORMAT)}


@cache
def warm() -> None:
    """Import and exercise everything that is loaded late, once; call it before the file system goes away."""
    Image.preinit()  # or the first picture would
    algorithm()
    formats()
    ramp = Image.linear_gradient("L").convert("RGB")
    fingerprint(ramp, "")
    ImageCms.createProfile("sRGB")
    raw.warm()
    for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        if supported(name):
            stored = io.BytesIO()
            ramp.resize((16, 16)).save(stored, name)
            _decode(stored.getvalue())
    for name, sample in SAMPLES.items():
        if supported(name):
            _decode(base64.b85decode(sample))


def _decode(data: bytes) -> None:
    with named_errors(data):
        opened(data).load()
