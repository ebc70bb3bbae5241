"""One lane: a child process, its renewal, and what its failures mean for the photo it had. Used by one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twinwatch import errors
from twinwatch.photo import Trouble
from twinwatch.workers.limits import WorkerLimits
from twinwatch.workers.process import (
    Child,
    ChildHangsError,
    ChildKilledError,
    ChildLateError,
    ChildLostError,
    ChildOutOfMemoryError,
    Start,
    UnreadableError,
)
from twinwatch.workers.tasks import ARRIVAL, Memory, Task

_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What `from_json` may raise on a reply of the wrong shape."""


class Lane:
    """One child process and its renewal. `memory` is what the child remembers; the pool reads it under its own lock."""

    def __init__(
        self, start: Start, limits: WorkerLimits, enter: Callable[[Child], None], leave: Callable[[Child], None]
    ) -> None:
        self._start = start
        self._limits = limits
        self._enter = enter
        self._leave = leave
        self.memory = Memory()
        self._child: Child | None = None
        self._hello: dict[str, Any] = {}

    def outcome(self, task: Task) -> Any:
        """Do the task; raise WorkerError, after which the child is gone unless it was the disk that failed."""
        try:
            answer = self._ask(task)
        except UnreadableError as error:
            raise errors.WorkerError(f"the file could not be read: {error}") from None
        except ChildOutOfMemoryError:
            self.end_child()
            raise errors.WorkerError("the worker ran out of memory", trouble=Trouble.NO_MEMORY) from None
        except ChildHangsError:
            self.end_child()
            raise errors.WorkerError(f"the disk did not give the file's bytes in {task.seconds:.0f} s") from None
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
        self.memory.clear()
        if child is not None:
            self._leave(child)

    def _ask(self, task: Task) -> Any:
        child = self._usable_child()
        if not task.job:
            return self._hello
        child.be_idle(task.rank != ARRIVAL)
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
