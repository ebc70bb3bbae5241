"""F2: the daemon is killed at random moments while photos keep arriving, are held, put back and purged."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.running import Daemon, until
from tests.torture import processes
from tests.torture.figures import Figure
from tests.torture.library import CONFIG, GONE, HELD, HOME, Library
from tests.torture.profile import Profile
from tests.torture.recovery import judge_recovered
from twinwatch.config import load

ROUND = 40  # kills on one library; then it is let run until level, judged, and a new one begins
LONGEST = 2.5  # seconds from being ready to the kill, at random


def random_kills(profile: Profile) -> Iterator[Figure]:
    """Yield one figure, after each round all of the kills so far."""
    wanted = profile.times(1000, quick=8)
    broken: Counter[str] = Counter()
    for done in range(0, wanted, ROUND):
        batch = min(ROUND, wanted - done)
        broken += Round(profile.folder / "daemon", profile.seed + done).kill(batch)
        yield Figure("F2", "SIGKILL of the daemon at random moments under load", done + batch, "1,000", broken)


class Round:
    """One library, to which photos come all the time, and its daemon."""

    def __init__(self, folder: Path, seed: int) -> None:
        """`folder` is emptied."""
        shutil.rmtree(folder, ignore_errors=True)
        self._library = Library(folder / "disk", folder / "state" / "of")
        self._daemon = Daemon(self._library.root, self._library.state, CONFIG)
        self._chance = random.Random(seed)
        self._allowed: dict[str, set[str]] = {}
        self._next = 0
        self._broken: Counter[str] = Counter()

    def kill(self, times: int) -> Counter[str]:
        """Kill so often; return the broken laws."""
        daemon = self._daemon
        try:
            daemon.start().wait_for("level")  # what comes now are arrivals
            for _ in range(times):
                self._arrive(self._chance.randint(1, 3))
                if self._chance.random() < 0.3:
                    self._person()
                time.sleep(self._chance.uniform(0, LONGEST))  # the moment of the kill is what is tried
                daemon.kill()
                self._broken += self._library.judge(self._allowed, settled=False)
                daemon.start()
            self._level()
        finally:
            daemon.end()
        return +self._broken

    def _arrive(self, pairs: int) -> None:
        for _ in range(pairs):
            self._next += 1
            copy = self._library.put_pair(self._next)
            self._allowed[copy] = {HOME, HELD}

    def _person(self) -> None:
        """Put one back, or delete one for good, while the daemon works."""
        held = processes.slots(self._library)
        if not held:
            return
        copy = self._chance.choice(sorted(held))
        if self._chance.random() < 0.5:
            done = processes.quarantine(self._library, "restore", held[copy])
            to = HOME
        else:
            self._allowed[copy] = self._allowed[copy] | {GONE}
            done = processes.quarantine(self._library, "purge", held[copy], "--yes")
            to = GONE
        if done.code == 0:
            self._allowed[copy] = {to}
        elif not done.clean:
            sys.stderr.write(done.err)
            self._broken["crashed"] += 1

    def _level(self) -> None:
        """Let it come to rest: every copy is found then, and everything is in one place."""
        library, daemon = self._library, self._daemon
        waiting = {copy for copy, where in self._allowed.items() if where == {HOME, HELD}}
        until(lambda: waiting <= library.look().held.keys(), lambda: f"not held: {waiting}\n{daemon.tail()}")
        daemon.wait_for("level")
        daemon.stop()
        if "Traceback" in daemon.log.read_text(errors="replace"):
            sys.stderr.write(daemon.tail())
            self._broken["crashed"] += 1
        for copy in waiting:
            self._allowed[copy] = {HELD}
        self._broken += judge_recovered(library, load(library.config, []), self._allowed)
