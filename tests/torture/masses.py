"""F29: thousands of copies arrive at once, and a root empties: the brake stops both, and asks."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.running import Daemon
from tests.torture.figures import Figure
from tests.torture.library import picture
from tests.torture.profile import Profile
from twinwatch.brake import Limits
from twinwatch.index import Index

COPIES, ORIGINALS = 10_000, 20
PATIENCE = 1800.0  # seconds until something that must come is given up; never a measure of speed

CONFIG = """\
roots: [{{path: {root}}}]
settle: {{quiet_seconds: 0.4, closed_seconds: 0.1}}
quarantine: {{min_free_mib: 0}}
log: {{level: warning, format: plain}}
"""
"""The brake is as it is unless somebody changes it."""


def masses(profile: Profile) -> Iterator[Figure]:
    """Let a sync client go wrong in both directions, on one library."""
    copies = profile.times(COPIES, quick=700)
    folder = profile.folder / "masses"
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "mirror"
    (root / "again").mkdir(parents=True)
    for number in range(ORIGINALS):
        (root / f"{number}.jpg").write_bytes(picture(number))
    daemon = Daemon(root, folder / "state", CONFIG, PATIENCE)
    try:
        daemon.start().wait_for("level")
        yield _arriving(daemon, copies)
        yield _emptied(daemon)
    finally:
        daemon.end()
        shutil.rmtree(folder, ignore_errors=True)


def _arriving(daemon: Daemon, copies: int) -> Figure:
    for number in range(copies):
        (daemon.root / f"again/{number}.jpg").write_bytes(picture(number % ORIGINALS))
    daemon.wait_for("paused")
    daemon.stop()
    daemon.start().wait_for("paused")  # nor does a restart, and the walk that it begins with, let one more through
    daemon.stop()
    most = Limits().max_moves
    held = len(daemon.held())
    left = len(_photos(daemon.root))
    broken = Counter(wrong=max(0, held - most), lost=abs(ORIGINALS + copies - held - left), untrue=int(held == 0))
    note = f"{held:,} set aside, as many as brake.max_moves and max_share allow, then it paused, also after a restart"
    return Figure("F29", "copies that arrive at once", copies, f"{COPIES:,}", broken, note)


def _emptied(daemon: Daemon) -> Figure:
    known = _known(daemon)
    held = len(daemon.held())
    gone = _photos(daemon.root)
    for path in gone:
        path.unlink()
    daemon.start()
    status = daemon.wait_for("paused", "degraded")
    broken: Counter[str] = Counter()
    broken["untrue"] += status["roots"][0]["state"] != "emptied"
    daemon.stop()
    broken["wrong"] += abs(known - _known(daemon))  # believed to be deleted
    broken["lost"] += abs(held - len(daemon.held()))
    return Figure(
        "F29", "photos that are gone at once: the root stops, and nothing is forgotten", len(gone), "all", broken
    )


def _known(daemon: Daemon) -> int:
    index = Index(daemon.state)
    try:
        return index.photos.count()
    finally:
        index.close()


def _photos(root: Path) -> list[Path]:
    return [path for path in root.rglob("*.jpg") if ".twinwatch" not in path.parts]
