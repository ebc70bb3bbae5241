"""What a worker may use, and how the pool deals with it."""

from __future__ import annotations

from typing import NamedTuple


class WorkerLimits(NamedTuple):
    """What a worker may use. The defaults are for a slow NAS.

    Measured on a fast machine: a 102-megapixel PNG is read in 4 s with 1.0 GiB of address space, two of 48 megapixels
    are proved in 13 s with 1.9 GiB.
    """

    seconds: float = 60.0  # wall clock for a job, and ...
    seconds_per_mib: float = 5.0  # ... for each MiB of its files, ...
    most_seconds: float = 300.0  # ... but never more; then the child is killed
    start_seconds: float = 120.0  # wall clock until a new child is ready: libraries come from a sleeping disk
    memory_bytes: int = 3 << 30  # address space of a child
    descriptors: int = 64  # open files of a child
    idle_seconds: float = 30.0  # without work for so long, a child is ended
    jobs_per_child: int = 2000  # then a child is renewed: libraries leak
    queued: int = 256  # jobs that may wait; each holds one (read) or two (prove) descriptors
    nice: int = 10
    share: float = 1.0  # of the time for which a lane works on bulk jobs, the rest it rests
