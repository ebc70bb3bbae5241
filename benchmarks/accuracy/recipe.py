"""The words of the benchmark: a source picture, a recipe that makes another file of it, a labelled pair."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Label(StrEnum):
    """What a pair is: a copy must be set aside, a not-copy never; of policy, both answers are right."""

    COPY = "copy"
    NOT_COPY = "not-copy"
    POLICY = "policy"


class How(StrEnum):
    """Who carries a recipe out."""

    COMMANDS = "commands"  # `job` is command lines, run one after the other
    PILLOW = "pillow"  # `job` is the name of a function in pillow_copies and its arguments
    OPENCV = "opencv"  # the same in opencv_copies
    SCRIPT = "script"  # `job` is one JSON object for the script of `program` (scripts.py)
    CHROMIUM = "chromium"  # `job` is MIME type, quality, smoothing
    CHAIN = "chain"  # `steps` follow each other


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a file. `case` is its name within family and program; `scale` or `longest` gives its size.

    `base` names what the pair's other picture is: the photo itself or something prepared from it (bases.py).
    `rounding` says how a program rounds the scaled dimensions: round, floor or ceil.
    """

    family: str
    case: str
    program: str
    how: How
    suffix: str
    job: tuple[str, ...] = ()
    scale: float = 1.0
    longest: int = 0
    rounding: str = "round"
    base: str = "photo"
    label: Label = Label.COPY
    steps: tuple[Recipe, ...] = ()

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the dimensions that a picture of this size gets."""
        scale = self.scale if not self.longest else min(1.0, self.longest / max(width, height))
        lengths = (width * scale, height * scale)
        if self.rounding == "floor":
            return max(1, int(lengths[0])), max(1, int(lengths[1]))
        if self.rounding == "ceil":
            return max(1, -int(-lengths[0] // 1)), max(1, -int(-lengths[1] // 1))
        return max(1, round(lengths[0])), max(1, round(lengths[1]))

    def programs(self) -> set[str]:
        """Name every program that must be there for this recipe."""
        if self.how is How.CHAIN:
            return set().union(*(step.programs() for step in self.steps))
        return {self.program}


@dataclass(frozen=True, slots=True)
class Source:
    """A picture file that recipes start from; `width` and `height` as stored, before any EXIF orientation."""

    path: Path
    width: int
    height: int
    name: str  # of the photo that it is or came from: a short word for file names

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two files and what they are to each other. `program` made the second; `source` is the photo or the corpus."""

    a: str
    b: str
    label: Label
    family: str
    case: str
    program: str
    source: str


class MakingError(Exception):
    """A program is there, but did not make the file: `str()` says what it said."""


_MAKING = 2  # raise it when files are made otherwise though their recipes read the same


def key(*parts: object) -> str:
    """Return eight letters that change when any part does: a cached file is never mistaken for another recipe's."""
    return hashlib.blake2s("\0".join(map(str, (_MAKING, *parts))).encode(), digest_size=4).hexdigest()
