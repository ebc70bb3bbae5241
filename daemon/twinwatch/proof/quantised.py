"""What a JPEG's own quantiser explains of a difference, in its own domain: the cosine coefficients.

An encoder rounds every coefficient to a step of its table, some towards zero. So a re-creation before rounding may be
up to a step away from the file in every coefficient and still be what was encoded. What lies beyond is unexplained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BLOCK = 8
_AT_ONCE = 1 << 14  # blocks: the coefficients of a whole picture would fill the memory
_NEAREST = 0.5  # of a step: rounding to the nearest
_TRUNCATED = 1.0  # of a step towards zero: encoders that trade precision for size (mozjpeg's trellis, ffmpeg)
_CONVERSION = 0.3  # coefficient units: RGB and back, in whole numbers, twice
_CUT_OFF = 4.0
"""The same of a block's mean: half a grey level, by which programs darken that cut luma off to whole numbers. Measured:
the JPEGs of Rust's image crate, by a seventh of a step of 27."""
_EXPLAINED = (1.0, 0.05)  # grey levels, and a share of the block's own deviation (luma of exact copies: 0.3 at most)

_BASIS = np.array(
    [
        [np.sqrt((1 if k == 0 else 2) / _BLOCK) * np.cos((2 * n + 1) * k * np.pi / (2 * _BLOCK)) for n in range(_BLOCK)]
        for k in range(_BLOCK)
    ],
    dtype=np.float32,
)
"""The orthonormal discrete cosine transform of ITU-T T.81 A.3.3: row k is the k-th cosine."""

_TRANSFORM = np.kron(_BASIS, _BASIS).T
"""The same of whole blocks, 64 pixels to 64 coefficients, in one product. Workers allow BLAS one thread."""


def unexplained(target: Image.Image, made: Image.Image, table: Sequence[int]) -> NDArray[np.float32]:
    """Return what rounding to the nearest step leaves of each 8x8 block of luma, root mean square in grey levels.

    `target` is the decoded JPEG, `made` the re-creation before encoding, both RGB of one size and with the corner of a
    block at (0, 0); `table` the 64 luma steps in natural order. Shape (rows, columns) of blocks, the last ones padded.
    """
    theirs, ours = (block_coefficients(image) for image in (target, made))
    return _left(theirs - ours, _NEAREST * _steps(table))


def explained(
    target: Image.Image,
    made: Image.Image,
    table: Sequence[int],
    asked: NDArray[np.bool_],
    earlier: Sequence[Sequence[int]] = (),
) -> NDArray[np.bool_]:
    """Tell of each 8x8 block whether rounding alone may have made the difference; arguments as for `unexplained`.

    Only of the blocks `asked` for, shape (rows, columns); the others are said not to be. `earlier` are the tables of
    the generations before: another encoder may have rounded those the other way.
    """
    steps = _steps(table)
    flips = np.max([_steps(one) for one in earlier], axis=0) if earlier else np.zeros_like(steps)
    places = np.argwhere(asked)
    blocks = [blocks_of(np.asarray(image.convert("L"))) for image in (target, made)]
    told = np.zeros_like(asked)
    for first in range(0, len(places), _AT_ONCE):
        rows, columns = places[first : first + _AT_ONCE].T
        theirs, ours = (cosines(all_[rows, columns]) for all_ in blocks)
        reach = np.where(np.abs(theirs) < np.abs(ours), _TRUNCATED, _NEAREST) * steps + flips
        reach[..., 0, 0] += _CUT_OFF
        left = _left(theirs - ours, reach)
        energy = np.square(ours).sum(axis=(-2, -1)) - np.square(ours[..., 0, 0])
        told[rows, columns] = left <= _EXPLAINED[0] + _EXPLAINED[1] * np.sqrt(np.maximum(energy, 0)) / _BLOCK
    return told


def excused_at_edges(whole: NDArray[np.bool_], rough: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Excuse the blocks that the edge of a picture of this size cuts, where they differ no more than excused ones do.

    Their coefficients speak of pixels too that nobody can see. `whole` is what `explained` told, `rough` the mean
    absolute difference of each tile in luma; both of one shape.
    """
    cut = np.zeros_like(whole)
    if size[1] % _BLOCK:
        cut[-1] = True
    if size[0] % _BLOCK:
        cut[:, -1] = True
    told = rough[whole & ~cut]
    return whole | (cut & (rough <= told.max())) if told.size else whole


def block_coefficients(image: Image.Image) -> NDArray[np.float32]:
    """Return the cosine coefficients of an RGB picture's luma, shape (rows, columns, 8, 8); the last blocks padded."""
    return plane_coefficients(image.convert("L"))


def plane_coefficients(plane: Image.Image) -> NDArray[np.float32]:
    """Return the cosine coefficients of a mode L image, shape (rows, columns, 8, 8); the last blocks padded."""
    return cosines(blocks_of(np.asarray(plane)))


def blocks_of(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a plane in blocks, shape (rows, columns, 8, 8); the last ones are padded."""
    height, width = levels.shape
    if height % _BLOCK or width % _BLOCK:
        levels = np.pad(levels, ((0, -height % _BLOCK), (0, -width % _BLOCK)), mode="edge")
    rows, columns = levels.shape[0] // _BLOCK, levels.shape[1] // _BLOCK
    return levels.reshape(rows, _BLOCK, columns, _BLOCK).transpose(0, 2, 1, 3)


def cosines(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the cosine coefficients of blocks, shape (..., 8, 8)."""
    levels = blocks.reshape(-1, _BLOCK * _BLOCK).astype(np.float32) - 128
    return np.asarray((levels @ _TRANSFORM).reshape(blocks.shape))


def pixels_of(coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the plane of levels, not rounded, that coefficients of shape (rows, columns, 8, 8) show."""
    rows, columns = coefficients.shape[:2]
    levels = coefficients.reshape(-1, _BLOCK * _BLOCK) @ _TRANSFORM.T + 128
    whole = levels.reshape(rows, columns, _BLOCK, _BLOCK).transpose(0, 2, 1, 3)
    return np.asarray(whole.reshape(rows * _BLOCK, columns * _BLOCK))


def _steps(table: Sequence[int]) -> NDArray[np.float32]:
    return np.array(table, dtype=np.float32).reshape(_BLOCK, _BLOCK)


def _left(difference: NDArray[np.float32], reach: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the root mean square of what lies beyond the reach of rounding, for each block."""
    beyond = np.maximum(np.abs(difference) - reach - _CONVERSION, 0)
    return np.asarray(np.sqrt(np.square(beyond).mean(axis=(-2, -1))), dtype=np.float32)
