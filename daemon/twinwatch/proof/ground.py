"""What a re-creation starts from: a picture turned and coloured as the other one is, made ready part by part.

It may have been stored as another JPEG first: web sites scale what they have stored, not what they were given.

A look takes a few windows of it, so nothing is turned or converted that nobody looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from twinwatch.imaging.fingerprint import oriented
from twinwatch.proof.finishing import Generation
from twinwatch.proof.scaling import Box

_BLOCK = 16  # pixels along a JPEG's blocks with halved chroma; chroma is smoothed with the pixel beside them


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """RGB pixels as stored, the EXIF orientation that turns them, and what converts their colours after that.

    With `before`, what that JPEG leaves of the pixels as they are stored.
    """

    stored: Image.Image
    turn: int = 1
    coloured: Callable[[Image.Image], Image.Image] | None = None
    before: Generation | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after turning."""
        width, height = self.stored.size
        return (width, height) if self.turn < 5 else (height, width)

    def part(self, box: Box) -> Image.Image:
        """Return a part, given in pixels of the turned picture."""
        whole = box == (0, 0, *self.size)
        image = self.stored if whole and self.before is None else self._cut_out(self._as_stored(box))
        image = oriented(image, self.turn)
        return image if self.coloured is None else self.coloured(image)

    def _cut_out(self, box: Box) -> Image.Image:
        if self.before is None:
            return self.stored.crop(box)
        left, top = (max(0, (place - 1) // _BLOCK * _BLOCK) for place in box[:2])
        right, bottom = (
            min(-(-(p + 1) // _BLOCK) * _BLOCK, most) for p, most in zip(box[2:], self.stored.size, strict=True)
        )
        part = self.before.applied(self.stored.crop((left, top, right, bottom)))
        return part.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))

    def _as_stored(self, box: Box) -> Box:
        """Return where a box of the turned picture lies in the stored one."""
        width, height = self.size
        across, down = (box[0], box[2]), (box[1], box[3])
        if self.turn in (2, 3, 6, 7):
            across = (width - box[2], width - box[0])
        if self.turn in (3, 4, 7, 8):
            down = (height - box[3], height - box[1])
        if self.turn >= 5:
            across, down = down, across
        return (across[0], down[0], across[1], down[1])
