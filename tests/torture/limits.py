"""F14 and F31: the clock jumps by days and years, and the kernel's OOM killer comes, while the daemon works."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.running import Daemon, until
from tests.torture import processes
from tests.torture.disks import UnavailableError, children, require
from tests.torture.figures import Figure
from tests.torture.library import CONFIG, HELD, HOME, Library
from tests.torture.profile import Profile
from tests.torture.recovery import judge_recovered
from twinwatch.config import load

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
JUMPS = ("-3d", "+0", "+3650d", "-3650d", "+1h", "-1h", "+12y", "-1d")
"""Back by days, on by ten years (beyond January 2038), and an hour to and fro, as daylight saving does it."""

OF_LIBFAKETIME = "OSError: [Errno 22] Invalid argument"
"""It breaks Python's sleep when it leaves the monotonic clock alone, which must not jump: no clock of Linux does."""

MEMORY = Path("/sys/fs/cgroup/memory")
KILLED_AT = (1, 2, 4, 8, 16, 32)  # MiB that the daemon and its workers may have from now on: less than they need
PLENTY = 1 << 30


class Watching:
    """A daemon on one library, to which photos come."""

    def __init__(self, folder: Path, seed: int, config: str = CONFIG) -> None:
        """`folder` is emptied."""
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        self.library = Library(folder / "disk", folder / "state" / "of")
        self.daemon = Daemon(self.library.root, self.library.state, config)
        self.chance = random.Random(seed)
        self.arrived: list[str] = []
        self.broken: Counter[str] = Counter()

    def arrive(self) -> None:
        """Let a pair arrive."""
        self.arrived.append(self.library.put_pair(len(self.arrived) + 1))

    def all_held(self) -> bool:
        """Tell whether every copy has been set aside."""
        return set(self.arrived) <= self.library.look().held.keys()

    def judge(self) -> Counter[str]:
        """Let it come to rest, stop it, and judge."""
        daemon = self.daemon
        until(self.all_held, lambda: f"not all held of {self.arrived}\n{daemon.tail()}")
        daemon.stop()
        log = daemon.log.read_text(errors="replace")
        if log.count("Traceback") > log.count(OF_LIBFAKETIME):
            sys.stderr.write(daemon.tail())
            self.broken["crashed"] += 1
        allowed = {copy: {HELD} for copy in self.arrived}
        self.broken += self.library.judge(allowed)
        self.broken += judge_recovered(self.library, load(self.library.config, []), allowed)
        return +self.broken


def clocks(profile: Profile) -> Iterator[Figure]:
    """F14: the daemon's clock jumps while photos arrive: none is lost, none is left, none is purged early."""
    if not FAKETIME.exists():
        raise UnavailableError("not installed: faketime")
    times = profile.times(40, quick=4)
    watching = Watching(profile.folder / "clocks", profile.seed)
    clock = watching.folder / "clock"
    clock.parent.mkdir(parents=True, exist_ok=True)
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    before = {name: os.environ.get(name) for name in faked}
    os.environ.update(faked)
    try:
        watching.daemon.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    try:
        watching.daemon.wait_for("level")
        for number in range(times):
            clock.write_text(JUMPS[number % len(JUMPS)])
            watching.arrive()
            until(watching.all_held, lambda: f"the clock jumped: {watching.daemon.tail()}")
        broken = watching.judge()
        slots = processes.slots(watching.library)
        now = processes.quarantine(watching.library, "purge", "--all", "--older-than", "36500", "--yes")
        broken["untrue"] += now.code != 0 or processes.slots(watching.library) != slots
    finally:
        watching.daemon.end()
    yield Figure("F14", "the clock jumps by days, ten years and hours while photos arrive", times, "40", +broken)


def out_of_memory(profile: Profile) -> Iterator[Figure]:
    """F31: a memory limit so low that the kernel kills the worker, or the daemon; then memory is back."""
    require(root=True)
    if not (MEMORY / "memory.limit_in_bytes").exists():
        raise UnavailableError("no memory controller of cgroup v1")
    times = profile.times(100, quick=3)
    fresh = CONFIG.replace("count: 1", "count: 1, idle_seconds: 0")  # each picture needs a worker that is started anew
    watching = Watching(profile.folder / "memory", profile.seed, fresh)
    group = MEMORY / f"torture-{os.getpid()}"
    group.mkdir()
    kills = 0
    daemon = watching.daemon
    try:
        daemon.start().wait_for("level")
        for _ in range(times):
            assert daemon.process is not None
            for pid in (daemon.process.pid, daemon.pid, *children(daemon.pid)):
                with contextlib.suppress(ProcessLookupError):  # a worker that has just left
                    (group / "cgroup.procs").write_text(str(pid))
            _limit(group, watching.chance.choice(KILLED_AT) << 20)
            watching.arrive()
            time.sleep(watching.chance.uniform(0.5, 2))  # the moment at which memory is back is what is tried
            _limit(group, PLENTY)
            if daemon.process.poll() is not None:
                watching.broken["crashed"] += daemon.process.returncode != -signal.SIGKILL
                daemon.start()
        daemon.kill()
        daemon.start()  # what a worker died of is read again when it changes, or by a new daemon's walk
        kills = _kills(group)
        watching.broken += watching.library.judge({copy: {HOME, HELD} for copy in watching.arrived}, settled=False)
        daemon.wait_for("level")
        daemon.stop()
        done = processes.scan(watching.library)
        watching.broken["crashed"] += not done.clean
        allowed = {copy: {HOME, HELD} for copy in watching.arrived}
        watching.broken += judge_recovered(watching.library, load(watching.library.config, []), allowed)
    finally:
        daemon.end()
        with contextlib.suppress(OSError):
            group.rmdir()
    note = f"{kills} processes killed"
    yield Figure("F31", "the OOM killer on the daemon and its worker", times, "100", +watching.broken, note)


def _limit(group: Path, amount: int) -> None:
    with contextlib.suppress(OSError):  # what is used already cannot be forbidden
        (group / "memory.limit_in_bytes").write_text(str(amount))


def _kills(group: Path) -> int:
    for line in (group / "memory.oom_control").read_text().splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0
