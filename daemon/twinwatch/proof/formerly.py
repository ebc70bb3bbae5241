"""Which JPEG a picture was before it was stored without loss: its steps are still in the pixels.

Each cosine coefficient of a decoded JPEG lies near a multiple of its step, and no other table's multiples fit as well
(Fan and de Queiroz, "Identification of bitmap compression history: JPEG detection and quantizer estimation", 2003).
Tables are looked for among those that programs scale from a norm; where blocks are shifted or turned none is found.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.finishing import Generation
from twinwatch.proof.picture import JpegTables, Picture
from twinwatch.proof.quantised import plane_coefficients
from twinwatch.proof.recreate import windows

_CHOICE = [Generation(quality, 2) for quality in range(10, 95)] + [
    Generation(scale, 2, mpeg=True) for scale in range(2, 32)
]
_BINS = 4  # a unit of a coefficient
_MOST = 512  # units: larger ones are rare
_NEAR = 1.0  # units: pixels in whole numbers, and colours converted, move a coefficient by less
_LEAST = 2.0  # units: in a sky whole numbers alone move a coefficient of nothing so far
_STRAYS = 0.05  # share of coefficients that lie elsewhere all the same: what was cut off at black or white
_TELLS = 4  # units: multiples of finer steps are near everything
_ON_THEM = 0.55
"""Share of what might lie between the multiples that does not. Measured on 162 lossless files that had been JPEGs of
quality 45 to 80: 0.66 and more; on 790 that had not, flags, text, codes and photos: 0.45 at most."""
_WHOLE = 0.1
"""The same in the better of both chromas, as wide and high as luma. On the same files: where they were halved, -0.06 to
0; where not, 0.22 and more but for four that have hardly any colour."""
_FEWEST = 40  # values of coefficients that differ: a drawing has few, and those fit some table by chance


def formerly(picture: Picture) -> JpegTables | None:
    """Return the tables and the sampling of the JPEG that a lossless picture was; None where none is surely told.

    Its pixels in stored orientation are looked at, in the windows of `recreate.windows`.
    """
    if not picture.lossless or picture.palette is not None or picture.header.bits > 8 or picture.see_through():
        return None
    image = picture.rgb(255)
    patches = [image.crop(box).convert("YCbCr").split() for box in windows(image.size)]
    luma, *colours = (_histogram([patch[channel] for patch in patches]) for channel in range(3))
    found = _fitting(luma)
    if found is None:
        return None
    # Halved both ways, as most programs do, colour has other coefficients, and none of its fine ones.
    whole = any(_on_multiples(colour, found.chroma) >= _WHOLE for colour in colours)
    return JpegTables((found.table, found.chroma, found.chroma), 0 if whole else 2)


def _histogram(patches: list[Image.Image]) -> NDArray[np.float32]:
    """Count the amounts of the coefficients of all whole blocks, shape (64, _MOST * _BINS), natural order."""
    found = np.concatenate([plane_coefficients(patch).reshape(-1, 64) for patch in patches])
    places = np.minimum(np.rint(np.abs(found) * _BINS), _MOST * _BINS - 1).astype(np.intp)
    places += np.arange(64) * (_MOST * _BINS)
    return np.bincount(places.ravel(), minlength=64 * _MOST * _BINS).reshape(64, -1).astype(np.float32)


def _fitting(luma: NDArray[np.float32]) -> Generation | None:
    """Return the generation whose multiples the coefficients lie on, or None."""
    fits, _ = _scales()
    gain = luma[1:] @ fits.T  # of each frequency, by each step; a block's mean takes every value
    frequencies = np.arange(63)
    best = max(_CHOICE, key=lambda one: float(gain[frequencies, np.array(one.table[1:])].sum()))
    return best if _on_multiples(luma, best.table) >= _ON_THEM else None


def _on_multiples(counted: NDArray[np.float32], table: tuple[int, ...]) -> float:
    """Return the share of what might lie between the multiples of a table that does not; 0 where too little tells."""
    _, near = _scales()
    steps = np.array(table)
    asked = counted * (steps >= _TELLS)[:, None]
    asked[0] = 0
    asked[:, : int(_LEAST * _BINS) + 1] = 0  # nothing is a multiple of everything
    distinct = int((asked.reshape(64, -1, _BINS).sum(axis=2) > 0).sum())
    count = float(asked.sum())
    if distinct < _FEWEST:
        return 0.0
    chance = float((asked.sum(axis=1) * np.minimum(1, 2 * _NEAR / steps)).sum())
    return (float((asked * near[steps]).sum()) - chance) / max(1.0, count - chance)


@lru_cache(maxsize=1)
def _scales() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what an amount gains by each step (log likelihood), and whether it is near its multiples.

    Both have the shape (256, _MOST * _BINS).
    """
    steps = np.maximum(np.arange(256), 1)[:, None].astype(np.float32)
    amounts = (np.arange(_MOST * _BINS) / _BINS).astype(np.float32)
    near = np.abs(amounts - steps * np.rint(amounts / steps)) <= _NEAR
    width = np.minimum(2 * _NEAR, steps * 0.999)
    gains = np.where(near, np.log((1 - _STRAYS) * steps / width), np.log(_STRAYS * steps / (steps - width)))
    gains[:, amounts <= _LEAST] = 0
    return gains.astype(np.float32), near.astype(np.float32)
