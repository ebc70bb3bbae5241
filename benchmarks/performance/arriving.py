"""From a file that has just arrived whole to its quarantine, and bursts of thousands."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from benchmarks.performance.costs import TWINWATCH, processor_of, run
from benchmarks.performance.figures import Figure
from benchmarks.performance.libraries import made
from benchmarks.performance.running import SETTLE, Daemon, running, until


def one_by_one(photos: Sequence[Path], work: Path, library: int) -> Iterator[Figure]:
    """Let byte copies and re-encoded copies arrive one after another, in an index of `library` photos beside them."""
    root, state, outside = (work / name for name in ("arrivals", "arrivals-state", "outside"))
    for old in (root, state, outside):
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
    made(work / f"library-{library}", library).close()
    shutil.copy(work / f"library-{library}" / "index.db", state / "index.db")
    for photo in photos:
        shutil.copy(photo, root / photo.name)
    decode = statistics.median(_decode(photo) for photo in photos)
    with running(root, state) as daemon:
        daemon.wait_level()
        waits: dict[str, list[float]] = {"byte copy": [], "re-encoded copy": []}
        for number, photo in enumerate(photos):
            for kind, seen in waits.items():
                prepared = outside / f"{number}-{kind.replace(' ', '-')}.jpg"
                if kind == "byte copy":
                    shutil.copy(photo, prepared)
                else:
                    with Image.open(photo) as picture:
                        picture.save(prepared, "JPEG", quality=80)
                seen.append(_arrive(prepared, daemon) - SETTLE)
    what = f"arrival at an index of {library:,}"
    for kind, seen in waits.items():
        middle, last = statistics.median(seen), max(seen)
        if kind == "byte copy":
            yield Figure(what, f"{kind}: settle time and", 1000 * middle, "ms", bar=50)
        else:
            note = f"{1000 * middle:.0f} ms; a decode takes {1000 * decode:.0f} ms"
            yield Figure(what, f"{kind}: settle time and so many full decodes", middle / decode, bar=4, note=note)
        yield Figure(what, f"{kind}: the slowest of {len(seen)} beside the median", last / middle, bar=3)


def burst(photos: Sequence[Path], work: Path) -> Iterator[Figure]:
    """Let everything arrive at once; compare with `scan` over the same photos by processor time."""
    root, state, outside = (work / name for name in ("burst", "burst-state", "burst-outside"))
    for old in (root, state, outside):
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
    for photo in photos:
        os.link(photo, outside / photo.name)
    scanned = run([*TWINWATCH, "scan", "--state", state, outside])
    shutil.rmtree(state)
    state.mkdir()
    shutil.rmtree(outside / ".twinwatch")
    with running(root, state) as daemon:
        daemon.wait_level()
        before, began, most = processor_of(daemon.process.pid), time.monotonic(), 0
        for photo in photos:
            os.rename(outside / photo.name, root / photo.name)

        def done() -> bool:
            nonlocal most
            status = daemon.status()
            queued = status.get("queued", 0)
            most = max(most, queued if isinstance(queued, int) else 0)
            return status.get("photos") == len(photos) and status.get("state") == "level"

        until(done, daemon)
        # The second in which the last one has to stand still is no work; `arrival` leaves it out as well.
        spent, took = processor_of(daemon.process.pid) - before, time.monotonic() - began - SETTLE
    what = f"burst of {len(photos):,} arrivals"
    yield Figure(what, "photos a second of processor beside scan", scanned.processor / spent, bar=0.9, rule="at least")
    yield Figure(
        what,
        "photos a second on the clock, but for settling, beside scan",
        scanned.clock / took,
        bar=0.9,
        rule="at least",
    )
    # A walk that goes on meanwhile is counted as one.
    yield Figure(what, "most that waited at once", most, "files", bar=len(photos) + 1, note="no more than arrived")


def _arrive(prepared: Path, daemon: Daemon) -> float:
    place = daemon.root / prepared.name
    os.rename(prepared, place)
    began = time.monotonic()
    until(lambda: not place.exists(), daemon)
    return time.monotonic() - began


def _decode(photo: Path) -> float:
    began = time.monotonic()
    with Image.open(photo) as picture:
        picture.load()
    return time.monotonic() - began
