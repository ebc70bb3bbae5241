"""May this move happen now? Pure: stops moving when too much would be moved at once, and asks.

A sync client that goes wrong, a wrong folder or a mistake of ours shows itself by mass. Beyond the limits nothing is
moved until a person says `twinwatch resume`.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def hold_back(recent: Sequence[float], recent_of_root: int, photos_of_root: int, now: float, limits: Limits) -> str:
    """Say why the next move must wait for a person, or return nothing when it may happen.

    `recent` are the times of all moves since the last `resume`, `now` the time on the same clock, both in seconds;
    `recent_of_root` counts this root's moves within the window.
    """
    window = limits.window_minutes * 60
    count = sum(1 for at in recent if now - at <= window)  # also what a clock set back puts into the future
    if count >= limits.max_moves:
        return f"{count} moves within {limits.window_minutes:g} minutes (brake.max_moves)"
    before = photos_of_root + recent_of_root
    if recent_of_root >= limits.share_from and recent_of_root + 1 > limits.max_share * before:
        share = f"{recent_of_root} of {before} photos of this root within {limits.window_minutes:g} minutes"
        return f"{share} (brake.max_share)"
    return ""


def missing_too_many(missing: int, known: int, limits: Limits) -> bool:
    """Tell whether so many known photos are gone that the root is unknown rather than tidied up.

    A handful may always be deleted: small roots would stop at every spring clean.
    """
    return missing >= 20 and missing > limits.max_missing_share * known
