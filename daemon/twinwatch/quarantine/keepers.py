"""Finds the keeper of what is held, before a person deletes that: only what is read in full and stands apart counts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from twinwatch.content import digest_of
from twinwatch.errors import PhotoError, RootError
from twinwatch.index import Index
from twinwatch.naming import companions
from twinwatch.photo import ContentDigest, FileStat
from twinwatch.quarantine.manifest import HeldFile, Manifest
from twinwatch.quarantine.slots import Slot, entry
from twinwatch.roots import open_file, opened
from twinwatch.syscalls import file_stat, sync_directory


@dataclass(frozen=True, slots=True)
class Search:
    """Where the keeper of one held photo is looked for."""

    manifest: Manifest
    keepers: Callable[[ContentDigest], list[Path]]  # files that the index knows with these bytes
    places: list[Path]  # quarantines: nothing in them is a keeper

    def find(self, held: Mapping[str, FileStat], *, durable: bool = False) -> tuple[Path | None, list[str]]:
        """Return a file with the keeper's very bytes, and which of the `held` clips and RAWs are not beside it.

        A clip or RAW is content of its own: it was held because the keeper had it too, and must be there still. A
        sidecar only describes. `durable` is as in `has_bytes`. Raises OSError when the keeper's folder cannot be read.
        """
        manifest = self.manifest
        stats = list(held.values())
        own = [file for file in manifest.files if file.kind in ("clip", "raw") and file.name in held]
        found, lacking = None, [file.name for file in own]
        for path in self._candidates():
            if not has_bytes(path, manifest.keeper_digest, stats, self.places, durable=durable):
                continue
            missing = [file.name for file in own if not self._is_beside(path, file, stats, durable=durable)]
            if not missing:
                return path, []
            if found is None:
                found, lacking = path, missing
        return found, lacking

    def _candidates(self) -> list[Path]:
        recorded = self.manifest.keeper_root / self.manifest.keeper
        return [recorded, *(path for path in self.keepers(self.manifest.keeper_digest) if path != recorded)]

    def _is_beside(self, keeper: Path, file: HeldFile, held: list[FileStat], *, durable: bool) -> bool:
        return any(
            has_bytes(keeper.parent / other.name, file.digest, held, self.places, durable=durable)
            for other in companions(keeper.name, os.listdir(keeper.parent))
        )


def held_in(manifest: Manifest, slot_fd: int) -> dict[str, FileStat]:
    """Return the stat data of what really is in a slot, by name; raise OSError."""
    return {file.name: found for file in manifest.files if (found := entry(slot_fd, file.name)) is not None}


def places_of(slot: Slot, index: Index | None) -> list[Path]:
    """Return every quarantine that is known."""
    roots = [] if index is None else index.roots()
    return [slot.place, *(Path(record.quarantine) for record in roots if record.quarantine is not None)]


def has_bytes(
    path: Path, digest: ContentDigest, held: list[FileStat], places: list[Path], *, durable: bool = False
) -> bool:
    """Tell whether a file has these very bytes, is no other name of a `held` one, and lies in none of `places`.

    With `durable` its bytes and names are made to reach the disk too, or it does not count.
    """
    real = Path(os.path.realpath(path.parent))  # a folder on the way may have become a symlink into quarantine
    if any(Path(os.path.realpath(place)) in (real, *real.parents) for place in places):
        return False
    try:
        with opened(real) as folder_fd:
            fd = open_file(folder_fd, PurePosixPath(path.name))
    except (RootError, PhotoError):
        return False
    try:
        stat = file_stat(os.fstat(fd))
        if any(stat.may_be_same_file(other) for other in held) or digest_of(fd) != digest:
            return False
        if durable:
            _make_durable(fd, real)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _make_durable(fd: int, folder: Path) -> None:
    """Sync a file and the names that lead to it, as far as its file system reaches; raise OSError."""
    sync_directory(fd)
    device = os.fstat(fd).st_dev
    for above in (folder, *folder.parents):
        try:
            with opened(above) as above_fd:
                if os.fstat(above_fd).st_dev != device:
                    return
                sync_directory(above_fd)
        except RootError:  # a folder above the root that we may not list: its name is none of the sync client's
            return
