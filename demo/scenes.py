"""Draws landscapes that behave like photos: soft and sharp parts, grain, colour; each number is another picture."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps


def scene(number: int, width: int = 1600, height: int = 1200) -> Image.Image:
    """Return landscape `number` as RGB: sky, sun, ranges of hills, a lake, houses, and the grain of a sensor."""
    rng = np.random.default_rng(number)
    sky, ground = rng.uniform(60, 255, (2, 3)), rng.uniform(20, 200, (2, 3))
    ramp = np.linspace(0, 1, height)[:, None, None]
    picture = np.broadcast_to(sky[0] + (sky[1] - sky[0]) * ramp, (height, width, 3)).copy()
    picture += 40 * (_clouds(rng, width, height)[:, :, None] - 0.5)
    columns = np.arange(width)
    for hill in range(4):
        ridge = height * (0.35 + 0.15 * hill) + _ridge(rng, width) * height * 0.12
        below = np.arange(height)[:, None] > ridge[None, :]
        tone = ground[0] + (ground[1] - ground[0]) * hill / 3
        texture = 60 * (_clouds(rng, width, height) - 0.5)
        picture = np.where(below[:, :, None], tone + texture[:, :, None], picture)
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    x, y, r = int(rng.uniform(0.1, 0.9) * width), int(rng.uniform(0.05, 0.3) * height), int(rng.uniform(20, 90))
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 244, 200))
    for _ in range(int(rng.integers(5, 14))):
        left, top = int(rng.choice(columns)), int(rng.uniform(0.55, 0.9) * height)
        size = int(rng.uniform(0.02, 0.08) * width)
        colour = tuple(int(c) for c in rng.integers(30, 240, 3))
        draw.rectangle((left, top, left + size, top + size), fill=colour)
        draw.polygon([(left, top), (left + size, top), (left + size // 2, top - size // 2)], fill=(120, 40, 30))
    grain = rng.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def as_photo(image: Image.Image, moment: int, quality: int = 92) -> bytes:
    """Return a JPEG as a camera writes it: with its make, its time and a place."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Drawn", "Landscape 1"
    exif[0x0132] = f"2024:05:17 {moment // 3600 % 24:02d}:{moment // 60 % 60:02d}:{moment % 60:02d}"
    exif.get_ifd(0x8769)[0x9003] = exif[0x0132]
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 1.0 * (moment % 60)), 3: "E", 4: (8.0, 30.0, 0.0)})
    return jpeg(image, quality, exif=exif.tobytes())


def jpeg(image: Image.Image, quality: int, **options: object) -> bytes:
    """Return the picture as JPEG."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=quality, **options)
    return out.getvalue()


def copies(original: bytes) -> dict[str, tuple[str, bytes]]:
    """Return what sync clients and messengers make of a photo: kind -> (file name ending, bytes); all are copies."""
    image = Image.open(io.BytesIO(original))
    image.load()
    small = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    lossless = io.BytesIO()
    image.save(lossless, "PNG", compress_level=1)
    return {
        "the same bytes under another name": (" (1).jpg", original),
        "stripped of its metadata": ("_stripped.jpg", _stripped(original)),
        "recompressed": ("_q70.jpg", jpeg(image, 70)),
        "converted to WebP": (".webp", _webp(image)),
        "resized to half": ("_half.jpg", jpeg(small, 80)),
        "turned by a quarter": ("_turned.jpg", jpeg(image.transpose(Image.Transpose.ROTATE_90), 90)),
        "sent by a messenger": ("_wa.jpg", jpeg(_scaled(image, 0.8), 75, progressive=True)),
        "converted to PNG": (".png", lossless.getvalue()),
    }


def look_alikes(original: bytes) -> dict[str, tuple[str, bytes]]:
    """Return pictures that look like a photo and are none of its copies: kind -> (file name ending, bytes)."""
    image = Image.open(io.BytesIO(original))
    image.load()
    stamped, edited = image.copy(), image.copy()
    place = (image.width * 0.75, image.height * 0.92)
    ImageDraw.Draw(stamped).text(place, "17.05.2024", fill="orange", font_size=image.height // 24)
    edge = image.width // 12
    box = (image.width // 2, image.height // 2, image.width // 2 + edge, image.height // 2 + edge)
    edited.paste(edited.crop(box).filter(ImageFilter.GaussianBlur(9)).rotate(180), box)
    shifted = image.transform(image.size, Image.Transform.AFFINE, (1, 0, 3, 0, 1, 2), fillcolor=(90, 90, 90))
    rounded = math.ceil(image.width * 0.05)
    return {
        "brighter by a tenth": ("_bright.jpg", jpeg(ImageEnhance.Brightness(image).enhance(1.1), 90)),
        "with a date stamp": ("_stamp.jpg", jpeg(stamped, 90)),
        "retouched in one place": ("-edited.jpg", jpeg(edited, 90)),
        "the next of a burst": ("_BURST002.jpg", jpeg(shifted, 90)),
        "black and white": ("_bw.jpg", jpeg(ImageOps.grayscale(image), 90)),
        "cropped": ("_crop.jpg", jpeg(image.crop((rounded, rounded, image.width, image.height)), 90)),
        "with a border": ("_border.jpg", jpeg(ImageOps.expand(image, image.width // 40, "white"), 90)),
        "mirrored": ("_mirror.jpg", jpeg(ImageOps.mirror(image), 90)),
    }


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return out.getvalue()


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def _stripped(original: bytes) -> bytes:
    """Return a JPEG without its application segments; the scan data is untouched (ITU T.81, B.1.1.4)."""
    out, at = bytearray(original[:2]), 2
    while original[at] == 0xFF and original[at + 1] != 0xDA:
        size = 2 + int.from_bytes(original[at + 2 : at + 4], "big")
        if not 0xE1 <= original[at + 1] <= 0xEF:
            out += original[at : at + size]
        at += size
    return bytes(out + original[at:])


def _clouds(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Return noise of all sizes, shape (height, width), 0 to 1: what makes pictures differ in every part."""
    total = np.zeros((height, width))
    for octave in range(3, 9):
        grid = Image.fromarray(rng.random((2**octave, 2**octave)).astype(np.float32))
        total += np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC), float) / 2 ** (octave - 2)
    total -= np.min(total)
    total /= np.max(total)
    return total


def _ridge(rng: np.random.Generator, width: int) -> NDArray[np.float64]:
    """Return a line of hills, shape (width,), about -1 to 1."""
    x = np.linspace(0, 2 * math.pi, width)
    line = np.zeros(width)
    for k in range(1, 12):
        line += rng.normal() * np.sin(k * x + rng.uniform(0, 6)) / k
    return line / 1.5
