"""F28: a million events on the real daemon: memory, descriptors and the database's log stay as they are."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.drawing import scene, stored
from tests.e2e.running import Daemon, until
from tests.torture.disks import children
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from twinwatch.service.state import published

EVENTS = 1_000_000
PHOTOS = 200
MOST_DRIFT = 5.0  # percent of memory, between the first half and the second
MOST_LOG = 64 << 20  # bytes of the write-ahead log: its limit is 16 MiB after each checkpoint
SAMPLES = 40
PATIENCE = 1800.0  # seconds until something that must come is given up; never a measure of speed

CONFIG = """\
roots: [{{path: {root}}}]
settle: {{quiet_seconds: 0.4, closed_seconds: 0.1, retry_seconds: 0.1, retries: 0}}
quarantine: {{min_free_mib: 0}}
brake: {{max_moves: 1000000}}
workers: {{count: 1, idle_seconds: 0.5}}
log: {{level: warning, format: plain}}
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon at rest: its workers have left, nothing is queued."""

    resident: int  # bytes
    descriptors: int
    of_roots: int  # descriptors on files or folders of a root
    log: int  # bytes of the write-ahead log


def soak(profile: Profile) -> Iterator[Figure]:
    """Stir a root that is watched, and look at the daemon all the while."""
    events = profile.times(EVENTS, quick=8000)
    folder = profile.folder / "soak"
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "mirror"
    root.mkdir(parents=True)
    for number in range(PHOTOS):
        (root / f"{number}.jpg").write_bytes(stored(scene(number, (64, 48))))
    soaked = _Soak(Daemon(root, folder / "state", CONFIG, PATIENCE), random.Random(profile.seed))
    try:
        soaked.daemon.start().wait_for("level")
        yield soaked.run(events)
        soaked.daemon.stop()
    finally:
        soaked.daemon.end()
        shutil.rmtree(folder, ignore_errors=True)


class _Soak:
    def __init__(self, daemon: Daemon, chance: random.Random) -> None:
        self.daemon, self._chance = daemon, chance
        self._canaries = 0

    def run(self, events: int) -> Figure:
        samples: list[Sample] = []
        made = self._stir(events // 5)  # what is cached is cached by now
        self._catch_up()
        for _ in range(SAMPLES):
            made += self._stir(events * 4 // 5 // SAMPLES)
            self._catch_up()
            samples.append(self._sample())
        early, late = samples[: SAMPLES // 2], samples[SAMPLES // 2 :]
        before, after = (_middle([each.resident for each in half]) for half in (early, late))
        drift = 100 * (after / before - 1)
        opened = [max(each.descriptors for each in half) for half in (early, late)]
        longest = max(each.log for each in samples)
        broken = Counter(
            grown=(drift > MOST_DRIFT) + (opened[1] > opened[0]) + (longest > MOST_LOG),
            untrue=sum(each.of_roots for each in samples),
            lost=abs(len(list(self.daemon.root.glob("*.jpg"))) - PHOTOS),
        )
        note = (
            f"memory {drift:+.1f} %, at rest {opened[1]} descriptors, none of a root; log at most {longest >> 20} MiB"
        )
        return Figure("F28", "soak: renames, rewrites, temporary files", made, f"{EVENTS:,}", broken, note)

    def _stir(self, events: int) -> int:
        made, root, chance = 0, self.daemon.root, self._chance
        while made < events:
            path = root / f"{chance.randrange(PHOTOS)}.jpg"
            what = chance.randrange(10)
            if what == 0:
                path.write_bytes(path.read_bytes())  # opened, written, closed
                made += 3
            elif what < 4:
                other = root / f"moved {path.name}"
                path.rename(other)
                other.rename(path)
                made += 4
            elif what < 7:
                temporary = root / f".syncthing.{path.name}.tmp"
                temporary.write_bytes(b"x")
                temporary.unlink()
                made += 4
            else:
                os.utime(path, ns=(chance.randrange(10**18), 10**18))
                made += 1
        return made

    def _catch_up(self) -> None:
        """Wait until the daemon has heard of what was done last: a file of our own comes, is known, and goes."""
        self._canaries += 1
        canary = self.daemon.root / f"canary {self._canaries}.jpg"
        canary.write_bytes(b"\xff\xd8\xff%d" % self._canaries)
        self._until_known(PHOTOS + 1)
        canary.unlink()
        self._until_known(PHOTOS)
        until(lambda: children(self.daemon.pid) == [], "a worker never leaves", PATIENCE)

    def _until_known(self, photos: int) -> None:
        def known() -> bool:
            status = published(self.daemon.state) or {}
            return (status.get("photos"), status.get("queued"), status.get("state")) == (photos, 0, "level")

        until(known, lambda: f"never quiet: {published(self.daemon.state)}\n{self.daemon.tail()}", PATIENCE)

    def _sample(self) -> Sample:
        home = Path(f"/proc/{self.daemon.pid}")
        resident = int((home / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        opened = [os.readlink(link) for link in (home / "fd").iterdir() if os.path.lexists(link)]
        of_roots = sum(name.startswith(str(self.daemon.root)) for name in opened)
        log = self.daemon.state / "index.db-wal"
        return Sample(resident, len(opened), of_roots, log.stat().st_size if log.exists() else 0)


def _middle(values: list[int]) -> float:
    ordered = sorted(values)
    return float(ordered[len(ordered) // 2])
