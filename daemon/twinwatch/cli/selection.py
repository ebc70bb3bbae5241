"""What the arguments mean: which configuration and state, which slot, which time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import click

from twinwatch.config import Config, defaults, load
from twinwatch.index import Index
from twinwatch.quarantine import Slot, listing
from twinwatch.service import state as states

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def configuration(config_file: Path | None, folders: Sequence[Path]) -> Config:
    """Return the configuration from a file, from folders, or both; raise ConfigError with every problem."""
    roots = [folder.expanduser().absolute() for folder in folders]
    return load(config_file, roots) if config_file is not None else defaults(roots)


def open_index(state: Path | None) -> Index:
    """Open the index of a state folder; raise UsageError when there is none yet."""
    folder = states.state_folder(state)
    if not (folder / "index.db").exists():
        raise click.UsageError(f"no index in {folder}: run `twinwatch scan DIR` or `twinwatch run DIR` first")
    return Index(folder)


def all_slots(index: Index, more: Iterable[Path] = ()) -> list[Slot]:
    """Return every slot of every quarantine that is known, oldest first; the disk decides, not the index."""
    places = {Path(record.quarantine) for record in index.roots() if record.quarantine is not None}
    places |= {row.place for row in index.journal.rows()} | set(more)
    return sorted((slot for place in sorted(places) for slot in listing(place)), key=lambda slot: slot.name)


def chosen(slots: Sequence[Slot], ids: Sequence[str]) -> list[Slot]:
    """Return the slots meant by `ids`: a slot's name, its unique beginning or end, or the photo's path.

    Raises UsageError for one that is not found or not unique.
    """
    found = []
    for wanted in ids:
        matches = [slot for slot in slots if slot.name == wanted] or [
            slot
            for slot in slots
            if slot.name.startswith(wanted) or slot.name.endswith(wanted) or _is_path(slot, wanted)
        ]
        if not matches:
            raise click.UsageError(f"nothing in quarantine is called {wanted!r}; see: twinwatch quarantine list")
        if len(matches) > 1:
            raise click.UsageError(f"{wanted!r} could be {', '.join(slot.name for slot in matches[:5])}")
        found.append(matches[0])
    return found


def _is_path(slot: Slot, wanted: str) -> bool:
    manifest = slot.manifest
    return manifest is not None and manifest.root / manifest.path == Path(wanted).expanduser().absolute()


def since(text: str | None) -> float:
    """Turn "2h", "3d", "2026-11-20" or "2026-11-20 14:00" into seconds since the epoch; raise UsageError."""
    if text is None:
        return 0.0
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip())
    if ago:
        return time.time() - float(ago[1]) * _UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except ValueError:
        raise click.UsageError(f"--since {text!r}: give 30m, 2h, 3d, 1w, or a date such as 2026-11-20") from None
