"""What the arguments mean: which configuration and state, which slot, which time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinwatch.config import Config, defaults, load, with_state
from twinwatch.errors import TwinwatchError
from twinwatch.index import FILE_NAME, Index
from twinwatch.service import state as states

if TYPE_CHECKING:
    from twinwatch.quarantine import Slot

_OF_THE_SERVICE = Path("/var/lib/twinwatch")  # StateDirectory of systemd/twinwatch.service

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def configuration(config_file: Path | None, folders: Sequence[Path]) -> Config:
    """Return the configuration from a file, from folders, or both; raise ConfigError with every problem."""
    if not folders and config_file is None:
        raise click.UsageError("which folder? give DIR, or --config FILE")
    roots = [folder.expanduser().absolute() for folder in folders]
    return load(config_file, roots) if config_file is not None else defaults(roots)


def state_for(config: Config, state: Path | None) -> Path:
    """Return the state folder for these roots, made; raise ConfigError when the one asked for is in what is watched."""
    folder = states.state_folder(state or config.state)
    if state is not None or "STATE_DIRECTORY" in os.environ:
        with_state(config, folder)
    return states.made(folder)


def command(arguments: str, state: Path | None) -> str:
    """Return the command to tell a person who uses this state."""
    from twinwatch.service import told

    return told.command(arguments, states.state_folder(state))


def completed(text: str, state: Path | None) -> str:
    """Return words in which the commands that mend something are told to a person who uses this state."""
    from twinwatch.service import told

    return told.completed(text, states.state_folder(state))


def open_index(state: Path | None) -> Index:
    """Open the index of a state folder; raise UsageError when there is none yet."""
    folder = states.state_folder(state)
    if not has_index(folder):
        raise click.UsageError(f"no index in {folder}: {without_index(folder)}")
    return Index(folder)


def has_index(folder: Path) -> bool:
    """Tell whether a state folder has an index; raise IndexUnusableError when it may not be looked at."""
    try:
        os.stat(folder / FILE_NAME)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise states.not_usable(folder, error) from error
    return True


def without_index(folder: Path) -> str:
    """Say what to do where there is no index: often it is only somewhere else."""
    if folder != _OF_THE_SERVICE and _OF_THE_SERVICE.is_dir():
        return f"the service's state is in {_OF_THE_SERVICE}: give --state {_OF_THE_SERVICE}"
    return "run `twinwatch scan DIR` or `twinwatch run DIR` first, or give the --state DIR that they were given"


def places(index: Index) -> set[Path]:
    """Return every quarantine that is known: those of the roots, and where anything was ever moved to."""
    known = {Path(record.quarantine) for record in index.roots() if record.quarantine is not None}
    return known | {row.place for row in index.journal.rows()}


def all_slots(places: Iterable[Path]) -> tuple[list[Slot], list[TwinwatchError]]:
    """Return every slot of these quarantines, oldest first, and an error for each quarantine that cannot be read.

    The disk decides, not the index; and one that is broken keeps nobody from what the others hold.
    """
    from twinwatch.quarantine import advice, listing

    found: list[Slot] = []
    errors = []
    for place in sorted(set(places)):
        try:
            found.extend(listing(place))
        except OSError as error:
            what = "it is a symlink" if place.is_symlink() else error.strerror
            hint = advice(error, "check its permissions and the disk")
            errors.append(TwinwatchError(f"{place} cannot be read: {what}", hint))
    return sorted(found, key=lambda slot: slot.name), errors


def chosen(slots: Sequence[Slot], ids: Sequence[str]) -> list[Slot]:
    """Return the slots meant by `ids`: a slot's name, its unique beginning or end, or the photo's path.

    Raises UsageError for one that is not found or not unique.
    """
    found = []
    for wanted in ids:
        if not wanted:
            raise click.UsageError("an ID is empty; give one of `twinwatch quarantine list`")
        matches = [slot for slot in slots if slot.name == wanted] or [
            slot
            for slot in slots
            if slot.name.startswith(wanted) or slot.name.endswith(wanted) or _is_path(slot, wanted)
        ]
        if not matches:
            raise click.UsageError(f"nothing in quarantine is called '{wanted}'; see: twinwatch quarantine list")
        if len(matches) > 1:
            raise click.UsageError(f"'{wanted}' could be {', '.join(slot.name for slot in matches[:5])}")
        if matches[0] not in found:
            found.append(matches[0])
    return found


def _is_path(slot: Slot, wanted: str) -> bool:
    manifest = slot.manifest
    return manifest is not None and manifest.root / manifest.path in same_path(Path(wanted))


def same_path(path: Path) -> tuple[Path, Path]:
    """Return a path as it is written and with links followed: roots are recorded in the second way."""
    absolute = os.path.abspath(path.expanduser())
    return Path(absolute), Path(os.path.realpath(absolute))


def since(text: str | None) -> float:
    """Turn "2h", "3d", "2026-11-20" or "2026-11-20 14:00" into seconds since the epoch; raise UsageError."""
    if text is None:
        return 0.0
    import re

    ago = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip())
    if ago:
        return time.time() - float(ago[1]) * _UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise click.UsageError(f"--since {text!r}: give 30m, 2h, 3d, 1w, or a date such as 2026-11-20") from None
