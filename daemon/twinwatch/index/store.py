"""The whole index in one hand: the roots, and the tables of photos, moves and memories behind one connection."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from twinwatch.index.database import Database, is_damage, unusable
from twinwatch.index.memory import Journal, Memory
from twinwatch.index.photos import Photos, path_bytes
from twinwatch.photo import Identity, RootId, RootRecord

if TYPE_CHECKING:
    from twinwatch.index.salvage import Salvaged

FILE_NAME = "index.db"

_ARRIVAL = """
    SELECT 1 FROM root WHERE id = ? AND level_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM resident WHERE root_id = root.id AND path IN ({}))"""
_ROOTS = "SELECT id, path, marker, fsid, inode, reference, quarantine, level_at FROM root "


class Index:
    """One process's view of the index, used by one thread."""

    def __init__(self, state: Path) -> None:
        """Open or create the index of a state folder; raise IndexUnusableError when it cannot be used."""
        self._database = Database(state / FILE_NAME)
        self.path = self._database.path
        self.photos = Photos(self._database)
        self.journal = Journal(self._database)
        self.memory = Memory(self._database)

    def roots(self) -> list[RootRecord]:
        """Return every root ever recorded."""
        return list(self._database.understood(self._database.run(_ROOTS + "ORDER BY id"), _record))

    def root_at(self, path: Path) -> RootRecord | None:
        """Return what is recorded of the root at `path`."""
        rows = self._database.run(_ROOTS + "WHERE path = ?", (os.fsencode(path),))
        return next(self._database.understood(rows, _record), None)

    def record_root(self, path: Path, identity: Identity, quarantine: Path | None) -> RootRecord:
        """Record a root, or its new identity; without a quarantine it is a reference root.

        Where it is another folder than before it is not level: what is in it did not come while we watched.
        """
        known = self.root_at(path)
        values = {
            "path": os.fsencode(path),
            "marker": identity.marker,
            "fsid": str(identity.fsid),
            "inode": str(identity.inode),
            "reference": quarantine is None,
            "quarantine": None if quarantine is None else os.fsencode(quarantine),
            "level_at": None if known is None or _is_another(known.identity, identity) else known.level_at,
        }
        with self._database.durably():
            if known is None:
                self._database.write(
                    "INSERT INTO root (path, marker, fsid, inode, reference, quarantine)"
                    " VALUES (:path, :marker, :fsid, :inode, :reference, :quarantine)",
                    values,
                )
            else:
                self._database.write(
                    "UPDATE root SET marker = :marker, fsid = :fsid, inode = :inode, reference = :reference,"
                    " quarantine = :quarantine, level_at = :level_at WHERE path = :path",
                    values,
                )
        recorded = self.root_at(path)
        if recorded is None:
            raise AssertionError("a row just written is there")
        return recorded

    def is_level(self, root_id: RootId) -> bool:
        """Tell whether a root was ever level: then what is new in it is an arrival."""
        return bool(self._database.run("SELECT 1 FROM root WHERE id = ? AND level_at IS NOT NULL", (root_id,)))

    def set_level(self, root_id: RootId, at: float | None) -> None:
        """Record when a root was first level; None makes everything in it a resident again."""
        with self._database.durably():
            self._database.write("UPDATE root SET level_at = ? WHERE id = ?", (at, root_id))

    def is_arrival(self, root_id: RootId, path: PurePosixPath) -> bool:
        """Tell whether a file that was never read came after its root was first level.

        It did not where the root is not level yet, or it lies at, or below, a noted place.
        """
        places = [path_bytes(path), *map(path_bytes, path.parents)]
        query = _ARRIVAL.format(", ".join("?" * len(places)))
        return bool(self._database.run(query, (root_id, *places)))

    def note_resident(self, root_id: RootId, path: PurePosixPath, *, folder: bool = False) -> None:
        """Note a place that cannot be looked at: what is in it was there before the root was level."""
        self._database.write("INSERT OR IGNORE INTO resident VALUES (?, ?, ?)", (root_id, path_bytes(path), folder))

    def noted_folders(self, root_id: RootId) -> list[PurePosixPath]:
        """Return the folders that are noted, each with all that is below it."""
        rows = self._database.run("SELECT path FROM resident WHERE root_id = ? AND folder", (root_id,))
        return [PurePosixPath(os.fsdecode(path)) for (path,) in rows]

    def forget_resident(self, root_id: RootId, path: PurePosixPath) -> None:
        """Drop the note of a place: all in it is known, or gone, and what is new there from now on is an arrival."""
        self._database.write("DELETE FROM resident WHERE root_id = ? AND path = ?", (root_id, path_bytes(path)))

    def commit(self) -> None:
        """Make everything written so far durable."""
        self._database.commit()

    @property
    def dirty(self) -> bool:
        """Tell whether something written waits for its commit; other processes cannot write meanwhile."""
        return self._database.dirty

    def commit_if_older(self, seconds: float) -> None:
        """Make readings that have waited that long durable."""
        self._database.commit_if_older(seconds)

    def abandon(self) -> bool:
        """Let go of it as a kill would, from another thread than the one that uses it; False while that is at it."""
        return self._database.abandon()

    def close(self) -> None:
        """Commit and close."""
        self._database.close()

    def stats(self) -> dict[str, Any]:
        """Return counts and sizes: photos, held, decisions, bytes on disk."""
        count = {
            table: self._database.run(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - fixed names
            for table in ("root", "photo", "move", "decision", "allowed", "removed")
        }
        size = sum(p.stat().st_size for p in self.path.parent.glob(f"{FILE_NAME}*"))
        photos = count["photo"]
        return {**count, "bytes": size, "bytes_per_photo": round(size / photos) if photos else None}

    def verify(self) -> list[str]:
        """Check the database file; return what is wrong, in words of SQLite."""
        said = self._database.run("PRAGMA integrity_check")
        broken = self._database.run("PRAGMA foreign_key_check")
        return [line for (line,) in said if line != "ok"] + [f"row without its root: {row}" for row in broken]

    def backup(self, target: Path) -> None:
        """Copy the database, also while the daemon runs; raise FileExistsError rather than overwrite.

        Raises OSError when the target cannot be made, IndexUnusableError when the copy fails; nothing is left then.
        """
        with open(target, "xb"):
            pass
        try:
            with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        except BaseException as error:
            target.unlink()
            if not isinstance(error, sqlite3.Error):
                raise
            raise unusable(self.path if is_damage(error) else target, error) from error

    def salvage(self, damaged: Path) -> Salvaged:
        """Take over the memory of an old database, as far as it can be read, into this new one.

        Photos are not taken over: a scan reads them again.
        """
        from twinwatch.index.salvage import salvage

        taken = salvage(damaged, self._database)
        self.commit()
        return taken


def _is_another(before: Identity, now: Identity) -> bool:
    """Tell whether this is another folder, and not the same with a marker that it had none of."""
    return (before.fsid, before.inode) != (now.fsid, now.inode) or before.marker not in ("", now.marker)


def _record(row: tuple[Any, ...]) -> RootRecord:
    number, path, marker, fsid, inode, reference, quarantine, level_at = row
    return RootRecord(
        RootId(number),
        Path(os.fsdecode(path)),
        Identity(marker, int(fsid), int(inode)),
        bool(reference),
        None if quarantine is None else Path(os.fsdecode(quarantine)),
        level_at,
    )
