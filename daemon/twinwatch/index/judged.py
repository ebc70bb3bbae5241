"""Whether a decision was made about a photo, and how that is stored: beside it lies which roots it was made without."""

from __future__ import annotations

import json
from collections.abc import Collection
from enum import IntEnum


class Judged(IntEnum):
    """Whether a decision was made about a photo."""

    NOT_YET = 0
    DONE = 1
    OPEN = 2  # it has a copy or look-alike that was only reported: `scan` looks again, the daemon does not
    PARTLY_OPEN = 3  # the same, and some roots could not be seen meanwhile: judged again when they can
    PARTLY = 1 << 20  # done, but for such roots


PARTIAL = (Judged.PARTLY, Judged.PARTLY_OPEN)
"""The states to which the number of a set of roots is added."""

_RANGES = {
    Judged.NOT_YET: "judged <= 0",
    Judged.DONE: "judged = 1",
    Judged.OPEN: "judged = 2",
    Judged.PARTLY_OPEN: f"judged BETWEEN {Judged.PARTLY_OPEN:d} AND {Judged.PARTLY - 1:d}",
    Judged.PARTLY: f"judged >= {Judged.PARTLY:d}",
}


def state_of(judged: int) -> Judged:
    """Return what the column `judged` says, without the number of a set of roots."""
    return next((state for state in reversed(Judged) if judged >= state), Judged.NOT_YET)


def is_one_of(states: Collection[Judged]) -> str:
    """Return the condition, in SQL, that the column `judged` says one of these."""
    return " OR ".join(_RANGES[state] for state in states)


def lacking(numbers: Collection[int]) -> str:
    """Return what the column `judged` may be where one of these sets is lacking, as a JSON list."""
    return json.dumps([state + number for state in PARTIAL for number in numbers])
