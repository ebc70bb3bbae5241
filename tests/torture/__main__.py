"""`python -m tests.torture`: runs families of faults, prints a line for each figure, and records them when asked to."""

from __future__ import annotations

import argparse
import functools
import json
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.torture import (
    configs,
    daemonfaults,
    daemonkills,
    diskfaults,
    errnos,
    escapes,
    filesystems,
    floods,
    households,
    leastdisk,
    limits,
    masses,
    names,
    network,
    pictures,
    powercut,
    races,
    remounts,
    services,
    soak,
    state,
    syscalls,
)
from tests.torture.disks import BTRFS, JOURNALED, UnavailableError, isolate
from tests.torture.figures import Figure, as_json, record
from tests.torture.profile import Profile

Family = Callable[[Profile], Iterator[Figure]]


FAMILIES: dict[str, Family] = {
    "powercut": powercut.power_cuts,
    "powercut-controls": powercut.controls,
    "least-disk": leastdisk.least_disk,
    "kills": syscalls.kills,
    "kills-control": syscalls.kills_control,
    "errors": syscalls.errors,
    "errnos": errnos.errno_grid,
    "saves": configs.saves,
    "daemon": daemonkills.random_kills,
    "disk": diskfaults.disk_faults,
    **{name: functools.partial(daemonfaults.daemon_faults, name=name) for name in daemonfaults.CASES},
    "clocks": limits.clocks,
    "memory": limits.out_of_memory,
    "roundtrips": filesystems.round_trips,
    "filesystems": filesystems.matrix,
    "remounts": remounts.remounts,
    "network": network.network,
    "households": households.households,
    "overflow": floods.overflow,
    "watches": floods.exhausted,
    "masses": masses.masses,
    "mutants": pictures.mutants,
    "samples": pictures.samples,
    "bombs": pictures.bombs,
    "swaps": races.swaps,
    "edits": races.edits,
    "parallel": races.parallel,
    "state": state.damages,
    "names": names.names,
    "escapes": escapes.escapes,
    "services": services.services,
    "soak": soak.soak,
}
PARTS: dict[str, Family] = {
    **{f"powercut-{system.name}": functools.partial(powercut.power_cuts, systems=[system]) for system in JOURNALED},
    **{
        f"powercut-controls-{system.name}": functools.partial(powercut.controls, systems=[system])
        for system in JOURNALED
    },
    "powercut-control-btrfs": functools.partial(powercut.controls, systems=[BTRFS], only_all=True),
    **{f"least-disk-{act}": functools.partial(leastdisk.least_disk, acts=[act]) for act in leastdisk.ACTS},
    **{f"kills-{act.name}": functools.partial(syscalls.kills, acts=[act]) for act in syscalls.ACTS},
    **{f"errnos-{act}": functools.partial(errnos.errno_grid, acts=[act]) for act in errnos.ACTS},
    **{f"households-{name}": functools.partial(households.households, where=[name]) for name in households.WHERE},
    **{
        f"network-{name.replace(' ', '').lower()}": functools.partial(network.network, protocols=[name])
        for name in network.PROTOCOLS
    },
    **{
        f"network-{name.replace(' ', '').lower()}-{part}": functools.partial(
            network.network, protocols=[name], parts=[part]
        )
        for name in network.PROTOCOLS
        for part in network.PARTS
    },
    **{
        f"remounts-{ground.name.replace(' ', '-')}": functools.partial(remounts.remounts, grounds=[ground])
        for ground in remounts.KEEPING
    },
    **{f"mutants-{name}": functools.partial(pictures.mutants, formats=[name]) for name in pictures.FORMATS},
    **{
        f"disk-{only.replace(' ', '-')}": functools.partial(diskfaults.disk_faults, only=only)
        for only in sorted({word for fault in diskfaults.FAULTS for word in (fault.number, fault.name)})
    },
}
"""Parts of families, to be run by themselves."""

KNOWN = FAMILIES | PARTS


def main() -> int:
    """Return 1 when a law was broken, or a control was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__, allow_abbrev=False)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"all without any; {', '.join(KNOWN)}")
    parser.add_argument("--quick", action="store_true", help="a few of each, in a minute or two")
    parser.add_argument("--full", action="store_true", help="as many as the targets ask for (the default)")
    parser.add_argument("--share", type=float, default=1.0, help="of the full number, such as 0.1")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same faults")
    parser.add_argument("--folder", type=Path, help="where to work; a new one in memory without")
    parser.add_argument("--record", action="store_true", help="write docs/safety/figures.json and the page made of it")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    given = parser.parse_args()
    if unknown := set(given.families) - set(KNOWN):
        parser.error(f"no such family: {', '.join(sorted(unknown))}")
    try:
        isolate()
    except UnavailableError as error:
        sys.stderr.write(f"without mounts ({error}): what needs them is left out\n")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and leave nothing behind
    shared = Path("/dev/shm")  # noqa: S108 - a fresh folder in it
    folder = given.folder or Path(tempfile.mkdtemp(prefix="torture-", dir=shared if shared.is_dir() else None))
    folder.mkdir(parents=True, exist_ok=True)
    profile = Profile(folder, given.seed, given.quick and not given.full, given.share)
    words = [word for word in sys.argv[1:] if word not in ("--record", "--json")]
    if given.folder is not None:  # where it worked is nobody's
        del words[words.index("--folder") : words.index("--folder") + 2]
    command = shlex.join(["python", "-m", "tests.torture", *words])
    try:
        return _run(given.families or list(FAMILIES), profile, command, as_lines=given.json, keep=given.record)
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def _run(families: list[str], profile: Profile, command: str, *, as_lines: bool, keep: bool) -> int:
    ok = True
    for name in families:
        began = time.monotonic()
        try:
            for figure in KNOWN[name](profile):
                ok = ok and figure.ok
                row = as_json(figure, command)
                print(json.dumps(row) if as_lines else figure.line(), flush=True)
                if keep:
                    record([row])
        except UnavailableError as error:
            print(json.dumps({"skipped": name, "why": str(error)}) if as_lines else f"{name}: skipped, {error}")
        else:
            if not as_lines:
                print(f"     {name}: {time.monotonic() - began:.0f} s", flush=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
