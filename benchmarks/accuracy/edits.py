"""Look-alikes from a photo: local edits, tone, crops, shifts, bursts, night frames. None of them is a copy.

An edit returns (before, after) at the photo's size; `before` is None when the photo itself is what it is compared with.
Every local edit covers half a percent of the area or more and is visible: what cannot be seen is no edit.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps, ImageStat

Edit = Callable[[Image.Image, random.Random], tuple[Image.Image | None, Image.Image]]
MIRRORED = "mirrored"  # of policy: judged `re-encoded`, and sent to review by default
_TRIES = 60
_SEEN = 3.0  # grey levels, mean over 16x16 pixels


def visible(before: Image.Image, after: Image.Image) -> bool:
    """Tell whether an edit can be seen at all: some 16x16 pixels differ by three grey levels on average."""
    if before.size != after.size:
        return True
    difference = np.asarray(ImageChops.difference(before.convert("RGB"), after.convert("RGB")).reduce(16))
    return float(difference.mean(axis=2).max()) >= _SEEN


def clone(picture: Image.Image, rng: random.Random, area: float, least: float) -> Image.Image:
    """Paste another part of the picture over 0.5 % of it or more; `least`: mean difference in grey levels."""
    side = max(16, int((picture.width * picture.height * area) ** 0.5) + 1)
    best, most = (0, 0, 0, 0), -1.0
    for _ in range(_TRIES):
        x, y, left, top = (rng.randrange(max(1, length - side)) for length in picture.size * 2)
        pair = [picture.crop((at[0], at[1], at[0] + side, at[1] + side)) for at in ((x, y), (left, top))]
        arrays = [np.asarray(part, dtype=np.int16) for part in pair]
        difference = float(np.abs(arrays[0] - arrays[1]).mean())
        if difference > most:
            best, most = (x, y, left, top), difference
        if most >= least:
            break
    x, y, left, top = best
    done = picture.copy()
    mask = Image.new("L", (side, side), 0)
    mask.paste(255, (2, 2, side - 2, side - 2))
    part = picture.crop((left, top, left + side, top + side))
    done.paste(part, (x, y), mask.filter(ImageFilter.GaussianBlur(1.5)))
    return done


def written(picture: Image.Image, text: str, at: tuple[float, float], share: float, fill: object) -> Image.Image:
    """Write text whose height is `share` of the picture's, at `at` in shares of its size."""
    done = picture.copy()
    font = ImageFont.load_default(max(12, int(picture.height * share)))
    place = (int(picture.width * at[0]), int(picture.height * at[1]))
    ImageDraw.Draw(done).text(place, text, font=font, fill=fill)  # type: ignore[arg-type]
    return done


def _bright_text(picture: Image.Image, _rng: random.Random) -> tuple[Image.Image, Image.Image]:
    """White on nearly white: on the brightest eighth of the picture, made brighter still in both."""
    width, height = picture.width // 3, picture.height // 5
    small = picture.convert("L").resize((48, 48), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float32)
    sums = [
        (values[row : row + 9, column : column + 16].mean(), row, column) for row in range(39) for column in range(32)
    ]
    _, row, column = max(sums)
    left, top = column * picture.width // 48, row * picture.height // 48
    before = picture.copy()
    box = (left, top, left + width, top + height)
    before.paste(Image.blend(picture.crop(box), Image.new("RGB", (width, height), (238, 238, 234)), 0.85), box)
    return before, written(before, "not mine", (left / picture.width, top / picture.height), 0.1, (255, 255, 255))


def _clock(picture: Image.Image, _rng: random.Random) -> tuple[Image.Image, Image.Image]:
    corner = (0.05, 0.05)
    return tuple(written(picture, text, corner, 0.09, "white") for text in ("21:40", "21:57"))  # type: ignore[return-value]


def _watermark(picture: Image.Image) -> Image.Image:
    layer = written(Image.new("RGBA", picture.size, (0, 0, 0, 0)), "SAMPLE", (0.3, 0.4), 0.14, (255, 255, 255, 110))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _hue(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Turn the hue of a round part, as in another skin or shirt: luma stays nearly what it was."""
    planes = np.asarray(picture.convert("YCbCr")).astype(np.int16)
    radius = int((picture.width * picture.height * 0.02 / 3.14) ** 0.5)
    x, y = (rng.randrange(radius, length - radius) for length in picture.size)
    down, across = np.ogrid[: picture.height, : picture.width]
    inside = (across - x) ** 2 + (down - y) ** 2 <= radius**2
    planes[inside, 1] -= 28
    planes[inside, 2] += 28
    return Image.fromarray(planes.clip(0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def _sky(picture: Image.Image) -> Image.Image:
    planes = np.asarray(picture.convert("YCbCr")).astype(np.float32)
    fade = np.clip(1.2 - 3.0 * np.linspace(0, 1, picture.height), 0, 1)[:, None]
    planes[:, :, 1] -= 22 * fade
    planes[:, :, 2] += 18 * fade
    return Image.fromarray(planes.clip(0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def _balance(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture).astype(np.float32) * np.array([1.05, 1.0, 0.93], dtype=np.float32)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def noised(picture: Image.Image, rng: random.Random, sigma: float) -> Image.Image:
    """Add a camera's noise: Gaussian, this many grey levels in each channel."""
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, sigma, (picture.height, picture.width, 3))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def _burst(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Hold the camera a little otherwise: a pan of up to 2 %, half a degree, and new noise."""
    turned = picture.rotate(rng.uniform(-0.5, 0.5), Image.Resampling.BICUBIC)
    width, height = picture.size
    cut = [0.02 + rng.uniform(0, 0.015) for _ in range(4)]
    box = (int(width * cut[0]), int(height * cut[1]), int(width * (1 - cut[2])), int(height * (1 - cut[3])))
    return noised(turned.crop(box).resize(picture.size, Image.Resampling.LANCZOS), rng, 4)


def _tripod(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    return noised(picture, rng, 5), noised(picture, rng, 5)


def _night(picture: Image.Image, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    dark = ImageEnhance.Brightness(picture).enhance(0.12)
    return noised(dark, rng, 6), noised(dark, rng, 6)


def _shift(picture: Image.Image, across: int, down: int) -> Image.Image:
    width, height = picture.size
    moved = picture.crop((across, down, width, height))
    done = picture.copy()
    done.paste(moved, (0, 0))
    return done


def _cropped(picture: Image.Image, share: float) -> Image.Image:
    width, height = picture.size
    return picture.crop((int(width * share), int(height * share / 2), width, int(height * (1 - share / 2))))


def _squared(picture: Image.Image) -> Image.Image:
    return ImageOps.pad(picture, (max(picture.size), max(picture.size)), color="black")


def _bordered(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, max(4, int(max(picture.size) * 0.03)), "white")


def _rotated(picture: Image.Image, angle: float) -> Image.Image:
    turned = picture.rotate(angle, Image.Resampling.BICUBIC)
    return turned.crop((8, 8, picture.width - 8, picture.height - 8)).resize(picture.size, Image.Resampling.BICUBIC)


def without_random(change: Callable[[Image.Image], Image.Image]) -> Edit:
    """Make an edit of a change that is always the same."""
    return lambda picture, _rng: (None, change(picture))


def with_random(change: Callable[[Image.Image, random.Random], Image.Image]) -> Edit:
    """Make an edit of a change that is drawn anew each time."""
    return lambda picture, rng: (None, change(picture, rng))


def _blacker(picture: Image.Image) -> str:
    """Return the fill that stands out: white on a dark picture, black on a bright one."""
    return "white" if ImageStat.Stat(picture.convert("L")).mean[0] < 150 else "black"


EDITS: dict[str, dict[str, Edit]] = {
    "local edit": {
        "clone0.5": with_random(lambda p, r: clone(p, r, 0.005, 30)),
        "clone0.5-soft": with_random(lambda p, r: clone(p, r, 0.006, 15)),
        "clone3": with_random(lambda p, r: clone(p, r, 0.03, 30)),
        "hue": with_random(_hue),
        "white-on-white": _bright_text,
    },
    "text, stamp, watermark": {
        "caption": without_random(lambda p: written(p, "me at 3 am", (0.1, 0.82), 0.11, _blacker(p))),
        "date-stamp": without_random(lambda p: written(p, "'19  7 24", (0.7, 0.9), 0.05, (255, 140, 40))),
        "clock": _clock,
        "watermark": without_random(_watermark),
    },
    "tone": {
        "bright+3": without_random(lambda p: ImageEnhance.Brightness(p).enhance(1.03)),
        "bright-3": without_random(lambda p: ImageEnhance.Brightness(p).enhance(0.97)),
        "bright+10": without_random(lambda p: ImageEnhance.Brightness(p).enhance(1.1)),
        "contrast+8": without_random(lambda p: ImageEnhance.Contrast(p).enhance(1.08)),
        "saturation+12": without_random(lambda p: ImageEnhance.Color(p).enhance(1.12)),
        "white-balance": without_random(_balance),
        "grey": without_random(lambda p: p.convert("L").convert("RGB")),
        "sky": without_random(_sky),
    },
    "crop, border": {
        "crop3": without_random(lambda p: _cropped(p, 0.03)),
        "crop10": without_random(lambda p: _cropped(p, 0.10)),
        "border": without_random(_bordered),
        "squared": without_random(_squared),
    },
    "shift, small rotation": {
        "shift2": without_random(lambda p: _shift(p, 2, 0)),
        "shift2-2": without_random(lambda p: _shift(p, 2, 2)),
        "rotate0.5": without_random(lambda p: _rotated(p, 0.5)),
        "rotate1": without_random(lambda p: _rotated(p, 1.0)),
    },
    MIRRORED: {"mirror": without_random(ImageOps.mirror)},
    "burst, night": {
        "burst": with_random(_burst),
        "tripod": _tripod,
        "night": _night,
    },
}
