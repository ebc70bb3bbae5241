"""Gets everything that a proof loads late into memory, before the sandbox closes."""

from __future__ import annotations

import tempfile

import numpy as np
from PIL import Image

from twinwatch import imaging
from twinwatch.proof.cascade import prove


def warm() -> None:
    """Prove a small drawn pair through every stage; needs a place for temporary files. Idempotent."""
    imaging.warm()
    across = Image.radial_gradient("L").rotate(30)
    picture = Image.merge("RGB", (across, Image.linear_gradient("L"), across.transpose(Image.Transpose.TRANSPOSE)))
    with tempfile.TemporaryFile() as original, tempfile.TemporaryFile() as copy:
        picture.save(original, "PNG")
        picture.resize((160, 160)).save(copy, "JPEG", quality=60)
        for stored in (original, copy):
            stored.flush()
        prove(original.fileno(), copy.fileno())
    np.median(np.ones(2))  # it imports numpy.ma
