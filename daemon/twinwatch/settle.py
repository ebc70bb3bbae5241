"""Wait until a file has stopped changing. Pure: the clock is an argument, nothing waits here.

A file is settled when its stat data (size, mtime, ctime, inode) has stood still for the quiet time. Only equality is
asked, never age, so a modification time in the future holds nothing up. The end of a write is only a hint.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from twinwatch.photo import FileStat

Hint = Literal["changed", "closed", "polled"]
Key = TypeVar("Key")
_SLACK = 1000  # entries of no account that are not worth clearing away


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
    stat: FileStat
    due: float
    wait: float
    tries: int
    number: int = 0  # of its entry in the order of due times; an older entry is of no account


class Settler(Generic[Key]):
    """The files that have not stood still long enough; `Key` says which file.

    However many wait, a question costs about as much as it has answers: a burst of ten thousand is looked at often.
    """

    def __init__(self, settling: Settling) -> None:
        self.settling = settling
        self._waiting: dict[Key, _Waiting] = {}
        self._order: list[tuple[float, int, Key]] = []  # a heap
        self._numbers = itertools.count(1)
        self._retrying = 0
        self._files: Counter[tuple[int, int, int]] = Counter()

    def __len__(self) -> int:
        """Count the files that may still be changing, without those that wait for a retry."""
        return len(self._waiting) - self._retrying

    @property
    def retrying(self) -> int:
        """Count the truncated files that are tried again later."""
        return self._retrying

    def awaits(self, stat: FileStat) -> bool:
        """Tell whether a file with this inode, size and modification time waits, under whatever name."""
        return _file(stat) in self._files

    def saw(self, key: Key, stat: FileStat, now: float, hint: Hint) -> None:
        """Note that `key` may have changed; `now` is a monotonic clock in seconds."""
        wait = self.settling.wait(hint)
        tries = self._waiting[key].tries if key in self._waiting else 0
        self._put(key, _Waiting(stat, now + wait, wait, tries))

    def forget(self, key: Key) -> None:
        """Stop waiting for a file that is gone."""
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return
        self._retrying -= waiting.tries > 0
        self._files[_file(waiting.stat)] -= 1
        if not self._files[_file(waiting.stat)]:
            del self._files[_file(waiting.stat)]

    def due(self, now: float) -> list[Key]:
        """Return the files whose quiet time has ended, longest waiting first; each must now be given to `look`."""
        ready = []
        while self._order and self._order[0][0] <= now:
            entry = heapq.heappop(self._order)
            if self._counts(entry):
                ready.append(entry)
        for entry in ready:
            heapq.heappush(self._order, entry)  # it waits until `look` has an answer
        return [key for _, _, key in ready]

    def next_due(self) -> float | None:
        """Return the time of the next quiet time's end, or None when nothing waits."""
        while self._order and not self._counts(self._order[0]):
            heapq.heappop(self._order)
        return self._order[0][0] if self._order else None

    def look(self, key: Key, stat: FileStat, now: float) -> bool:
        """Tell whether `key` has settled, its stat data being `stat` now; if not, its quiet time starts again."""
        waiting = self._waiting[key]
        if waiting.stat == stat:
            self.forget(key)
            return True
        self._put(key, _Waiting(stat, now + waiting.wait, waiting.wait, waiting.tries))
        return False

    def retry(self, key: Key, stat: FileStat, now: float, tries: int) -> bool:
        """Wait again for a truncated file, twice as long each time; return False once the retries are used up.

        `tries` is how many times this very content was tried before.
        """
        if tries >= self.settling.retries:
            return False
        wait = self.settling.retry_seconds * 2**tries
        self._put(key, _Waiting(stat, now + wait, self.settling.quiet_seconds, tries + 1))
        return True

    def _put(self, key: Key, waiting: _Waiting) -> None:
        self.forget(key)
        waiting.number = next(self._numbers)
        self._waiting[key] = waiting
        self._files[_file(waiting.stat)] += 1
        self._retrying += waiting.tries > 0
        heapq.heappush(self._order, (waiting.due, waiting.number, key))
        if len(self._order) > 2 * len(self._waiting) + _SLACK:  # a file that is written for hours leaves many behind
            self._order = [entry for entry in self._order if self._counts(entry)]
            heapq.heapify(self._order)

    def _counts(self, entry: tuple[float, int, Key]) -> bool:
        waiting = self._waiting.get(entry[2])
        return waiting is not None and waiting.number == entry[1]


def _file(stat: FileStat) -> tuple[int, int, int]:
    """Return by what a file is known again under another name."""
    return stat.inode, stat.size, stat.mtime_ns
