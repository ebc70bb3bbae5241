"""F30: everything that a decoder taken over by a picture may try, from inside a real worker: all of it is refused."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator

from tests import hostile_jobs
from tests.torture.disks import UnavailableError
from tests.torture.figures import Figure
from tests.torture.pictures import PATIENCE, descriptor
from tests.torture.profile import Profile
from twinwatch.errors import WorkerError
from twinwatch.workers import WorkerLimits, Workers

REFUSED = {"EPERM", "EACCES", "EBADF", "not allowed to raise maximum limit"}
ATTEMPTS = [
    *hostile_jobs.ATTEMPTS,
    "write to the photo",
    *(
        name
        for name, (function, *_) in hostile_jobs.CALLS.items()
        if function != "syscall" or platform.machine() == "x86_64"  # numbers are of it
    ),
]
ROUNDS = 25


def escapes(profile: Profile) -> Iterator[Figure]:
    """Try each escape, and to use up all memory, again and again, also by workers that are started anew."""
    rounds = profile.times(ROUNDS, quick=1)
    broken: Counter[str] = Counter()
    made = 0
    with Workers(1, WorkerLimits(memory_bytes=1 << 29), jobs_module="tests.hostile_jobs") as workers:
        layers = workers.describe().result(PATIENCE).sandbox
        if layers["seccomp"] != "on":
            raise UnavailableError(f"seccomp {layers['seccomp']}")
        for _ in range(rounds):
            for what in ATTEMPTS:
                made += 1
                broken["escaped"] += not set(_told(workers, what).split(",")) <= REFUSED
            made += 1
            broken["escaped"] += _told(workers, "memory") != "ended"  # and the next round has a new worker
    note = f"{len(ATTEMPTS) + 1} ways, {rounds} times each; layers: {', '.join(sorted(layers))}"
    yield Figure("F30", "escapes tried from inside a worker: all refused", made, "100 % refused", broken, note)


def _told(workers: Workers, what: str) -> str:
    fd = descriptor(what.encode())
    try:
        return workers.read(fd).result(PATIENCE).detail
    except WorkerError:
        return "ended"
    finally:
        os.close(fd)
