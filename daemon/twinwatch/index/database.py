"""Opening the database: durable, migrated, one writer at a time, and never on a network file system.

SQLite runs in WAL mode with `synchronous=FULL`: a commit survives a power cut, which the journal of moves needs.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, Engine, ExceptionContext
from sqlalchemy.exc import DatabaseError

from twinwatch import mounts
from twinwatch.errors import IndexUnusableError
from twinwatch.index import schema

DAMAGED = "index.damaged"
"""Name of the note in the state folder that says: the index was found damaged, begin a new one at the next start."""

BUSY_MILLISECONDS = 30_000
"""How long one process waits for the other's write; a commit takes milliseconds, a migration seconds."""

_VERSION_TABLE = """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL,
        CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )"""
"""As alembic makes it."""


class Database:
    """One connection to the index with an explicit end of each transaction."""

    def __init__(self, path: Path) -> None:
        """Open or create the index at `path`; raise IndexUnusableError when it cannot be used."""
        self.path = path
        _refuse_network(path)
        self._engine = _engine(path)
        connection: Connection | None = None
        try:
            connection = self._engine.connect()
            _migrate(self._engine, connection, path)
        except (DatabaseError, sqlite3.DatabaseError, IndexUnusableError) as error:
            if connection is not None:
                connection.close()
            self._engine.dispose()
            if isinstance(error, IndexUnusableError):
                raise
            raise unusable(path, error) from error
        self.connection = connection
        self._driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        self._dirty_since: float | None = None
        self._added: Counter[int] = Counter()  # photos by root, since the last commit

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement of the hot paths and return its rows; `wrote` must follow a write.

        On the driver's own connection: through SQLAlchemy each would cost ten times what the database takes. Raises
        IndexUnusableError.
        """
        try:
            return self._driver.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise unusable(self.path, error) from error

    def wrote(self, root_id: int = 0, added: int = 0) -> None:
        """Note that the open transaction holds something worth a commit; so many photos were `added` to a root."""
        if self._dirty_since is None:
            self._dirty_since = time.monotonic()
        if not self.connection.in_transaction():
            self.connection.begin()  # the driver began one with the write; SQLAlchemy must know, to commit it
        if added:
            self._added[root_id] += added

    def added(self, root_id: int | None = None) -> int:
        """Return how many photos were added since the last commit: the roots' counts are brought up to date by it."""
        return self._added.total() if root_id is None else self._added[root_id]

    @property
    def dirty(self) -> bool:
        """Tell whether something written waits for its commit."""
        return self._dirty_since is not None

    def commit(self) -> None:
        """End the transaction; when this returns, everything written is durable."""
        try:
            for root_id, count in self._added.items():
                self.run("UPDATE root SET photos = photos + ? WHERE id = ?", (count, root_id))
            self.connection.commit()
        except (DatabaseError, IndexUnusableError) as error:
            # Else every later call, closing too, would speak of the transaction and no longer of the disk.
            self._dirty_since = None
            self._added.clear()
            with contextlib.suppress(DatabaseError):
                self.connection.rollback()
            if isinstance(error, IndexUnusableError):
                raise
            raise unusable(self.path, error) from error
        self._dirty_since = None
        self._added.clear()

    def commit_if_older(self, seconds: float) -> None:
        """Commit what has waited that long: the cache of readings may be batched, the journal never is."""
        if self._dirty_since is not None and time.monotonic() - self._dirty_since >= seconds:
            self.commit()
        elif self._dirty_since is None and self.connection.in_transaction():
            self.connection.rollback()

    @contextlib.contextmanager
    def durably(self) -> Iterator[Connection]:
        """Do a few writes and commit them at once."""
        try:
            yield self.connection
        except DatabaseError as error:
            self.connection.rollback()
            self._dirty_since = None
            self._added.clear()
            raise unusable(self.path, error) from error
        self.commit()

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
            self.connection.close()
            self._engine.dispose()


def is_damage(error: Exception) -> bool:
    """Tell whether the database file itself is broken: then a new one is begun, and what can be read taken over."""
    said = str(getattr(error, "orig", None) or error)
    return "malformed" in said or "not a database" in said


def unusable(path: Path, error: Exception) -> IndexUnusableError:
    """Turn a database error into ours, with the way out."""
    original = getattr(error, "orig", None) or error
    said = str(original)
    if "locked" in said:
        return IndexUnusableError(f"{path}: {said}", "another program keeps it locked; stop that program")
    if is_damage(error):
        with contextlib.suppress(OSError):
            (path.parent / DAMAGED).touch()
        hint = "run: twinwatch index rebuild (no photo and nothing in quarantine is lost; it is read again from disk)"
        return IndexUnusableError(f"{path} is damaged: {said}", hint)
    if "full" in said:
        return IndexUnusableError(f"{path}: {said}", "free some space on its disk")
    return IndexUnusableError(f"{path}: {said}", "check the folder's permissions and disk, or give another --state DIR")


def _engine(path: Path) -> Engine:
    # Not a text: a `?` or `%` in the path would be read as part of an address.
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_MILLISECONDS / 1000})

    @event.listens_for(engine, "handle_error")
    def _damaged(context: ExceptionContext) -> Exception | None:
        error = context.original_exception
        return unusable(path, error) if isinstance(error, Exception) and is_damage(error) else None

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: object) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={BUSY_MILLISECONDS}",
            "foreign_keys=ON",
            "journal_size_limit=16777216",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _migrate(engine: Engine, connection: Connection, path: Path) -> None:
    tables, found = _state(connection)
    connection.rollback()
    if not tables:
        if _create(engine):
            return
        tables, found = _state(connection)  # another process was quicker
        connection.rollback()
    if found == schema.VERSION:
        return
    if found is not None and found > schema.VERSION:
        raise IndexUnusableError(
            f"{path} was written by a newer twinwatch (schema {found}, this one knows {schema.VERSION})",
            "install that version again, or give another --state DIR",
        )
    if found is None:
        raise IndexUnusableError(f"{path} is a database, but not twinwatch's", "give another --state DIR")
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations").replace("%", "%%"))
    with _at_once(engine) as writing:
        config.attributes["connection"] = writing
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise IndexUnusableError(f"{path} has an unknown schema {found!r}", "give another --state DIR") from error


def _state(connection: Connection) -> tuple[set[str], str | None]:
    """Return the names of all tables, and the version of the schema where there is one."""
    tables = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")))
    version = (
        connection.scalar(text("SELECT version_num FROM alembic_version")) if "alembic_version" in tables else None
    )
    return tables, version


def _create(engine: Engine) -> bool:
    """Make a new index as the migrations would, but without alembic, whose import costs more; False if one is there."""
    with _at_once(engine) as writing:
        if _state(writing)[0]:
            return False
        schema.metadata.create_all(writing)
        writing.exec_driver_sql(_VERSION_TABLE)
        writing.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (schema.VERSION,))
    return True


@contextlib.contextmanager
def _at_once(engine: Engine) -> Iterator[Connection]:
    """Change the schema in one transaction: a crash leaves the old one or the new one."""
    with engine.begin() as writing:
        writing.exec_driver_sql("BEGIN IMMEDIATE")  # or the driver would run each CREATE by itself
        yield writing


def _refuse_network(path: Path) -> None:
    mount = mounts.mount_of(path.parent.resolve())
    if mount is not None and mounts.is_remote(mount.fs_type):
        raise IndexUnusableError(
            f"{path} lies on {mount.fs_type}, where SQLite's locks do not hold",
            "give a --state DIR on a local disk",
        )
