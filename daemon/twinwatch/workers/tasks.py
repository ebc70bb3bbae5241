"""What waits for a worker, and which of it a lane takes next.

Arrivals go before bulk work, and within one priority first come, first served, but for affinity: a child remembers how
the pictures looked that it read or compared last (`proof.seen`), so a proof had better go to the child that knows its
two.
No lane waits for that, and no task is overtaken more than a few times.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from concurrent.futures import Future

Priority = Literal["arrival", "bulk"]
"""Arrivals go before bulk work (first scan, reconcile); within one priority first come, first served."""

ARRIVAL, BULK = 0, 1
RANK: dict[Priority, int] = {"arrival": ARRIVAL, "bulk": BULK}

Picture = tuple[int, int, int, int]
"""What tells a file from another as long as it waits: device, inode, size in bytes, modification time in nanoseconds.
Only a hint: the child knows a picture again by its bytes."""

_READ, _COMPARED = 40, 50  # pictures of a lane: fewer than a child remembers of a phone's photos, 48 and 56
_MOST_OVERTAKING = 6  # as many as are on their way at once with two workers (`service.assembly`)


@dataclass(slots=True, eq=False)
class Task:
    """A job that waits. `pictures` are those that its child will remember; empty where it remembers none."""

    rank: int
    job: str
    descriptors: tuple[int, ...]  # ours: closed by `drop`
    seconds: float
    build: Callable[[Any], Any]
    future: Future[Any]
    words: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    overtaken: int = 0

    def drop(self) -> None:
        """Close its descriptors."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()


class Memory:
    """The pictures that a lane's child read and compared last, as far as the lane can tell."""

    def __init__(self) -> None:
        # The ones used last at the end.
        self._read: OrderedDict[Picture, None] = OrderedDict()
        self._compared: OrderedDict[Picture, None] = OrderedDict()

    def add(self, task: Task) -> None:
        """Note what its child works on now."""
        last, most = (self._read, _READ) if task.job == "read" else (self._compared, _COMPARED)
        for picture in task.pictures:
            last.pop(picture, None)
            last[picture] = None
        while len(last) > most:
            last.popitem(last=False)

    def clear(self) -> None:
        """Forget all: its child is a new one."""
        self._read.clear()
        self._compared.clear()

    def unknown(self, task: Task) -> int:
        """Count the pictures of a task that its child would have to look at."""
        return sum(picture not in self._compared and picture not in self._read for picture in task.pictures)


def advantage(task: Task, own: Memory, others: Iterable[Memory]) -> int:
    """Return how many looks at a picture are spared if a lane does this task and not the best of the others."""
    if not task.pictures:
        return 0
    mine = own.unknown(task)
    return min((other.unknown(task) for other in others), default=mine) - mine


class Queue:
    """The tasks that wait; not thread-safe."""

    def __init__(self) -> None:
        self._by_rank: tuple[list[Task], list[Task]] = ([], [])

    def __len__(self) -> int:
        return sum(map(len, self._by_rank))

    def __iter__(self) -> Iterator[Task]:
        for waiting in self._by_rank:
            yield from waiting

    @property
    def rank(self) -> int | None:
        """The rank of what is taken next, or None when nothing waits."""
        return next((rank for rank, waiting in enumerate(self._by_rank) if waiting), None)

    def add(self, task: Task) -> None:
        """Put a task behind those of its rank."""
        self._by_rank[task.rank].append(task)

    def take(self, worth: Callable[[Task], int]) -> Task:
        """Remove and return, of the tasks that rank first, the one that is worth most, the first of equals.

        The foremost is taken when it was overtaken often enough, and with it all are served in the end. Raises
        StopIteration when nothing waits.
        """
        waiting = next(filter(None, self._by_rank))
        place = 0
        if waiting[0].overtaken < _MOST_OVERTAKING:
            place = max(range(len(waiting)), key=lambda at: worth(waiting[at]))
            for overtaken in waiting[:place]:
                overtaken.overtaken += 1
        return waiting.pop(place)
