"""What must be remembered of moves and decisions: the journal, the audit log, and the two memories keyed by content."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from twinwatch.index.database import Database
from twinwatch.index.schema import allowed, decision, move, removed, setting
from twinwatch.photo import ContentDigest, Evidence


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


@dataclass(frozen=True, slots=True)
class DecisionRow:
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
        self._connection = database.connection

    def intend(self, row: MoveRow) -> None:
        """Record a move before it is made."""
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
        with self._database.durably() as connection:
            connection.execute(delete(move).where(move.c.slot == row.slot))
            connection.execute(insert(move).values(**values))

    def set_state(self, slot: str, state: MoveState) -> None:
        """Record where a move stands now."""
        with self._database.durably() as connection:
            connection.execute(update(move).where(move.c.slot == slot).values(state=state))

    def get(self, slot: str) -> MoveRow | None:
        """Return one move."""
        row = self._connection.execute(select(move).where(move.c.slot == slot)).first()
        return None if row is None else _move(row)

    def rows(self, *states: MoveState) -> list[MoveRow]:
        """Return the moves in these states (all without any), oldest first."""
        query = select(move).order_by(move.c.at, move.c.slot)
        if states:
            query = query.where(move.c.state.in_(states))
        return [_move(row) for row in self._connection.execute(query)]

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
        done = [state for state in MoveState if state is not MoveState.CANCELLED]
        query = select(move).where(move.c.at > at, move.c.state.in_(done)).order_by(move.c.at)
        return [_move(row) for row in self._connection.execute(query)]

    def held_for(self, keeper_digest: ContentDigest) -> list[MoveRow]:
        """Return the held photos whose keeper has these bytes."""
        query = select(move).where(move.c.keeper_digest == keeper_digest, move.c.state == MoveState.HELD)
        return [_move(row) for row in self._connection.execute(query)]


class Memory:
    """Two memories keyed by content (they survive rename and re-upload), and the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connection

    def allow(self, a: ContentDigest, b: ContentDigest, now: float) -> None:
        """Remember that these two contents may both stay."""
        first, second = sorted((a, b))
        with self._database.durably() as connection:
            connection.execute(delete(allowed).where(allowed.c.digest == first, allowed.c.other == second))
            connection.execute(insert(allowed).values(digest=first, other=second, at=now))

    def forget_allowed(self, digest: ContentDigest) -> int:
        """Forget every pair this content may stay in; return how many there were."""
        with self._database.durably() as connection:
            done = connection.execute(delete(allowed).where((allowed.c.digest == digest) | (allowed.c.other == digest)))
        return int(done.rowcount)

    def is_allowed(self, a: ContentDigest, b: ContentDigest) -> bool:
        """Tell whether a person said that these two may both stay."""
        first, second = sorted((a, b))
        return bool(self._database.run("SELECT 1 FROM allowed WHERE digest = ? AND other = ?", (first, second)))

    def set_removed(self, digest: ContentDigest, slot: str, now: float, *, returned: bool = False) -> None:
        """Remember that this content was set aside, and count when it had `returned` for it."""
        known = self.returns(digest)
        values = {"slot": slot, "at": now}
        with self._database.durably() as connection:
            if known is None:
                connection.execute(insert(removed).values(digest=digest, returns=0, **values))
            else:
                connection.execute(
                    update(removed).where(removed.c.digest == digest).values(returns=known + returned, **values)
                )

    def returns(self, digest: ContentDigest) -> int | None:
        """Return how often this content came back after it was set aside, or None if it never was."""
        rows = self._database.run("SELECT returns FROM removed WHERE digest = ?", (digest,))
        return rows[0][0] if rows else None

    def forget_removed(self, digest: ContentDigest) -> int:
        """Forget that this content was set aside; return 1 when it was known."""
        with self._database.durably() as connection:
            done = connection.execute(delete(removed).where(removed.c.digest == digest))
        return int(done.rowcount)

    def audit(self, row: DecisionRow) -> None:
        """Add a line to the audit log."""
        evidence = {} if row.evidence is None else row.evidence.to_json()
        self._connection.execute(
            insert(decision).values(
                at=row.at,
                path=os.fsencode(row.path),
                verdict=row.verdict,
                keeper=None if row.keeper is None else os.fsencode(row.keeper),
                action=row.action,
                why=_text(row.why),
                slot=row.slot,
                evidence=json.dumps(evidence),
            )
        )
        self._database.wrote()

    def was_offered(self, slot: str) -> bool:
        """Tell whether the audit log says already that this held photo can be put back, its keeper being gone."""
        query = select(func.count()).where(decision.c.slot == slot, decision.c.action == "review")
        return bool(self._connection.scalar(query))

    def log(
        self, since: float = 0.0, after_id: int = 0, verdict: str | None = None
    ) -> Iterator[tuple[int, DecisionRow]]:
        """Yield the audit log, oldest first, with each line's number."""
        query = select(decision).where(decision.c.at >= since, decision.c.id > after_id).order_by(decision.c.id)
        if verdict is not None:
            query = query.where(decision.c.verdict == verdict)
        for row in self._connection.execute(query):
            yield row.id, _decision(row)

    def setting(self, key: str) -> str | None:
        """Return a remembered setting, such as why moving is paused."""
        rows = self._database.run("SELECT value FROM setting WHERE key = ?", (_text(key),))
        return rows[0][0] if rows else None

    def set_setting(self, key: str, value: str | None) -> None:
        """Remember or forget a setting."""
        with self._database.durably() as connection:
            connection.execute(delete(setting).where(setting.c.key == _text(key)))
            if value is not None:
                connection.execute(insert(setting).values(key=_text(key), value=_text(value)))


def _text(words: str) -> str:
    """Make words that name a file storable: a name that is not UTF-8 is shown by its escapes."""
    return words.encode("utf-8", "backslashreplace").decode()


def _move(row: Row[Any]) -> MoveRow:
    return MoveRow(
        row.slot,
        Path(os.fsdecode(row.root_path)),
        Path(os.fsdecode(row.place)),
        PurePosixPath(os.fsdecode(row.path)),
        Path(os.fsdecode(row.keeper_root)),
        PurePosixPath(os.fsdecode(row.keeper)),
        ContentDigest(row.digest),
        ContentDigest(row.keeper_digest),
        row.verdict,
        row.bytes,
        row.at,
        MoveState(row.state),
    )


def _decision(row: Row[Any]) -> DecisionRow:
    evidence = json.loads(row.evidence)
    return DecisionRow(
        row.at,
        Path(os.fsdecode(row.path)),
        row.verdict,
        None if row.keeper is None else Path(os.fsdecode(row.keeper)),
        row.action,
        row.why,
        row.slot,
        Evidence.from_json(evidence) if evidence else None,
    )
