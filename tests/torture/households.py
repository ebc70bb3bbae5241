"""F19 on disk: households in which anybody does anything, by the real quarantine and the real line, on real files."""

from __future__ import annotations

import contextlib
import inspect
import random
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.test_quarantine_machine import NAMES, Household
from tests.torture.disks import UnavailableError
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from tests.torture.stage import GROUNDS, Stage

WHERE = {"tmpfs": 10_000, "ext4": 2000, "exfat-fuse": 500}
"""File systems and how many households each; exFAT knows no second names, folds the first, and never replaces late."""

STEPS = 25
BATCH = 250

WEIGHTS = {
    "arrive": 3, "copy": 6, "edit": 2, "rename": 3, "link": 2, "delete": 1, "hold": 4, "keep_both": 1,
    "forget": 2, "the_daemon_walks": 8, "restore": 3, "purge": 1, "crash_in_a_move": 1, "crash_while_holding": 3,
    "crash_while_restoring": 2, "crash_while_recovering": 1, "another_daemon_works_here_too": 2,
    "a_daemon_of_a_folder_in_it_works": 3, "restart": 1, "lose_the_index": 0.5, "lose_the_marker_for_a_while": 0.5,
}  # fmt: skip
OF_SLOTS = {"restore", "purge", "crash_in_a_move", "crash_while_restoring"}
OF_FILES = {
    "copy", "edit", "rename", "link", "delete", "hold", "keep_both", "forget", "the_daemon_walks",
    "crash_while_holding",
}  # fmt: skip


def households(profile: Profile, where: Sequence[str] = tuple(WHERE)) -> Iterator[Figure]:
    """Yield the figure of each file system so far, after each batch."""
    for name in where:
        wanted = WHERE[name]
        times = profile.times(wanted, quick=4)
        try:
            with _disk(profile, name) as disk:
                yield from _live(name, disk, times, wanted, profile.seed)
        except UnavailableError as error:
            sys.stderr.write(f"{name}: {error}\n")


@contextlib.contextmanager
def _disk(profile: Profile, name: str) -> Iterator[Path]:
    if name == "tmpfs":
        folder = profile.folder / "households"
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with Stage(profile.folder / f"households-{name}", GROUNDS[name]).opened() as library:
        yield library.base


def _live(name: str, disk: Path, times: int, wanted: int, seed: int) -> Iterator[Figure]:
    Household.disk = disk
    Household.keeps_modes = name != "exfat-fuse"
    Household.done.clear()
    broken: Counter[str] = Counter()
    for begun in range(0, times, BATCH):
        for number in range(begun, min(begun + BATCH, times)):
            broken += walk(seed + number)
        done = Household.done
        note = f"{STEPS} acts each: {done['holds']:,} moves tried, {done['decisions']:,} decisions of the line"
        case = f"households of people, sync and three daemons, nested roots, kept pairs, crashes: {name}"
        yield Figure("F19", case, done["households"], f"{wanted:,}", broken, note)
    Household.disk, Household.keeps_modes = None, True


def walk(seed: int) -> Counter[str]:
    """Let one household live, as Hypothesis does, but without its bias towards stories in which nothing is there."""
    chance = random.Random(seed)
    household = Household()
    words, weights = list(WEIGHTS), list(WEIGHTS.values())
    story: list[tuple[str, dict[str, Any]]] = []
    try:
        for _ in range(STEPS):
            (word,) = chance.choices(words, weights)
            if (word in OF_SLOTS and not household.nas.slots()) or (word in OF_FILES and len(household.files()) < 2):
                word = "arrive"
            act = getattr(household, word)
            story.append((word, {name: _drawn(name, chance) for name in inspect.signature(act).parameters}))
            act(**story[-1][1])
            household.no_picture_is_lost()
            household.every_slot_is_whole_and_the_journal_agrees()
    except Exception:  # noqa: BLE001 - whatever it is: a law was broken, and its story is told
        traceback.print_exc()
        sys.stderr.write(f"seed {seed}:\n" + "".join(f"  {act}\n" for act in story))
        return Counter(lost=1)
    finally:
        household.teardown()
    return Counter()


def _drawn(name: str, chance: random.Random) -> Any:
    if name == "name":
        return chance.choice(NAMES)
    if name in ("same", "home", "with_index"):
        return chance.random() < 0.5
    return chance.randint(1, 60) if name == "at" else chance.randrange(100)
