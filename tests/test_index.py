"""The index: whole after every crash, exact in what it offers, and never in the way of a strange name."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest
from alembic.script import ScriptDirectory

from tests.migrating import configuration, migrate
from tests.mounting import as_root, mounted
from tests.nas import NOW, run_child
from tests.statements import hear
from twinwatch.errors import AbandonedError, IndexUnusableError
from twinwatch.index import DecisionRow, Index, Judged, MoveRow, MoveState
from twinwatch.index import photos as photos_module
from twinwatch.index.neighbours import statement
from twinwatch.index.schema import VERSION
from twinwatch.matching import distance
from twinwatch.photo import (
    TOP,
    ContentDigest,
    Evidence,
    FileStat,
    Fingerprint,
    Header,
    Identity,
    Metadata,
    PerceptualHash,
    Photo,
    Reading,
    RootId,
    Trouble,
    Verdict,
)  # fmt: skip

STAT = FileStat(1, 7, 5000, 10**18, 10**18, 16, 1)
A, B = ContentDigest(b"a" * 32), ContentDigest(b"b" * 32)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path)
    made.record_root(Path("/photos"), Identity("marker", 1, 2), Path("/held"))
    yield made
    made.close()


def enter(
    index: Index,
    number: int,
    hashes: list[int] | None = None,
    *,
    detail: float = 40.0,
    root: int = 1,
    metadata: Metadata | None = None,
) -> Photo:
    eight = [PerceptualHash(value) for value in hashes or [number] * 8]
    header = Header("JPEG", 400, 300, 1, "RGB", 8, False, 1, metadata or Metadata())
    digest = ContentDigest(number.to_bytes(32, "big"))
    reading = Reading(digest, header, Fingerprint(tuple(eight), detail, "test 1"))
    path = PurePosixPath(f"f/{number}.jpg")
    return index.photos.record(RootId(root), path, STAT, reading, arrived=True)


def row(slot: str = "s1", state: MoveState = MoveState.MOVING, at: float = NOW) -> MoveRow:
    return MoveRow(
        slot, Path(os.fsdecode(b"/r\xff")), Path("/q"), PurePosixPath("a\nb.jpg"), Path("/k"), PurePosixPath("k.jpg"),
        A, B, "identical", 5, at, state,
    )  # fmt: skip


ASKED = ("table_xinfo", "foreign_key_list", "index_list")
ASKED_OF_INDEXES = ("index_xinfo",)


def told(path: Path) -> dict[str, list[str]]:
    """Return all that a database says of its tables and indexes, in no order that matters."""
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(path)) as connection:
        for name, kind, sql in connection.execute("SELECT name, type, sql FROM sqlite_master").fetchall():
            if sql is not None:  # the others are the indexes of constraints
                found[f"{kind} {name}"] = [sql] if kind == "index" else []
            for pragma in ASKED if kind == "table" else ASKED_OF_INDEXES:
                rows = connection.execute(f"PRAGMA {pragma}({name})")
                keys = [key for key, *_ in rows.description]
                # The numbers of keys and indexes follow the order in which they were written down.
                found[f"{kind} {name} {pragma}"] = sorted(
                    str([(key, value) for key, value in zip(keys, row, strict=True) if key not in ("id", "seq")])
                    for row in rows
                )
        found["version"] = [str(number) for (number,) in connection.execute("SELECT version_num FROM alembic_version")]
    return found


def test_a_new_index_is_what_the_migrations_make(tmp_path: Path) -> None:
    Index(tmp_path).close()
    migrate(tmp_path / "migrated.db")
    new = told(tmp_path / "index.db")
    assert new == told(tmp_path / "migrated.db")
    assert len(new) > 50


def test_a_new_index_does_without_alembic(tmp_path: Path) -> None:
    """Importing it takes half as long as the rest of a command's start."""
    script = (
        "import sys; from pathlib import Path; from twinwatch.index import Index\n"
        "Index(Path(sys.argv[1])).close()\n"
        "print('alembic' in sys.modules)\n"
    )
    assert run_child(script, str(tmp_path)).stdout == "False\n"


def test_two_that_begin_an_index_at_once_begin_one(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from twinwatch.index import Index\n"
        "index = Index(Path(sys.argv[1])); print(index.verify(), index.photos.count())\n"
    )
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda _: run_child(script, str(tmp_path)), range(4)))
    assert [(one.stdout, one.stderr) for one in said] == [("[] 0\n", "")] * 4


def test_the_version_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == VERSION


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    index = Index(tmp_path)
    record = index.record_root(Path("/photos"), Identity("m", (1 << 64) - 1, (1 << 64) - 1), None)
    photo = enter(index, 1)
    index.photos.set_judged(photo.id)
    index.journal.intend(row())
    index.memory.allow(B, A, NOW)
    index.memory.set_removed(A, "s1", NOW)
    index.memory.set_setting("paused", "too much")
    decision = DecisionRow(NOW, Path("/x"), "identical", Path("/y"), "held", "why", "s1", Evidence(Verdict.IDENTICAL))
    index.memory.audit(decision)
    index.close()
    index = Index(tmp_path)
    assert index.roots() == [record]
    assert index.photos.at(RootId(1), photo.path) == photo
    assert index.journal.rows() == [row()]
    assert index.memory.is_allowed(A, B)
    assert index.memory.returns(A) == 0
    assert index.memory.setting("paused") == "too much"
    assert list(index.memory.log()) == [(1, decision)]
    assert index.verify() == []
    index.close()


@pytest.mark.parametrize("state", ["a?b=c", "a%20b", "a#b", "ü ñ", "mode=ro&x"])
def test_a_state_folder_of_any_name_is_the_one_that_is_used(tmp_path: Path, state: str) -> None:
    folder = tmp_path / state
    folder.mkdir()
    Index(folder).close()
    assert {path.name for path in folder.iterdir()} == {"index.db", "index.turn"}
    assert [path.name for path in tmp_path.iterdir()] == [state]


def scribble(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


VERSIONS = {"newer": "9999", "older": "0000"}


@pytest.mark.parametrize("damage", ["newer", "older", "foreign", "garbage", "cut", "folder", "no folder"])
def test_an_index_that_cannot_be_used_says_what_to_do(tmp_path: Path, damage: str) -> None:
    Index(tmp_path).close()
    path = tmp_path / "index.db"
    state = tmp_path
    if damage in ("newer", "older"):
        scribble(path, f"UPDATE alembic_version SET version_num = '{VERSIONS[damage]}'")  # noqa: S608
    elif damage == "foreign":
        path.unlink()
        scribble(path, "CREATE TABLE cats (name TEXT)")
    elif damage == "garbage":
        path.write_bytes(os.urandom(8192))
    elif damage == "cut":
        os.truncate(path, 5000)
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        state = tmp_path / "nowhere"
    before = path.stat().st_size
    with pytest.raises(IndexUnusableError) as caught:
        Index(state)
    assert caught.value.hint != ""
    assert path.stat().st_size == before  # never made "right" by emptying it


def test_a_photo_under_any_name_and_time_is_found_again(index: Index) -> None:
    for name in (b"\xff\xfe.jpg", b"a\nb.jpg", b"%s'\";--.jpg", b"x" * 255, b"deep/\xff/f.jpg"):
        path = PurePosixPath(os.fsdecode(name))
        reading = Reading(A, None, None, Trouble.BROKEN, "words are not kept")
        recorded = index.photos.record(RootId(1), path, STAT, reading, arrived=False)
        assert index.photos.at(RootId(1), path) == recorded
        assert path.name not in index.photos.in_folder(RootId(1), path.parent, Judged.DONE)
        index.photos.set_judged(recorded.id)
        assert path.name in index.photos.in_folder(RootId(1), path.parent, Judged.DONE)


def test_a_walk_gets_the_marks_of_all_names_and_an_inode_only_where_no_second_look_is_needed(index: Index) -> None:
    for name in (b"a.jpg", b"\xff\xfe.jpg", "ü.jpg".encode(), b"open.jpg", b"new.jpg", b"partly.jpg"):
        path = PurePosixPath(os.fsdecode(name))
        recorded = index.photos.record(RootId(1), path, STAT, Reading(A, None, None), arrived=False)
        if name == b"partly.jpg":
            index.photos.set_lacks(recorded.id, 5)
        elif name != b"new.jpg":
            index.photos.set_judged(recorded.id, Judged.OPEN if name == b"open.jpg" else Judged.DONE)
        for states in ((Judged.DONE,), (Judged.DONE, Judged.PARTLY, Judged.OPEN)):
            marks = index.photos.marks(RootId(1), TOP, states)
            decided = index.photos.in_folder(RootId(1), TOP, *states)
            assert marks.keys() == index.photos.in_folder(RootId(1), TOP, *Judged).keys()
            assert {known for known, (inode, *_) in marks.items() if inode is not None} == decided.keys()
            assert {mark[1:] for mark in marks.values()} == {(STAT.size, STAT.mtime_ns, STAT.ctime_ns)}


@pytest.mark.parametrize("seconds", [-(2**31), -1, 0, 2**31, 2**33, 9_223_372_036, 9_223_372_037, 15_032_385_535])
def test_a_time_before_1970_or_after_2262_is_kept(index: Index, seconds: int) -> None:
    when = seconds * 10**9 + 999_999_999 * (seconds >= 0)
    stat = FileStat(1, (1 << 64) - 1, 5, when, when, 8, 1)
    photo = index.photos.record(RootId(1), PurePosixPath("x.jpg"), stat, Reading(A, None, None), arrived=True)
    assert (photo.stat.mtime_ns, photo.stat.ctime_ns, photo.stat.inode) == (when, when, stat.inode)
    assert index.photos.same_inode(RootId(1), stat) == [photo]
    index.photos.follow(photo.id, PurePosixPath("y.jpg"), stat)


def test_words_that_name_a_strange_file_can_be_audited_and_set(index: Index) -> None:
    strange = os.fsdecode(b"it is \xff.jpg")
    index.memory.audit(DecisionRow(NOW, Path(strange), "identical", None, "review", strange, None, None))
    ((_, line),) = index.memory.log()
    assert line.path == Path(strange)
    assert "it is" in line.why
    index.memory.set_setting(strange, strange)
    assert index.memory.setting(strange) is not None
    index.memory.set_setting(strange, None)
    assert index.memory.setting(strange) is None


# --- candidates ----------------------------------------------------------------------------------------------------


def test_candidates_are_what_brute_force_finds(index: Index) -> None:
    dice = random.Random(1)
    centre = [dice.getrandbits(64) for _ in range(8)]
    known: dict[int, int] = {}
    for number in range(2, 3000):
        value = dice.getrandbits(64)
        if number % 3 == 0:
            value = centre[number % 8]  # also in another orientation than the first
            for bit in dice.sample(range(64), dice.randrange(0, 12)):
                value ^= 1 << bit
        known[number] = value
        enter(index, number, [value] + [dice.getrandbits(64) for _ in range(7)])
    newcomer = enter(index, 1, centre)
    for radius in (0, 3, 5, 8):
        found = {int(photo.path.stem) for photo in index.photos.candidates(newcomer, [RootId(1)], radius, 10**6)}
        near = {
            number
            for number, value in known.items()
            if min(distance(PerceptualHash(one), PerceptualHash(value)) for one in centre[:4]) <= radius
        }
        assert near <= found
        for number in found:
            assert min(distance(PerceptualHash(one), PerceptualHash(known[number])) for one in centre) <= radius
        assert len(near) > 0


def test_a_search_is_given_the_eight_hashes_and_finds_its_places_by_itself(index: Index) -> None:
    newcomer = enter(index, 1, [number * 0x1234567890ABCDEF % (1 << 64) for number in range(1, 9)])
    for radius in (5, 8):
        said: list[str] = []
        index._database._connection.set_trace_callback(said.append)  # with the numbers that were given in their places
        list(index.photos.candidates(newcomer, [RootId(1)], radius, 10))
        index._database._connection.set_trace_callback(None)
        (search,) = [text for text in said if "UNION ALL" in text]
        assert len(search) - len(statement(radius)) < 8 * len(", [1234567, 1234567, 1234567]")


def test_candidates_come_nearest_first_and_from_healthy_roots_only(index: Index) -> None:
    index.record_root(Path("/other"), Identity("m", 1, 3), Path("/held"))
    newcomer = enter(index, 1 << 20, [0] * 8)
    enter(index, 7, [0b111, *[1 << 60] * 7])
    enter(index, 3, [0b11, *[1 << 60] * 7])
    enter(index, 1, [0b1, *[1 << 60] * 7], root=2)
    both = list(index.photos.candidates(newcomer, [RootId(1), RootId(2)], 5, 10))
    assert [photo.path.stem for photo in both] == ["1", "3", "7"]
    assert [photo.path.stem for photo in index.photos.candidates(newcomer, [RootId(1)], 5, 1)] == ["3"]
    assert list(index.photos.candidates(newcomer, [], 5, 10)) == []


def test_ten_thousand_equal_hashes_stay_bounded_and_do_not_hide_the_same_bytes(index: Index) -> None:
    for number in range(2, 10_002):
        enter(index, number, [5] * 8)
    same = enter(index, 20_000, [5] * 8)
    index.photos.forget(RootId(1), same.path)
    reading = Reading(ContentDigest((1).to_bytes(32, "big")), same.header, same.reading.fingerprint)
    index.photos.record(RootId(1), PurePosixPath("twin.jpg"), STAT, reading, arrived=True)
    newcomer = enter(index, 1, [5] * 8)
    found = list(index.photos.candidates(newcomer, [RootId(1)], 5, 24))
    assert len(found) == 24
    assert found[0].path.name == "twin.jpg"


def taken(second: int | None, camera: str | None = "Phone 12") -> Metadata:
    return Metadata(camera=camera, captured_at=None if second is None else f"2024:05:01 10:00:{second:02d}")


@pytest.mark.parametrize("apart", [0, 3])  # bits between the newcomer's hash and the burst's
def test_of_a_burst_only_the_frames_that_are_wanted_are_fetched(index: Index, apart: int) -> None:
    for number in range(2, 52):
        enter(index, number, [5] * 8, metadata=taken(number))
    same, unknown = enter(index, 60, [5] * 8, metadata=taken(1)), enter(index, 61, [5] * 8, metadata=taken(None))
    nobody = enter(index, 62, [5] * 8, metadata=taken(2, camera=None))
    newcomer = enter(index, 1, [5 ^ (1 << apart) - 1] * 8, metadata=taken(1))
    statements: list[str] = []
    index._database._connection.set_trace_callback(statements.append)

    def fetched() -> int:
        return len([text for text in statements if "WHERE photo.id = " in " ".join(text.split())])

    found = list(index.photos.candidates(newcomer, [RootId(1)], 5, 100, lambda: fetched() < 3))
    assert len(found) == fetched() == 5
    offered = {photo.id for photo in found}
    assert {same.id, unknown.id, nobody.id} <= offered, "whatever may be of the same moment is always offered"


def test_of_a_burst_that_is_not_wanted_no_row_is_looked_at(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2, 52):
        enter(index, number, [5 + number % 2] * 8, metadata=taken(number))
    newcomer = enter(index, 1, [5] * 8, metadata=taken(1))
    monkeypatch.setattr(photos_module, "unpack_header", lambda *_: pytest.fail("a row was looked at"))
    assert list(index.photos.candidates(newcomer, [RootId(1)], 5, 100, lambda: False)) == []


def test_a_flat_picture_is_offered_by_equal_size_and_hash_only(index: Index) -> None:
    flat = enter(index, 1, [0] * 8, detail=1.0)
    enter(index, 2, [0] * 8, detail=1.0)
    enter(index, 4, [4] * 8, detail=1.0)
    assert [photo.path.stem for photo in index.photos.candidates(flat, [RootId(1)], 8, 10)] == ["2"]


# --- journal, memory, backup ---------------------------------------------------------------------------------------


def test_the_journal_is_durable_at_once_and_counts_what_was_moved(index: Index, tmp_path: Path) -> None:
    for number, state in enumerate((MoveState.MOVING, MoveState.HELD, MoveState.CANCELLED), 1):
        index.journal.enter(row(f"s{number}", state, float(number)))
    with closing(sqlite3.connect(tmp_path / "index.db")) as other:  # as another process sees it
        assert other.execute("SELECT slot FROM move ORDER BY slot").fetchall() == [("s1",), ("s2",), ("s3",)]
    assert index.journal.count_held() == 1
    assert [one.slot for one in index.journal.since(1.0)] == ["s2"]
    assert [one.slot for one in index.journal.held_for(B)] == ["s2"]
    index.journal.set_state("s2", MoveState.RESTORED)
    assert index.journal.held_for(B) == []
    index.journal.enter(row("s1", MoveState.HELD))
    assert index.journal.get("s1") == row("s1", MoveState.HELD)


def test_a_full_disk_is_said_and_the_index_goes_on_when_there_is_room_again(index: Index, tmp_path: Path) -> None:
    enter(index, 1)
    index.commit()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sum(f.stat().st_size for f in tmp_path.glob("index.db*")) // 8, hard))
    try:
        with pytest.raises(IndexUnusableError):
            index.journal.enter(row("s1", MoveState.MOVING))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert index.journal.rows() == []
    index.journal.enter(row("s1", MoveState.MOVING))
    assert [one.slot for one in index.journal.rows()] == ["s1"]


def test_memory_counts_returns_and_pairs_have_no_order(index: Index) -> None:
    assert index.memory.returns(A) is None
    for expected in (0, 1, 2):
        index.memory.set_removed(A, "s", NOW, returned=expected > 0)
        assert index.memory.returns(A) == expected
    index.memory.set_removed(A, "s", NOW)
    assert index.memory.returns(A) == 2
    assert (index.memory.forget_removed(A), index.memory.forget_removed(A)) == (1, 0)
    index.memory.allow(B, A, NOW)
    index.memory.allow(A, B, NOW)
    assert index.memory.is_allowed(A, B)
    assert index.memory.is_allowed(B, A)
    assert not index.memory.is_allowed(A, A)
    assert index.memory.forget_allowed(B) == 1


def test_a_backup_is_whole_and_never_overwrites(index: Index, tmp_path: Path) -> None:
    enter(index, 5)
    index.commit()
    (tmp_path / "copy").mkdir()
    index.backup(tmp_path / "copy/index.db")
    with pytest.raises(FileExistsError):
        index.backup(tmp_path / "copy/index.db")
    copy = Index(tmp_path / "copy")
    assert (copy.photos.count(), copy.verify()) == (1, [])
    copy.close()


@as_root
def test_a_backup_for_which_there_is_no_room_leaves_nothing_and_can_be_made_again(index: Index, tmp_path: Path) -> None:
    enter(index, 5)
    index.commit()
    small = tmp_path / "small"
    small.mkdir()
    with mounted(small, "-t", "tmpfs", "-o", "size=16k", "tmpfs"):
        with pytest.raises(IndexUnusableError, match=r"copy\.db: .*full.*free some space"):
            index.backup(small / "copy.db")
        assert list(small.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
        index.backup(small / "copy.db")
        assert (small / "copy.db").stat().st_size > 16384


def test_a_write_that_is_cut_short_leaves_nothing_to_be_committed_later(index: Index, tmp_path: Path) -> None:
    """Between the two statements of one entry: the first alone must not come with the next commit."""
    index.journal.intend(row())

    def interrupt(statement: str) -> None:
        if statement.startswith("INSERT INTO move"):
            raise KeyboardInterrupt

    end = hear(interrupt)
    with pytest.raises(KeyboardInterrupt):
        index.journal.intend(row(state=MoveState.HELD))
    end()
    assert not index.dirty
    index.commit()
    with closing(sqlite3.connect(tmp_path / "index.db")) as other:
        assert other.execute("SELECT state FROM move").fetchall() == [("moving",)]


def test_reading_begins_nothing_and_a_write_of_another_process_is_seen_at_once(index: Index, tmp_path: Path) -> None:
    other = Index(tmp_path)
    for number in range(3):
        index.memory.audit(DecisionRow(NOW, Path("/x"), "distinct", None, "none", str(number), None, None))
        assert index.dirty
        index.commit()
        assert len(list(other.memory.log())) == number + 1
        assert not other._database._connection.in_transaction
        other.memory.set_setting("paused", str(number))
        assert index.memory.setting("paused") == str(number)
    other.close()


def test_the_log_is_read_while_it_is_written_and_its_file_not_held_meanwhile(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinwatch.index.memory._LINES_AT_ONCE", 7)
    for number in range(50):
        verdict = "identical" if number % 2 else "distinct"
        index.memory.audit(DecisionRow(NOW + number, Path("/x"), verdict, None, "none", str(number), None, None))
    index.commit()
    other = Index(tmp_path)
    seen = []
    for number, line in index.memory.log(since=NOW + 5, after_id=3, verdict="identical"):
        seen.append(line.why)
        other.memory.set_setting("read", str(number))  # another process writes, and then this one: neither is refused
        index.memory.set_setting("seen", line.why)
    other.close()
    assert seen == [str(number) for number in range(5, 50, 2)]


def test_what_sqlite_itself_rolls_back_is_not_counted(index: Index, tmp_path: Path) -> None:
    """As it may when a disk is full: what was noted for the end of the transaction must go with it."""
    gone = "BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
    scribble(tmp_path / "index.db", f"CREATE TRIGGER no BEFORE INSERT ON decision {gone}")
    enter(index, 1)
    index.commit()
    enter(index, 2)
    assert (index.dirty, index.photos.count()) == (True, 2)
    with pytest.raises(IndexUnusableError):
        index.memory.audit(DecisionRow(NOW, Path("/x"), "distinct", None, "none", "", None, None))
    assert (index.dirty, index.photos.count()) == (False, 1)
    enter(index, 3)
    index.commit()
    assert index.photos.count() == index.stats()["photo"] == 2


def test_what_is_refused_first_leaves_no_lock(index: Index, tmp_path: Path) -> None:
    scribble(tmp_path / "index.db", "CREATE TRIGGER no BEFORE INSERT ON decision BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(IndexUnusableError):
        index.memory.audit(DecisionRow(NOW, Path("/x"), "distinct", None, "none", "", None, None))
    assert not index.dirty
    scribble(tmp_path / "index.db", "DROP TRIGGER no")


def test_a_failed_write_leaves_nothing_half_done(index: Index, tmp_path: Path) -> None:
    index.journal.intend(row())
    refuse = "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    scribble(tmp_path / "index.db", f"CREATE TRIGGER no BEFORE INSERT ON move {refuse}")
    with pytest.raises(IndexUnusableError):
        index.journal.intend(row(state=MoveState.HELD))
    index.commit()
    assert index.journal.rows() == [row()]


def test_an_index_that_is_abandoned_lets_others_write_and_is_used_no_more(tmp_path: Path) -> None:
    """By another thread than its own, which hangs elsewhere; nothing of what was not committed is kept."""
    index = Index(tmp_path)
    index.memory.audit(DecisionRow(NOW, Path("/x"), "distinct", None, "none", "", None, None))
    assert index.dirty
    other = threading.Thread(target=index.abandon)
    other.start()
    other.join()
    for use in (index.commit, index.roots, lambda: index.journal.intend(row()), index.close):
        with pytest.raises(AbandonedError):
            use()
    with closing(Index(tmp_path)) as another:
        another.journal.intend(row())
        assert (list(another.memory.log()), another.journal.rows()) == ([], [row()])


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from twinwatch.index import Index

old, hook = Path(sys.argv[2]), sys.argv[3]
if hook == "migration":
    import alembic.command
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
for at in range(1, 200):
    folder = Path(sys.argv[1], str(at))
    folder.mkdir()
    if old.exists():
        shutil.copy(old, folder / "index.db")
    pid = os.fork()
    if pid == 0:
        seen = []
        def strike(*_):
            seen.append(1)
            if len(seen) == at:
                os.kill(os.getpid(), signal.SIGKILL)
        if hook == "migration":
            event.listen(Engine, "before_cursor_execute", strike)
            event.listen(Engine, "commit", strike)
        else:
            from tests.statements import hear
            hear(strike)
        Index(folder).close()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    index = Index(folder)
    assert index.verify() == []
    assert [record.path for record in index.roots()] == ([Path("/r")] if old.exists() else [])
    assert index.photos.count() == 0
    index.close()
    if status == 0:
        break
print(at)
"""


def test_killed_at_every_statement_that_makes_an_index_it_is_made_whole_by_the_next(tmp_path: Path) -> None:
    said = run_child(KILLED, str(tmp_path), str(tmp_path / "none"), "creation")
    assert (said.returncode, said.stderr) == (0, "")
    assert int(said.stdout) > 20


def test_killed_at_every_statement_of_the_migration_it_is_the_old_schema_or_the_new(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    migrate(old, "0001")
    scribble(old, "INSERT INTO root VALUES (1, X'2F72', 'm', '1', '2', 0, X'2F71', 1.0)")
    said = run_child(KILLED, str(tmp_path), str(old), "migration")
    assert (said.returncode, said.stderr) == (0, "")
    assert int(said.stdout) > 20


def test_a_migration_that_fails_leaves_the_old_index_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    migrate(path, "0001")
    scribble(path, "CREATE TABLE shared (mine TEXT)")  # in the way of the second thing that it makes
    before = told(path)
    with pytest.raises(IndexUnusableError, match="shared already exists"):
        Index(tmp_path)
    assert told(path) == before


def test_a_root_that_is_another_folder_is_not_level_and_one_that_got_a_marker_stays_so(tmp_path: Path) -> None:
    place = tmp_path / "quarantine"
    with closing(Index(tmp_path)) as index:
        for number, (before, now, stays) in enumerate((
            (Identity("a", 1, 2), Identity("a", 1, 2), True),
            (Identity("", 1, 2), Identity("a", 1, 2), True),
            (Identity("a", 1, 2), Identity("a", 1, 3), False),
            (Identity("a", 1, 2), Identity("a", 2, 2), False),
            (Identity("a", 1, 2), Identity("b", 1, 2), False),
        )):  # fmt: skip
            path = tmp_path / str(number)
            index.set_level(index.record_root(path, before, place).id, 5.0)
            assert index.record_root(path, now, place).level_at == (5.0 if stays else None)


def test_a_folder_is_known_by_what_is_in_it_or_below(index: Index) -> None:
    index.photos.record(RootId(1), PurePosixPath("2024/May/a.jpg"), STAT, Reading(A, None, None), arrived=True)
    asked = ("2024", "2024/May", "2024/Ma", "2024/May/a.jpg", "2024/May2", "202")
    found = {name for name in asked if index.photos.is_folder(RootId(1), PurePosixPath(name))}
    assert found == {"2024", "2024/May"}
