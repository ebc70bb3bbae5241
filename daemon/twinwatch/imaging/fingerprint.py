"""The perceptual hash of a picture in all eight orientations, from one small luma and one DCT.

`hashes[0]` is bit for bit `imagehash.phash(upright)`, which is not called: it imports all of scipy, and a worker has
to start often. The others follow from the cosine transform's symmetry: mirroring
an axis negates its odd rows, transposing transposes. They may differ from a hash of the transposed file by the rounding
of a resize, a bit at most.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.imaging.cosine import transformed
from twinwatch.photo import Fingerprint, PerceptualHash

TRANSPOSES: Final[dict[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What a viewer does to a picture whose EXIF orientation is the key."""

_LOW, _FINER = 8, 4  # imagehash.phash's defaults: hash_size, highfreq_factor
_SIDE = _LOW * _FINER
_KEPT, _TURNED = np.ones(_LOW), np.where(np.arange(_LOW) % 2, -1.0, 1.0)
_SIGNS = np.stack(
    [
        np.outer(down, across)
        for down, across in ((_KEPT, _KEPT), (_KEPT, _TURNED), (_TURNED, _TURNED), (_TURNED, _KEPT))
    ]
)
"""What mirroring does to each coefficient: nothing, left-right, both, top-bottom; orientations 1 to 4."""


def oriented(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture as a viewer shows it, given its EXIF orientation."""
    return image if orientation == 1 else image.transpose(TRANSPOSES[orientation])


def luma(image: Image.Image) -> Image.Image:
    """Return mode L of any picture; 16-bit and float greys are scaled, where Pillow would clip them to white."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray((np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8).astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image)
        top = 1.0 if float(np.nanmax(values, initial=0)) <= 1.0 else 255.0
        return Image.fromarray((np.nan_to_num(np.clip(values / top, 0, 1)) * 255).astype(np.uint8))
    return image if image.mode == "L" else image.convert("L")


def fingerprint(upright: Image.Image, algorithm: str) -> Fingerprint:
    """Hash the upright picture (any mode, any size; a quarter-size draft is as good)."""
    small = _thumbnail(luma(upright), _SIDE)
    low = transformed(small)[:_LOW, :_LOW]
    numbers = np.packbits(_bits(_in_eight(low)), axis=1).view(">u8").ravel().tolist()
    return Fingerprint(tuple(map(PerceptualHash, numbers)), round(float(small.std()), 3), algorithm)


def perceptual(image: Image.Image, side: int) -> NDArray[np.bool_]:
    """Return the bits of `imagehash.phash(image, hash_size=side).hash`, row after row."""
    bits: NDArray[np.bool_] = _bits(transformed(_thumbnail(image.convert("L"), side * _FINER))[None, :side, :side])[0]
    return bits


def _thumbnail(grey: Image.Image, side: int) -> NDArray[np.uint8]:
    return np.asarray(grey.resize((side, side), Image.Resampling.LANCZOS))


def _in_eight(low: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transforms (8x8x8) of the picture as the eight orientations show it, given the picture's own."""
    eight = np.empty((8, *low.shape))
    np.multiply(low, _SIGNS, out=eight[:4])
    # 5 is a transpose; 6 (turn clockwise) flips top-bottom first, 8 left-right first, 7 both.
    eight[4:] = eight[[0, 3, 2, 1]].transpose(0, 2, 1)
    return eight


def _bits(transforms: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each transform (n x side x side) which values are above its median."""
    flat = transforms.reshape(len(transforms), -1)
    above: NDArray[np.bool_] = flat > medians(flat)
    return above


def medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row of an even number of values, shape (n, 1).

    `np.median` finds the same, asks much more about its argument, and imports numpy's masked arrays.
    """
    half = rows.shape[1] // 2
    middle = np.sort(rows, axis=1)[:, half - 1 : half + 1]
    return np.asarray((middle[:, :1] + middle[:, 1:]) / 2)
