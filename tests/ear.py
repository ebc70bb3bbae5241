"""A watcher of one root that remembers what it heard, and waiting with a deadline: for the tests of the watcher."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twinwatch.watcher import Hint, Kind, Watcher
from twinwatch.watcher.watch import RootHealth

SOON = 60.0  # seconds; a deadline for what takes milliseconds on a machine that is not busy


class Ear:
    """A watcher of one root, and what it has said so far."""

    def __init__(self, root: Path, excluded: Callable[[str], bool] | None = None) -> None:
        self.root = root
        self.heard: list[Hint] = []
        self.watcher = Watcher(lambda: None)
        self.watcher.add(root, "inotify", excluded)

    @property
    def health(self) -> RootHealth:
        return self.watcher.health()[os.fsencode(self.root)]

    def hear(self, path: str | bytes, *kinds: Kind) -> Hint:
        """Wait for a hint on `path` of one of these kinds (of any, if none is given)."""
        wanted = os.fsencode(path)

        def found() -> Hint | None:
            self.heard += self.watcher.take()
            return next((hint for hint in self.heard if hint.path == wanted and hint.kind in (kinds or KINDS)), None)

        hint = until(found)
        assert hint is not None
        return hint

    def silent(self) -> list[Hint]:
        """Return what was said until now: a marker file is made, and what comes before its hint has been said."""
        self.heard = []
        (self.root / "marker").write_bytes(b"")
        self.hear("marker", "closed")
        (self.root / "marker").unlink()
        self.hear("marker", "gone")
        return [hint for hint in self.heard if hint.path != b"marker"]

    def forget(self) -> None:
        self.silent()
        self.heard = []

    def check_until(self, true: Callable[[], object]) -> None:
        def checked() -> bool:
            self.watcher.check()
            return bool(true())

        until(checked)


T = TypeVar("T")

KINDS: tuple[Kind, ...] = ("changed", "closed", "moved-in", "directory", "gone", "rescan")


def until(true: Callable[[], T]) -> T:
    deadline = time.monotonic() + SOON
    while not (value := true()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value
