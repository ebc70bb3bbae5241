"""F24: the mover is killed after each changing call, its disk is mounted again, and recovery makes all whole.

FAT and exFAT number their files in the order in which they are looked up: after a mount one has another's number.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests import crash_driver as driver
from tests.torture.disks import UnavailableError
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from tests.torture.stage import GROUNDS, Ground, Stage

ACTS = ("hold", "restore", "purge", "finish", "undo")
KEEPING = [ground for ground in GROUNDS.values() if ground.keeps]
QUICK = 5  # every so manieth call only


def remounts(profile: Profile, grounds: Sequence[Ground] = KEEPING) -> Iterator[Figure]:
    """Yield a figure for each kind of file system that keeps what is on it."""
    before = driver.STATE
    driver.STATE = str(profile.folder / "remounts-state")
    try:
        for ground in grounds:
            folder = profile.folder / "remounts"
            shutil.rmtree(folder, ignore_errors=True)
            try:
                stage = Stage(folder, ground)
            except UnavailableError as error:
                sys.stderr.write(f"{ground.name}: {error}\n")
                continue
            yield _killed(stage, ground, profile)
    finally:
        shutil.rmtree(driver.STATE, ignore_errors=True)
        driver.STATE = before


def _killed(stage: Stage, ground: Ground, profile: Profile) -> Figure:
    chance = random.Random(f"{profile.seed} {ground.name}")
    broken: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for act in ACTS:
        whole = _play(stage, act, 0, profile)
        assert whole is not None, act
        assert whole[0] == "value", whole
        for at in range(1, whole[1][0] + 1, QUICK if profile.quick else 1):
            count["killed"] += _play(stage, act, at, profile) is None  # of a commit it is not told after, but before
            with stage.opened() as library:
                folder = library.base / "nas"
                _look_up(folder, chance)
                try:
                    _recover(folder)
                    count["empty"] += _deleted_by_hand(folder)
                    driver.check_after_recovery(folder, act)
                except AssertionError as error:
                    sys.stderr.write(f"{ground.name}, {act}, killed after call {at}: {error}\n")
                    broken["unresolved"] += 1
    case = f"SIGKILL after each changing call, then mounted again: {', '.join(ACTS)}, {ground.name}"
    note = f"{count['empty']} times an empty file of ours stayed until it was deleted by hand" if count["empty"] else ""
    return Figure("F24", case, count["killed"], "every call", broken, note)


def _play(stage: Stage, act: str, at: int, profile: Profile) -> Any:
    """Let an act be killed after a call of that number; return what it answers when it was not."""
    with stage.opened() as library:
        folder = library.base / "nas"
        shutil.rmtree(folder, ignore_errors=True)
        driver.prepare(folder, act, profile.folder / "index.db")
        for number in range(5):  # what else is there changes the numbers
            (folder / f"photos/other {number}.jpg").write_bytes(b"another picture")
        return driver.in_child(lambda: driver.perform(folder, act, lambda: driver.Faults(at, "after", plain=False)))


def _recover(folder: Path) -> None:
    recovered = driver.in_child(lambda: driver.recover_twice(folder))
    assert recovered[0] == "value", recovered
    for other in folder.glob("photos/other *"):
        other.unlink()


def _deleted_by_hand(folder: Path) -> int:
    """Delete the empty file that had not got its date yet, where no modes are kept: it stays, as is written."""
    empty = [path for path in folder.glob("photos/*/*") if path.is_file() and path.stat().st_size == 0]
    for path in empty:
        path.unlink()
    if empty:
        _recover(folder)
    return len(empty)


def _look_up(folder: Path, chance: random.Random) -> None:
    """Look at every file once, in an order by chance."""
    found = sorted(folder.rglob("*"))
    chance.shuffle(found)
    for path in found:
        path.stat()
