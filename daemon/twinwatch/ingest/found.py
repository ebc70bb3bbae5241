"""A file to look at: what the watcher, a walk or another line hands to the belt."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from twinwatch.photo import RootId
from twinwatch.workers import Priority


class Found(NamedTuple):
    """A file to look at."""

    root: RootId
    path: PurePosixPath
    priority: Priority = "arrival"
    again: bool = False  # read it again although it is known: its fingerprint is of an older version
