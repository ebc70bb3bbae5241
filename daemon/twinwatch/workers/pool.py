"""The daemon's side of the workers: a queue, a few lanes with one child each, and a future for every job.

A lane is a thread that owns one child process and does nothing but wait for it. Lanes start on demand and leave, with
their child, when there was no work for `idle_seconds`: an idle daemon has no workers, no open photo and no thread here.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from twinwatch import errors
from twinwatch.photo import (
    ContentDigest,
    Evidence,
    Likeness,
    Likenesses,
    Metric,
    Reading,
    Trouble,
    content_digest,
)
from twinwatch.workers.process import (
    Child,
    ChildKilledError,
    ChildLateError,
    ChildLostError,
    ChildOutOfMemoryError,
    Start,
    UnreadableError,
)

Priority = Literal["arrival", "bulk"]
"""Arrivals go before bulk work (first scan, reconcile); within one priority first come, first served."""

_RANK: dict[Priority, int] = {"arrival": 0, "bulk": 1}

_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What `from_json` may raise on a reply of the wrong shape."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker may use. The defaults are for a slow NAS.

    Measured on a fast machine: a 102-megapixel PNG is read in 4 s with 1.0 GiB of address space, two of 48 megapixels
    are proved in 13 s with 1.9 GiB.
    """

    seconds: float = 60.0  # wall clock for a job, and ...
    seconds_per_mib: float = 5.0  # ... for each MiB of its files, ...
    most_seconds: float = 300.0  # ... but never more; then the child is killed
    start_seconds: float = 120.0  # wall clock until a new child is ready: libraries come from a sleeping disk
    memory_bytes: int = 3 << 30  # address space of a child
    descriptors: int = 64  # open files of a child
    idle_seconds: float = 30.0  # without work for so long, a child is ended
    jobs_per_child: int = 2000  # then a child is renewed: libraries leak
    queued: int = 256  # jobs that may wait; each holds one (read) or two (prove) descriptors
    nice: int = 10
    share: float = 1.0  # of the time for which a lane works on bulk jobs, the rest it rests


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the workers of this installation can do, as a warm child told before it saw its first picture."""

    algorithm: str  # name and versions of fingerprint and proof
    formats: Mapping[str, bool]  # Pillow's name -> its decoder is installed and allowed
    sandbox: Mapping[str, str]  # layer -> "on..." or "off: why"

    @property
    def layers_missing(self) -> list[str]:
        """The layers of the sandbox that this kernel does not grant."""
        return sorted(name for name, state in self.sandbox.items() if not state.startswith("on"))


@dataclass(order=True, slots=True)
class _Task:
    rank: int
    number: int
    job: str = field(compare=False)
    descriptors: tuple[int, ...] = field(compare=False)  # ours: closed by `drop`
    seconds: float = field(compare=False)
    build: Callable[[Any], Any] = field(compare=False)
    future: Future[Any] = field(compare=False)
    words: tuple[str, ...] = field(default=(), compare=False)

    def drop(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()


class Workers:
    """The sandboxed children that run imaging and proof; thread-safe.

    A future ends with a value, with WorkerError, or cancelled by `close`; its callbacks run on a lane's thread.
    `WorkerError.trouble` is what to record of the photo (crashed, killed, timed-out, too-large), or None where the
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
        self._start = Start(jobs_module, self._limits.memory_bytes, self._limits.descriptors, self._limits.nice)
        self._changed = threading.Condition()
        # All below is guarded by the condition's lock.
        self._queue: list[_Task] = []
        self._numbers = itertools.count()
        self._lanes: set[threading.Thread] = set()
        self._waiting = 0  # lanes without work
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
        with self._changed:
            return max(0, self._limits.queued - len(self._queue))

    @property
    def running(self) -> int:
        """How many child processes there are; 0 when idle."""
        with self._changed:
            return len(self._children)

    def digest(self, fd: int, priority: Priority = "arrival") -> Future[ContentDigest]:
        """Digest the bytes of an open descriptor, which costs a tenth of `read`; the same rules as for it."""
        return self._submit("digest", (fd,), _content, priority)

    def read(self, fd: int, priority: Priority = "arrival") -> Future[Reading]:
        """Read the photo in an open descriptor.

        `fd` is of a regular file and read-only, at any offset (jobs read by `pread`), and the caller may close it at
        once: a duplicate is kept. Raises ValueError for another kind of descriptor, OSError when none can be
        duplicated, and RuntimeError when closed, when `limits.queued` jobs wait, or when no thread can be had.
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
        with self._changed:
            needed = not self._lanes and not self._closed
        if needed:
            with contextlib.suppress(OSError, RuntimeError):  # the job that needs it will say so
                self.describe()

    def describe(self) -> Future[Abilities]:
        """Say what the workers can do, from a child that is started if there is none."""
        return self._submit("", (), _abilities, "arrival")

    def close(self) -> None:
        """Cancel what waits, kill the children, end the threads. What runs fails with WorkerError. May be repeated."""
        with self._changed:
            self._closed = True
            abandoned, self._queue = self._queue, []
            for child in self._children:
                child.kill()
            lanes = list(self._lanes)
            self._changed.notify_all()
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
        mebibytes = sum(_check(fd) for fd in fds) / (1 << 20)
        seconds = self._limits.seconds + self._limits.seconds_per_mib * mebibytes
        seconds = min(seconds, max(self._limits.seconds, self._limits.most_seconds))
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the workers are closed")
            if len(self._queue) >= self._limits.queued:
                raise RuntimeError("the queue of the workers is full: look at `free` first")
            task = _Task(_RANK[priority], next(self._numbers), job, (), seconds, build, future, words)
            try:
                for fd in fds:
                    task.descriptors += (os.dup(fd),)
                if self._waiting <= len(self._queue) and len(self._lanes) < self._count:
                    self._start_lane(task.number)
            except (OSError, RuntimeError):  # no descriptor or no thread to be had
                task.drop()
                raise
            heapq.heappush(self._queue, task)
            if self._limits.share < 1:
                self._changed.notify_all()  # the one that would be told might rest
            else:
                self._changed.notify()
        return future

    def _start_lane(self, number: int) -> None:
        lane = threading.Thread(target=self._lane, name=f"worker-lane-{number}", daemon=True)
        lane.start()  # it waits for the lock that we hold
        self._lanes.add(lane)

    # --- on a lane's thread ---------------------------------------------------------------------------------------

    def _lane(self) -> None:
        lane = _Lane(self._start, self._limits, self._enter, self._leave)
        try:
            rest_until = 0.0
            while (task := self._next(rest_until)) is not None:
                began = time.monotonic()
                self._do(lane, task)
                if task.rank:
                    now = time.monotonic()
                    rest_until = now + (now - began) * (1 / self._limits.share - 1)
        finally:
            with self._changed:  # `_next` has left the set already, unless a bug ends the lane
                self._lanes.discard(threading.current_thread())
            lane.end_child()

    def _next(self, rest_until: float) -> _Task | None:
        """Return the next task, a bulk one only after `rest_until` (monotonic); None when the lane is to leave."""
        deadline = time.monotonic() + self._limits.idle_seconds
        with self._changed:
            self._waiting += 1
            while not self._closed and not self._may_take(rest_until):
                wake = rest_until if self._queue else deadline
                if (left := wake - time.monotonic()) <= 0:
                    break
                self._changed.wait(left)
            self._waiting -= 1
            if self._queue:
                return heapq.heappop(self._queue)
            # In the same breath as seeing the queue empty: the next job must find this lane gone and start another.
            self._lanes.discard(threading.current_thread())
            return None

    def _may_take(self, rest_until: float) -> bool:
        return bool(self._queue) and (self._queue[0].rank == _RANK["arrival"] or time.monotonic() >= rest_until)

    def _do(self, lane: _Lane, task: _Task) -> None:
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
        with self._changed:
            self._unreaped = [dead for dead in self._unreaped if not dead.is_gone()]
            self._children.add(child)
            if self._closed:
                child.kill()

    def _leave(self, child: Child) -> None:
        gone = child.end()
        with self._changed:
            self._children.discard(child)
            if not gone:
                self._unreaped.append(child)


class _Lane:
    """One child process and its renewal; used by one thread."""

    def __init__(
        self, start: Start, limits: WorkerLimits, enter: Callable[[Child], None], leave: Callable[[Child], None]
    ) -> None:
        self._start = start
        self._limits = limits
        self._enter = enter
        self._leave = leave
        self._child: Child | None = None
        self._hello: dict[str, Any] = {}

    def outcome(self, task: _Task) -> Any:
        """Do the task; raise WorkerError, after which the child is gone unless it was the disk that failed."""
        try:
            answer = self._ask(task)
        except UnreadableError as error:
            raise errors.WorkerError(f"the file could not be read: {error}") from None
        except ChildOutOfMemoryError:
            self.end_child()
            raise errors.WorkerError("the worker ran out of memory", trouble=Trouble.TOO_LARGE) from None
        except ChildLateError:
            self.end_child()
            what = f"the worker did not answer within {task.seconds:.0f} s"
            raise errors.WorkerError(what, trouble=Trouble.TIMED_OUT) from None
        except ChildKilledError as killed:
            self.end_child()
            raise errors.WorkerError(str(killed), "it is tried again", trouble=Trouble.KILLED) from None
        except ChildLostError as lost:
            self.end_child()
            trouble = Trouble.TIMED_OUT if "SIGXCPU" in str(lost) else Trouble.CRASHED
            raise errors.WorkerError(str(lost), trouble=trouble) from None
        try:
            return task.build(answer)
        except _NONSENSE as error:
            self.end_child()
            raise errors.WorkerError(f"the worker answered nonsense: {error}", trouble=Trouble.CRASHED) from None

    def end_child(self) -> None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            self._leave(child)

    def _ask(self, task: _Task) -> Any:
        child = self._usable_child()
        if not task.job:
            return self._hello
        child.be_idle(task.rank != _RANK["arrival"])
        try:
            return child.run(task.job, task.descriptors, task.seconds, task.words)
        except BrokenPipeError:  # it died before it got the job: not this photo's fault
            self.end_child()
        return self._usable_child().run(task.job, task.descriptors, task.seconds, task.words)

    def _usable_child(self) -> Child:
        child = self._child
        if child is not None and child.is_usable() and child.jobs_done < self._limits.jobs_per_child:
            return child
        self.end_child()
        try:
            child = self._child = Child(self._start)
            self._enter(child)
            self._hello = child.greet(self._limits.start_seconds)
        except (OSError, ChildLostError, ChildLateError) as error:
            self.end_child()
            raise errors.WorkerError(
                f"no worker could be started: {error}", "run `twinwatch doctor` for the reason"
            ) from error
        return child


def _check(fd: int) -> int:
    """Return the file's size in bytes; raise ValueError for what a worker must not be handed."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a worker reads regular files only")
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
        raise ValueError("a worker gets read-only descriptors only")
    return status.st_size


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
