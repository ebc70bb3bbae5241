"""How long a fault test may go on, and where it works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Profile:
    """One run of the fault tests."""

    folder: Path  # for everything that is made; in memory where there is room
    seed: int
    quick: bool
    share: float = 1.0  # of the full number of faults

    def times(self, full: int, *, quick: int) -> int:
        """Return how often to make a fault."""
        return quick if self.quick else max(quick, round(full * self.share))
