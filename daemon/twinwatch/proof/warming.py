"""Gets everything that a proof loads late into memory, before the sandbox closes."""

from __future__ import annotations

import tempfile

from PIL import Image

from twinwatch import imaging
from twinwatch.proof.cascade import prove

_SIZE = (64, 64)  # pixels: the smallest that goes through every stage


def warm() -> None:
    """Prove a small drawn pair through every stage; needs a place for temporary files. Idempotent."""
    imaging.warm()
    across = Image.radial_gradient("L").rotate(30).resize(_SIZE)
    down = Image.linear_gradient("L").resize(_SIZE)
    picture = Image.merge("RGB", (across, down, across.transpose(Image.Transpose.TRANSPOSE)))
    with tempfile.TemporaryFile() as original, tempfile.TemporaryFile() as copy:
        picture.save(original, "PNG")
        picture.resize((40, 40)).save(copy, "JPEG", quality=60)
        for stored in (original, copy):
            stored.flush()
        prove(original.fileno(), copy.fileno())
