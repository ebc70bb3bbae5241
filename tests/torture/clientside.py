"""Runs inside a virtual machine, on a share that it has mounted: there and back, killed at each call, raced, renamed.

usage: python -m tests.torture.clientside ACT FOLDER TIMES SEED

FOLDER lies on the share and is emptied; the state is kept in memory. Prints one JSON line: how often, which laws were
broken, and a note.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests import crash_driver
from tests.torture.filesystems import NasOn, lay_out, there_and_back
from twinwatch.errors import MoveRefusedError, PhotoError
from twinwatch.mounts import renames_exclusively
from twinwatch.quarantine import listing, restore
from twinwatch.syscalls import rename_noreplace

BELIEVED = 1.5  # seconds; for one of them a CIFS client shows an owner and a mode that its server does not keep
BATCH = 10  # files; a quarter of a minute after it wrote them a CIFS client shows for a moment when that was
LATER = 1_700_000_100.0


def round_trips(nas: NasOn, times: int, seed: int) -> tuple[int, Counter[str], str]:
    """Hold and restore so often, with everything that a file carries."""
    broken = Counter[str]()
    for first in range(0, times, BATCH):
        numbers = range(first, min(first + BATCH, times))
        contents = [lay_out(nas, number, random.Random(seed + number)) for number in numbers]
        time.sleep(BELIEVED)
        for number, content in zip(numbers, contents, strict=True):
            broken += there_and_back(nas, number, content)
    return times, broken, _exclusive(nas.folder)


def _exclusive(folder: Path) -> str:
    """Say which way a photo goes here."""
    one = folder / "one"
    one.touch()
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        knows = renames_exclusively(fd) and rename_noreplace(fd, b"one", fd, b"two")
    finally:
        os.close(fd)
    for left in (one, folder / "two"):
        left.unlink(missing_ok=True)
    return "renames exclusively" if knows else "knows no exclusive rename: names are taken by an empty file first"


def kills(folder: Path, state: Path, act: str) -> tuple[int, Counter[str], str]:
    """Kill the mover after each of its changing calls, and recover; the process is real, and so is KILL."""
    crash_driver.STATE = str(state / "driver")
    crash_driver.prepare(folder / "first", "restore", state / "index.db")
    crash_driver.recover_twice(folder / "first")
    left = Counter[str]()

    def by_hand(nas: Path) -> None:
        """On SMB, which keeps no modes, an empty file of ours that had no date yet stays, as is written."""
        empty = [path for path in nas.glob("photos/*/*") if path.is_file() and path.stat().st_size == 0]
        left["by hand"] += bool(empty)
        for path in empty if _is_smb(folder) else ():
            path.unlink()

    try:
        calls = crash_driver.sweep(
            folder / "nas", act, "after", template=state / "index.db", plain=False, by_hand=by_hand
        )
    except AssertionError as error:
        return 1, Counter(unresolved=1), str(error)[-500:]
    times = left["by hand"]
    return calls, Counter(), f"{times} times an empty file of ours stayed until it was deleted by hand" if times else ""


def _is_smb(folder: Path) -> bool:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return not renames_exclusively(fd)
    finally:
        os.close(fd)


def wait_and_restore(nas: NasOn, times: int) -> tuple[int, Counter[str], str]:
    """Put copies back while somebody else takes their names on the server; who was first keeps the name.

    The other one, beside the server's disk, creates each name exclusively, and says so by a file in `told`.
    """
    folder = nas.root.path
    for name in ("told", "past"):
        (folder / name).mkdir()
    for number in range(times):
        content = b"ours %d" % number
        nas.put(f"a/{number}.jpg", content)
        nas.put(f"b/{number}.jpg", content)
        nas.hold(f"b/{number}.jpg", f"a/{number}.jpg")
    slots = {slot.manifest.photo.name: slot for slot in listing(nas.place) if slot.manifest is not None}
    (folder / "go").touch()
    refused = 0
    for number in range(times):
        try:
            restore(slots[f"{number}.jpg"], nas.index, LATER)
        except MoveRefusedError:
            refused += 1
        (folder / f"past/{number}").touch()
    while not (folder / "ended").exists():
        os.listdir(folder)  # the share is asked, and says when the other one has ended
    theirs = {int(path.name) for path in (folder / "told").iterdir()}
    held = {slot.manifest.photo.name for slot in listing(nas.place) if slot.manifest is not None and slot.present}
    broken = Counter[str]()
    for number in range(times):
        expected = b"theirs" if number in theirs else b"ours %d" % number
        where = folder / f"b/{number}.jpg"
        broken["lost"] += not where.exists() or where.read_bytes() != expected
        broken["lost"] += (number in theirs) != (f"{number}.jpg" in held)
    return times, broken, f"{len(theirs)} names were taken by another, {refused} restores refused"


def folded(nas: NasOn, times: int) -> tuple[int, Counter[str], str]:
    """Names that differ in case only: never a copy of itself, never overwritten on the way back."""
    broken = Counter[str]()
    for number in range(times):
        content = b"folded %d" % number
        nas.put(f"a/k{number}.jpg", content)
        copy = nas.put(f"b/Photo {number}.jpg", content)
        if not copy.with_name(f"PHOTO {number}.JPG").exists():
            return 0, broken, "the share tells upper case from lower"
        try:
            nas.hold(f"b/PHOTO {number}.JPG", f"b/Photo {number}.jpg")
            broken["wrong"] += 1
        except PhotoError:
            pass
        nas.hold(f"b/Photo {number}.jpg", f"a/k{number}.jpg")
        other = nas.put(f"b/pHOTO {number}.jPG", b"another's")
        try:
            restore(nas.slot(), nas.index, LATER)
            broken["wrong"] += 1
        except MoveRefusedError:
            pass
        broken["lost"] += other.read_bytes() != b"another's"
        other.unlink()
        restore(nas.slot(), nas.index, LATER)
        broken["lost"] += copy.read_bytes() != content
        broken["untrue"] += f"Photo {number}.jpg" not in os.listdir(copy.parent)
    return times, broken, ""


def main() -> None:
    act, where, times, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    with tempfile.TemporaryDirectory() as temporary:
        state = Path(temporary)
        answer: Any
        if act.startswith("kills-"):
            answer = kills(where, state, act.removeprefix("kills-"))
        else:
            nas = NasOn(where, state)
            acts = {"race": lambda: wait_and_restore(nas, times), "folded": lambda: folded(nas, times)}
            answer = acts.get(act, lambda: round_trips(nas, times, seed))()
            nas.close()
        count, broken, note = answer
        sys.stdout.write(json.dumps({"count": count, "broken": +broken, "note": note}) + "\n")


if __name__ == "__main__":
    main()
