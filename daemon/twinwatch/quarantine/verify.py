"""Reads everything held again: is it what was held, does its keeper still stand, what should a person do?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from twinwatch.errors import RootError
from twinwatch.index import Index
from twinwatch.photo import ContentDigest
from twinwatch.quarantine.keepers import Search, held_in, places_of
from twinwatch.quarantine.manifest import Manifest
from twinwatch.quarantine.restore import changed_in_quarantine
from twinwatch.quarantine.slots import Slot, opened_place, opened_slot
from twinwatch.roots import Health, identity_of, opened, recognised

Keeper = Literal["stands", "moved", "gone", "unknown"]
"""It is where it was; its bytes are in another place; they are nowhere; its folder cannot be seen just now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one slot is found to be."""

    wrong: tuple[str, ...]  # what differs from the manifest, in words; also a keeper that is gone
    keeper: Keeper | None  # None for a slot whose manifest cannot be read
    keeper_at: Path | None  # where its bytes are now
    advice: str  # what to do; nothing when all is well

    @property
    def ok(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self.advice


def verify(slot: Slot, index: Index | None, keepers: Callable[[ContentDigest], list[Path]]) -> Finding:
    """Read what is held in a slot, and its keeper, in full; nothing is changed.

    The keeper counts while a file in a watched folder has the very bytes of the proof: the recorded one, or one of
    `keepers`; a clip or RAW that is held must be beside it too. Raises OSError when the disk cannot be read.
    """
    manifest = slot.manifest
    if manifest is None:
        there = slot.place / slot.name
        return Finding((slot.trouble,), None, None, f"look into {there}: its files can be moved back by hand")
    undo = f"twinwatch quarantine restore {slot.name}"
    wrong = changed_in_quarantine(slot)
    if not slot.present:
        home = manifest.root / manifest.path
        return Finding(tuple(wrong), None, None, f"somebody took it out; if it is not in {home}, look in your backup")
    keeper, where, lacking = _keeper(slot, manifest, index, keepers)
    if wrong:
        advice = f"the disk or a program changed it: compare it with your backup; as it is it goes back by: {undo}"
    elif keeper == "gone":
        recorded = manifest.keeper_root / manifest.keeper
        wrong = [f"its keeper {recorded} is gone or was changed"]
        advice = f"this may be the last copy; put it back with: {undo}"
    elif keeper == "unknown":
        advice = f"{manifest.keeper_root} cannot be seen just now: verify again when it is back"
    elif lacking:
        wrong = [f"{', '.join(lacking)} is not beside the keeper {where} any more"]
        advice = f"this may be the last copy; put it back with: {undo}"
    else:
        advice = ""
    return Finding(tuple(wrong), keeper, where, advice)


def _keeper(
    slot: Slot, manifest: Manifest, index: Index | None, keepers: Callable[[ContentDigest], list[Path]]
) -> tuple[Keeper, Path | None, list[str]]:
    """Return how the keeper is, where, and which held clips and RAWs are not beside it."""
    with opened_place(slot.place) as place_fd, opened_slot(place_fd, slot.name) as slot_fd:
        held = held_in(manifest, slot_fd)
    found, lacking = Search(manifest, keepers, places_of(slot, index)).find(held)
    if found is not None:
        return ("stands" if found == manifest.keeper_root / manifest.keeper else "moved"), found, lacking
    return ("gone" if _is_watched(manifest.keeper_root, index) else "unknown"), None, []


def _is_watched(root: Path, index: Index | None) -> bool:
    """Tell whether this folder surely is the one that was watched: only then what is not in it is gone."""
    known = None if index is None else index.root_at(root)
    try:
        with opened(root) as fd:
            if known is None:
                return identity_of(fd).marker != ""
            return recognised(fd, known.identity) is Health.HEALTHY
    except (RootError, OSError):
        return False
