"""Keeps a daemon running for the disks that answer: one that hangs in a call to a disk is left behind, another goes on.

`twinwatch run` is two processes. The first is this: it forks the daemon, hands signals on, ends as it ends, and asks no
disk for anything. When the daemon says that it hangs (`pulse`), it is stopped: no instruction of it is ever run again,
which is a kill, and that is tried at every call. A new one begins without the folders on that disk. When the disk has
answered at last, the old one is ended, and the new one takes the folders up again as after any crash.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Never

from twinwatch.config import Config
from twinwatch.syscalls import die_with_parent

log = logging.getLogger("twinwatch")

LOOK_SECONDS = 1.0
"""How often a daemon that was left behind is looked at."""

LONGEST_REST = 3600.0
"""Seconds that a disk which hung before is left alone at the most after it answers; older hangs are forgotten."""

WAITING = {signal.SIGHUP, signal.SIGUSR1}
"""Signals that wait until a daemon listens: it lets them come."""

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_MESSAGE = 1 << 18  # bytes
_OUT_OF_THE_KERNEL = set("TZX")  # of proc(5): stopped, as a stopped thread is once its call has returned, or ended


@dataclass(frozen=True, slots=True)
class Hangs:
    """A daemon says: I hang in a call to the disk that these roots are on, and use the index no longer."""

    roots: frozenset[Path]  # as configured


@dataclass(frozen=True, slots=True)
class Adopted:
    """A daemon says: this is the configuration from now on."""

    config: Config


@dataclass(frozen=True, slots=True)
class Answers:
    """A daemon is told: the disk of these roots answers again."""

    roots: frozenset[Path]


class Line:
    """One end of the line between a daemon and its supervisor: whole messages, until the other end is gone."""

    def __init__(self, end: socket.socket) -> None:
        """Take over one end of a pair of sequenced-packet sockets."""
        self._end = end

    def send(self, message: Hangs | Adopted | Answers) -> None:
        """Say something; when nobody is left to hear it, nothing."""
        with contextlib.suppress(OSError):
            self._end.send(pickle.dumps(message))

    def receive(self) -> Hangs | Adopted | Answers | None:
        """Wait for what is said; None when the other end is gone."""
        try:
            data = self._end.recv(_MESSAGE)
        except ConnectionResetError:
            return None
        said: Hangs | Adopted | Answers | None = pickle.loads(data) if data else None  # noqa: S301 - a fork of ours
        return said

    def heard(self, seconds: float | None) -> bool:
        """Wait so long, or for ever, for something to be said; return whether there is."""
        poller = select.poll()
        poller.register(self._end, select.POLLIN)
        return bool(poller.poll(None if seconds is None else seconds * 1000))

    def close(self) -> None:
        """End it."""
        self._end.close()


@dataclass(frozen=True, slots=True)
class Start:
    """What a daemon is given as it begins."""

    config: Config
    left_alone: frozenset[Path]  # the roots whose disk does not answer
    line: Line  # to the supervisor


@dataclass(frozen=True, slots=True)
class _Behind:
    pid: int
    line: Line
    roots: frozenset[Path]


class Supervisor:
    """Runs one daemon after another; for the one thread of a process."""

    def __init__(self, config: Config) -> None:
        """`config` is what the first daemon is given."""
        self._config = config
        self._pid = 0  # of the daemon that works
        self._line: Line
        self._behind: list[_Behind] = []
        self._hung: dict[Path, list[float]] = {}  # when the disk of a root hung lately (monotonic)
        self._resting: dict[Path, float] = {}  # roots whose disk has answered, and when they are taken up (monotonic)
        self._stopping = self._reloading = False  # asked for, and not yet done

    def run(self) -> Start:
        """Fork a daemon and return in it; here, supervise, and end as the last one does: SystemExit, or its signal."""
        if (start := self._begin()) is not None:
            return start
        while True:
            self._look_after()
            if not self._line.heard(LOOK_SECONDS if self._behind or self._resting else None):
                continue
            match self._line.receive():
                case Adopted(config):
                    self._config, self._reloading = config, False
                case Hangs(roots) if not self._stopping:
                    self._leave_behind(roots)
                    if (start := self._begin()) is not None:
                        return start
                    self._repeat()
                case said:
                    self._end(hangs=said is not None)

    def _begin(self) -> Start | None:
        """Fork a daemon; return in it what it is given."""
        sys.stdout.flush()
        sys.stderr.flush()
        supervisor = os.getpid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
        try:
            self._pid = os.fork()
            if self._pid:
                theirs.close()
                self._line = Line(ours)
                for number in _FORWARDED:
                    signal.signal(number, self._forward)
                return None
            die_with_parent(supervisor)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            before |= WAITING
            ours.close()
            for behind in self._behind:
                behind.line.close()
            left_alone = frozenset(self._resting).union(*(behind.roots for behind in self._behind))
            return Start(self._config, left_alone, Line(theirs))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = self._stopping or number in (signal.SIGTERM, signal.SIGINT)
        self._reloading = self._reloading or number == signal.SIGHUP
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _repeat(self) -> None:
        """Tell a new daemon what the one before it was told and cannot have heeded."""
        if self._stopping:
            os.kill(self._pid, signal.SIGTERM)
        elif self._reloading:
            os.kill(self._pid, signal.SIGHUP)

    def _leave_behind(self, roots: frozenset[Path]) -> None:
        # Stopped, not killed: a kill may end the wait of some file systems, and we would take that for an answer.
        os.kill(self._pid, signal.SIGSTOP)
        self._behind.append(_Behind(self._pid, self._line, roots))
        now = time.monotonic()
        for root in roots:
            self._hung[root] = [at for at in self._hung.get(root, []) if now - at < LONGEST_REST] + [now]

    def _look_after(self) -> None:
        """End what was left behind and has come out of its call, and take its roots up again."""
        now = time.monotonic()
        for behind in self._behind[:]:
            if not _states_of(behind.pid) <= _OUT_OF_THE_KERNEL:
                continue
            os.kill(behind.pid, signal.SIGKILL)
            if os.waitpid(behind.pid, os.WNOHANG)[0]:  # else another thread of it hangs still
                behind.line.close()
                self._behind.remove(behind)
                self._resting.update({root: now + self._rest(root) for root in behind.roots})
        hanging = frozenset[Path]().union(*(behind.roots for behind in self._behind))
        answered = frozenset(root for root, until in self._resting.items() if now >= until) - hanging
        if answered:
            self._resting = {root: until for root, until in self._resting.items() if root not in answered}
            self._line.send(Answers(answered))

    def _rest(self, root: Path) -> float:
        """Return for how many seconds a root is left alone although its disk answers: the longer, the oftener it hung.

        Each time costs all other roots a walk; a disk that fails sector by sector hangs at each of them.
        """
        times = len(self._hung[root])
        return 0.0 if times == 1 else min(LONGEST_REST, self._config.hang_seconds * 2.0 ** (times - 1))

    def _end(self, *, hangs: bool) -> Never:
        """End with the daemon's own status; with 1 when it hangs and cannot be waited for."""
        for behind in self._behind:
            os.kill(behind.pid, signal.SIGKILL)
        if hangs:
            log.error("stopped, while a disk does not answer; what was on its way there is put right at the next start")
            os.kill(self._pid, signal.SIGKILL)
            sys.exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        if code >= 0:
            sys.exit(code)
        with contextlib.suppress(OSError):  # of SIGKILL
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        sys.exit(128 - code)  # of a signal that does not end a process


def _states_of(pid: int) -> set[str]:
    """Return the states of a process's threads, letters of proc(5); none of one that is gone."""
    found = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            found.add(stat.read_text().rpartition(")")[2].split()[0])
    return found
