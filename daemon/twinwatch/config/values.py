"""What can be set: one frozen dataclass a section. Defaults are here (or in the core's own values) and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from twinwatch.brake import Limits
from twinwatch.settle import Settling
from twinwatch.verdict import Policy

WatchMode = Literal["auto", "inotify", "polling"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "plain", "json"]


@dataclass(frozen=True, slots=True)
class RootConfig:
    """One watched folder, with all folders below it."""

    path: Path  # absolute, without `..`
    reference: bool = False  # matched against, never moved from
    observe: bool = False
    mode: WatchMode = "auto"
    quarantine: Path | None = None  # None: beside the root, or hidden inside it
    exclude: tuple[str, ...] = ()  # naming.Exclusions patterns, on top of the common ones


@dataclass(frozen=True, slots=True)
class Reconcile:
    """How often index and disk are brought level without any event."""

    every_minutes: float = 60.0
    jitter: float = 0.25  # share by which each wait is made longer or shorter, so that NAS jobs do not fall together


@dataclass(frozen=True, slots=True)
class Match:
    """Which photos are offered for a proof."""

    radius: int = 5  # bits of 64 in which two perceptual hashes may differ


@dataclass(frozen=True, slots=True)
class Workers:
    """The sandboxed processes that read pictures."""

    count: int = 0  # 0: see `processes`
    memory_mib: int = 3072  # address space of one process
    job_seconds: float = 60.0  # for one picture or proof, then the process is ended
    idle_seconds: float = 30.0  # without work, then the process leaves
    nice: int = 10
    share: float = 1.0  # of the time for which a process works on bulk work, the rest it rests

    def processes(self, cores: int) -> int:
        """Return how many processes may run: as set, else one a core and at most two, for NAS disks seek badly."""
        return self.count or max(1, min(2, cores))


@dataclass(frozen=True, slots=True)
class Quiet:
    """When bulk work (first scan, walks over roots) rests; arrivals are never made to wait."""

    from_hour: float = 0.0  # local time of day in hours; the same as `to_hour`: no quiet hours
    to_hour: float = 0.0
    max_load: float = 0.0  # load average of other programs, for each core; 0: never rest for that
    on_battery: bool = False  # work on battery too


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What quarantine may use."""

    min_free_mib: int = 512  # below this much free space nothing is moved


@dataclass(frozen=True, slots=True)
class Log:
    """What is said on standard error."""

    level: LogLevel = "info"
    format: LogFormat = "auto"  # auto: plain on a terminal and under systemd (with priorities), else JSON


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set, checked."""

    roots: tuple[RootConfig, ...] = ()
    observe: bool = False  # decide and tell, move nothing
    exclude: tuple[str, ...] = ()  # naming.Exclusions patterns, for every root
    settle: Settling = field(default_factory=Settling)
    reconcile: Reconcile = Reconcile()
    match: Match = Match()
    policy: Policy = field(default_factory=Policy)
    brake: Limits = field(default_factory=Limits)
    workers: Workers = Workers()
    quiet: Quiet = Quiet()
    quarantine: Quarantine = Quarantine()
    log: Log = Log()
    hang_seconds: float = 20.0  # a disk that has not answered for so long is left alone until it does
    state: Path | None = None  # None: $STATE_DIRECTORY, else the XDG state folder

    def excluded(self, root: RootConfig) -> tuple[str, ...]:
        """Return all patterns that hold for one root."""
        return self.exclude + root.exclude


BOUNDS: dict[str, tuple[float, float]] = {
    "hang_seconds": (1, 3600),
    "settle.quiet_seconds": (0, 3600),
    "settle.closed_seconds": (0, 3600),
    "settle.polling_seconds": (0, 3600),
    "settle.retry_seconds": (0.1, 3600),
    "settle.retries": (0, 20),
    "reconcile.every_minutes": (0.01, 10080),
    "reconcile.jitter": (0, 0.5),
    # Beyond 8 the pre-filter offers strangers by chance, and every one costs a proof.
    "match.radius": (0, 8),
    "brake.max_moves": (1, 1_000_000),
    "brake.window_minutes": (1, 10080),
    "brake.max_share": (0, 1),
    "brake.share_from": (0, 1_000_000),
    "brake.max_missing_share": (0, 1),
    "brake.max_returns": (0, 100),
    "workers.count": (0, 64),
    "workers.memory_mib": (512, 65536),
    "workers.job_seconds": (1, 3600),
    "workers.idle_seconds": (0, 86400),
    "workers.nice": (0, 19),
    "workers.share": (0.05, 1),
    "quiet.from_hour": (0, 24),
    "quiet.to_hour": (0, 24),
    "quiet.max_load": (0, 100),
    "quarantine.min_free_mib": (0, 1 << 20),
}
"""Smallest and largest value of every number, by key."""
