"""What the watcher hands on: look at this path. A set without repeats that cannot grow without bound."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["changed", "closed", "moved-in", "directory", "gone", "rescan"]
"""Why to look, never what is there:

    changed    a name came to be, or its stat data changed; it may still be written
    closed     its writer closed it
    moved-in   it was renamed to this name
    directory  a folder came to be or came back: walk it, files in it may have made no event
    gone       the name went, and everything beneath it if it was a folder
    rescan     walk the whole root: something was missed
"""

MAX_PATHS = 100_000
"""Paths of one root that may wait; beyond it a rescan is cheaper than remembering them (about 20 MB)."""

_SOONER = ("closed", "moved-in")


@dataclass(frozen=True, slots=True)
class Hint:
    """Look at `path`, relative to `root` (both bytes as on disk; b"" is the root itself)."""

    root: bytes
    path: bytes
    kind: Kind
    reason: str  # words for the log


class DirtySet:
    """The paths to look at; thread-safe."""

    def __init__(self, wake: Callable[[], None], max_paths: int = MAX_PATHS) -> None:
        """Call `wake`, on the putting thread, whenever the set turns from empty to not empty."""
        self._wake = wake
        self._max_paths = max_paths
        self._lock = threading.Lock()
        self._paths: dict[bytes, dict[bytes, tuple[Kind, str]]] = {}
        self._rescans: dict[bytes, str] = {}

    def put(self, root: bytes, path: bytes, kind: Kind, reason: str) -> None:
        """Remember a path. The last event on it counts, but "changed" does not undo that it may be looked at sooner."""
        with self._lock:
            was_empty = not self._paths and not self._rescans
            if kind == "rescan":
                self._rescans[root] = reason
            else:
                self._remember(root, path, kind, reason)
        if was_empty:
            self._wake()

    def forget(self, root: bytes) -> None:
        """Drop all of a root."""
        with self._lock:
            self._paths.pop(root, None)
            self._rescans.pop(root, None)

    def take(self) -> list[Hint]:
        """Return and forget all, rescans first, paths in the order in which they were first seen."""
        with self._lock:
            paths, self._paths = self._paths, {}
            rescans, self._rescans = self._rescans, {}
        hints = [Hint(root, b"", "rescan", reason) for root, reason in rescans.items()]
        for root, known in paths.items():
            hints += [Hint(root, path, kind, reason) for path, (kind, reason) in known.items()]
        return hints

    def _remember(self, root: bytes, path: bytes, kind: Kind, reason: str) -> None:
        known = self._paths.setdefault(root, {})
        before = known.get(path)
        if before is not None and kind == "changed" and before[0] in _SOONER:
            return
        known[path] = (kind, reason)
        if len(known) > self._max_paths:
            del self._paths[root]
            self._rescans[root] = f"more than {self._max_paths} paths changed at once"
