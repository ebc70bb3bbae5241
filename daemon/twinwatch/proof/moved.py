"""Does a picture lie beside its re-creation? The next frame of a slow pan or zoom does, and no copy.

Where a picture is moved by a part of a pixel, it differs from itself by that part of its slope. So slopes and
differences of thousands of pixels tell a move of a tenth of a pixel (Lucas and Kanade, "An iterative image
registration technique with an application to stereo vision", 1981), in each part of the picture by itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.ranks import median

_LARGE = 2_000_000  # pixels: larger ones are looked at at a quarter of their size, others at half of it
_PARTS = 4  # across and down
_LEAST_SLOPE = (
    1.0  # mean square of grey levels a pixel, in the direction that has least: a part with less tells nothing
)
_HALF = np.float32(0.5)
_FEWEST, _SMALLEST = 3, 24  # parts that tell, and pixels along a side at that size

Plane = NDArray[np.float32]


def beside(target: Image.Image, made: Image.Image) -> tuple[float, float]:
    """Return by how many pixels the target lies beside its re-creation, and its parts beside that: medians.

    Both grey, of one size. 0 where too little tells.
    """
    shrunk = 4 if target.width * target.height > _LARGE else 2
    theirs, ours = (_softened(image.reduce(shrunk)) for image in (target, made))
    if min(ours.shape) < _SMALLEST:
        return 0.0, 0.0
    across, down = (ours[1:-1, 2:] - ours[1:-1, :-2]) * _HALF, (ours[2:, 1:-1] - ours[:-2, 1:-1]) * _HALF
    apart = (theirs - ours)[1:-1, 1:-1]
    parts = zip(*(_parts(plane) for plane in (across, down, apart)), strict=True)
    moves = [move for part in parts if (move := _move(*part)) is not None]
    if len(moves) < _FEWEST:
        return 0.0, 0.0
    across_by, down_by = np.array(moves).T * shrunk
    x, y = median(across_by), median(down_by)
    return float(np.hypot(x, y)), median(np.hypot(across_by - x, down_by - y))


def _softened(luma: Image.Image) -> Plane:
    """Return the pixels with the finest detail averaged out: of an edge of one pixel two neighbours tell no slope."""
    levels = np.asarray(luma).astype(np.float32)
    for _ in range(2):
        levels = (levels[:-2] + 2 * levels[1:-1] + levels[2:]).T * np.float32(0.25)
    return levels


def _parts(plane: Plane) -> list[Plane]:
    return [part for row in np.array_split(plane, _PARTS) for part in np.array_split(row, _PARTS, axis=1)]


def _move(across: Plane, down: Plane, apart: Plane) -> tuple[float, float] | None:
    """Return by how far this part was moved, in pixels right and down; None where it is too even."""
    apart = apart - apart.mean()  # another brightness is no move
    xx, xy, yy = (float((one * other).sum()) for one, other in ((across, across), (across, down), (down, down)))
    least = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
    if least < _LEAST_SLOPE * apart.size:
        return None
    x, y = (float((slope * apart).sum()) for slope in (across, down))
    size = xx * yy - xy * xy
    return -(yy * x - xy * y) / size, -(xx * y - xy * x) / size
