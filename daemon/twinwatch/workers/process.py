"""One worker process as the daemon sees it: start it, hand it jobs, take answers, end it. Nothing it says is trusted.

All waiting has a deadline. A child that is late, dead, or talks nonsense is killed by its owner and never asked again.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinwatch.syscalls import set_io_class
from twinwatch.workers import wire

_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from twinwatch.workers import child; child.main(sys.argv[2])"
)
# One thread a worker: the pool has as many workers as the person allows, and the filter is for one thread.
# A picture's memory is kept for the next: the kernel clears each page that it hands out, a tenth to a third of what it
# costs to decode 12 megapixels. A block of more than 64 MiB goes back at once, so that the heap stays in one piece.
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of address space, which is limited
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),  # bytes; glibc before 2.35 refuses more than 32 MiB
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),  # bytes: what four buffers of 12 megapixels take
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What a child finds in its environment, and little else."""

_INHERITED = ("LD_LIBRARY_PATH",)  # some Python installations do not start without
_KEPT_WORDS = 2048  # bytes of a child's last words
_MAX_WORDS = 1 << 20  # bytes of stderr in one job; more is an attack on the log or on our time
_REAP_SECONDS = 5.0  # a killed process is gone in milliseconds, unless it hangs in a dead disk


class ChildLostError(Exception):
    """The child ended, or talked nonsense; the text says which, with its last words."""


class ChildKilledError(ChildLostError):
    """The child was ended by SIGKILL, and not by us: what it worked on is hardly to blame."""


class ChildLateError(Exception):
    """The child did not answer in time."""


class ChildHangsError(ChildLateError):
    """It hangs in the kernel: that is a disk that does not answer, and no picture can bring it there."""


class ChildOutOfMemoryError(Exception):
    """The job needed more memory than a child may have."""


class UnreadableError(Exception):
    """The disk did not give the file's bytes; the child is well."""


@dataclass(frozen=True, slots=True)
class Start:
    """How to start a child; see `WorkerLimits` for the meaning of the numbers."""

    jobs_module: str
    memory_bytes: int
    descriptors: int
    nice: int


class Child:
    """A running worker process; used by one thread, but `kill` may be called from any."""

    def __init__(self, start: Start) -> None:
        """Start the process; raise OSError when that is not possible. It answers nothing before `greet`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            argument = {
                "jobs_module": start.jobs_module,
                "memory_bytes": start.memory_bytes,
                "descriptors": start.descriptors,
                "nice": start.nice,
                "socket": theirs.fileno(),
                "parent": os.getpid(),
            }
            # Isolated mode ignores PYTHONPATH and the working folder; our own import path is handed on, absolute only.
            path = [entry for entry in sys.path if Path(entry).is_absolute()]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _BOOTSTRAP, json.dumps(path), json.dumps(argument)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={**ENVIRONMENT, **{name: os.environ[name] for name in _INHERITED if name in os.environ}},
                cwd="/",
                start_new_session=True,  # a signal to the daemon's process group is not for the children
            )
            undo.pop_all()
        self._line = ours
        self._line.setblocking(False)
        self.jobs_done = 0
        self._idle = False
        self._words = b""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def greet(self, seconds: float) -> dict[str, Any]:
        """Wait until the child is warm and enclosed, return what it says of itself; raise ChildLost or ChildLate."""
        hello = self._receive(time.monotonic() + seconds).get("hello")
        if not isinstance(hello, dict):
            raise ChildLostError("the worker began with something else than its greeting")
        return hello

    def is_usable(self) -> bool:
        """Tell whether the child lives and is silent, as one without a job should be."""
        if self._process.poll() is not None:
            return False
        poller = select.poll()
        poller.register(self._line, select.POLLIN)
        return not poller.poll(0)

    def run(self, job: str, descriptors: Sequence[int], seconds: float, words: Sequence[str] = ()) -> Any:
        """Have one job done, return the answer's JSON value or raise one of the four errors above.

        `words` tell the job more, as which metrics are asked for.
        After any but the last of them the child must be ended. BrokenPipeError: it died before it had the job.
        """
        self.jobs_done += 1
        number = self.jobs_done
        request = wire.encode({"id": number, "job": job, "seconds": seconds, "words": list(words)})
        socket.send_fds(self._line, [request], descriptors)
        reply = self._receive(time.monotonic() + seconds)
        if reply.get("id") != number:
            raise ChildLostError("the worker answered another question")
        if reply.get("too_large") is True:
            raise ChildOutOfMemoryError
        if isinstance(reply.get("unreadable"), str):
            raise UnreadableError(reply["unreadable"][:200])
        if "answer" not in reply:
            raise ChildLostError("the worker answered nonsense")
        return reply["answer"]

    def be_idle(self, idle: bool) -> None:
        """Let its reads of the disk wait for everybody else's (bulk work), or only go last among equals."""
        if idle is not self._idle:
            self._idle = idle
            set_io_class(self.pid, idle=idle)

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()

    def end(self) -> bool:
        """End the process, release all it held here; return False when the kernel cannot end it (a hung disk)."""
        self._process.kill()
        self._line.close()
        if self._process.stderr is not None:
            self._process.stderr.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)
        return self.is_gone()

    def is_gone(self) -> bool:
        """Tell whether the process has ended and been reaped."""
        return self._process.poll() is not None

    def _receive(self, deadline: float) -> dict[str, Any]:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101 - it was asked for above
        poller = select.poll()
        poller.register(self._line, select.POLLIN)
        poller.register(stderr, select.POLLIN)
        heard, self._words = 0, b""
        while (left := deadline - time.monotonic()) > 0:
            ready = [descriptor for descriptor, _ in poller.poll(left * 1000)]
            if stderr.fileno() in ready:
                words = os.read(stderr.fileno(), 4096)
                if not words:
                    poller.unregister(stderr)
                heard += len(words)
                self._words = (self._words + words)[-_KEPT_WORDS:]
            if heard > _MAX_WORDS:
                raise ChildLostError("the worker flooded its error output")
            if self._line.fileno() in ready:
                return self._packet()
        raise ChildHangsError if self._hangs() else ChildLateError

    def _hangs(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "D"
        except OSError:
            return False

    def _packet(self) -> dict[str, Any]:
        try:
            # Plain recv: descriptors that a hostile child might send are dropped by the kernel.
            packet = self._line.recv(wire.MAX_MESSAGE + 1)
        except OSError as error:
            raise self._lost(f"the line to the worker broke: {error.strerror}") from error
        if not packet:
            raise self._lost()
        try:
            return wire.decode(packet)
        except ValueError as error:
            raise ChildLostError(f"the worker answered nonsense: {error}") from error

    def _lost(self, words: str = "") -> ChildLostError:
        obituary = self._obituary()
        if self._process.returncode == -signal.SIGKILL:  # a worker may send no signals, so it was not the picture
            return ChildKilledError(obituary)
        return ChildLostError(words or obituary)

    def _obituary(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):  # its line is closed: it is ending, or hostile
            self._process.wait(1.0)
        stderr = self._process.stderr
        if stderr is not None and self.is_gone():
            with contextlib.suppress(OSError):
                self._words = (self._words + os.read(stderr.fileno(), 65536))[-_KEPT_WORDS:]
        last = self._words.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        return f"the worker {_how(self._process.returncode)}" + (f" ({last})" if last else "")


def _how(returncode: int | None) -> str:
    if returncode is None:
        return "closed its line"
    if returncode >= 0:
        return f"ended with status {returncode}"
    if returncode == -signal.SIGKILL:  # not by us: then it is not asked for its last words
        return "was ended by SIGKILL, perhaps because the machine ran out of memory"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
