"""F12, F13: more files at once than the kernel's queue or watches hold, on the real daemon: not one is missed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.running import Daemon

FILES, FOLDERS, QUEUE, WATCHES = 100_000, 1000, 64, 8
LIMIT = Path("/proc/sys/fs/inotify/max_queued_events")

CONFIG = """\
roots: [{{path: {root}}}]
settle: {{quiet_seconds: 0.4, closed_seconds: 0.1, retry_seconds: 0.1, retries: 0}}
quarantine: {{min_free_mib: 0}}
brake: {{max_moves: 1000000}}
log: {{level: warning, format: plain}}
"""


def run(scale: str, seed: int) -> list[dict[str, Any]]:
    """Flood a real daemon with `scale` files ("full", or a number); a fault that cannot be made here is left out."""
    files = FILES if scale == "full" else int(scale)
    figures = []
    for fault, case, limits in (
        ("F12", f"files through an event queue of {QUEUE}", small_queue),
        ("F13", f"files in folders beyond {WATCHES} watches", few_watches),
    ):
        with tempfile.TemporaryDirectory() as folder:
            try:
                figures.append(_flood(fault, case, limits, Path(folder), files, seed))
            except UnavailableError as error:
                sys.stderr.write(f"{fault} left out: {error}\n")
    return figures


class UnavailableError(Exception):
    """This fault cannot be made on this machine."""


@contextmanager
def small_queue(_: Path) -> Iterator[None]:
    """Let the daemon that starts now have a queue of a few events: the limit counts for the moment of its opening."""
    if os.geteuid():
        raise UnavailableError("the queue's length is the machine's, and only root may set it")
    before = LIMIT.read_text()
    try:
        LIMIT.write_text(str(QUEUE))
        yield
    except OSError as error:
        raise UnavailableError(str(error)) from error
    finally:
        LIMIT.write_text(before)


@contextmanager
def few_watches(folder: Path) -> Iterator[None]:
    """Let the daemon that starts now live in a user namespace with few watches; the machine's limit is not touched."""
    real, wrapper = sys.executable, folder / "python"
    inner = f'sysctl -q -w user.max_inotify_watches={WATCHES} && exec "$0" "$@"'
    probe = ["unshare", "-U", "-r", "sh", "-c", inner, "true"]
    try:
        subprocess.run(probe, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError("no user namespace can be made here") from error
    wrapper.write_text(f"#!/bin/sh\nexec unshare -U -r sh -c '{inner}' '{real}' \"$@\"\n")
    wrapper.chmod(0o755)
    sys.executable = str(wrapper)
    try:
        yield
    finally:
        sys.executable = real


def _flood(fault: str, case: str, limits: Callable[[Path], Any], folder: Path, files: int, seed: int) -> dict[str, Any]:
    root = folder / "mirror"
    folders = max(WATCHES * 2, files * FOLDERS // FILES)
    for number in range(folders):
        (root / f"{number}").mkdir(parents=True)
    daemon = Daemon(root, folder / "state", CONFIG)
    try:
        with limits(folder):
            daemon.start()
        until_level(daemon, 0)
        degraded = daemon.status()["state"] == "degraded"
        began = time.monotonic()
        _write(root, folders, files, random.Random(seed))
        wrote = time.monotonic() - began
        seen = until_level(daemon, files)
        degraded = degraded or "walking it to miss nothing" in daemon.tail()
        caught_up = time.monotonic() - began - wrote
        daemon.stop()
    finally:
        daemon.end()
    missed = files - seen
    return {
        "fault": fault,
        "case": case,
        "count": files,
        "bad": missed + (not degraded),
        "broken": {"missed": missed, "not told": int(not degraded)},
        "target": f"{FILES:,}",
        "note": f"in {folders:,} folders; catching up took {caught_up / max(wrote, 0.1):.1f} times as long as writing",
        "ok": missed == 0 and degraded,
    }


def _write(root: Path, folders: int, files: int, chance: random.Random) -> None:
    """Write files of a few bytes, each another; some under a temporary name first, some in a folder made just now."""
    for number in range(files):
        folder = root / f"{number % folders}"
        if number % 50 == 49:
            folder = folder / f"new {number // folders}"
            folder.mkdir(exist_ok=True)
        path = folder / f"{number}.jpg"
        if chance.random() < 0.2:
            temporary = folder / f".syncthing.{number}.jpg.tmp"
            temporary.write_bytes(b"\xff\xd8\xff%d" % number)
            temporary.rename(path)
        else:
            path.write_bytes(b"\xff\xd8\xff%d" % number)


def until_level(daemon: Daemon, photos: int) -> int:
    """Wait until so many photos are known, or until nothing has been added for a long time; return how many are."""
    known, since = -1, time.monotonic()
    while known < photos and time.monotonic() - since < 200:
        assert daemon.process is not None
        assert daemon.process.poll() is None, daemon.tail()
        now = int(daemon.status().get("photos", 0))
        if now != known:
            known, since = now, time.monotonic()
        time.sleep(0.5)
    return known
