"""F4: the power goes at any moment of hold, restore and purge; on ext4, xfs and btrfs.

The real program works on a disk of which every write is logged. Then, again and again: a disk is made of the log up to
a random point, of what was not flushed by then each block is there or not by chance, it is mounted, the program's own
recovery looks at it, and so does the oracle: nothing lost, nothing said to be done undone.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.torture import processes
from tests.torture.disks import JOURNALED, FileSystem, copy_image, mounted, require
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from tests.torture.recording import Recorder, Recording
from tests.torture.recovery import judge_recovered
from twinwatch.config import Config, load

BLOCK = 4096  # bytes that a disk writes as a whole; what is longer may be torn between two of them
CUTS_OF_ONE_RECORDING = 1000
EVERY = "all"  # instead of one place in the program
TOOLS = ("nbdkit", "nbdfuse", "mount", "fusermount3")


def power_cuts(profile: Profile, systems: Sequence[FileSystem] = JOURNALED) -> Iterator[Figure]:
    """Yield a figure for each file system after each recording, all of its cuts so far."""
    for system in systems:
        require(*TOOLS, system.make[0])
    wanted = profile.times(10_000, quick=40)
    broken: dict[str, Counter[str]] = {system.name: Counter() for system in systems}
    for done in range(0, wanted, CUTS_OF_ONE_RECORDING):
        for system in systems:
            recording = _recorded(profile, system, profile.seed + done)
            batch = min(CUTS_OF_ONE_RECORDING, wanted - done)
            broken[system.name] += Cutter(recording, profile.folder / system.name, profile.seed + done).cut(batch)
            case = f"power cut in hold, restore, purge: {system.name}"
            yield Figure("F4", case, done + batch, "10,000", broken[system.name])  # so far: the next takes its place


def controls(
    profile: Profile, systems: Sequence[FileSystem] = JOURNALED, *, only_all: bool = False
) -> Iterator[Figure]:
    """Yield, for each fsync of the program left out, how many cuts show it."""
    for system in systems:
        require(*TOOLS, system.make[0])
        for site in [EVERY, *([] if only_all else ["sqlite", *_sites(profile, system)])]:
            recording = _recorded(profile, system, profile.seed, without=site)
            times = profile.times(300, quick=20)
            broken = Cutter(recording, profile.folder / system.name, profile.seed).cut(times, tell=False)
            where = "every fsync" if site == EVERY else "SQLite's syncs" if site == "sqlite" else f"the fsync of {site}"
            yield Figure("F4", f"power cut, {system.name}, without {where}", times, "300", broken, control=True)


def _recorded(profile: Profile, system: FileSystem, seed: int, without: str = "") -> Recording:
    folder = profile.folder / system.name
    shutil.rmtree(folder, ignore_errors=True)
    program = [sys.executable, "-m", "tests.torture.unsynced", without] if without else list(processes.PROGRAM)
    return Recorder(folder, system, program).record(seed, pairs=4 if profile.quick else 8)


def _sites(profile: Profile, system: FileSystem) -> list[str]:
    """Return the places in the program that sync, as it passes them in the workload."""
    told = profile.folder / "sites"
    told.unlink(missing_ok=True)
    os.environ["TORTURE_SITES"] = str(told)
    try:
        _recorded(profile, system, profile.seed, without="none")
    finally:
        del os.environ["TORTURE_SITES"]
    return sorted(set(told.read_text().split("\n")) - {""})


class Cutter:
    """Cuts one recording again and again."""

    def __init__(self, recording: Recording, folder: Path, seed: int) -> None:
        """`folder` gets the images; the same seed cuts at the same points."""
        self._recording = recording
        self._events = recording.events()
        self._config: Config | None = None
        self._base, self._image = folder / "base.img", folder / "cut.img"
        self._chance = random.Random(seed)
        copy_image(recording.start, self._base)
        self._applied = 0  # events that are in the base

    def cut(self, times: int, *, tell: bool = True) -> Counter[str]:
        """Cut so often; return the broken laws, and tell on standard error where."""
        first = bisect_right(self._events, (self._recording.ready, 1 << 62, 0))
        broken: Counter[str] = Counter()
        with self._recording.log.open("rb") as log:
            for count in sorted(self._chance.randint(first, len(self._events)) for _ in range(times)):
                self._make(log.fileno(), count)
                found = self._look(self._events[count - 1][0])
                if found and tell:
                    sys.stderr.write(f"cut after event {count} of {len(self._events)}: {dict(found)}\n")
                broken += found
        return broken

    def _make(self, log: int, count: int) -> None:
        """Make the image of a disk whose power went after `count` events."""
        flushed = next((n for n in range(count, self._applied, -1) if self._events[n - 1][2] == 0), self._applied)
        with self._base.open("r+b") as base:
            for event in self._events[self._applied : flushed]:
                _write(base.fileno(), log, *event)
        self._applied = flushed
        copy_image(self._base, self._image)
        share = self._chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        torn = self._chance.random() < 0.5
        with self._image.open("r+b") as image:
            for end, offset, length in self._events[flushed:count]:
                step = BLOCK if torn else max(length, 1)
                for at in range(0, length, step):
                    if self._chance.random() >= share:
                        part = min(step, length - at)
                        _write(image.fileno(), log, end - length + at + part, offset + at, part)

    def _look(self, position: int) -> Counter[str]:
        recording = self._recording
        try:
            with mounted(self._image, recording.library.base, recording.options):
                broken = recording.library.judge(recording.allowed(position), settled=False)
                self._config = self._config or load(recording.library.config, [])
                broken += judge_recovered(recording.library, self._config, recording.allowed(position))
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"{error.stderr}\n")
            return Counter(unmountable=1)
        return broken


def _write(target: int, log: int, end: int, offset: int, length: int) -> None:
    if length:
        os.pwrite(target, os.pread(log, length, end - length), offset)
