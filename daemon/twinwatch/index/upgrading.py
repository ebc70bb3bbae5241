"""Brings an index of an older version over. Imported for that only: nothing else needs SQLAlchemy and alembic."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DatabaseError


def upgrade(connect: Callable[[], sqlite3.Connection]) -> bool:
    """Run the migrations that a database lacks, in one transaction: a crash leaves the old schema or the new one.

    Returns False, having changed nothing, when no migration knows the version; raises sqlite3.DatabaseError.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations").replace("%", "%%"))
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none by itself
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError:
        return False
    except DatabaseError as error:
        if isinstance(error.orig, sqlite3.DatabaseError):
            raise error.orig from error
        raise
    return True
