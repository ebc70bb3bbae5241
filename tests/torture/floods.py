"""F12, F13: more files at once than the kernel's queue or watches hold, on the real daemon: not one is missed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.e2e.running import Daemon
from tests.torture.disks import UnavailableError, require
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from twinwatch.service.state import published

FILES, FOLDERS, QUEUE, WATCHES = 100_000, 1000, 64, 8
LIMIT = Path("/proc/sys/fs/inotify/max_queued_events")
PATIENCE = 600.0  # seconds without one more photo until it is said that the rest was missed; never a measure of speed

CONFIG = """\
roots: [{{path: {root}}}]
settle: {{quiet_seconds: 0.4, closed_seconds: 0.1, retry_seconds: 0.1, retries: 0}}
quarantine: {{min_free_mib: 0}}
brake: {{max_moves: 1000000}}
log: {{level: warning, format: plain}}
"""


def overflow(profile: Profile) -> Iterator[Figure]:
    """F12: the daemon's event queue is a few events long."""
    require(root=True)  # the queue's length is the machine's
    yield _flood(profile, "F12", f"files through an event queue of {QUEUE}", small_queue)


def exhausted(profile: Profile) -> Iterator[Figure]:
    """F13: the daemon may watch a few folders only."""
    require("unshare", "sysctl", root=False)
    yield _flood(profile, "F13", f"files in folders beyond {WATCHES} watches", few_watches)


@contextmanager
def small_queue(_: Path) -> Iterator[None]:
    """Let the daemon that starts now have a queue of a few events: the limit counts for the moment of its opening."""
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


def _flood(
    profile: Profile, fault: str, case: str, limits: Callable[[Path], AbstractContextManager[None]]
) -> Figure:  # fmt: skip
    files = profile.times(FILES, quick=2000)
    folder = profile.folder / f"flood-{fault}"
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "mirror"
    folders = max(WATCHES * 2, files * FOLDERS // FILES)
    for number in range(folders):
        (root / f"{number}").mkdir(parents=True)
    daemon = Daemon(root, folder / "state", CONFIG, PATIENCE)
    try:
        with limits(folder):
            daemon.start()
        degraded = daemon.wait_for("level", "degraded")["state"] == "degraded"
        began = time.monotonic()
        _write(root, folders, files, random.Random(profile.seed))
        wrote = time.monotonic() - began
        seen = known_in_the_end(daemon, files)
        degraded = degraded or "walking it to miss nothing" in daemon.log.read_text(errors="replace")
        caught_up = time.monotonic() - began - wrote
        daemon.stop()
    finally:
        daemon.end()
        shutil.rmtree(folder, ignore_errors=True)
    note = f"in {folders:,} folders, written in {wrote:.0f} s, all known {caught_up:.0f} s later"
    return Figure(fault, case, files, f"{FILES:,}", Counter(missed=files - seen, untrue=int(not degraded)), note)


def _write(root: Path, folders: int, files: int, chance: random.Random) -> None:
    """Write files of a few bytes, each another; some under a temporary name first, some in a folder made just now."""
    for number in range(files):
        folder = f"{root}/{number % folders}"
        if number % 50 == 49:
            folder = f"{folder}/new {number // folders}"
            os.makedirs(folder, exist_ok=True)
        temporary = chance.random() < 0.2
        name = f"{folder}/.syncthing.{number}.jpg.tmp" if temporary else f"{folder}/{number}.jpg"
        with open(name, "wb") as file:
            file.write(b"\xff\xd8\xff%d" % number)
        if temporary:
            os.rename(name, f"{folder}/{number}.jpg")


def known_in_the_end(daemon: Daemon, photos: int) -> int:
    """Wait until so many photos are known, or until none has been added for a long time; return how many are."""
    known, since = -1, time.monotonic()
    while known < photos and time.monotonic() - since < PATIENCE:
        assert daemon.process is not None
        assert daemon.process.poll() is None, daemon.tail()
        now = int((published(daemon.state) or {}).get("photos", 0))
        if now != known:
            known, since = now, time.monotonic()
        time.sleep(0.1)
    return known
