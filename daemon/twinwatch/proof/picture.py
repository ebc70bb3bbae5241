"""One side of a proof: the decoded picture, what its codec tells of how it was made, and the ways to show it.

All pixels of one side live here once, as Pillow images of 8-bit RGB in the stored orientation; nothing is cached twice.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageCms

from twinwatch.imaging.fingerprint import luma, oriented
from twinwatch.imaging.header import header, is_lossless, profile_of
from twinwatch.imaging.source import UnreadableError, named_errors, opened
from twinwatch.photo import Header, Trouble

MAX_PROVEN_PIXELS = 64_000_000
"""Largest frame that is proved: two of them with their re-creation must fit the worker's memory."""

INVERSE = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The EXIF orientation that undoes the key."""

_PLACE = 8  # pixels to each side, whose mean colour is looked at
_FAINT = 8  # levels of Cb or Cr: scans of grey photos have up to 5
_STRIP = 256  # rows compared at a time
_PROBE = Image.frombytes("L", (3, 2), bytes(range(6)))  # every orientation shows it otherwise


@lru_cache
def composed(*orientations: int) -> int:
    """Return the one EXIF orientation that does what these do, one after the other."""
    image = _PROBE
    for orientation in orientations:
        image = oriented(image, orientation)
    return next(k for k in INVERSE if oriented(_PROBE, k).size == image.size and same(oriented(_PROBE, k), image))


@dataclass(frozen=True, slots=True)
class JpegTables:
    """How a JPEG was quantised: one table of 64 steps (natural order) for each component, and Pillow's subsampling 0-2.

    `subsampling` is None where Pillow cannot write the same: 4:4:0, 4:1:1 and odd ones.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int | None

    @property
    def coarseness(self) -> float:
        """Return the mean luma step: about 1 at quality 99, 10 at 90, 58 at 50."""
        return sum(self.tables[0]) / 64


@dataclass(slots=True)
class Picture:
    """A picture. `data` are the file's bytes, `image` the first frame in stored orientation, maybe not decoded yet.

    `formerly` are the tables of the JPEG that a lossless picture was before (`formerly.formerly`), where one asked.
    """

    data: bytes
    header: Header
    image: Image.Image
    tables: JpegTables | None
    profile: bytes | None
    formerly: JpegTables | None = None

    @property
    def steps(self) -> JpegTables | None:
        """Return how its pixels were rounded last: by its file's own tables, or by those of the JPEG that it was."""
        return self.tables or self.formerly

    @property
    def palette(self) -> Image.Image | None:
        """Return the first frame's palette as a mode P image, or None when the file has none."""
        return self.image if self.image.mode == "P" else None

    @property
    def lossless(self) -> bool:
        """Tell whether the container keeps pixels as they were handed to it (a palette may still have cost colours)."""
        return is_lossless(self.header.format, self.data)

    @property
    def known_storage(self) -> bool:
        """Tell whether the file says what storing cost: nothing, or what its JPEG tables round away."""
        return self.tables is not None or (self.lossless and self.palette is None)

    @property
    def deep(self) -> bool:
        """Tell whether the file holds more bits than Pillow hands out, so that equal pixels here prove less."""
        return self.header.bits > 8 and not self.image.mode.startswith(("I", "F"))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, stored orientation."""
        return self.image.size

    def see_through(self) -> bool:
        """Tell whether any pixel is not opaque."""
        if not self.header.alpha:
            return False
        low, _ = self.image.convert("RGBA").getchannel("A").getextrema()
        return isinstance(low, int | float) and low < 255

    @property
    def grey(self) -> bool:
        """Tell whether the file has no place for colours."""
        return self.image.mode in ("1", "L", "LA") or self.image.mode.startswith(("I", "F"))

    def coloured(self) -> bool:
        """Tell whether any place has a colour that grey would lose; not what a scanner or a codec adds to grey."""
        if self.grey:
            return False
        chroma = np.asarray(self.rgb(255).reduce(_PLACE).convert("YCbCr"))[:, :, 1:].astype(np.int16)
        return bool(np.abs(chroma - 128).max() > _FAINT)

    def shrunk(self, part: int) -> Image.Image:
        """Decode a JPEG again at 1/2, 1/4 or 1/8 of its size, as its decoder does it in the cosine domain."""
        with named_errors(self.data):
            image = opened(self.data)
            image.draft(image.mode, (image.width // part, image.height // part))
            image.load()
        return image

    def rgb(self, background: int | None = None) -> Image.Image:
        """Return the picture as 8-bit RGB, stored orientation, on a grey `background` (0-255) where see-through."""
        image = self.image
        if image.mode.startswith(("I", "F")):
            return luma(image).convert("RGB")
        if background is None or not self.header.alpha:
            return as_rgb(image)
        front = image.convert("RGBA")
        back = Image.new("RGBA", front.size, (background, background, background, 255))
        return Image.alpha_composite(back, front).convert("RGB")


def as_rgb(image: Image.Image) -> Image.Image:
    """Return an image as 8-bit RGB: itself where it is that already, as converting would copy it."""
    return image if image.mode == "RGB" else image.convert("RGB")


def decode(data: bytes) -> Picture:
    """Decode the first frame in full; raise UnreadableError when that fails in any way."""
    with named_errors(data):
        image = opened(data)
        return loaded(image, header(image, data), data)


def loaded(image: Image.Image, found: Header, data: bytes) -> Picture:
    """Decode an opened picture in full; call within `named_errors`. Raises UnreadableError when it is too large."""
    picture = unloaded(image, found, data)
    image.load()
    return picture


def unloaded(image: Image.Image, found: Header, data: bytes) -> Picture:
    """Return an opened picture that is decoded when its pixels are first asked for: `named_errors` around that, too."""
    if image.width * image.height > MAX_PROVEN_PIXELS:
        raise UnreadableError(Trouble.TOO_LARGE, f"{image.width}x{image.height} pixels are too many to prove")
    return Picture(data, found, image, tables_of(image), profile_of(image))


def same(a: Image.Image, b: Image.Image) -> bool:
    """Tell whether two 8-bit images of one mode have equal size and pixels; stops at the first strip that differs."""
    if a.size != b.size:
        return False
    width, height = a.size
    for top in range(0, height, _STRIP):
        box = (0, top, width, min(top + _STRIP, height))
        if ImageChops.difference(a.crop(box), b.crop(box)).getbbox(alpha_only=False) is not None:
            return False
    return True


def same_pixels(a: Picture, b: Picture) -> bool:
    """Tell whether both show the same pixels: mode, depth, alpha and profile included, container and metadata not."""
    if a.profile != b.profile or a.header.upright != b.header.upright:
        return False
    modes = {a.image.mode, b.image.mode}
    turn = composed(b.header.orientation, INVERSE[a.header.orientation])
    if any(mode.startswith(("I", "F")) for mode in modes):
        return len(modes) == 1 and np.array_equal(np.asarray(a.image), np.asarray(oriented(b.image, turn)))
    if len(modes) > 1 and "CMYK" in modes:
        return False
    mode = modes.pop() if len(modes) == 1 and modes <= {"L", "RGB", "RGBA", "CMYK"} else "RGBA"
    if mode in ("L", "RGB") and (a.header.alpha or b.header.alpha):
        mode = "RGBA"  # one colour may be declared see-through
    one, other = (p.image if p.image.mode == mode else p.image.convert(mode) for p in (a, b))
    return same(one, oriented(other, turn))


def rescaled(a: Picture, b: Picture) -> bool:
    """Tell whether two pictures, shown upright, are of other sizes, whichever way they are turned."""
    return a.header.upright != b.header.upright and a.header.upright != b.header.upright[::-1]


def keeps_all(source: Picture, target: Picture) -> bool:
    """Tell whether the target's format would have kept every pixel of the source: what is not equal was never made."""
    return (
        target.lossless
        and target.palette is None
        and target.formerly is None
        and source.profile == target.profile
        and not rescaled(source, target)
        and not source.header.alpha
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of an animation; two are equal when they show the same pixels for as long."""

    size: tuple[int, int]
    pixels: bytes  # RGBA
    shown: float  # milliseconds, 0 where the file does not say, -1 for a picture beside the animation


def frames(data: bytes) -> list[Frame]:
    """Decode every frame; raise UnreadableError. The caller has seen that they fit."""
    with named_errors(data):
        image = opened(data)
        found = []
        for number in range(int(getattr(image, "n_frames", 1))):
            image.seek(number)
            pixels = image.convert("RGBA").tobytes()  # loads it: only then some formats know how long it is shown
            # An APNG may have a picture for viewers that cannot animate, which is not one of the animation.
            still = number == 0 and getattr(image, "default_image", False)
            found.append(Frame(image.size, pixels, -1.0 if still else float(image.info.get("duration") or 0)))
        return found


def with_profile(image: Image.Image, source: bytes | None, target: bytes | None) -> Image.Image:
    """Convert RGB pixels from one ICC profile to another (None is sRGB); unreadable profiles leave them as they are."""
    if source == target:
        return image
    try:
        of = [
            ImageCms.ImageCmsProfile(io.BytesIO(raw) if raw else ImageCms.createProfile("sRGB"))
            for raw in (source, target)
        ]
        converted = ImageCms.profileToProfile(image, of[0], of[1], outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if converted is None else converted


def tables_of(image: Image.Image) -> JpegTables | None:
    """Return the quantisation of an opened JPEG; ask before it is loaded, as Pillow forgets the layers afterwards."""
    layers, steps = getattr(image, "layer", None), getattr(image, "quantization", None)
    if not layers or not steps or image.mode not in ("L", "RGB"):
        return None
    try:
        by_component = tuple(tuple(int(q) for q in steps[layer[3]]) for layer in layers)
    except (LookupError, TypeError):
        return None
    # Factors that all components share say only how blocks are grouped: ffmpeg writes 4:4:4 as 1x2, 1x2, 1x2.
    across, down = (math.gcd(*(int(layer[axis]) for layer in layers)) or 1 for axis in (1, 2))
    sampling = tuple((int(layer[1]) // across, int(layer[2]) // down) for layer in layers)
    known: dict[tuple[tuple[int, int], ...], int] = {
        ((1, 1), (1, 1), (1, 1)): 0,
        ((2, 1), (1, 1), (1, 1)): 1,
        ((2, 2), (1, 1), (1, 1)): 2,
    }
    subsampling = 0 if len(sampling) == 1 else known.get(sampling)
    return JpegTables(by_component, subsampling)
