"""Which of two pictures of one scene has less detail: whatever a codec leaves out is gone for good."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from twinwatch.proof.quantised import block_coefficients

_ORDER = np.add.outer(np.arange(8), np.arange(8))
_TEXTURE = (_ORDER >= 2) & (_ORDER <= 9)  # frequencies that codecs leave out, and every picture has
_NO_ENERGY = 0.1  # squared coefficient units


def less_detail(pairs: Iterable[tuple[Image.Image, Image.Image]]) -> float:
    """Return by how much less energy the first ones have than the second in the usual frequency, as a logarithm.

    Windows (RGB) of two pictures, each pair of one size. Negative where they have more.
    """
    energies = [[np.square(block_coefficients(window)).mean(axis=(0, 1)) for window in pair] for pair in pairs]
    less, more = np.mean(energies, axis=0) + _NO_ENERGY
    return float(np.median(np.log(more / less)[_TEXTURE]))
