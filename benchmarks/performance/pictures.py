"""Photos of realistic entropy: noise in every octave, edges, and a sensor's grain, so that a 12-megapixel JPEG of
quality 92 has some 4 MB. No two have perceptual hashes within a search's radius, but by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

CAMERA, WEB = (4000, 3000), (1024, 768)
QUALITY = {CAMERA: 92, WEB: 80}
BURST_QUALITY, AS_HEAVY = 88, 91  # other scenes of this quality have the bytes of the burst's
_OCTAVES = (4, 8, 16, 48, 128, 384, 1000)
_SHIFT = 512  # pixels by which the grain differs from picture to picture, at most
_GRAIN = 5.0  # grey levels: a phone's sensor at ISO 200


def draw(seed: int, size: tuple[int, int]) -> Image.Image:
    """Draw one picture; the same seed and size give the same."""
    random = np.random.default_rng(seed)
    width, height = (max(_OCTAVES), max(_OCTAVES) * size[1] // size[0])
    scene = np.full((height, width, 3), 110.0, dtype=np.float32)
    for octave in _OCTAVES:
        cells = random.normal(size=(max(2, octave * height // width), octave, 3)).astype(np.float32)
        cells = cells.mean(axis=2, keepdims=True) * 0.8 + cells * 0.2  # colours vary less than brightness
        scene += _stretched(cells, (width, height)) * (110.0 / octave**0.55)
    picture = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    _edges(picture, random)
    return grained(picture, random)


def grained(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return the picture with a sensor's grain, the same in all channels as a phone's noise reduction leaves it."""
    tile = _grain(picture.size)
    left, top = (int(place) for place in random.integers(0, _SHIFT, 2))
    cut = tile.crop((left, top, left + picture.width, top + picture.height))
    return ImageChops.add(picture, Image.merge("RGB", [cut] * 3), 1, -128)


@cache
def _grain(size: tuple[int, int]) -> Image.Image:
    field = np.random.default_rng(0).normal(128, _GRAIN, (size[1] + _SHIFT, size[0] + _SHIFT))
    return Image.fromarray(field.round().astype(np.uint8))


def jpegs(
    folder: Path, count: int, size: tuple[int, int], jobs: int, first: int = 0, quality: int | None = None
) -> list[Path]:
    """Make `count` JPEGs with a camera's EXIF in `folder`, unless they are there; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    quality = quality or QUALITY[size]
    wanted = [(folder / f"IMG_{number:05d}.jpg", number, size, quality) for number in range(first, first + count)]
    missing = [job for job in wanted if not job[0].exists()]
    if missing:
        with ProcessPoolExecutor(jobs) as pool:
            list(pool.map(_write, missing))
    return [path for path, *_ in wanted]


def cut(folder: Path, photos: Sequence[Path], count: int, jobs: int) -> list[Path]:
    """Cut `count` JPEGs of web size out of large photos, unless they are there: drawing ten thousand takes an hour."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"CUT_{number:05d}.jpg" for number in range(count)]
    if not all(path.exists() for path in paths):
        with ProcessPoolExecutor(jobs) as pool:
            list(pool.map(_cut, photos, [paths[number :: len(photos)] for number in range(len(photos))]))
    return paths


def light(folder: Path, photos: Sequence[Path], jobs: int) -> list[Path]:
    """Save photos as a phone does that smooths all grain away, unless they are there: a sixth of the bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / photo.name for photo in photos]
    missing = [pair for pair in zip(photos, paths, strict=True) if not pair[1].exists()]
    if missing:
        with ProcessPoolExecutor(jobs) as pool:
            list(pool.map(_smooth, *zip(*missing, strict=True)))
    return paths


def _smooth(photo: Path, target: Path) -> None:
    with Image.open(photo) as opened:
        picture = opened.convert("RGB").filter(ImageFilter.GaussianBlur(1.5))
        picture.save(target, "JPEG", quality=75, exif=opened.getexif())


def in_format(source: Path, target: Path, name: str) -> Path:
    """Save a picture once more in another format, unless it is there; return `target`."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        plugins()
        with Image.open(source) as picture:
            picture.load()
            picture.save(target, name, **_OPTIONS.get(name, {}))
    return target


def burst(folder: Path, count: int, size: tuple[int, int], seed: int) -> list[Path]:
    """Make `count` frames of one scene: the hand shakes by a few pixels, the grain is new in each."""
    folder.mkdir(parents=True, exist_ok=True)
    margin = 24
    paths = [folder / f"BURST_{number:05d}.jpg" for number in range(count)]
    if all(path.exists() for path in paths):
        return paths
    scene = draw(seed, (size[0] + margin, size[1] + margin))
    random = np.random.default_rng(seed)
    for number, path in enumerate(paths):
        left, top = (int(place) for place in random.integers(0, margin, 2))
        picture = grained(scene.crop((left, top, left + size[0], top + size[1])), random)
        picture.save(path, "JPEG", quality=BURST_QUALITY, exif=_exif(number))
    return paths


_OPTIONS: dict[str, dict[str, int]] = {
    "JPEG": {"quality": 75},
    "WEBP": {"quality": 85, "method": 2},
    "AVIF": {"quality": 70, "speed": 9},
    "HEIF": {"quality": 70},
}


def plugins() -> None:
    """Teach Pillow the formats that need an extra."""
    import pillow_heif

    pillow_heif.register_heif_opener()


def _write(job: tuple[Path, int, tuple[int, int], int]) -> None:
    path, number, size, quality = job
    draw(number, size).save(path, "JPEG", quality=quality, exif=_exif(number))


def _cut(photo: Path, targets: Sequence[Path]) -> None:
    """Cut parts of any place and size out of one photo, each shrunk or stretched to web size."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    for target in targets:
        number = int(target.stem[-5:])
        random = np.random.default_rng(number)
        width = random.uniform(0.2, 0.6) * min(picture.width, picture.height * 4 / 3)
        left, top = random.uniform(0, picture.width - width), random.uniform(0, picture.height - width * 3 / 4)
        box = (left, top, left + width, top + width * 3 / 4)
        part = picture.resize(WEB, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
        part.save(target, "JPEG", quality=QUALITY[WEB], exif=_exif(number))


def _exif(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[271], exif[272], exif[305] = "Maker", "Phone 12", "1.0"
    seconds = number * 7
    details = exif.get_ifd(0x8769)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    details[0x9003] = f"2024:05:{1 + seconds // 86400 % 28:02d} {clock}"
    details[0x829A], details[0x8827] = (1, 125), 200
    return exif


def _stretched(cells: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    planes: Sequence[Image.Image] = [
        Image.fromarray(np.ascontiguousarray(cells[:, :, place])).resize(size, Image.Resampling.BILINEAR)
        for place in range(3)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _edges(picture: Image.Image, random: np.random.Generator) -> None:
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    for _ in range(60):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        reach = int(random.integers(width // 100, width // 8))
        colour = tuple(int(level) for level in random.integers(20, 235, 3))
        corner = (x + reach, y + int(reach * random.uniform(0.2, 1.6)))
        (pen.ellipse if random.random() < 0.5 else pen.rectangle)(
            [(x, y), corner], outline=colour, width=2 + reach // 40
        )
