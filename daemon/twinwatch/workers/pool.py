"""The daemon's side of the workers: a queue, a few lanes with one child each, and a future for every job.

A lane is a thread that owns one child process and does nothing but wait for it. Lanes start on demand and leave, with
their child, when there was no work for `idle_seconds`: an idle daemon has no workers, no open photo and no thread here.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from twinwatch import errors
from twinwatch.errors import WorkerError
from twinwatch.photo import (
    ContentDigest,
    Evidence,
    Likeness,
    Likenesses,
    Metric,
    Reading,
    content_digest,
)
from twinwatch.workers.limits import WorkerLimits
from twinwatch.workers.tasks import ARRIVAL, BULK, RANK, Picture, Priority, Queue, Task, advantage

if TYPE_CHECKING:  # what starts a process, and waits for it, is imported with the first job: most walks have none
    from concurrent.futures import Future

    from twinwatch.workers.lane import Lane
    from twinwatch.workers.process import Child

_REMEMBERING = frozenset({"prove", "read"})
"""Jobs in which a child remembers how the pictures looked."""


class Abilities(NamedTuple):
    """What the workers of this installation can do, as a warm child told before it saw its first picture."""

    algorithm: str  # name and versions of fingerprint and proof
    formats: Mapping[str, bool]  # Pillow's name -> its decoder is installed and allowed
    sandbox: Mapping[str, str]  # layer -> "on..." or "off: why"

    @property
    def layers_missing(self) -> list[str]:
        """The layers of the sandbox that this kernel does not grant."""
        return sorted(name for name, state in self.sandbox.items() if not state.startswith("on"))


class Workers:
    """The sandboxed children that run imaging and proof; thread-safe.

    A future ends with a value, with WorkerError, or cancelled by `close`; its callbacks run on a lane's thread.
    `WorkerError.trouble` is what to record of the photo (crashed, killed, timed-out, no-memory), or None where the
    photo is not to blame: the disk could not be read, no worker could be started, or the pool was closed.
    """

    def __init__(
        self, count: int, limits: WorkerLimits | None = None, *, jobs_module: str = "twinwatch.workers.jobs"
    ) -> None:
        """Set up a pool of at most `count` children; none is started before there is work."""
        if count < 1:
            raise ValueError("at least one worker is needed")
        self._count = count
        self._limits = limits or WorkerLimits()
        self._jobs_module = jobs_module
        self._lock = threading.RLock()
        # All below is guarded by the lock.
        self._queue = Queue()
        self._numbers = itertools.count(1)
        self._lanes: dict[threading.Thread, Lane] = {}
        self._waiting = 0  # lanes without work
        self._asleep: dict[Lane, threading.Condition] = {}  # of these, those that nobody has woken yet, longest first
        self._children: set[Child] = set()
        self._unreaped: list[Child] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def free(self) -> int:
        """How many jobs may be added before `read` and `prove` refuse."""
        with self._lock:
            return max(0, self._limits.queued - len(self._queue))

    @property
    def running(self) -> int:
        """How many child processes there are; 0 when idle."""
        with self._lock:
            return len(self._children)

    def digest(self, fd: int, priority: Priority = "arrival") -> Future[ContentDigest]:
        """Digest the bytes of an open descriptor, which costs a tenth of `read`; the same rules as for it."""
        return self._submit("digest", (fd,), _content, priority)

    def read(self, fd: int, priority: Priority = "arrival") -> Future[Reading]:
        """Read the photo in an open descriptor.

        `fd` is of a regular file and read-only, at any offset (jobs read by `pread`), and the caller may close it at
        once: a duplicate is kept. Raises ValueError for another kind of descriptor, WorkerError when none can be
        duplicated, or no thread can be had, and RuntimeError when closed or when `limits.queued` jobs wait.
        """
        return self._submit("read", (fd,), Reading.from_json, priority)

    def prove(self, fd_a: int, fd_b: int, priority: Priority = "arrival") -> Future[Evidence]:
        """Compare the photos in two open descriptors; the same rules as for `read`."""
        return self._submit("prove", (fd_a, fd_b), Evidence.from_json, priority)

    def measure(
        self, fd_a: int, fd_b: int, metrics: Iterable[Metric], priority: Priority = "arrival"
    ) -> Future[Likenesses]:
        """Say what these metrics say of the photos in two open descriptors; the same rules as for `read`."""
        return self._submit("measure", (fd_a, fd_b), _likenesses, priority, tuple(map(str, metrics)))

    def prepare(self) -> None:
        """Start a child unless there is one, so that it is warm when the first job comes; never raises."""
        with self._lock:
            needed = not self._lanes and not self._closed
        if needed:
            with contextlib.suppress(WorkerError, RuntimeError):  # the job that needs it will say so
                self.describe()

    def describe(self) -> Future[Abilities]:
        """Say what the workers can do, from a child that is started if there is none."""
        return self._submit("", (), _abilities, "arrival")

    def abandon(self) -> None:
        """Kill the children and wait for nothing, as for one that hangs; take no more jobs."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()

    def close(self) -> None:
        """Cancel what waits, kill the children, end the threads. What runs fails with WorkerError. May be repeated."""
        self.abandon()
        with self._lock:
            abandoned, self._queue = self._queue, Queue()
            lanes = list(self._lanes)
            for sleeper in self._asleep.values():
                sleeper.notify()
        for task in abandoned:
            task.drop()
            task.future.cancel()
            task.future.set_running_or_notify_cancel()
        for lane in lanes:
            if lane is not threading.current_thread():
                lane.join()

    def _submit(
        self,
        job: str,
        fds: tuple[int, ...],
        build: Callable[[Any], Any],
        priority: Priority,
        words: tuple[str, ...] = (),
    ) -> Future[Any]:
        from concurrent.futures import Future

        files = [_checked(fd) for fd in fds]
        mebibytes = sum(file.st_size for file in files) / (1 << 20)
        seconds = self._limits.seconds + self._limits.seconds_per_mib * mebibytes
        seconds = min(seconds, max(self._limits.seconds, self._limits.most_seconds))
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the workers are closed")
            if len(self._queue) >= self._limits.queued:
                raise RuntimeError("the queue of the workers is full: look at `free` first")
            task = Task(RANK[priority], job, (), seconds, build, future, words)
            if job in _REMEMBERING:
                task.pictures = tuple(map(_picture, files))
            try:
                for fd in fds:
                    task.descriptors += (os.dup(fd),)
                if self._waiting <= len(self._queue) and len(self._lanes) < self._count:
                    self._start_lane()
            except (OSError, RuntimeError) as error:  # no descriptor or no thread to be had
                task.drop()
                raise WorkerError(f"no worker can be given a file: {error}", "it is tried again") from error
            self._queue.add(task)
            self._wake_for(task)
        return future

    def _start_lane(self) -> None:
        from twinwatch.workers.lane import Lane
        from twinwatch.workers.process import Start

        limits = self._limits
        start = Start(self._jobs_module, limits.memory_bytes, limits.descriptors, limits.nice)
        lane = Lane(start, limits, self._enter, self._leave)
        name = f"worker-lane-{next(self._numbers)}"
        thread = threading.Thread(target=self._run, args=(lane,), name=name, daemon=True)
        thread.start()  # it waits for the lock that we hold
        self._lanes[thread] = lane

    def _wake_for(self, task: Task) -> None:
        """Wake the lane that had best do this task, of those that sleep."""
        if self._limits.share < 1:  # the one that would be told might rest
            for condition in self._asleep.values():
                condition.notify()
        elif self._asleep:
            best = max(self._asleep, key=lambda lane: self._advantage(lane, task))
            # At once: until it has the lock it is not to be counted on for the next task, too.
            self._asleep.pop(best).notify()

    def _advantage(self, lane: Lane, task: Task) -> int:
        return advantage(task, lane.memory, (other.memory for other in self._lanes.values() if other is not lane))

    # --- on a lane's thread ---------------------------------------------------------------------------------------

    def _run(self, lane: Lane) -> None:
        try:
            rest_until = 0.0
            while (task := self._next(lane, rest_until)) is not None:
                began = time.monotonic()
                self._do(lane, task)
                if task.rank:
                    now = time.monotonic()
                    rest_until = now + (now - began) * (1 / self._limits.share - 1)
        finally:
            with self._lock:  # `_next` has left already, unless a bug ends the lane
                self._lanes.pop(threading.current_thread(), None)
            lane.end_child()

    def _next(self, lane: Lane, rest_until: float) -> Task | None:
        """Return the next task, a bulk one only after `rest_until` (monotonic); None when the lane is to leave."""
        deadline = time.monotonic() + self._limits.idle_seconds
        with self._lock:
            condition = threading.Condition(self._lock)
            self._waiting += 1
            while not self._closed and not self._may_take(rest_until):
                wake = rest_until if self._queue else deadline
                if (left := wake - time.monotonic()) <= 0:
                    break
                self._asleep[lane] = condition
                condition.wait(left)
                self._asleep.pop(lane, None)
            self._waiting -= 1
            if self._queue:
                task = self._queue.take(lambda waits: self._advantage(lane, waits))
                lane.memory.add(task)
                return task
            # In the same breath as seeing the queue empty: the next job must find this lane gone and start another.
            self._lanes.pop(threading.current_thread(), None)
            return None

    def _may_take(self, rest_until: float) -> bool:
        rank = self._queue.rank
        return rank == ARRIVAL or (rank == BULK and time.monotonic() >= rest_until)

    def _do(self, lane: Lane, task: Task) -> None:
        if not task.future.set_running_or_notify_cancel():
            task.drop()
            return
        try:
            outcome = lane.outcome(task)
        except errors.WorkerError as error:
            task.drop()
            task.future.set_exception(errors.WorkerError("the workers were closed") if self._closed else error)
        except BaseException as bug:
            task.drop()
            task.future.set_exception(bug)  # nobody may wait for ever
            raise
        else:
            task.drop()
            task.future.set_result(outcome)

    def _enter(self, child: Child) -> None:
        """Take a new child into the books, where `close` finds it; forget the dead that have been reaped."""
        with self._lock:
            self._unreaped = [dead for dead in self._unreaped if not dead.is_gone()]
            self._children.add(child)
            if self._closed:
                child.kill()

    def _leave(self, child: Child) -> None:
        gone = child.end()
        with self._lock:
            self._children.discard(child)
            if not gone:
                self._unreaped.append(child)


def _checked(fd: int) -> os.stat_result:
    """Return what `fstat` tells of a file; raise ValueError for what a worker must not be handed."""
    try:
        status = os.fstat(fd)
    except OSError as error:
        raise WorkerError(f"no worker can be given a file: {error.strerror}", "check the disk") from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a worker reads regular files only")
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
        raise ValueError("a worker gets read-only descriptors only")
    return status


def _picture(file: os.stat_result) -> Picture:
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns


def _likenesses(answer: Mapping[str, Any]) -> Likenesses:
    return {
        Metric(name): None if likeness is None else Likeness.from_json(likeness) for name, likeness in answer.items()
    }


def _content(answer: Mapping[str, Any]) -> ContentDigest:
    return content_digest(answer["digest"])


def _abilities(hello: Mapping[str, Any]) -> Abilities:
    return Abilities(
        str(hello["algorithm"]),
        {str(name): bool(can) for name, can in hello["formats"].items()},
        {str(layer): str(state) for layer, state in hello["sandbox"].items()},
    )
