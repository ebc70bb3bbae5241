"""Takes over from a damaged index whatever can still be read of it: each table by itself, from both its ends.

Photos are not taken over, a scan reads them again. A row whose values make no sense is left behind: what it would say
of a move is in that move's manifest.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinwatch.index.database import ROW_ERRORS, Database
from twinwatch.index.memory import MoveState
from twinwatch.photo import Evidence

_TABLES = ("root", "move", "decision", "allowed", "removed", "setting")
_COUNTS = frozenset({"photos"})  # what only this index can know of itself


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was taken over, and the tables that could not be read to their end."""

    rows: int
    damaged: tuple[str, ...]


def salvage(damaged: Path, into: Database) -> Salvaged:
    """Copy the memory of an old database file into a new one; the caller commits. Never raises for damage.

    Raises IndexUnusableError when the new one cannot be written.
    """
    rows, broken = 0, []
    for table in _TABLES:
        taken, whole = _take_over(damaged, table, into)
        rows += taken
        if not whole:
            broken.append(table)
    return Salvaged(rows, tuple(broken))


def _take_over(damaged: Path, table: str, into: Database) -> tuple[int, bool]:
    rows, whole = 0, True
    columns = {name for _, name, *_ in into.run(f"PRAGMA table_info({table})")} - _COUNTS
    known: set[int] = set()
    for order in ("ASC", "DESC"):  # where a page is broken, what lies behind it is reached from the other end
        read = _rows(damaged, table, columns, order)
        try:
            for number, values in read:
                if number in known:
                    break
                known.add(number)
                if not _makes_sense(table, values):
                    whole = False
                elif _insert(into, table, values):
                    rows += 1
            else:
                if order == "ASC":
                    break  # read to its end
        except (sqlite3.Error, *ROW_ERRORS):
            whole = False
    return rows, whole


def _rows(damaged: Path, table: str, columns: Container[str], order: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)) as old:
        old.execute("PRAGMA writable_schema = ON")  # else a file that was cut short is refused, all of it
        there = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
        kept = [name for name in there if name in columns]
        if not kept:
            raise sqlite3.DatabaseError(f"no table {table}")
        statement = f"SELECT rowid, {', '.join(kept)} FROM {table} NOT INDEXED ORDER BY rowid {order}"  # noqa: S608
        for row in old.execute(statement):
            yield row[0], dict(zip(kept, row[1:], strict=True))


def _insert(into: Database, table: str, values: Mapping[str, Any]) -> bool:
    """Enter a row, unless there is one with the same key, or it lacks what must be there."""
    names = ", ".join(values)  # of columns of ours
    places = ", ".join("?" * len(values))
    statement = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({places}) RETURNING 1"  # noqa: S608
    return bool(into.write(statement, tuple(values.values())))


def _makes_sense(table: str, values: Mapping[str, Any]) -> bool:
    try:
        return _CHECKS[table](values)
    except ROW_ERRORS:
        return False


def _root(values: Mapping[str, Any]) -> bool:
    int(values["fsid"])
    int(values["inode"])
    place = values["quarantine"]
    kinds = isinstance(values["path"], bytes) and isinstance(values["marker"], str) and isinstance(place, bytes | None)
    kinds = kinds and values["reference"] in (0, 1)
    return kinds and values["path"].startswith(b"/") and values["level_at"] in (None, _number(values["level_at"]))


def _move(values: Mapping[str, Any]) -> bool:
    MoveState(values["state"])
    paths = [values[name] for name in ("root_path", "place", "path", "keeper_root", "keeper")]
    _number(values["at"])
    return isinstance(values["slot"], str) and all(isinstance(path, bytes) for path in paths) and _digests(values)


def _decision(values: Mapping[str, Any]) -> bool:
    evidence = json.loads(values["evidence"])
    if evidence:
        Evidence.from_json(evidence)
    _number(values["at"])
    words = [values[name] for name in ("verdict", "action", "why")]
    return isinstance(values["path"], bytes) and isinstance(values["keeper"], bytes | None) and _texts(words)


def _digests(values: Mapping[str, Any]) -> bool:
    found = [value for name, value in values.items() if name in ("digest", "other", "keeper_digest")]
    return all(isinstance(value, bytes) and len(value) == 32 for value in found)


def _texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _number(value: Any) -> float:
    number = float(value) if value is not None else 0.0
    if not 0 <= number < 1e12:
        raise ValueError("no time of this world")
    return number


_CHECKS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "root": _root,
    "move": _move,
    "decision": _decision,
    "allowed": _digests,
    "removed": lambda values: _digests(values) and isinstance(values["returns"], int),
    "setting": lambda values: _texts([values["key"], values["value"]]),
}
