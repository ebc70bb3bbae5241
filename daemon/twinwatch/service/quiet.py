"""Why bulk work rests right now: quiet hours, a busy machine, a battery. Arrivals never rest."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

from twinwatch.config import Quiet

LOOK_SECONDS = 5.0
"""How often a daemon with bulk work before it looks whether it may go on."""

_EASED = 0.8
"""Share of the limit below which the load must fall before work goes on: else it would stop and go all the time."""

_POWER = Path("/sys/class/power_supply")


def why_rest(quiet: Quiet, *, hour: float, load: float, battery: bool, resting: bool) -> str:
    """Return why bulk work rests, or nothing. Pure.

    `hour` is the local time of day, `load` the load average of other programs for each core, `battery` tells that the
    machine runs on one, `resting` whether work rests already.
    """
    if _within(hour, quiet.from_hour, quiet.to_hour):
        return f"quiet hours until {int(quiet.to_hour) % 24:02d}:{round(quiet.to_hour % 1 * 60):02d}"
    if battery and not quiet.on_battery:
        return "the machine runs on battery"
    if quiet.max_load and load > quiet.max_load * (_EASED if resting else 1.0):
        return "other programs keep the machine busy"
    return ""


def look(quiet: Quiet, *, workers: int, resting: bool, power: Path = _POWER) -> str:
    """Look at clock, load and power, and return why bulk work rests; `workers` is how many of ours add to the load."""
    now = datetime.now().astimezone()
    # The load average lags by a minute: of workers that have just stopped it still knows, which only makes us wait.
    load = max(0.0, os.getloadavg()[0] - workers) / (os.cpu_count() or 1)
    return why_rest(quiet, hour=now.hour + now.minute / 60, load=load, battery=on_battery(power), resting=resting)


def on_battery(power: Path = _POWER) -> bool:
    """Tell whether no mains supply is online and a battery discharges; a machine without either runs on mains."""
    discharging = False
    for supply in sorted(power.glob("*")):
        kind, online, status = (_word(supply / name) for name in ("type", "online", "status"))
        if kind in ("Mains", "USB") and online == "1":
            return False
        # A mouse's or a phone's battery says `Device`: it is not what this machine runs on.
        discharging |= kind == "Battery" and status == "Discharging" and _word(supply / "scope") != "Device"
    return discharging


def _within(hour: float, begin: float, end: float) -> bool:
    if begin == end:
        return False
    return begin <= hour < end if begin < end else hour >= begin or hour < end


def _word(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip()
    return ""
