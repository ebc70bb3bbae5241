"""The peers on the same pairs: difPy, imagehash's hashes and czkawka's, each with the thresholds its users have.

Each picture is read once for each peer. A peer that cannot read a file finds nothing there, as for its users.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import imagehash
import numpy as np
from PIL import Image

from benchmarks.accuracy.recipe import Pair

_SIDE = 50  # pixels: difPy's px_size
_OLD_NORMAL = 200.0  # the MSE of difPy 2's similarity "normal", and of the scripts written after it


@dataclass(frozen=True, slots=True)
class Peer:
    """One rule: `name` as on the page, `what` says what was run, `alike` judges the readings of two files."""

    name: str
    what: str
    package: str
    alike: Callable[[Reading, Reading], bool]


@dataclass(slots=True)
class Reading:
    """What the peers see of one file; what is missing could not be read."""

    size: tuple[int, int] | None = None
    tensor: Any = None  # difPy's: 50x50 RGB, uint8
    hashes: dict[str, int] = field(default_factory=dict)
    gradient: str = ""  # czkawka's hash


def read(path: str) -> Reading:
    """Read one file as the peers do."""
    reading = Reading()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            contextlib.suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError),
            Image.open(path) as opened,
        ):
            # difPy's _generate_tensor: the same steps, and no EXIF orientation
            rgb = opened.convert("RGB")
            reading.size = opened.size
            reading.tensor = np.asarray(rgb.resize((_SIDE, _SIDE), resample=Image.Resampling.BICUBIC))
            for name, function in _HASHES.items():
                reading.hashes[name] = int(str(function(opened)), 16)
    with contextlib.suppress(ImportError):
        reading.gradient = _gradient_hash(path)
    return reading


def judge(pairs: Sequence[Pair], jobs: int, say: Callable[[str], None]) -> dict[str, list[bool]]:
    """Return, for each peer that is installed, whether it calls each pair alike."""
    paths = sorted({path for pair in pairs for path in (pair.a, pair.b)})
    readings: dict[str, Reading] = {}
    with ProcessPoolExecutor(jobs) as pool:
        for number, (path, reading) in enumerate(zip(paths, pool.map(read, paths, chunksize=16), strict=True), 1):
            readings[path] = reading
            if number % 1000 == 0:
                say(f"  {number} of {len(paths)} files read")
    judged = {}
    for peer in PEERS:
        if version(peer.package):
            judged[peer.name] = [peer.alike(readings[pair.a], readings[pair.b]) for pair in pairs]
    return judged


def version(package: str) -> str:
    """Return a package's version, or nothing when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _gradient_hash(path: str) -> str:
    import czkawka

    try:
        return str(czkawka.ImageSimilarity().hash_image(path))
    except OSError:
        return ""


def _difpy(most: float, same_size: bool) -> Callable[[Reading, Reading], bool]:
    """Ask difPy's own comparison of two tensors; `most` is its `similarity`."""

    def alike(a: Reading, b: Reading) -> bool:
        from difPy import dif

        if a.tensor is None or b.tensor is None or a.size is None or b.size is None:
            return False
        if same_size and sorted(a.size) != sorted(b.size):
            return False
        return bool(dif._compare_imgs._compute_mse(a.tensor, b.tensor, rotate=True) <= most)

    return alike


def _old_mse(a: Reading, b: Reading) -> bool:
    """Judge by the mean squared difference over four rotations, without the overflow of unsigned bytes."""
    if a.tensor is None or b.tensor is None:
        return False
    first, second = a.tensor.astype(np.float64), b.tensor.astype(np.float64)
    return min(float(((first - np.rot90(second, turn)) ** 2).mean()) for turn in range(4)) < _OLD_NORMAL


def _hash(name: str, most: int, same_size: bool = False) -> Callable[[Reading, Reading], bool]:
    def alike(a: Reading, b: Reading) -> bool:
        if name not in a.hashes or name not in b.hashes or (same_size and a.size != b.size):
            return False
        return (a.hashes[name] ^ b.hashes[name]).bit_count() <= most

    return alike


def _czkawka(most: int) -> Callable[[Reading, Reading], bool]:
    def alike(a: Reading, b: Reading) -> bool:
        import czkawka

        if not a.gradient or not b.gradient:
            return False
        return int(czkawka.ImageSimilarity().compare_hashes(a.gradient, b.gradient)) <= most

    return alike


_HASHES: dict[str, Callable[[Image.Image], imagehash.ImageHash]] = {
    "phash": imagehash.phash,
    "ahash": imagehash.average_hash,
    "dhash": imagehash.dhash,
    "whash": imagehash.whash,
}

PEERS = (
    Peer("difPy, duplicates", "its own comparison, defaults: MSE 0, equal dimensions", "difPy", _difpy(0, True)),
    Peer("difPy, similar", "its own comparison, `similarity='similar'` (5), any dimensions", "difPy", _difpy(5, False)),
    Peer("MSE < 200 at 50x50", "as difPy 2's `normal`: 50x50, four rotations", "numpy", _old_mse),
    Peer(
        "equal pHash and size", "imagehash `phash`, equal, and equal dimensions", "ImageHash", _hash("phash", 0, True)
    ),
    Peer("pHash <= 4", "imagehash `phash`, 64 bits", "ImageHash", _hash("phash", 4)),
    Peer("pHash <= 8", "imagehash `phash`, 64 bits", "ImageHash", _hash("phash", 8)),
    Peer("pHash <= 10", "imagehash `phash`; 10 is imagededup's default for its PHash", "ImageHash", _hash("phash", 10)),
    Peer("aHash <= 5", "imagehash `average_hash`, 64 bits", "ImageHash", _hash("ahash", 5)),
    Peer("dHash <= 4", "imagehash `dhash`, 64 bits", "ImageHash", _hash("dhash", 4)),
    Peer("wHash <= 4", "imagehash `whash`, 64 bits", "ImageHash", _hash("whash", 4)),
    Peer("czkawka <= 2", "its gradient hash, 64 bits, distance 2", "czkawka", _czkawka(2)),
    Peer("czkawka <= 5", "its gradient hash, 64 bits, distance 5", "czkawka", _czkawka(5)),
    Peer("czkawka <= 10", "its gradient hash, 64 bits, distance 10", "czkawka", _czkawka(10)),
)
