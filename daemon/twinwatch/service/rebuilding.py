"""A new index in the place of a damaged one: the old file is kept, what can be read of it is taken over."""

from __future__ import annotations

import time
from pathlib import Path

from twinwatch.errors import IndexUnusableError
from twinwatch.index import DAMAGED, FILE_NAME, Index, alone
from twinwatch.index.salvage import Salvaged


def rebuild(folder: Path) -> tuple[Path, Salvaged]:
    """Put the index of a state folder aside and begin a new one; return where the old one is, and what was taken over.

    Only for who has the lock of the state. Photos are read again by the next walk, what is in quarantine is found by
    its manifests. Raises IndexUnusableError when a new index cannot be made, and when a command has the old one open.
    """
    with alone(folder):
        aside = _put_aside(folder)
    begun = Index(folder)
    try:
        taken = begun.salvage(folder / aside)
        for record in begun.roots():
            begun.set_level(record.id, None)  # nothing in it is known: whatever the first walk finds was there before
    finally:
        begun.close()
    (folder / DAMAGED).unlink(missing_ok=True)
    return folder / aside, taken


def _put_aside(folder: Path) -> str:
    aside = f"{FILE_NAME}.{time.strftime('%Y%m%d-%H%M%S')}"
    number = 0
    while (folder / aside).exists():
        number += 1
        aside = f"{aside.partition('~')[0]}~{number}"
    for suffix in ("", "-wal", "-shm"):
        old = folder / f"{FILE_NAME}{suffix}"
        if old.exists():
            old.rename(folder / f"{aside}{suffix}")
    return aside


def healed(folder: Path) -> tuple[Path, Salvaged] | None:
    """Rebuild the index if it is, or was found to be, damaged; return what `rebuild` does, or None when it is well."""
    if not (folder / FILE_NAME).exists():
        return None
    if not (folder / DAMAGED).exists():
        try:
            Index(folder).close()
        except IndexUnusableError:
            if not (folder / DAMAGED).exists():
                raise
        else:
            return None
    return rebuild(folder)
