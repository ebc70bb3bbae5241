"""What to do with a pair, given its proof: the keep rules and the decision. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twinwatch.photo import COPY_VERDICTS, Verdict

KeepRule = Literal["original", "pixels", "metadata", "format", "age", "name"]
Handling = Literal["hold", "review"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the person wants moved, and which of two copies they want to keep."""

    set_aside: frozenset[Verdict] = COPY_VERDICTS  # verdicts whose duplicate is moved
    rotated: Handling = "hold"
    mirrored: Handling = "review"
    keep: tuple[KeepRule, ...] = ("original", "pixels", "metadata", "format", "age", "name")  # first that tells wins
