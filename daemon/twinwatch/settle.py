"""Wait until a file has stopped changing. Pure: the clock is an argument, nothing waits here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settling:
    """How long a file must stand still before it is read; all in seconds."""

    quiet_seconds: float = 5.0  # nothing but events seen
    closed_seconds: float = 1.0  # its writer closed it, or it was renamed into place
    polling_seconds: float = 10.0  # on a root that is polled (network and FUSE mounts)
    retry_seconds: float = 30.0  # first retry of a truncated file; doubles each time
    retries: int = 6  # then it is `undecodable`
