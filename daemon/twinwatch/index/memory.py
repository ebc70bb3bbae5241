"""What must be remembered of moves and decisions: the journal, the audit log, and the two memories keyed by content."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from twinwatch.index.database import Database
from twinwatch.photo import ContentDigest, Evidence

_MOVE = (
    *("slot", "root_path", "place", "path", "keeper_root", "keeper", "digest", "keeper_digest", "verdict", "bytes"),
    *("at", "state"),
)
_MOVES = f"SELECT {', '.join(_MOVE)} FROM move "  # noqa: S608
_ENTER = f"INSERT INTO move ({', '.join(_MOVE)}) VALUES ({', '.join(f':{name}' for name in _MOVE)})"  # noqa: S608
# By the number, as they are asked for in parts: `+at` keeps SQLite from sorting all of them anew for each part.
_LINES = """
    SELECT id, at, path, verdict, keeper, action, why, slot, evidence FROM decision
    WHERE id > :after AND +at >= :since AND (:verdict IS NULL OR verdict = :verdict) ORDER BY id LIMIT :most"""
_LINES_AT_ONCE = 1000


class MoveState(StrEnum):
    """Where a held photo's move stands."""

    MOVING = "moving"  # intent is durable, the rename may or may not have happened
    HELD = "held"
    RESTORED = "restored"
    PURGED = "purged"
    CANCELLED = "cancelled"  # never moved, or put back at once
    MISSING = "missing"  # neither in its old place nor in its slot: somebody else took it


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One move as the journal has it; the manifest in the slot says the same and more."""

    slot: str
    root_path: Path
    place: Path  # quarantine folder that has the slot
    path: PurePosixPath  # where the photo was, relative to the root
    keeper_root: Path
    keeper: PurePosixPath
    digest: ContentDigest
    keeper_digest: ContentDigest
    verdict: str
    bytes: int
    at: float
    state: MoveState


class DecisionRow(NamedTuple):
    """One line of the audit log."""

    at: float  # seconds since the epoch
    path: Path
    verdict: str
    keeper: Path | None
    action: str
    why: str
    slot: str | None
    evidence: Evidence | None


class Journal:
    """The moves; every change is durable when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, row: MoveRow) -> bool:
        """Record a move before it is made; return False, and record nothing, when a person said that it may stay.

        Both are one transaction: what a person says before it is heeded, and who says it later finds the move.
        """
        with self._database.durably():
            if any(_may_stay(self._database, row.digest, other) for other in (row.digest, row.keeper_digest)):
                return False
            self._enter(row)
        return True

    def enter(self, row: MoveRow) -> None:
        """Record a move that was made, as the disk shows it, in the place of what is known of its slot."""
        with self._database.durably():
            self._enter(row)

    def _enter(self, row: MoveRow) -> None:
        values = {
            "slot": row.slot,
            "root_path": os.fsencode(row.root_path),
            "place": os.fsencode(row.place),
            "path": os.fsencode(row.path),
            "keeper_root": os.fsencode(row.keeper_root),
            "keeper": os.fsencode(row.keeper),
            "digest": row.digest,
            "keeper_digest": row.keeper_digest,
            "verdict": row.verdict,
            "bytes": row.bytes,
            "at": row.at,
            "state": row.state,
        }
        self._database.write("DELETE FROM move WHERE slot = ?", (row.slot,))
        self._database.write(_ENTER, values)

    def set_state(self, slot: str, state: MoveState) -> None:
        """Record where a move stands now."""
        with self._database.durably():
            self._database.write("UPDATE move SET state = ? WHERE slot = ?", (state, slot))

    def get(self, slot: str) -> MoveRow | None:
        """Return one move."""
        return next(self._select("WHERE slot = ?", slot), None)

    def rows(self, *states: MoveState) -> list[MoveRow]:
        """Return the moves in these states (all without any), oldest first."""
        if not states:
            return list(self._select("ORDER BY at, slot"))
        among = json.dumps(states)
        return list(self._select("WHERE state IN (SELECT value FROM json_each(?)) ORDER BY at, slot", among))

    def was_held(self, digest: ContentDigest, root_path: Path, path: PurePosixPath) -> bool:
        """Tell whether this content was ever set aside from this place."""
        query = "SELECT 1 FROM move WHERE digest = ? AND root_path = ? AND path = ? AND state NOT IN (?, ?)"
        place = (digest, os.fsencode(root_path), os.fsencode(path))
        return bool(self._database.run(query, (*place, MoveState.MOVING, MoveState.CANCELLED)))

    def count_held(self) -> int:
        """Count the photos in quarantine."""
        rows = self._database.run("SELECT count(*) FROM move WHERE state = ?", (MoveState.HELD,))
        return int(rows[0][0])

    def since(self, at: float) -> list[MoveRow]:
        """Return the moves made after `at`, seconds since the epoch."""
        return list(self._select("WHERE at > ? AND state != ? ORDER BY at", at, MoveState.CANCELLED))

    def held_for(self, keeper_digest: ContentDigest) -> list[MoveRow]:
        """Return the held photos whose keeper has these bytes."""
        return list(self._select("WHERE keeper_digest = ? AND state = ?", keeper_digest, MoveState.HELD))

    def held_of(self, *contents: ContentDigest) -> list[MoveRow]:
        """Return what is held of these contents, or on its way there, oldest first."""
        found = [
            self._select("WHERE digest = ? AND state IN (?, ?)", digest, MoveState.MOVING, MoveState.HELD)
            for digest in contents
        ]
        return sorted((row for rows in found for row in rows), key=lambda row: row.at)

    def _select(self, where: str, *values: object) -> Iterator[MoveRow]:
        return self._database.understood(self._database.run(_MOVES + where, values), _move)


class Memory:
    """Two memories keyed by content (they survive rename and re-upload), and the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def allow(self, a: ContentDigest, b: ContentDigest, now: float) -> None:
        """Remember that these two contents may both stay."""
        first, second = sorted((a, b))
        with self._database.durably():
            self._database.write("DELETE FROM allowed WHERE digest = ? AND other = ?", (first, second))
            self._database.write("INSERT INTO allowed (digest, other, at) VALUES (?, ?, ?)", (first, second, now))

    def forget_allowed(self, digest: ContentDigest) -> int:
        """Forget every pair this content may stay in; return how many there were."""
        with self._database.durably():
            gone = self._database.write(
                "DELETE FROM allowed WHERE digest = :one OR other = :one RETURNING digest", {"one": digest}
            )
        return len(gone)

    def is_allowed(self, a: ContentDigest, b: ContentDigest) -> bool:
        """Tell whether a person said that these two may both stay."""
        return _may_stay(self._database, a, b)

    def set_removed(self, digest: ContentDigest, slot: str, now: float, *, returned: bool = False) -> None:
        """Remember that this content was set aside, and count when it had `returned` for it."""
        known = self.returns(digest)
        with self._database.durably():
            if known is None:
                self._database.write(
                    "INSERT INTO removed (digest, slot, at, returns) VALUES (?, ?, ?, 0)", (digest, slot, now)
                )
            else:
                self._database.write(
                    "UPDATE removed SET slot = ?, at = ?, returns = ? WHERE digest = ?",
                    (slot, now, known + returned, digest),
                )

    def returns(self, digest: ContentDigest) -> int | None:
        """Return how often this content came back after it was set aside, or None if it never was."""
        rows = self._database.run("SELECT returns FROM removed WHERE digest = ?", (digest,))
        return rows[0][0] if rows else None

    def forget_removed(self, digest: ContentDigest) -> int:
        """Forget that this content was set aside; return 1 when it was known."""
        with self._database.durably():
            return len(self._database.write("DELETE FROM removed WHERE digest = ? RETURNING digest", (digest,)))

    def audit(self, row: DecisionRow) -> None:
        """Add a line to the audit log."""
        evidence = {} if row.evidence is None else row.evidence.to_json()
        values = {
            "at": row.at,
            "path": os.fsencode(row.path),
            "verdict": row.verdict,
            "keeper": None if row.keeper is None else os.fsencode(row.keeper),
            "action": row.action,
            "why": _text(row.why),
            "slot": row.slot,
            "evidence": json.dumps(evidence),
        }
        self._database.write(
            "INSERT INTO decision (at, path, verdict, keeper, action, why, slot, evidence)"
            " VALUES (:at, :path, :verdict, :keeper, :action, :why, :slot, :evidence)",
            values,
        )

    def was_offered(self, slot: str) -> bool:
        """Tell whether the audit log says already that this held photo can be put back, its keeper being gone."""
        return bool(self._database.run("SELECT 1 FROM decision WHERE slot = ? AND action = 'review' LIMIT 1", (slot,)))

    def log(
        self, since: float = 0.0, after_id: int = 0, verdict: str | None = None
    ) -> Iterator[tuple[int, DecisionRow]]:
        """Yield the audit log, oldest first, with each line's number; raise IndexUnusableError when it is damaged."""
        # In parts, each read to its end: who asks may take its time, and write meanwhile.
        part: dict[str, object] = {"since": since, "verdict": verdict, "most": _LINES_AT_ONCE}
        while rows := self._database.run(_LINES, {**part, "after": after_id}):
            for number, line in self._database.understood(rows, lambda row: (row[0], _decision(row[1:]))):
                if number <= after_id:  # SQLite believes a damaged page, and would lead round it for ever
                    raise self._database.damaged(f"line {number} of the log comes after {after_id}")
                after_id = number
                yield number, line

    def setting(self, key: str) -> str | None:
        """Return a remembered setting, such as why moving is paused."""
        rows = self._database.run("SELECT value FROM setting WHERE key = ?", (_text(key),))
        return rows[0][0] if rows else None

    def set_setting(self, key: str, value: str | None) -> None:
        """Remember or forget a setting."""
        self.set_settings({key: value})

    def set_settings(self, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """Remember or forget several settings at once, for whoever reads them; return what they were just before."""
        before: dict[str, str | None] = {}
        with self._database.durably():
            for key, value in values.items():
                before[key] = self.setting(key)
                self._database.write("DELETE FROM setting WHERE key = ?", (_text(key),))
                if value is not None:
                    self._database.write("INSERT INTO setting (key, value) VALUES (?, ?)", (_text(key), _text(value)))
        return before


def _may_stay(database: Database, a: ContentDigest, b: ContentDigest) -> bool:
    first, second = sorted((a, b))
    return bool(database.run("SELECT 1 FROM allowed WHERE digest = ? AND other = ?", (first, second)))


def _text(words: str) -> str:
    """Make words that name a file storable: a name that is not UTF-8 is shown by its escapes."""
    return words.encode("utf-8", "backslashreplace").decode()


def _move(row: tuple[Any, ...]) -> MoveRow:
    slot, root_path, place, path, keeper_root, keeper, digest, keeper_digest, verdict, size, at, state = row
    return MoveRow(
        slot,
        Path(os.fsdecode(root_path)),
        Path(os.fsdecode(place)),
        PurePosixPath(os.fsdecode(path)),
        Path(os.fsdecode(keeper_root)),
        PurePosixPath(os.fsdecode(keeper)),
        ContentDigest(digest),
        ContentDigest(keeper_digest),
        verdict,
        size,
        at,
        MoveState(state),
    )


def _decision(row: Sequence[Any]) -> DecisionRow:
    at, path, verdict, keeper, action, why, slot, evidence = row
    proof = json.loads(evidence)
    return DecisionRow(
        at,
        Path(os.fsdecode(path)),
        verdict,
        None if keeper is None else Path(os.fsdecode(keeper)),
        action,
        why,
        slot,
        Evidence.from_json(proof) if proof else None,
    )
