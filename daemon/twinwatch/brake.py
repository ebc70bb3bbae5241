"""May this move happen now? Pure: stops moving when too much would be moved at once, and asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as too much; over any of them twinwatch pauses moving until `twinwatch resume`."""

    max_moves: int = 500  # moves in one window, all roots together
    window_minutes: float = 60.0
    max_share: float = 0.3  # of one root's photos in one window ...
    share_from: int = 50  # ... looked at only beyond this many moves
    max_missing_share: float = 0.3  # of one root's photos gone since it was last level: the root stops
    max_returns: int = 3  # times a held content may come back before it is left alone
