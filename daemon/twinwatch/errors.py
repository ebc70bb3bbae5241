"""Everything that can go wrong and has a name, sorted by who deals with it.

    TwinwatchError(what, hint)            the message ends with what to do
    |-- ConfigError                       every problem of a configuration  -> cli prints it, exit 78
    |-- AlreadyRunningError               another twinwatch has this state  -> exit 1
    |-- IndexUnusableError                damaged, newer, not writable      -> exit 1, systemd restarts
    |-- RootError                         a watched folder is not as recorded -> that root stops, the others go on
    `-- PhotoError                        this one file, this one time      -> ingest leaves the file where it is
        |-- PhotoChangedError             changed or vanished while we looked -> settles again
        |-- WorkerError                   the sandboxed child died or timed out -> `undecodable`
        `-- MoveRefusedError              a guard did not hold              -> shown for review

Whatever is not in this tree is a bug: it ends the process, the service manager restarts it, recovery puts things right.
"""

from __future__ import annotations


class TwinwatchError(Exception):
    """A failure with a name, and a hint that says what the person can do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what}: {hint}" if hint else what)


class AbandonedError(BaseException):
    """This process hangs, or did, and another goes on: nothing may be done any more, not even to clean up."""


class ConfigError(TwinwatchError):
    """A configuration that cannot be used; `problems` has a line `file:line:column: key: ...` for each problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class AlreadyRunningError(TwinwatchError):
    """Another process holds the lock of this state folder."""


class IndexUnusableError(TwinwatchError):
    """The index is damaged, newer than this program, on a network file system, or cannot be written."""


class RootError(TwinwatchError):
    """A watched folder is missing, or is not the folder that was recorded; `health` is a `roots.Health`.

    `root` is its `photo.RootId` where that is known: a photo may be compared with, or go for, one in another root.
    """

    def __init__(self, what: str, hint: str = "", health: str = "unreadable", root: int | None = None) -> None:
        self.health = health
        self.root = root
        super().__init__(what, hint)


class PhotoError(TwinwatchError):
    """This one file, this one time; when it is raised, disk and index are as they were."""


class PhotoChangedError(PhotoError):
    """The file changed, vanished or was replaced between two looks."""


class WorkerError(PhotoError):
    """The sandboxed child that read this file died, ran out of memory, took too long or talked nonsense.

    `trouble` is the `photo.Trouble` to record of the file, or None when the file is not to blame: the disk did
    not give its bytes, no worker could be started, or the pool was closed.
    """

    def __init__(self, what: str, hint: str = "", trouble: str | None = None) -> None:
        self.trouble = trouble
        super().__init__(what, hint)


class MoveRefusedError(PhotoError):
    """A guard of the move protocol did not hold; nothing was moved."""


class NoRoomError(MoveRefusedError):
    """The disk is full or read-only just now; the move is tried again at the next walk."""
