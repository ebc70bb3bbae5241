"""Which of two pictures of one scene has less detail: whatever a codec leaves out is gone for good."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from PIL import Image

from twinwatch.proof.picture import Picture
from twinwatch.proof.quantised import block_coefficients
from twinwatch.proof.ranks import median

_ORDER = np.add.outer(np.arange(8), np.arange(8))
_TEXTURE = (_ORDER >= 2) & (_ORDER <= 9)  # frequencies that codecs leave out, and every picture has
_NO_ENERGY = 0.1  # squared coefficient units
_LEAST, _MOST = 0.005, 0.5
"""What `_less_detail` tells of what went through a codec that hides its loss. Measured on photos that had been a coarse
HEIF, WebP or AVIF: 0.008 to 0.9; two shots from a tripod have the same. Of a lossless photo and what several coarse
JPEGs made of it: 0.29 to 0.6, as their rounding is detail too."""
_FINE = 15.0  # mean luma step (quality 87): in larger ones rounding adds more detail than such a codec leaves out


def lost_detail(picture: Picture, source: Picture, windows: Iterable[tuple[Image.Image, Image.Image]]) -> bool:
    """Tell whether a picture has less detail than another of its size, and may have lost it.

    Not if the other may have more only because it was rounded: in coarse steps, where no window is looked at, or before
    its last ones. `windows` are of both, RGB, the picture's first.
    """
    if source.steps is not None and source.steps.coarseness > _FINE:
        return False
    return _LEAST <= _less_detail(windows) <= (_MOST if picture.steps is None else math.inf)


def _less_detail(pairs: Iterable[tuple[Image.Image, Image.Image]]) -> float:
    """Return by how much less energy the first ones have than the second in the usual frequency, as a logarithm.

    Windows (RGB) of two pictures, each pair of one size. Negative where they have more.
    """
    energies = [[np.square(block_coefficients(window)).mean(axis=(0, 1)) for window in pair] for pair in pairs]
    less, more = np.mean(energies, axis=0) + _NO_ENERGY
    return median(np.log(more / less)[_TEXTURE])
