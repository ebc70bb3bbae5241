"""F28: a million events on the real daemon: memory, descriptors and the database's log stay as they are."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.drawing import scene, stored
from tests.e2e.running import Daemon
from tests.torture.floods import CONFIG, until_level

EVENTS = 1_000_000
PHOTOS = 200
MOST_LOG = 64 << 20  # bytes of the write-ahead log: its limit is 16 MiB after each checkpoint
SAMPLES = 40


def run(scale: str, seed: int) -> list[dict[str, Any]]:
    """Make `scale` events ("full", or a number) in a root that is watched, and look at the daemon all the while."""
    events = EVENTS if scale == "full" else int(scale)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "mirror")
        root.mkdir()
        for number in range(PHOTOS):
            (root / f"{number}.jpg").write_bytes(stored(scene(number, (64, 48))))
        daemon = Daemon(root, Path(folder, "state"), CONFIG)
        try:
            daemon.start()
            until_level(daemon, PHOTOS)
            return [_soak(daemon, events, random.Random(seed))]
        finally:
            daemon.end()


def _soak(daemon: Daemon, events: int, chance: random.Random) -> dict[str, Any]:
    samples: list[tuple[int, int, int]] = []
    made = 0
    _stir(daemon.root, events // 5, chance)  # what is cached is cached by now
    _catch_up(daemon)
    for _ in range(SAMPLES):
        made += _stir(daemon.root, events // SAMPLES, chance)
        _catch_up(daemon)
        samples.append(_sample(daemon))
    half = len(samples) // 2
    early, late = samples[:half], samples[half:]
    drift = 100 * (_middle([m for m, _, _ in late]) / _middle([m for m, _, _ in early]) - 1)
    most_open = max(fds for _, fds, _ in samples)
    longest = max(log for _, _, log in samples)
    broken = {
        "memory grown": int(drift > 5),
        "descriptors grown": int(_middle([fds for _, fds, _ in late]) > _middle([fds for _, fds, _ in early])),
        "log grown": int(longest > MOST_LOG),
        "photos lost": abs(len(list(daemon.root.glob("*.jpg"))) - PHOTOS),
    }
    return {
        "fault": "F28",
        "case": "soak: renames, rewrites, temporary files",
        "count": made,
        "bad": sum(broken.values()),
        "broken": {law: count for law, count in broken.items() if count},
        "target": f"{EVENTS:,}",
        "note": f"memory {drift:+.1f} %, at most {most_open} descriptors, log at most {longest >> 20} MiB",
        "ok": not any(broken.values()),
    }


def _stir(root: Path, events: int, chance: random.Random) -> int:
    made = 0
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


def _catch_up(daemon: Daemon) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        status = daemon.status()
        if status["queued"] == 0 and status["state"] in ("level", "degraded"):
            return
        time.sleep(0.2)
    sys.stderr.write(f"never quiet: {daemon.tail()}\n")


def _sample(daemon: Daemon) -> tuple[int, int, int]:
    """Return resident memory in bytes, open descriptors, and the size of the write-ahead log in bytes."""
    assert daemon.process is not None
    home = Path(f"/proc/{daemon.process.pid}")
    resident = int((home / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    log = daemon.state / "index.db-wal"
    return resident, len(os.listdir(home / "fd")), log.stat().st_size if log.exists() else 0


def _middle(values: list[int]) -> float:
    ordered = sorted(values)
    return float(ordered[len(ordered) // 2])
