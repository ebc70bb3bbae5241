"""The supervisor with daemons that do one thing: hang as in a call to a disk (a vfork whose child waits), or end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import until

_DAEMON = """
import os, signal, sys, time
from pathlib import Path
from twinwatch.config import Config
from twinwatch.service.supervisor import WAITING, Adopted, Hangs, Supervisor

told, fifos, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def tell(*words):
    with told.open("a") as file:
        print(os.getpid(), *words, file=file)

def hang(fifo):
    if os.fork() == 0:  # the one who says it, once it is so
        while Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[0] != "D":
            time.sleep(0.01)
        while what == "late" and not (fifos / "go").exists():
            time.sleep(0.01)
        if what != "late":
            start.line.send(Adopted(Config(hang_seconds=1000)))
        start.line.send(Hangs(frozenset({Path("/disk/a"), Path("/disk/b")})))
        os._exit(0)
    # A vfork: until the child has opened the FIFO its parent is in the kernel, as if a disk did not answer.
    os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 9, str(fifo), os.O_RDONLY, 0)])
    tell("went on")

def hang_if_so():
    fifo = fifos / str(len(told.read_text().splitlines()) - 1)
    if fifo.exists():
        hang(fifo)

signal.signal(signal.SIGUSR1, signal.SIG_IGN)
start = Supervisor(Config(hang_seconds=1)).run()
tell("begins", *sorted(map(str, start.left_alone)), start.config.hang_seconds)
hang_if_so()
if what == "answers":
    tell("answers", *sorted(map(str, start.line.receive().roots)))
    hang_if_so()
elif what == "stubborn":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    tell("ready")
    signal.sigwait({signal.SIGTERM})
    hang(fifos / "stubborn")
elif what in ("signals", "late"):
    seen, heeded = [], {*WAITING, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, heeded)  # one that came between a look and a pause would be waited for
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    tell("listens")
    while signal.SIGTERM not in seen:
        seen.append(signal.sigwait(heeded))
    tell(*(signal.Signals(number).name for number in seen))
    sys.exit(5)
else:
    os.kill(os.getpid(), signal.Signals[what])
"""


class Stand:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, what: str, *, hang: int = 0) -> None:
        self.told = folder / "told"
        self.fifos = folder
        self.what = what
        for number in range(hang):
            os.mkfifo(folder / (what if what == "stubborn" else str(2 * number)))
        self.process = subprocess.Popen([sys.executable, "-c", _DAEMON, self.told, folder, what])

    def lines(self) -> list[str]:
        """Return what the daemons said, without who said it."""
        return [line.partition(" ")[2] for line in self._said()]

    def pids(self) -> list[int]:
        return [int(line.split()[0]) for line in self._said()]

    def wait_for(self, *lines: str) -> None:
        until(lambda: self.lines() == list(lines), lambda: f"{self.lines()}")

    def answer(self, number: int) -> None:
        """Let the disk answer in which the daemon that said this line hangs."""
        with open(self.fifos / str(number), "wb"):
            pass

    def _said(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []


@pytest.fixture
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    what, hang = request.param
    stand = Stand(tmp_path, what, hang=hang)
    yield stand
    stand.process.kill()
    stand.process.wait()


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "XZ"
    except OSError:
        return False


@pytest.mark.parametrize("stand", [("answers", 1)], indirect=True)
def test_one_that_hangs_is_left_behind_and_ended_before_another_is_told(stand: Stand) -> None:
    stand.wait_for("begins 1", "begins /disk/a /disk/b 1000")
    hung, second = stand.pids()
    assert _is_there(hung)
    assert stand.process.poll() is None
    stand.answer(0)
    stand.wait_for("begins 1", "begins /disk/a /disk/b 1000", "answers /disk/a /disk/b")
    assert not _is_there(hung), "its roots were taken up while it could still act"
    assert stand.pids()[2] == second
    assert stand.process.wait() == 0


@pytest.mark.parametrize("stand", [("signals", 1)], indirect=True)
def test_signals_and_the_status_are_those_of_the_daemon_that_works(stand: Stand) -> None:
    stand.wait_for("begins 1", "begins /disk/a /disk/b 1000", "listens")
    hung = stand.pids()[0]
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
        stand.process.send_signal(number)
        if number is not signal.SIGTERM:  # two of one kind that wait are one: let each be seen
            until(lambda: not _pending(stand.pids()[1]), "a signal waits for ever")
    assert stand.process.wait() == 5
    assert sorted(stand.lines()[-1].split()) == ["SIGHUP", "SIGTERM", "SIGUSR1"]
    until(lambda: not _is_there(hung), "what hung is left over")


def _pending(pid: int) -> bool:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["ShdPnd"], 16) | int(status["SigPnd"], 16))


@pytest.mark.parametrize("stand", [("late", 1)], indirect=True)
def test_a_reload_that_one_which_hangs_cannot_heed_is_for_the_next(stand: Stand) -> None:
    """It waits, too, until that one listens, and does not end it."""
    until(lambda: stand.lines() == ["begins 1"], lambda: f"{stand.lines()}")
    stand.process.send_signal(signal.SIGHUP)
    until(lambda: _pending(stand.pids()[0]), "the signal was not handed on")
    (stand.fifos / "go").touch()
    stand.wait_for("begins 1", "begins /disk/a /disk/b 1", "listens")
    stand.process.terminate()
    assert stand.process.wait() == 5
    assert sorted(stand.lines()[-1].split()) == ["SIGHUP", "SIGTERM"]


@pytest.mark.parametrize("stand", [("SIGABRT", 0), ("SIGKILL", 0)], indirect=True)
def test_a_daemon_that_dies_takes_its_supervisor_with_it(stand: Stand) -> None:
    assert stand.process.wait() in (-signal.SIGABRT, -signal.SIGKILL)
    assert stand.process.returncode == -signal.Signals[stand.what]


@pytest.mark.parametrize("stand", [("signals", 0)], indirect=True)
def test_a_supervisor_that_is_killed_takes_its_daemon_with_it(stand: Stand) -> None:
    stand.wait_for("begins 1", "listens")
    pid = stand.pids()[0]
    stand.process.kill()
    until(lambda: not _is_there(pid), "the daemon goes on alone")


@pytest.mark.parametrize("stand", [("answers", 2)], indirect=True)
def test_a_disk_that_hangs_again_is_left_alone_for_a_while_after_it_answers(stand: Stand) -> None:
    stand.wait_for("begins 1", "begins /disk/a /disk/b 1000")
    stand.answer(0)
    again = ["begins 1", "begins /disk/a /disk/b 1000", "answers /disk/a /disk/b", "begins /disk/a /disk/b 1000"]
    stand.wait_for(*again)
    hung = stand.pids()[2]
    stand.answer(2)
    until(lambda: not Path(f"/proc/{hung}").exists(), "it is never ended")
    stand.process.terminate()
    assert stand.process.wait() == -signal.SIGTERM
    assert stand.lines() == again, "its roots were taken up at once, and a disk that fails here and there hangs again"


@pytest.mark.parametrize("stand", [("stubborn", 1)], indirect=True)
def test_told_to_stop_it_does_not_wait_for_a_disk(stand: Stand) -> None:
    """The daemon is told to stop before it hangs, and says that it hangs after."""
    until(lambda: stand.lines() == ["begins 1", "ready"], lambda: f"{stand.lines()}")
    stand.process.terminate()
    assert stand.process.wait() == 1
    until(lambda: not _is_there(stand.pids()[0]), "what hung is left over")
