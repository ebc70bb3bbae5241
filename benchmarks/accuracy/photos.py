"""Which photos the cases are built from: varied in size and folder, drawn by seed from a folder of the user's."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import random
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageCms, ImageStat

from benchmarks.accuracy.recipe import Source

_SUFFIXES = (".jpg", ".jpeg", ".png")
_LEAST_SIDE = 400  # pixels
_LEAST_COLOURS = 1500  # of a 128-pixel miniature: drawings and plots have fewer
_LEAST_DETAIL = 18.0  # grey levels, standard deviation of the miniature
_SAMPLES = {"skimage": "data", "sklearn": "datasets/images"}


def sample_folders() -> list[Path]:
    """Return the folders of sample photos that scikit-image and scikit-learn bring along, as far as installed."""
    found = []
    for package, folder in _SAMPLES.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            place = Path(next(iter(spec.submodule_search_locations)), folder)
            if place.is_dir():
                found.append(place)
    return found


def choose(folders: list[Path], count: int, most_megapixels: float, seed: int) -> list[Source]:
    """Return `count` photos or fewer, drawn in turn from each kind of folder and size so that none prevails."""
    rng = random.Random(seed)
    shelves: dict[object, list[Source]] = {}
    paths = sorted(path for folder in folders for path in _pictures(folder))
    rng.shuffle(paths)
    for path in paths:
        photo = _photo(path, most_megapixels)
        if photo is not None:
            shelf = (path.parent, photo.suffix, round((photo.width * photo.height) ** 0.5 / 700))
            shelves.setdefault(shelf, []).append(photo)
        if sum(len(shelf) for shelf in shelves.values()) >= 40 * count:
            break  # a folder of many thousands need not be read to its end
    order = list(shelves)
    rng.shuffle(order)
    chosen: list[Source] = []
    while len(chosen) < count and any(shelves.values()):
        chosen += [shelves[shelf].pop() for shelf in order if shelves[shelf]]
    return chosen[:count]


def _pictures(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (Path(place, name) for name in files if name.lower().endswith(_SUFFIXES))


def _photo(path: Path, most_megapixels: float) -> Source | None:
    """Return the picture if it is a plain upright photo with enough in it, else nothing."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            plain = picture.mode == "RGB" and getattr(picture, "n_frames", 1) == 1 and _is_srgb(picture)
            fits = min(width, height) >= _LEAST_SIDE and width * height <= most_megapixels * 1e6
            if not plain or not fits or picture.getexif().get(0x0112, 1) != 1:
                return None
            picture.draft("RGB", (256, 256))
            small = picture.convert("RGB").resize((128, 128), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    colours = small.getcolors(128 * 128)
    if colours is None or len(colours) < _LEAST_COLOURS or ImageStat.Stat(small.convert("L")).stddev[0] < _LEAST_DETAIL:
        return None
    word = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-")[:24]
    return Source(path, width, height, f"{word}-{_token(path)}")


def _token(path: Path) -> str:
    """Return what tells photos of one name apart."""
    return hashlib.blake2s(
        f"{path.name} {path.stat().st_size}".encode(errors="surrogateescape"), digest_size=2
    ).hexdigest()


def _is_srgb(picture: Image.Image) -> bool:
    """Tell whether a picture is in sRGB, named or not: dropping another profile would change what is shown."""
    data = picture.info.get("icc_profile")
    if not data:
        return True
    try:
        return "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(data)))
    except ImageCms.PyCMSError:
        return False
