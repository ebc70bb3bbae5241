"""Proves what tests have in memory."""

from __future__ import annotations

import io

from PIL import Image

from tests.drawing import descriptor
from twinwatch import proof
from twinwatch.photo import Evidence


def prove(a: bytes, b: bytes) -> Evidence:
    """Compare the pictures of two files' bytes."""
    with descriptor(a) as fd_a, descriptor(b) as fd_b:
        return proof.prove(fd_a, fd_b)


def decoded(data: bytes) -> Image.Image:
    """Return a file's picture as RGB."""
    return Image.open(io.BytesIO(data)).convert("RGB")
