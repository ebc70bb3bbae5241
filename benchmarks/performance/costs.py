"""What work costs: processor time of commands and of running process trees, their memory, wake-ups and disk reads.

Processor time, not time on the clock, wherever both would do: a machine is rarely alone. What is compared is run in
turns, so that a busy minute hits all alike, and medians are taken.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TWINWATCH = (sys.executable, "-m", "twinwatch")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor (user and system, with all children that were waited for), and on the clock."""

    processor: float
    clock: float


def run(command: Sequence[str | Path], *, codes: Sequence[int] = (0,)) -> Cost:
    """Run a command to its end and return what it cost; raise RuntimeError when it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    child = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in codes:
        raise RuntimeError(f"{command[:4]} ended with {child.returncode}: {said[-500:].decode(errors='replace')}")
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - began)


def in_turns(rounds: int, things: Mapping[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Do everything `rounds` times in turns; return the medians."""
    seen: dict[str, list[Cost]] = {name: [] for name in things}
    for _ in range(rounds):
        for name, thing in things.items():
            seen[name].append(thing())
    return {name: _median(costs) for name, costs in seen.items()}


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # a thread that has just ended
                found.extend(map(int, task.read_text().split()))
    return found


def processor_of(pid: int) -> float:
    """Return the seconds of processor that a process and its descendants, living and waited for, have used."""
    total = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def memory_of(pid: int) -> float:
    """Return the proportional set size of a process and its descendants, MiB."""
    total = 0
    for one in family(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def wakeups_of(pid: int) -> int:
    """Return how often the threads of a process and its descendants have gone to sleep: so often they were woken."""
    total = 0
    for one in family(pid):
        for status in Path(f"/proc/{one}/task").glob("*/status"):
            for line in status.read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total


def disk_reads_of(pid: int) -> int:
    """Return the bytes that a process and its descendants made the disk read."""
    total = 0
    for one in family(pid):
        for line in Path(f"/proc/{one}/io").read_text().splitlines():
            if line.startswith("read_bytes"):
                total += int(line.split()[1])
    return total


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(cost.processor for cost in costs), statistics.median(cost.clock for cost in costs))
