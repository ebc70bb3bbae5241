"""Was the palette grown as an octree, and did each pixel get the colour that its tree gives? An edit did not.

An octree's leaf is a cube of colours: whatever lies in it is given the leaf's colour, which is the mean of what lies in
it (ImageIO, Pillow's fast octree). So the tree can be read back from a copy, and tells of every pixel what it must be
by pixels elsewhere. A tone moves the means; an edit gives colours that the same ones were not given elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.residual import TILE

_COLOURS = 256
_CUT_OFF = (-0.05, 1.05)
"""Grey levels that the mean of a leaf's pixels lies above its colour: means are cut off to whole numbers."""
_LEAVES = 0.9
"""Of the leaves, whose mean it is. Measured: all on 47 copies; other programs round, and about half lie below."""
_MIXED = 4.0  # squared grey levels: the variance of pixels that are not all of one colour
_MOST_OFF = 2.5  # grey levels: copies up to 1.1; then these are not the pixels that the leaf was made of

_COUNTED = 64  # pixels of a leaf whose mean tells, and of a cube that its own region tells of
_DEPTHS = (7, 6, 5)  # bits of each channel: cubes of 2, 4 and 8 levels
_REGIONS = 3  # across and down: a pixel is told by those of the other eight
_LEAST_VOTES = 8  # pixels of a cube elsewhere
_NEVER = 0.01  # of the pixels of a cube elsewhere: a leaf's wall goes through cubes of eight levels
_TOLD = 0.5  # of the pixels: fewer prove little

Indices = NDArray[np.int64]


def strange(made: Image.Image, palette: Image.Image) -> NDArray[np.int64] | None:
    """Count in each 8x8 tile, shape (rows, columns), the pixels that the tree of the others gives another colour.

    `made` is the re-creation before the palette (RGB), `palette` the copy (mode P). None when this is no octree's work,
    or none on these pixels: a tone moves the means of all leaves.
    """
    levels, given = np.asarray(made), np.asarray(palette).astype(np.int64)
    above, leaves = _above(levels, given, palette)
    inside = ((above >= _CUT_OFF[0]) & (above <= _CUT_OFF[1])).all(axis=1)
    if not leaves.size or inside.mean() < _LEAVES:
        return None
    told, wrong = _told(levels, given)
    if told < _TOLD:
        return None
    wrong |= np.isin(given, leaves[np.abs(above).max(axis=1) > _MOST_OFF])
    height, width = (length // TILE * TILE for length in wrong.shape)
    tiles = wrong[:height, :width].reshape(height // TILE, TILE, width // TILE, TILE)
    return np.asarray(tiles.sum(axis=(1, 3)), dtype=np.int64)


def _above(levels: NDArray[np.uint8], given: Indices, palette: Image.Image) -> tuple[NDArray[np.float64], Indices]:
    """Return by how much the means of the leaves' pixels lie above their colours, shape (leaves, 3), and the leaves."""
    pixels = np.bincount(given.ravel(), minlength=_COLOURS)
    bands = [levels[:, :, band].ravel().astype(np.int64) for band in range(3)]
    sums, squares = (
        np.stack([np.bincount(given.ravel(), weights, _COLOURS) for weights in each], axis=1)
        for each in (bands, [band * band for band in bands])
    )
    leaves = np.flatnonzero(pixels >= _COUNTED)
    means = sums[leaves] / pixels[leaves, None]
    # Of one colour, as in a flat drawing, the mean is what any program gives.
    mixed = (squares[leaves] / pixels[leaves, None] - means * means).max(axis=1) >= _MIXED
    colours = np.array(palette.getpalette(), dtype=np.float64).reshape(-1, 3)
    return (means - colours[leaves])[mixed], leaves[mixed]


def _told(levels: NDArray[np.uint8], given: Indices) -> tuple[float, NDArray[np.bool_]]:
    """Return the share of pixels given what their like elsewhere were, and which were given what none of those were."""
    height, width = given.shape
    down, across = (np.arange(length) * _REGIONS // length for length in (height, width))
    keys = (_cubes(levels) << 8 | given) * _REGIONS**2 + down[:, None] * _REGIONS + across
    kinds, pixels = np.unique(keys, return_counts=True)
    cube, index, region = kinds // _REGIONS**2 >> 8, kinds // _REGIONS**2 & 255, kinds % _REGIONS**2
    told, alone = (np.zeros(kinds.shape, dtype=bool) for _ in range(2))
    wrong = ~told
    for depth in _DEPTHS:
        part = _coarser(cube, depth)
        own, own_same = _sums(pixels, part, region), _sums(pixels, part, index, region)
        elsewhere, same = _sums(pixels, part) - own, _sums(pixels, part, index) - own_same
        known = elsewhere >= _LEAST_VOTES
        told |= known & (2 * same >= elsewhere)
        wrong = known & (same <= _NEVER * elsewhere)
        # A deeper leaf that only one region has: what cubes around it were given tells nothing of it.
        alone |= ~known & (own >= _COUNTED)
    return float(pixels[told].sum() / given.size), np.isin(keys, kinds[wrong & ~told & ~alone])


def _cubes(levels: NDArray[np.uint8]) -> Indices:
    """Number the cubes of the greatest depth that the pixels (RGB) lie in."""
    depth = _DEPTHS[0]
    red, green, blue = (levels[:, :, band].astype(np.int64) >> 8 - depth for band in range(3))
    return red << 2 * depth | green << depth | blue


def _coarser(cube: Indices, depth: int) -> Indices:
    """Number the cubes of this depth around those of the greatest."""
    most, mask = _DEPTHS[0], (1 << _DEPTHS[0]) - 1
    red, green, blue = (cube >> most * place & mask for place in (2, 1, 0))
    return (red >> most - depth) << 2 * depth | (green >> most - depth) << depth | blue >> most - depth


def _sums(pixels: Indices, cube: Indices, *also: Indices) -> Indices:
    """Return for each kind how many pixels are in its cube and alike in what is `also` asked for (each below 256)."""
    key = cube
    for other in also:
        key = key << 8 | other
    _, group = np.unique(key, return_inverse=True)
    return np.asarray(np.bincount(group, pixels)[group], dtype=np.int64)
