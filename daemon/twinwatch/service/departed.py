"""Names that went, until it is known whether they were only renamed: a rename is a name that goes and one that comes.

What is forgotten at once would come back as a stranger, and what was there before would become an arrival.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from twinwatch.photo import RootId

GONE_SECONDS = 1.0
"""How long the other half of a rename may take to be heard of: the kernel tells both in one breath."""

Key = tuple[RootId, PurePosixPath]


class Departed:
    """The places where something known was, in the order in which they went."""

    def __init__(self) -> None:
        self._went: dict[Key, float] = {}

    def __len__(self) -> int:
        """Count the places that are not done with."""
        return len(self._went)

    def saw(self, key: Key, now: float) -> None:
        """Note that a name went at `now` (monotonic seconds)."""
        self._went[key] = now

    def next_due(self) -> float | None:
        """Return when the first is to be asked for, or None when there is none."""
        return min(self._went.values()) + GONE_SECONDS if self._went else None

    def done(self, now: float, look: Callable[[Key], bool]) -> None:
        """Ask `look` about each that went long enough ago; those it is done with are dropped, others asked again."""
        for key in [key for key, went in self._went.items() if went + GONE_SECONDS <= now]:
            if look(key):
                del self._went[key]
            else:
                self._went[key] = now
