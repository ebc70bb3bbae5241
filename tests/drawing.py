"""Draws the pictures that tests speak of: photo-like scenes with grain, and look-alikes. Deterministic by seed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageFont

WORDS = ("see", "you", "at", "the", "station", "tomorrow", "bring", "tickets", "call", "mum", "eight", "late", "photo")

WIDE = (0.5151, 0.2412, -0.0011, 0.2919, 0.6922, 0.0419, 0.1571, 0.0666, 0.7841)
"""Display P3's red, green and blue in the ICC's connection space (X, Y, Z of each)."""


def scene(seed: int = 1, size: tuple[int, int] = (640, 480), grain: float = 5.0, frame: int = 0) -> Image.Image:
    """Draw a landscape-like RGB picture: sky, shapes with hard and soft edges, texture, sensor grain.

    Another `frame` is the next shot from a tripod: nothing but the grain is new.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    sky = np.stack([90 + 90 * down + 20 * across, 120 + 60 * down, 200 - 90 * down], axis=2)
    picture = Image.fromarray(sky.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for number in range(40):
        x, y = int(rng.integers(0, width)), int(rng.integers(height // 5, height))
        w, h = int(rng.integers(width // 30, width // 5)), int(rng.integers(height // 30, height // 5))
        colour = tuple(int(c) for c in rng.integers(10, 245, 3))
        if number % 3:
            pen.ellipse((x - w // 2, y - h // 2, x + w // 2, y + h // 2), fill=colour)
        else:
            pen.polygon([(x, y - h), (x + w, y + h // 2), (x - w // 2, y + h)], fill=colour)
    picture = picture.filter(ImageFilter.GaussianBlur(0.8))
    texture = np.asarray(Image.fromarray(rng.integers(0, 255, (height // 4, width // 4), dtype=np.uint8)).resize(size))
    sensor = np.random.default_rng([seed, frame]).normal(0, grain, (height, width, 3))
    noise = (texture[:, :, None].astype(float) - 127) * 0.12 * down[:, :, None] + sensor
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def chat(messages: list[str], clock: str = "21:40", size: tuple[int, int] = (540, 960)) -> Image.Image:
    """Draw a chat screenshot with a clock in its bar and a bubble for each message."""
    picture = Image.new("RGB", size, (236, 229, 221))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, size[0], 90), fill=(7, 94, 84))
    pen.text((20, 10), clock, font=ImageFont.load_default(18), fill="white")
    pen.text((80, 45), "Alex", font=ImageFont.load_default(26), fill="white")
    font = ImageFont.load_default(21)
    for number, message in enumerate(messages):
        left, top = (20, 110 + 56 * number) if number % 2 else (160, 110 + 56 * number)
        pen.rounded_rectangle((left, top, left + 350, top + 46), 12, fill="white" if number % 2 else (220, 248, 198))
        pen.text((left + 15, top + 9), message, font=font, fill="black")
    return picture


def messages(seed: int, count: int = 14) -> list[str]:
    """Make up chat messages."""
    rng = np.random.default_rng(seed)
    return [" ".join(WORDS[int(i)] for i in rng.integers(0, len(WORDS), 4)) for _ in range(count)]


def logo(seed: int, size: tuple[int, int] = (320, 320)) -> Image.Image:
    """Draw black shapes on a transparent ground: pictures that are equal once alpha is dropped."""
    rng = np.random.default_rng(seed)
    alpha = Image.new("L", size, 0)
    pen = ImageDraw.Draw(alpha)
    for _ in range(6):
        x, y, r = (int(v) for v in rng.integers(40, size[0] - 40, 3))
        pen.ellipse((x - r // 4, y - r // 4, x + r // 4, y + r // 4), fill=int(rng.integers(90, 256)))
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    picture.putalpha(alpha)
    return picture


def shifted(picture: Image.Image, by: int = 2) -> Image.Image:
    """Move the frame: the next picture of a burst."""
    return Image.fromarray(np.roll(np.asarray(picture), (by, by), (0, 1)))


def brightened(picture: Image.Image, factor: float = 1.03) -> Image.Image:
    """Multiply every channel."""
    return picture.point([min(255, round(v * factor)) for v in range(256)] * len(picture.getbands()))


def edited(picture: Image.Image, share: float = 0.005) -> Image.Image:
    """Copy a soft-edged patch that covers `share` of the area to another place."""
    side = int((picture.width * picture.height * share) ** 0.5)
    source, target = (picture.width // 8, picture.height // 2), (picture.width * 5 // 8, picture.height // 3)
    patch = picture.crop((*source, source[0] + side, source[1] + side))
    done = picture.copy()
    done.paste(patch, target, Image.new("L", (side, side), 255).filter(ImageFilter.GaussianBlur(1)))
    return done


def stamped(picture: Image.Image, words: str = "'19  7 24") -> Image.Image:
    """Write a date into the corner."""
    done = picture.copy()
    font = ImageFont.load_default(max(10, picture.height // 28))
    ImageDraw.Draw(done).text((picture.width * 0.75, picture.height * 0.93), words, font=font, fill=(255, 170, 60))
    return done


def cropped(picture: Image.Image, share: float = 0.03) -> Image.Image:
    """Cut `share` of the width and height off the right and the bottom."""
    return picture.crop((0, 0, int(picture.width * (1 - share)), int(picture.height * (1 - share))))


def wide_profile() -> bytes:
    """Build Display P3 from the sRGB profile: other primaries, the same curve."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for place, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ")):
        entry = raw.index(tag, 128)
        at = int.from_bytes(raw[entry + 4 : entry + 8], "big") + 8
        for axis in range(3):
            number = round(WIDE[3 * place + axis] * 65536)
            raw[at + 4 * axis : at + 4 * axis + 4] = number.to_bytes(4, "big", signed=True)
    return bytes(raw).replace(b"s\0R\0G\0B", b"w\0i\0d\0e")


def stored(picture: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    """Return the picture as a file's bytes."""
    into = io.BytesIO()
    picture.save(into, format_, **options)
    return into.getvalue()


@contextmanager
def descriptor(data: bytes) -> Iterator[int]:
    """Give the bytes as an open descriptor without a name."""
    fd = os.memfd_create("picture")
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(data)
        yield fd
    finally:
        os.close(fd)
