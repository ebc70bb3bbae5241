"""Runs several lines side by side on one thread: arrivals first, bulk work where there is room.

Reading and proving happen in the workers; everything between two jobs of a line happens here, one line at a time.
"""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from twinwatch.errors import PhotoError, RootError, TwinwatchError
from twinwatch.ingest.found import Found
from twinwatch.ingest.line import Line, Pace, Take

if TYPE_CHECKING:
    from concurrent.futures import Future

_SLICE = 0.05  # seconds; a folder's walk is not cut, so a large one takes longer

_MOST_AGAIN = 3  # a file whose stat data never stand still would be taken without end


class Belt:
    """The files on their way; only the thread that owns it may call it."""

    def __init__(
        self,
        line: Line,
        width: int,
        *,
        failed: Callable[[Found, TwinwatchError], None],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Run at most `width` lines at once.

        `failed` hears of every file that could not be judged this time; `wake` is called, from any thread, when a job
        has ended and `step` has something to do.
        """
        self._line = line
        self._width = width
        self._failed = failed
        self._wake = wake
        self._urgent: deque[Found] = deque()
        self._queued: set[Found] = set()
        self._again: Counter[Found] = Counter()
        self._folders: deque[Iterator[Found | Pace]] = deque()
        self._bulk: deque[Iterator[Found | Pace]] = deque()
        self._running: dict[int, tuple[Found, Take]] = {}
        self._ended: queue.SimpleQueue[tuple[int, Future[Any]]] = queue.SimpleQueue()
        self._numbers = 0
        self._barrier = False
        self.resting = False  # bulk work is not gone on with
        self.eager = False  # there is more to do at once, without anything having to end first

    def __len__(self) -> int:
        """Count the files that are waiting or on their way; bulk work counts as one each."""
        return len(self._urgent) + len(self._running) + len(self._folders) + len(self._bulk)

    @property
    def in_haste(self) -> int:
        """Count the arrivals and the folders that have just come: the same without bulk work."""
        arrivals = sum(found.priority == "arrival" for found, _ in self._running.values())
        return len(self._urgent) + len(self._folders) + arrivals

    @property
    def bulk(self) -> int:
        """Count the surveys that are not finished."""
        return len(self._bulk)

    def add(self, found: Found) -> None:
        """Take a file as soon as there is room, unless it already waits."""
        if found not in self._queued:
            self._queued.add(found)
            self._urgent.append(found)

    def add_again(self, found: Found) -> None:
        """Take a file of which the index was wrong once more, but not for ever: a pass must come to its end."""
        self._again[found] += 1
        if self._again[found] <= _MOST_AGAIN:
            self.add(found)

    def add_folder(self, files: Iterator[Found | Pace]) -> None:
        """Take files of a folder that has just come, before bulk work and also while that rests."""
        self._folders.append(files)

    def add_bulk(self, files: Iterator[Found | Pace]) -> None:
        """Take files from an iterator when no arrival waits, at the pace it asks for."""
        self._bulk.append(files)

    def step(self, timeout: float | None = 0.0) -> bool:
        """Go on with what has ended and start what has room; return whether anything is left to do.

        Waits at most `timeout` seconds for a job to end when nothing else can be done, and comes back after about
        `_SLICE` seconds of bulk work, `eager` for more, so that its caller can look after other things.
        """
        self.eager = False
        self._start_more()
        while self._running:
            try:
                number, future = self._ended.get(timeout=timeout) if timeout else self._ended.get_nowait()
            except queue.Empty:
                break
            timeout = 0.0
            if number in self._running:
                self._go_on(number, future)
            self._start_more()
        return len(self) > 0

    def drop_root(self, root_id: int) -> None:
        """Give up what waits for a root that is no longer healthy."""
        self._urgent = deque(found for found in self._urgent if found.root != root_id)
        self._queued = set(self._urgent)

    def close(self) -> None:
        """Give up everything; each line's files are closed, nothing is half done."""
        for _, take in self._running.values():
            take.close()
        self._running.clear()
        self._urgent.clear()
        self._queued.clear()
        self._folders.clear()
        self._bulk.clear()

    def _start_more(self) -> None:
        while len(self._running) < self._width:
            found = self._next()
            if found is None:
                return
            self._numbers += 1
            self._running[self._numbers] = (found, self._line.take(found))
            self._go_on(self._numbers, None)

    def _next(self) -> Found | None:
        until = time.monotonic() + _SLICE
        if self._urgent:
            found = self._urgent.popleft()
            self._queued.discard(found)
            return found
        while walks := self._folders or (() if self.resting else self._bulk):
            if self._barrier and self._running:
                return None
            self._barrier = False
            match next(walks[0], None):
                case None:
                    walks.popleft()
                case Pace.WAIT:
                    self._barrier = True
                case Pace.BREATHE:
                    if self._urgent or time.monotonic() > until:
                        self.eager = True
                        return None
                case found:
                    return found
        return None

    def _go_on(self, number: int, future: Future[Any] | None) -> None:
        from concurrent.futures import CancelledError  # late: most walks take no file

        found, take = self._running[number]
        try:
            if future is None:
                job = next(take)
            else:
                error = future.exception()
                job = take.send(future.result()) if error is None else take.throw(error)
        except StopIteration:
            del self._running[number]
        except (PhotoError, RootError) as error:
            del self._running[number]
            self._failed(found, error)
        except CancelledError:
            del self._running[number]
        else:
            job.add_done_callback(lambda ended: self._note(number, ended))

    def _note(self, number: int, future: Future[Any]) -> None:
        self._ended.put((number, future))
        self._wake()
