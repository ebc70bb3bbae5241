"""One measured figure and its bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of some work, against what is asked for; `bar` None: nothing is, it is shown for comparison."""

    work: str
    what: str
    value: float
    unit: str = "x"
    bar: float | None = None
    rule: Literal["at most", "at least"] = "at most"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Tell whether the bar is reached; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.rule == "at most" else self.value >= self.bar

    def line(self) -> str:
        """Return the figure as one line for a terminal."""
        bar = "" if self.bar is None else f" ({self.rule} {self.bar:g}: {'met' if self.met else 'NOT MET'})"
        note = f" - {self.note}" if self.note else ""
        return f"{self.work}: {self.what} {number(self.value)} {self.unit}{bar}{note}"


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
