"""F3, the whole grid: each changing call of hold, restore, purge and recovery fails with each errno, once and for ever.

In one process, where a fault costs a hundredth of a second (`tests/crash_driver.py`); `syscalls` does the same to the
real program from outside, where it costs seconds.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.nas import run_child
from tests.torture.figures import REPOSITORY, Figure
from tests.torture.profile import Profile
from tests.torture.syscalls import ERRNOS

ACTS = ("hold", "restore", "purge", "finish", "undo")
PLAIN = ("hold", "restore", "undo")  # once more as where no exclusive rename is known
DRIVER = REPOSITORY / "tests/crash_driver.py"
FOR_EVER = [f"{errno}+" for errno in ERRNOS]


def errno_grid(profile: Profile, acts: Sequence[str] = ACTS) -> Iterator[Figure]:
    """Yield a figure for each act, and another where it finds no exclusive rename."""
    script = f"import runpy, sys; sys.argv[0] = {str(DRIVER)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    faults = [*ERRNOS, *FOR_EVER]
    if profile.quick:
        faults = random.Random(profile.seed).sample(faults, 2)
    for act, plain in [(act, "") for act in acts] + [(act, "plain") for act in PLAIN if act in acts]:
        folder = profile.folder / "errnos"
        broken: Counter[str] = Counter()
        count = 0
        for fault in faults:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            said = run_child(script, str(folder / "nas"), act, fault, *filter(None, [plain]))
            count += sum(int(calls) for calls in said.stdout.split())
            if said.returncode:
                sys.stderr.write(said.stderr[-3000:])
                broken["untrue"] += 1
        where = ", where no exclusive rename is known" if plain else ""
        yield Figure("F3", f"the grid of errnos, in one process: {act}{where}", count, "all of it", broken)
