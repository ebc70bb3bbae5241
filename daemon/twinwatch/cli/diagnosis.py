"""What `doctor` looks at: each finding says what is so, whether that is well, and the command that mends it.

Looks only: no marker, no folder and no index is made.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from twinwatch import mounts
from twinwatch.config import Config, RootConfig, unusable
from twinwatch.errors import TwinwatchError
from twinwatch.naming import Exclusions
from twinwatch.service import told

_INOTIFY = Path("/proc/sys/fs/inotify")
_OPTIONAL = {"HEIF": ("heif", "pillow-heif"), "JXL": ("jxl", "pillow-jxl-plugin"), "RAW": ("raw", "rawpy")}
"""Format -> our extra, and the package that it installs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    check: str
    ok: bool
    found: str
    mend: str = ""


def examine(config: Config | None, state: Path) -> list[Finding]:
    """Look at everything that commonly goes wrong; without a configuration the roots are left out."""
    findings = [*_state(state), *_workers()]
    if config is None:
        findings.append(Finding("roots", True, "none given: name them, or --config FILE, to have them looked at too"))
        return findings
    folders = 0
    for root in config.roots:
        findings.extend(_root(root, config))
        if root.path.is_dir() and _mode(root) == "inotify":  # a share is not walked through for nothing
            folders += _count_folders(root.path, Exclusions(config.excluded(root)))
    return findings + list(_watches(folders))


def _state(folder: Path) -> Iterator[Finding]:
    there = folder if folder.exists() else next(parent for parent in folder.parents if parent.exists())
    if not os.access(there, os.W_OK):
        mend = f"sudo chown -R {_user()} {told.word(there)}, or run this as its owner"
        yield Finding("state folder", False, f"{folder} cannot be written", mend)
        return
    mount = mounts.mount_of(there.resolve())
    if mount is not None and mounts.is_remote(mount.fs_type):
        yield Finding(
            "state folder",
            False,
            f"{folder} lies on {mount.fs_type}, where SQLite's locks do not hold",
            "give --state DIR",
        )
        return
    free = os.statvfs(there)
    yield Finding("state folder", True, f"{folder}, {free.f_bavail * free.f_frsize >> 20} MiB free")


def _workers() -> Iterator[Finding]:
    from twinwatch.workers import Workers

    try:
        with Workers(1) as workers:
            abilities = workers.describe().result()
    except TwinwatchError as error:
        yield Finding("workers", False, str(error), "install twinwatch again, see README")
        return
    missing = abilities.layers_missing
    layers = ", ".join(f"{name} {state}" for name, state in sorted(abilities.sandbox.items()))
    # An old kernel is no fault of the person: the layers that are there still hold, so this is said, not failed.
    yield Finding("sandbox", True, layers, "a newer kernel has them all" if missing else "")
    yield from decoders(abilities.formats)


def decoders(formats: Mapping[str, bool]) -> Iterator[Finding]:
    """Say which formats can be read, and for the others what to install."""
    yield Finding("decoders", True, ", ".join(sorted(name for name, there in formats.items() if there)))
    for name in sorted(name for name, there in formats.items() if not there):
        common = name == "HEIF"  # what phones write; without it a mirror of one is half blind
        if name in _OPTIONAL:
            extra, package = _OPTIONAL[name]
            found = f"not installed (the extra [{extra}]): such files are left alone"
            yield Finding(f"decoder {name}", not common, found, f"{told.word(sys.executable)} -m pip install {package}")
        else:
            yield Finding(f"decoder {name}", True, "not installed: such files are left alone")
    if formats.get("RAW"):
        yield Finding("decoder RAW", True, "shows the camera's preview; only the same bytes are a copy of a RAW")


def _root(root: RootConfig, config: Config) -> Iterator[Finding]:
    name = f"root {root.path}"
    if not root.path.is_dir():
        yield Finding(name, False, "is not there", f"mount it, or: mkdir -p {told.word(root.path)}")
        return
    if not os.access(root.path, os.R_OK | os.X_OK):
        mend = f"run this as the account that owns the photos, or: sudo chmod u+rx {told.word(root.path)}"
        yield Finding(name, False, "the folder cannot be read", mend)
        return
    mount = mounts.mount_of(root.path.resolve())
    kind = "an unknown file system" if mount is None else mount.fs_type
    how = (
        "its events are watched"
        if _mode(root) == "inotify"
        else "it is walked regularly, as events of others do not arrive"
    )
    yield Finding(name, True, f"{kind}; {how}")
    for below in mounts.mounts_below(root.path.resolve()):
        place = os.fsdecode(below.mount_point)
        yield Finding(name, False, f"{place} is another file system and is not entered", f"add it as a root: {place}")
    if not root.reference:
        yield from _quarantine(root, config, name)


def _mode(root: RootConfig) -> mounts.WatchMode:
    return mounts.mode_for(root.path.resolve()) if root.mode == "auto" else root.mode


def _quarantine(root: RootConfig, config: Config, name: str) -> Iterator[Finding]:
    from twinwatch.roots import quarantine_place

    others = tuple(other.path for other in config.roots if other.path != root.path)
    if not os.access(root.path, os.W_OK):
        mend = f"sudo chown {_user()} {told.word(root.path)}, or make it a reference root (reference: true)"
        yield Finding(f"{name}, quarantine", False, "the folder cannot be written, so nothing can be moved", mend)
        return
    place = root.quarantine or quarantine_place(root.path.resolve(), others)
    if root.quarantine is not None and (why := unusable(place)):
        mend = "" if os.path.lexists(place) else f"mkdir -p {told.word(place.parent)}"
        yield Finding(f"{name}, quarantine", False, f"{place}: {why}", mend)
        return
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    if os.stat(there).st_dev != os.stat(root.path).st_dev:
        mend = f"set `quarantine` of this root to a folder beside {root.path}"
        yield Finding(f"{name}, quarantine", False, f"{place} is on another file system", mend)
    elif root.path.resolve() in place.parents:
        advice = f"exclude {place.parent.name} from sync, else the sync client sees the held photos"
        yield Finding(f"{name}, quarantine", True, f"{place}, inside the root", advice)
    else:
        yield Finding(f"{name}, quarantine", True, str(place))


def _watches(folders: int) -> Iterator[Finding]:
    try:
        limit = int((_INOTIFY / "max_user_watches").read_text())
        queue = int((_INOTIFY / "max_queued_events").read_text())
    except (OSError, ValueError):
        yield Finding("inotify", False, "the kernel's limits cannot be read", "is /proc mounted?")
        return
    enough = max(2 * folders, 8192)
    mend = "" if limit >= 2 * folders else f"sudo sysctl -w fs.inotify.max_user_watches={enough}"
    yield Finding("inotify", not mend, f"{folders} folders to watch, {limit} allowed, queue of {queue} events", mend)


def _count_folders(top: Path, exclusions: Exclusions) -> int:
    count = 0
    for _, below, _ in os.walk(top):
        below[:] = [name for name in below if not exclusions.dir(name)]
        count += 1
    return count


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
