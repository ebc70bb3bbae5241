"""Hears what an index says to its database, statement by statement: to count them, note their order, let one fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from twinwatch.index.database import Database, Values, unusable


def hear(listener: Callable[[str], object]) -> Callable[[], None]:
    """Call `listener` with every statement of every index before it is run; return what ends that.

    A sqlite3.DatabaseError that it raises is what the statement ends with.
    """
    plainly = Database.run

    def run(self: Database, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        try:
            listener(statement)
        except sqlite3.DatabaseError as error:
            raise unusable(self.path, error) from error
        return plainly(self, statement, values)

    def end() -> None:
        Database.run = plainly  # type: ignore[method-assign]

    Database.run = run  # type: ignore[method-assign]
    return end
