"""Small edits that a codec or a scaler may all but hide: wires, faint stamps, eyes, digits, leaves that moved.

Each is saved only by what loses much (`kitchen.losing`), and counts only when it can still be seen at the size that it
was saved at (`seen_at`): what cannot be seen is no edit.
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from benchmarks.accuracy.edits import Edit, noised, with_random, without_random

_SEEN = 4.0  # grey levels, mean over 8x8 pixels of the saved size


def seen_at(size: tuple[int, int], before: Image.Image, after: Image.Image) -> bool:
    """Tell whether an edit can still be seen when both are averaged down to this size (never enlarged)."""
    pair = [image.convert("RGB") for image in (before, after)]
    if size[0] < before.width:
        pair = [image.resize(size, Image.Resampling.BOX) for image in pair]
    difference = np.asarray(ImageChops.difference(*pair).reduce(8))
    return float(difference.max(axis=2).max()) >= _SEEN


def _calm_place(picture: Image.Image, rng: random.Random, share: tuple[float, float]) -> tuple[int, int]:
    """Return the corner of a part with little detail: there a small thing is seen."""
    width, height = int(picture.width * share[0]), int(picture.height * share[1])
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    tried = []
    for _ in range(24):
        x, y = rng.randrange(max(1, picture.width - width)), rng.randrange(max(1, picture.height - height))
        part = grey[y : y + height, x : x + width]
        tried.append((float(np.abs(np.diff(part, axis=0)).mean()), (x, y)))
    return min(tried)[1]


def _standing_out(picture: Image.Image, at: tuple[int, int], by: int) -> tuple[int, int, int]:
    """Return a grey that differs from what is at this place by so many levels."""
    here = picture.convert("L").getpixel(at)
    assert isinstance(here, int)
    level = here + by if here + by <= 255 else here - by
    return (level, level, level)


def _wire(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Draw a line of one or two pixels across a third of the picture, as of a wire that was not retouched."""
    done = picture.copy()
    x, y = _calm_place(picture, rng, (0.34, 0.1))
    ends = (x, y, x + int(picture.width * 0.33), y + rng.randrange(1, max(2, picture.height // 10)))
    ImageDraw.Draw(done).line(ends, fill=_standing_out(picture, (x, y), 90), width=rng.choice((1, 2)))
    return done


def _faint_stamp(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Write a name over the picture that lets 88 to 95 % of it through."""
    layer = Image.new("L", picture.size, 0)
    x, y = _calm_place(picture, rng, (0.5, 0.1))
    font = ImageFont.load_default(max(14, picture.height // 14))
    ImageDraw.Draw(layer).text((x, y), "(c) A. Person 2024", font=font, fill=round(255 * rng.uniform(0.05, 0.12)))
    return Image.composite(Image.new("RGB", picture.size, _standing_out(picture, (x, y), 200)), picture, layer)


def _eyes(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Paint two small discs, as red eyes are painted dark."""
    done = picture.copy()
    radius = max(2, picture.width // 170)
    x, y = _calm_place(picture, rng, (0.12, 0.06))
    pen = ImageDraw.Draw(done)
    for across in (2 * radius, 10 * radius):
        centre = (x + across, y + 2 * radius)
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        pen.ellipse(box, fill=(170, 30, 40))
    return done


def _spot(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Smooth one round spot away, as a blemish is retouched."""
    radius = max(5, min(picture.size) // 60)
    smooth = picture.filter(ImageFilter.GaussianBlur(radius))
    mask = Image.new("L", picture.size, 0)
    x, y = (rng.randrange(2 * radius, length - 2 * radius) for length in picture.size)
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return Image.composite(smooth, picture, mask.filter(ImageFilter.GaussianBlur(2)))


def _digit(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    """Stamp the date of two different days: one digit differs."""
    font = ImageFont.load_default(max(14, picture.height // 24))
    place = (int(picture.width * 0.62), int(picture.height * 0.9))
    days = rng.sample((1, 3, 6, 8), 2)
    made = []
    for day in days:
        done = picture.copy()
        ImageDraw.Draw(done).text(place, f"2019-07-2{day} 18:41", font=font, fill=(255, 160, 60))
        made.append(done)
    return made[0], made[1]


def _leaves(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Move a twelfth of the picture to and fro by two pixels, as wind does between two shots from a tripod."""
    values = np.asarray(picture)
    height, width = picture.height // 3, picture.width // 4
    top, left = rng.randrange(4, picture.height - height - 4), rng.randrange(4, picture.width - width - 4)
    down, across = np.mgrid[top : top + height, left : left + width]
    waves = rng.uniform(0.02, 0.05)
    moved = values.copy()
    from_x = across + np.rint(2.4 * np.sin(waves * down + rng.random())).astype(int)
    from_y = down + np.rint(2.4 * np.cos(waves * across + rng.random())).astype(int)
    moved[top : top + height, left : left + width] = values[from_y, from_x]
    return Image.fromarray(moved)


def _corners(picture: Image.Image) -> Image.Image:
    """Darken the corners by a tenth, as a filter of a photo app does."""
    down, across = np.ogrid[-1 : 1 : picture.height * 1j, -1 : 1 : picture.width * 1j]
    fall = 1 - 0.05 * np.clip(across**2 + down**2, 0, 2)
    return Image.fromarray((np.asarray(picture) * fall[:, :, None]).clip(0, 255).astype(np.uint8))


def _turned_hue(picture: Image.Image, degrees: float) -> Image.Image:
    planes = np.asarray(picture.convert("YCbCr")).astype(np.float32)
    blue, red = planes[:, :, 1] - 128, planes[:, :, 2] - 128
    angle = np.deg2rad(degrees)
    planes[:, :, 1] = 128 + blue * np.cos(angle) - red * np.sin(angle)
    planes[:, :, 2] = 128 + blue * np.sin(angle) + red * np.cos(angle)
    return Image.fromarray(planes.clip(0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def _warmer(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture).astype(np.float32) * np.array([1.025, 1.0, 0.975], dtype=np.float32)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _quiet_tripod(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    """Take the scene twice with a camera that smooths its noise away, a leaf or two moving."""
    moved = _leaves(picture, rng)
    first, second = (noised(image, rng, 3).filter(ImageFilter.MedianFilter(3)) for image in (picture, moved))
    return first, second


SUBTLE: dict[str, dict[str, Edit]] = {
    "subtle: small things": {
        "wire": with_random(_wire),
        "faint-stamp": with_random(_faint_stamp),
        "eyes": with_random(_eyes),
        "spot": with_random(_spot),
        "digit": _digit,
    },
    "subtle: something moved": {
        "leaves": with_random(_leaves),
        "quiet-tripod": _quiet_tripod,
    },
    "subtle: tone": {
        "corners": without_random(_corners),
        "hue6": without_random(lambda p: _turned_hue(p, 6)),
        "warmer": without_random(_warmer),
    },
}
