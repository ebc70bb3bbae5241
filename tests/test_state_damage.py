"""A damaged or deleted index is begun anew by itself: nothing is lost, the log is kept where it can be."""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from tests.nas import NOW
from tests.torture import state
from tests.torture.profile import Profile
from twinwatch.errors import IndexUnusableError
from twinwatch.index import DAMAGED, DecisionRow, Index, MoveRow, MoveState, alone, database
from twinwatch.photo import ContentDigest, FileStat, Reading
from twinwatch.roots import mark
from twinwatch.service.rebuilding import healed, rebuild

LINES = 800
ONE, OTHER = ContentDigest(b"1" * 32), ContentDigest(b"2" * 32)


def test_whatever_is_damaged_nothing_is_lost_and_everything_goes_back(tmp_path: Path) -> None:
    figures = list(state.damages(Profile(tmp_path, 7, quick=True)))
    assert [figure.case for figure in figures if not figure.ok] == []
    assert len(figures) == 5
    assert not figures[1].note.startswith("0 times"), "a cut must be noticed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a state folder whose index has a root that is level, and a long log."""
    photos = tmp_path / "photos"
    photos.mkdir()
    made = tmp_path / "state"
    made.mkdir()
    index = Index(made)
    index.set_level(index.record_root(photos, mark(photos), tmp_path / "quarantine").id, NOW)
    for number in range(LINES):
        row = DecisionRow(NOW + number, photos / "a.jpg", "distinct", None, "none", "because", None, None)
        index.memory.audit(row)
    index.close()
    return made


def logged(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "index.db")) as index:
        return int(index.execute("SELECT count(*) FROM decision").fetchone()[0])


def read_all(folder: Path) -> int:
    index = Index(folder)
    try:
        return len(list(index.memory.log())) + len(index.verify())
    finally:
        index.close()


def test_behind_a_broken_page_the_log_is_read_from_its_other_end(folder: Path) -> None:
    path = folder / "index.db"
    data = bytearray(path.read_bytes())
    middle = data.index(b"because", len(data) // 2) // 4096 * 4096
    data[middle : middle + 4096] = random.Random(1).randbytes(4096)
    path.write_bytes(data)
    aside, taken = rebuild(folder)
    assert aside.read_bytes() == data
    assert taken.damaged == ("decision",)
    assert LINES * 0.7 < logged(folder) < LINES
    assert read_all(folder) == logged(folder)


def test_a_log_that_leads_round_is_damaged_and_is_not_read_for_ever(folder: Path) -> None:
    """One flipped bit in a line's number, which SQLite does not doubt: what comes next has been read before."""
    path = folder / "index.db"
    data = bytearray(path.read_bytes())
    text, last = data.rindex(b"because"), LINES
    number = bytes([0x80 | last >> 7, last & 0x7F])  # as a varint (SQLite's file format, 2.3), before the line
    at = data.rindex(number, 0, text)
    data[at : at + 2] = bytes([0x80, 5])
    path.write_bytes(data)
    index = Index(folder)
    with pytest.raises(IndexUnusableError, match="line 5 of the log comes after"):
        list(itertools.islice(index.memory.log(), 3 * LINES))
    index.close()
    assert (folder / DAMAGED).exists()
    assert healed(folder) is not None
    assert LINES - 1 <= read_all(folder) <= LINES


def test_of_an_index_that_was_cut_off_what_lies_before_the_cut_is_kept(folder: Path) -> None:
    path = folder / "index.db"
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"because") // 4096 * 4096 * 2 // 3])
    aside, taken = rebuild(folder)
    assert len(aside.read_bytes()) < len(data)
    assert taken.damaged == ("decision",)
    assert LINES * 0.1 < logged(folder) < LINES
    assert read_all(folder) == logged(folder)


def test_what_was_found_damaged_is_begun_anew_at_the_next_start(folder: Path) -> None:
    assert healed(folder) is None
    path = folder / "index.db"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IndexUnusableError, match="index rebuild"):
        read_all(folder)
    assert (folder / DAMAGED).exists()
    assert healed(folder) is not None
    assert not (folder / DAMAGED).exists()
    assert healed(folder) is None
    path.write_bytes(b"no database at all, but as long as one" * 200)
    assert healed(folder) is not None
    assert read_all(folder) == 0
    assert len(list(folder.glob("index.db.*"))) >= 2, "every old one is kept"


def test_no_index_is_put_aside_while_a_command_has_it_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what that command remembers for a person would go into a file that nobody reads any more."""
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    restoring = Index(folder)
    with pytest.raises(IndexUnusableError, match=f"process {os.getpid()} works in it"):
        rebuild(folder)
    restoring.memory.allow(ONE, OTHER, NOW)
    restoring.close()
    rebuild(folder)
    after = Index(folder)
    assert after.memory.is_allowed(ONE, OTHER)
    after.close()


def test_no_index_is_opened_while_it_is_put_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 50)
    with alone(folder), pytest.raises(IndexUnusableError, match=f"process {os.getpid()} works in it"):
        Index(folder)
    Index(folder).close()


def test_an_index_that_was_abandoned_keeps_nobody_from_a_new_one(folder: Path) -> None:
    hanging = Index(folder)
    assert hanging.abandon()
    rebuild(folder)
    assert logged(folder) == LINES


def test_an_index_of_a_newer_version_is_no_damaged_one(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "index.db")) as index, index:
        index.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(IndexUnusableError, match="newer"):
        healed(folder)
    assert logged(folder) == LINES


def test_after_a_rebuild_nothing_that_was_there_counts_as_arrived(folder: Path) -> None:
    """Else what was there before would be moved, unasked."""
    before = Index(folder)
    (known,) = before.roots()
    assert before.is_level(known.id)
    before.close()
    rebuild(folder)
    after = Index(folder)
    (record,) = after.roots()
    assert (record.path, record.identity, record.quarantine) == (known.path, known.identity, known.quarantine)
    assert not after.is_level(record.id)
    after.close()
    assert logged(folder) == LINES


def flipped(folder: Path, was: bytes, bit: int, after: bytes = b"") -> None:
    """Flip a bit of the first byte of what stands in the index after something else."""
    path = folder / "index.db"
    data = bytearray(path.read_bytes())
    data[data.index(was, data.index(after))] ^= bit
    path.write_bytes(data)


def test_an_index_in_whose_schema_a_column_is_damaged_is_begun_anew(folder: Path) -> None:
    """SQLite takes it for somebody else's table and sees nothing broken, and each restore would be refused for ever."""
    flipped(folder, b"at FLOAT", 4, b"CREATE TABLE allowed")
    index = Index(folder)
    assert index.verify() == []
    with pytest.raises(IndexUnusableError, match="index rebuild"):
        index.memory.allow(ONE, OTHER, NOW)
    index.close()
    assert healed(folder) is not None
    index = Index(folder)
    index.memory.allow(ONE, OTHER, NOW)
    index.close()
    assert logged(folder) == LINES


def test_damage_of_which_sqlite_cannot_even_tell_is_damage_and_leaves_no_lock(folder: Path) -> None:
    """Its own words hold the damaged ones, and they are no text any more."""
    flipped(folder, b"allowedallowed", 0x80)  # the name of a table, and its name in its statement's row
    flipped(folder, b"TABLE allowed", 0x80)
    with pytest.raises(IndexUnusableError, match="index rebuild"):
        Index(folder)
    assert healed(folder) is not None
    assert logged(folder) == LINES


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        ("UPDATE root SET inode = '12q4'", lambda index: index.roots()),
        ("UPDATE root SET fsid = '12q4'", lambda index: index.roots()),
        ("UPDATE move SET state = 'hemd'", lambda index: index.journal.rows()),
        ("UPDATE decision SET evidence = '{' WHERE id = 7", lambda index: list(index.memory.log())),
        ("UPDATE photo SET trouble = 'x'", lambda index: index.photos.with_digest(ONE)),
        ("UPDATE decision SET why = CAST(x'f3' AS TEXT) WHERE id = 7", lambda index: list(index.memory.log())),
    ],
)
def test_a_value_that_means_nothing_is_damage(folder: Path, statement: str, asked: Callable[[Index], object]) -> None:
    index = Index(folder)
    root = index.roots()[0]
    stat = FileStat(1, 2, 3, 10**18, 10**18, 8, 1)
    index.photos.record(root.id, PurePosixPath("a.jpg"), stat, Reading(ONE, None, None), arrived=True)
    here, there = (folder, PurePosixPath("a")), (folder, PurePosixPath("b"))
    row = MoveRow("slot", folder, *here, *there, ONE, OTHER, "identical", 1, NOW, MoveState.HELD)
    index.journal.enter(row)
    index.close()
    with closing(sqlite3.connect(folder / "index.db")) as damaged, damaged:
        assert damaged.execute(statement).rowcount > 0
    index = Index(folder)
    with pytest.raises(IndexUnusableError, match="index rebuild"):
        asked(index)
    index.close()
    assert healed(folder) is not None
    index = Index(folder)
    asked(index)
    index.close()
