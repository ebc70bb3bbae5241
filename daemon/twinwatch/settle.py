"""Wait until a file has stopped changing. Pure: the clock is an argument, nothing waits here.

A file is settled when its stat data (size, mtime, ctime, inode) has stood still for the quiet time. Only equality is
asked, never age, so a modification time in the future holds nothing up. The end of a write is only a hint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from twinwatch.photo import FileStat

Hint = Literal["changed", "closed", "polled"]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Settling:
    """How long a file must stand still before it is read; all in seconds."""

    quiet_seconds: float = 5.0  # nothing but events seen
    closed_seconds: float = 1.0  # its writer closed it, or it was renamed into place
    polling_seconds: float = 10.0  # on a root that is polled (network and FUSE mounts)
    retry_seconds: float = 30.0  # first retry of a truncated file; doubles each time
    retries: int = 6  # then it is `undecodable`

    def wait(self, hint: Hint) -> float:
        """Return the quiet time in seconds that `hint` asks for."""
        return {"changed": self.quiet_seconds, "closed": self.closed_seconds, "polled": self.polling_seconds}[hint]


@dataclass(slots=True)
class _Waiting:
    stat: FileStat | None
    due: float
    wait: float
    tries: int = 0


class Settler(Generic[Key]):
    """The files that have not stood still long enough; `Key` says which file."""

    def __init__(self, settling: Settling) -> None:
        self.settling = settling
        self._waiting: dict[Key, _Waiting] = {}

    def __len__(self) -> int:
        """Count the files that may still be changing, without those that wait for a retry."""
        return sum(1 for waiting in self._waiting.values() if not waiting.tries)

    @property
    def retrying(self) -> int:
        """Count the truncated files that are tried again later."""
        return sum(1 for waiting in self._waiting.values() if waiting.tries)

    def saw(self, key: Key, stat: FileStat, now: float, hint: Hint) -> None:
        """Note that `key` may have changed; `now` is a monotonic clock in seconds."""
        wait = self.settling.wait(hint)
        tries = self._waiting[key].tries if key in self._waiting else 0
        self._waiting[key] = _Waiting(stat, now + wait, wait, tries)

    def forget(self, key: Key) -> None:
        """Stop waiting for a file that is gone."""
        self._waiting.pop(key, None)

    def due(self, now: float) -> list[Key]:
        """Return the files whose quiet time has ended, longest waiting first; each must now be given to `look`."""
        ready = [
            (waiting.due, number, key)
            for number, (key, waiting) in enumerate(self._waiting.items())
            if waiting.due <= now
        ]
        return [key for _, _, key in sorted(ready, key=lambda entry: entry[:2])]

    def next_due(self) -> float | None:
        """Return the time of the next quiet time's end, or None when nothing waits."""
        return min((waiting.due for waiting in self._waiting.values()), default=None)

    def look(self, key: Key, stat: FileStat, now: float) -> bool:
        """Tell whether `key` has settled, its stat data being `stat` now; if not, its quiet time starts again."""
        waiting = self._waiting[key]
        if waiting.stat == stat:
            del self._waiting[key]
            return True
        waiting.stat, waiting.due = stat, now + waiting.wait
        return False

    def retry(self, key: Key, stat: FileStat, now: float, tries: int) -> bool:
        """Wait again for a truncated file, twice as long each time; return False once the retries are used up.

        `tries` is how many times this very content was tried before.
        """
        if tries >= self.settling.retries:
            return False
        wait = self.settling.retry_seconds * 2**tries
        self._waiting[key] = _Waiting(stat, now + wait, self.settling.quiet_seconds, tries + 1)
        return True
