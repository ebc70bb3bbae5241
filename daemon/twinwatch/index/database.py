"""Opening the database: durable, of this version, one writer at a time, and never on a network file system.

SQLite runs in WAL mode with `synchronous=FULL`: a commit survives a power cut, which the journal of moves needs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twinwatch import mounts
from twinwatch.errors import AbandonedError, IndexUnusableError
from twinwatch.index import schema
from twinwatch.locks import Turn, lock

DAMAGED = "index.damaged"
"""Name of the note in the state folder that says: the index was found damaged, begin a new one at the next start."""

TURN = "index.turn"
"""Name of the file in the state folder on which those wait whose turn it is to write next."""

BUSY_MILLISECONDS = 30_000
"""How long one process waits for the other's write; a commit takes milliseconds, a migration seconds."""

PATIENCE = 10.0
"""Seconds for which who wants to begin the index anew waits for those who have it open."""

_PATIENCE = 1.0
"""Seconds that a statement which is being run is waited for, by one who wants to abandon the index."""

_TURN_PATIENCE = 5.0
"""Seconds that somebody else's turn is waited for: longer than any write takes, and who was stopped keeps nobody."""

_BEGIN = "BEGIN IMMEDIATE"
_AT_ONCE = contextlib.nullcontext()

_HINT = "check the folder's permissions and disk, or give another --state DIR"

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    f"busy_timeout={BUSY_MILLISECONDS}",
    "foreign_keys=ON",
    "journal_size_limit=16777216",
    "cache_size=-8192",  # KiB: of a million photos a search reads 250 pages and more, and SQLite would keep 500
)

Values = Sequence[object] | Mapping[str, object]
"""What the `?` or the `:names` of a statement stand for."""

Row = tuple[Any, ...]
T = TypeVar("T")

ROW_ERRORS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What comes of values that a damaged page has made up."""

_ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)  # the second where SQLite's words hold damaged ones

# What SQLite says of a damaged file; of a damaged name it says that a table or column of ours is not there.
_DAMAGE = ("malformed", "not a database", "no such table", "no such column", "has no column named", "decode")


class Database:
    """One connection to the index with an explicit beginning and end of each transaction.

    Nothing is left to the driver, which by itself begins before some statements and not before others (a SELECT, a
    CREATE), and whose `autocommit` attribute is only in Python 3.12: with `isolation_level=None` it begins nothing.
    `write` begins a transaction unless one is open, `commit` ends it, and reading never begins one. Every statement is
    read to its end at once: an open cursor would hold on to an old state of the file, and refuse the next write.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the index at `path`; raise IndexUnusableError when it cannot be used."""
        self.path = path
        _refuse_network(path)
        self._dirty_since: float | None = None
        self._added: Counter[int] = Counter()  # photos by root, since the last commit
        self._closed = False
        self._abandoned = False
        self._using = threading.Lock()  # of one statement at a time
        self._folder = _locked_folder(path.parent, BUSY_MILLISECONDS / 1000, shared=True)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._folder)
            try:
                self._connection = connected(path)
            except _ERRORS as error:
                raise unusable(path, error) from error
            stack.callback(self._connection.close)
            self._turn = Turn(path.parent / TURN, _TURN_PATIENCE)
            stack.callback(self._turn.close)
            self._make_current()
            stack.pop_all()

    def run(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Execute one statement, and return its rows; raise IndexUnusableError. What writes goes through `write`."""
        try:
            with self._using:
                self._check()
                # SQLite asks ten times a second whether the file is free: who has just committed and has more to write
                # would be there first each time, for as long as it has. So who waits has the turn, and is next.
                with self._turn if statement is _BEGIN else _AT_ONCE:
                    return self._connection.execute(statement, values).fetchall()
        except _ERRORS as error:
            if not self._connection.in_transaction:
                self._forget()  # SQLite ends a transaction by itself when a disk is full or broken
            raise unusable(self.path, error) from error

    def understood(self, rows: Iterable[Row], meaning: Callable[[Row], T]) -> Iterator[T]:
        """Yield what each row says; raise IndexUnusableError at one that says nothing: that is damage, too."""
        for row in rows:
            try:
                said = meaning(row)
            except ROW_ERRORS as error:
                raise self.damaged(f"a row makes no sense ({error})") from error
            yield said

    def damaged(self, words: str) -> IndexUnusableError:
        """Return the error of a file that SQLite reads and that cannot be right, with the way out."""
        return unusable(self.path, sqlite3.DatabaseError(f"malformed, as {words}"))

    def write(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Execute a statement that writes, in the open transaction or a new one, and return its rows.

        Raises IndexUnusableError. It stays for `commit`, or for the end of `durably`.
        """
        try:
            self._begin()
            rows = self.run(statement, values)
        except BaseException:
            if self._dirty_since is None:
                self.rollback()  # it was the first: others must not wait for a lock that nothing needs
            raise
        if self._dirty_since is None:
            self._dirty_since = time.monotonic()
        return rows

    def count_added(self, root_id: int, count: int) -> None:
        """Note that the open transaction adds so many photos to a root; less than 0 where it drops some."""
        self._added[root_id] += count

    def added(self, root_id: int | None = None) -> int:
        """Return how many photos were added since the last commit: the roots' counts are brought up to date by it."""
        return self._added.total() if root_id is None else self._added[root_id]

    @property
    def dirty(self) -> bool:
        """Tell whether something written waits for its commit."""
        return self._dirty_since is not None

    def commit(self) -> None:
        """End the transaction; when this returns, everything written is durable."""
        self._check()
        if self._connection.in_transaction:
            try:
                for root_id, count in self._added.items():
                    self.run("UPDATE root SET photos = photos + ? WHERE id = ?", (count, root_id))
                self.run("COMMIT")
            except IndexUnusableError:
                # Else every later call, closing too, would speak of the transaction and no longer of the disk.
                self.rollback()
                raise
        self._forget()

    def rollback(self) -> None:
        """Drop everything that was written since the last commit."""
        self._forget()
        if self._connection.in_transaction:
            with contextlib.suppress(IndexUnusableError):
                self.run("ROLLBACK")

    def commit_if_older(self, seconds: float) -> None:
        """Commit what has waited that long: the cache of readings may be batched, the journal never is."""
        if self._dirty_since is not None and time.monotonic() - self._dirty_since >= seconds:
            self.commit()

    @contextlib.contextmanager
    def durably(self) -> Iterator[None]:
        """Do a few writes, all or none, and commit them at once with what was written before."""
        try:
            self._begin()
            yield
        except BaseException:  # an interrupt too: half of them must not be committed with what comes later
            self.rollback()
            raise
        self.commit()

    def close(self) -> None:
        """Commit and close; once closed, do nothing."""
        if self._closed:
            return
        try:
            self.commit()
        finally:
            self._connection.close()
            self._turn.close()
            os.close(self._folder)
            self._closed = True

    def abandon(self) -> bool:
        """Drop what is not committed, and its lock; whoever uses it later gets an AbandonedError.

        For another thread than the one that uses it. Returns False, and does nothing, while a statement is run.
        """
        if not self._using.acquire(timeout=_PATIENCE):
            return False
        try:
            self._abandoned = True
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._connection.execute("ROLLBACK")
            fcntl.flock(self._folder, fcntl.LOCK_UN)
        finally:
            self._using.release()
        return True

    def _check(self) -> None:
        if self._abandoned:
            raise AbandonedError

    def _begin(self) -> None:
        # At once the only writer: another process's write is waited for here, before anything is read. A transaction
        # that begins by reading may be refused at its first write, without a wait, as the file has changed since.
        if not self._connection.in_transaction:
            self.run(_BEGIN)

    def _forget(self) -> None:
        self._dirty_since = None
        self._added.clear()

    def _make_current(self) -> None:
        """Create what a new file lacks, or bring an old one over; raise IndexUnusableError for one of another kind."""
        tables, found = self._state()
        if not tables:
            if self._create():
                return
            tables, found = self._state()  # another process was quicker
        if found == schema.VERSION:
            return
        if found is None:
            raise IndexUnusableError(f"{self.path} is a database, but not twinwatch's", "give another --state DIR")
        if found > schema.VERSION:
            raise IndexUnusableError(
                f"{self.path} was written by a newer twinwatch (schema {found}, this one knows {schema.VERSION})",
                "install that version again, or give another --state DIR",
            )
        from twinwatch.index.upgrading import upgrade  # with SQLAlchemy and alembic, which cost more than all the rest

        try:
            known = upgrade(lambda: connected(self.path))
        except sqlite3.DatabaseError as error:
            raise unusable(self.path, error) from error
        if not known:
            raise IndexUnusableError(f"{self.path} has an unknown schema {found!r}", "give another --state DIR")

    def _state(self) -> tuple[set[str], str | None]:
        """Return the names of all tables, and the version of the schema where there is one."""
        tables = {name for (name,) in self.run("SELECT name FROM sqlite_master WHERE type = 'table'")}
        versions = self.run("SELECT version_num FROM alembic_version") if "alembic_version" in tables else []
        return tables, versions[0][0] if versions else None

    def _create(self) -> bool:
        """Make a new index, in one transaction: a crash leaves none or a whole one. Return False if one is there."""
        with self.durably():
            if self._state()[0]:
                return False
            for statement in schema.STATEMENTS:
                self.write(statement)
            self.write("INSERT INTO alembic_version VALUES (?)", (schema.VERSION,))
        return True


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be sure that nobody has the index of a state folder open, and nobody opens it.

    Else what another process writes, a person's word too, might go into a file that was just put aside. Raises
    IndexUnusableError, which names the process, when one has it open for longer than `PATIENCE`.
    """
    fd = _locked_folder(folder, PATIENCE)
    try:
        yield
    finally:
        os.close(fd)


def _locked_folder(folder: Path, patience: float, *, shared: bool = False) -> int:
    """Return a descriptor of the state folder with a lock on it: whoever has the index open shares one.

    The database itself is not touched: a process that closes a descriptor of it would lose SQLite's locks on it.
    """
    try:
        with contextlib.ExitStack() as stack:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, fd)
            lock(fd, patience, shared=shared)
            stack.pop_all()
            return fd
    except BlockingIOError as error:
        hint = "let it end, or stop it, and try again"
        raise IndexUnusableError(f"the index in {folder} is taken: {error.strerror}", hint) from error
    except OSError as error:
        raise IndexUnusableError(f"the index in {folder} cannot be used: {error.strerror}", _HINT) from error


def connected(path: Path) -> sqlite3.Connection:
    """Return a connection to a database that works as an index must, and begins no transaction by itself."""
    # An absolute path: SQLite may be built to read one that begins with `file:` as an address.
    connection = sqlite3.connect(
        path.absolute(),
        timeout=BUSY_MILLISECONDS / 1000,
        isolation_level=None,
        check_same_thread=False,  # for `abandon` alone
    )
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def is_damage(error: Exception) -> bool:
    """Tell whether the database file itself is broken: then a new one is begun, and what can be read taken over."""
    return any(words in str(error) for words in _DAMAGE)


def unusable(path: Path, error: Exception) -> IndexUnusableError:
    """Turn a database error into ours, with the way out."""
    said = str(error)
    if "locked" in said:
        return IndexUnusableError(f"{path}: {said}", "another program keeps it locked; stop that program")
    if is_damage(error):
        with contextlib.suppress(OSError):
            (path.parent / DAMAGED).touch()
        hint = "run: twinwatch index rebuild (no photo and nothing in quarantine is lost; it is read again from disk)"
        return IndexUnusableError(f"{path} is damaged: {said}", hint)
    if "full" in said:
        return IndexUnusableError(f"{path}: {said}", "free some space on its disk")
    return IndexUnusableError(f"{path}: {said}", _HINT)


def _refuse_network(path: Path) -> None:
    mount = mounts.mount_of(path.parent.resolve())
    if mount is not None and mounts.is_remote(mount.fs_type):
        raise IndexUnusableError(
            f"{path} lies on {mount.fs_type}, where SQLite's locks do not hold",
            "give a --state DIR on a local disk",
        )
