"""What a worker saw last, known again by its bytes: drafts of what it read, sketches of what it compared.

A newcomer is read, and compared right afterwards; of a burst each frame is compared with the same few. So most
look-alikes are told apart by what was decoded for their fingerprints, and nothing is decoded again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np
from PIL import Image

from twinwatch.imaging import Draft, draft, draft_of
from twinwatch.imaging.jpeg import Layout
from twinwatch.photo import ContentDigest, Header, PerceptualHash
from twinwatch.proof.sketch import COARSE_WEIGHT, FINE, SIDE, Coarse, Levels, Sketch, coarse, shrunk, sketch

_READ, _READ_BYTES = 48, 34 << 20  # drafts of what was read last, as if they were compared: they take a third
_COMPARED, _COMPARED_BYTES = 64, 40 << 20  # drafts of what was compared last
_SKETCHES, _SKETCH_BYTES = 48, 32 << 20  # sketches of what was compared last
_MOST_DRAFTED = 1 << 20  # pixels: what no decoder and no average shrank is not worth its memory


class _Weighs(Protocol):
    @property
    def weight(self) -> int:
        """The bytes of memory that it takes."""


_Kept = TypeVar("_Kept", bound=_Weighs)


@dataclass(frozen=True, eq=False)
class Drafted:
    """A draft as one side of a comparison; the coarse picture that was asked for last is kept."""

    draft: Draft
    _coarse: dict[tuple[tuple[int, int], int], Coarse] = field(default_factory=dict)

    @property
    def header(self) -> Header:
        """What the file says of itself."""
        return self.draft.header

    @property
    def where(self) -> Layout | None:
        """The layout of a JPEG."""
        return self.draft.where

    @property
    def longer(self) -> float:
        """Return its long side, in pixels that it has here."""
        return max(self.draft.extent)

    @cached_property
    def outline(self) -> Levels:
        """Luma of the upright picture at 64x64."""
        return self._small((SIDE, SIDE), Image.Resampling.BILINEAR, 1)

    @property
    def hashes(self) -> tuple[PerceptualHash, ...]:
        """The perceptual hashes in the eight orientations."""
        return self.draft.fingerprint.hashes

    @property
    def is_fine(self) -> bool:
        """Tell whether it was stored so well, as far as is known, that all of its grain must be there."""
        return self.draft.coarseness is not None and self.draft.coarseness <= FINE

    def coarse(self, size: tuple[int, int], turn: int) -> Coarse:
        """Return the upright picture, turned by the EXIF orientation `turn`, at this size."""
        if (size, turn) not in self._coarse:
            self._coarse.clear()
            self._coarse[size, turn] = coarse(self._small(size, Image.Resampling.HAMMING, turn))
        return self._coarse[size, turn]

    @property
    def weight(self) -> int:
        """The bytes of memory that it takes at most."""
        return self.draft.luma.width * self.draft.luma.height + COARSE_WEIGHT

    def _small(self, size: tuple[int, int], how: Image.Resampling, turn: int) -> Levels:
        draft = self.draft
        return np.asarray(shrunk(draft.luma, draft.extent, draft.header.orientation, size, how, turn))


class Seen:
    """Remembers drafts and sketches by the content digest of their files."""

    def __init__(self) -> None:
        self._read = _Last[Drafted](_READ, _READ_BYTES)
        self._compared = _Last[Drafted](_COMPARED, _COMPARED_BYTES)
        self._sketches = _Last[Sketch](_SKETCHES, _SKETCH_BYTES)

    def note(self, digest: ContentDigest, draft: Draft) -> None:
        """Remember how a photo looked when it was read; not what hides its colours where it is see-through."""
        if not draft.header.alpha and draft.luma.width * draft.luma.height <= _MOST_DRAFTED:
            self._read.add(digest, Drafted(draft))

    def sketch(self, digest: ContentDigest, data: bytes) -> Sketch:
        """Return the sketch of the file with this digest; raise UnreadableError when it cannot be decoded."""
        found = self._sketches.get(digest)
        if found is None:
            found = sketch(data)
            if found.picture is None:  # else it would be large, and what a proof does with it is not for the next
                self._sketches.add(digest, found)
        return found

    def look(self, digest: ContentDigest) -> Drafted | None:
        """Return how a file looked when it was read or compared lately; None where that is not known."""
        if (drafted := self._read.pop(digest)) is not None:
            self._compared.add(digest, drafted)  # a burst is compared with it for longer than it is read
        return self._compared.get(digest)

    def draft(self, digest: ContentDigest, data: bytes, known: Sketch | None = None) -> Drafted | None:
        """Look at a file as its reading does; None where luma does not tell it. Raises UnreadableError.

        `known` is its sketch, where there is one already: with a full decode in it nothing is decoded again, but for a
        RAW's preview, which a reading decodes as the JPEG that it is.
        """
        if known is not None and known.header.alpha:
            return None
        whole = known.picture if known is not None and known.header.format != "RAW" else None
        self.note(digest, draft_of(whole.image, whole.header, data) if whole else draft(data))
        return self.look(digest)


class _Last(Generic[_Kept]):
    """The things that were used last: so many and so heavy at most."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()  # the one used last at the end
        self._weight = 0  # of all of them

    def get(self, key: bytes) -> _Kept | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def pop(self, key: bytes) -> _Kept | None:
        found = self._kept.pop(key, None)
        self._weight -= 0 if found is None else found.weight
        return found

    def add(self, key: bytes, thing: _Kept) -> None:
        self.pop(key)
        self._kept[key] = thing
        self._weight += thing.weight
        while len(self._kept) > self._most or self._weight > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._weight -= oldest.weight
