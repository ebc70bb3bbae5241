"""Watcher: all watched roots, what is known of their health, and putting right what went wrong.

Events arrive on watchdog's inotify thread and become hints; everything slow or repairing happens in `check`, which the
service calls every few seconds. Nothing here believes that it heard everything: the service reconciles now and then.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from watchdog.observers.inotify_c import InotifyFD

from twinwatch import mounts
from twinwatch.mounts import Mount, WatchMode
from twinwatch.watcher.hints import MAX_PATHS, DirtySet, Hint, Kind
from twinwatch.watcher.tree import Tree

RETRY_SECONDS = 60.0
"""Between two attempts to watch what could not be watched; rsyslog's inotifyFallbackInterval."""

REPAIR_SHARE = 10.0
"""After a repair that took t seconds the next waits this many times t: a storm must not eat the machine."""

REPAIR_SECONDS = 60.0
"""No repair waits for longer than this."""

_SYSCTL = Path("/proc/sys/fs/inotify")


@dataclass(frozen=True, slots=True)
class RootHealth:
    """How a root is watched.

    `state`: "watching" all is well; "degraded" some folders are not watched; "lost" none is, and `check` keeps trying;
    "polling" the kernel does not tell of changes there, the service must walk it.
    """

    mode: WatchMode
    state: Literal["watching", "degraded", "lost", "polling"]
    watched: int = 0  # folders
    failed: int = 0  # folders that could not be watched
    overflows: int = 0  # times that the kernel dropped events
    repairs: int = 0  # times that all watches were set anew
    problems: tuple[str, ...] = ()  # sentences for a person


@dataclass(slots=True)
class _Watched:
    tree: Tree
    identity: tuple[int, int] | None = None  # st_dev, st_ino
    barriers: frozenset[tuple[int, bytes]] = frozenset()  # mount id and place of what is mounted below
    repairs: int = 0
    repair_at: float = 0.0  # monotonic seconds: not before
    retry_at: float = 0.0


@dataclass(slots=True)
class _MountTable:
    """mountinfo, parsed again only when it has changed."""

    text: bytes = b""
    mounts: list[Mount] = field(default_factory=list)

    def refresh(self) -> list[Mount]:
        try:
            text = mounts.MOUNTINFO.read_bytes()
        except OSError:
            return self.mounts  # no /proc: mounts below a root are not noticed, the device check still is
        if text != self.text:
            self.text, self.mounts = text, mounts.parse(text)
        return self.mounts


class _Reader(InotifyFD):
    """watchdog's reading thread, which here lets go of its descriptors even when it dies of an exception."""

    def __init__(self) -> None:
        super().__init__()
        os.set_inheritable(self._inotify_fd, False)  # watchdog opens it without IN_CLOEXEC

    def run(self) -> None:
        try:
            super().run()
        finally:
            with self._lock:
                self._is_reading = False  # so that `close` closes them itself


class Watcher:
    """Tells which paths to look at. For one thread, but for `take`, which any thread may call."""

    def __init__(self, wake: Callable[[], None], *, max_paths: int = MAX_PATHS) -> None:
        """Call `wake` when there are hints again after `take`: on another thread, so it only sets an event."""
        self._dirty = DirtySet(wake, max_paths)
        self._mounts = _MountTable()
        self._reader: _Reader | None = None
        self._roots: dict[bytes, _Watched | None] = {}  # None: polling

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(
        self, root: str | bytes | os.PathLike[str], mode: WatchMode, excluded: Callable[[str], bool] | None = None
    ) -> None:
        """Watch a root: a folder's absolute path without symlinks, each once.

        `excluded` gets a folder's bare name (undecodable bytes as surrogates) and is called on two threads: True keeps
        the folder and all below it out. Symlinks and other mounts are never entered; `roots` tells of the latter.
        Never raises for what the disk says: a root that cannot be watched is "lost" until `check` succeeds. Walk the
        root after this returns, not before, and nothing is missed. A polling root makes no hints: the walk is all.
        """
        place = os.path.normpath(os.fsencode(root))
        if place in self._roots:
            raise ValueError(f"{_shown(place)} is watched already")
        if mode == "polling":
            self._roots[place] = None
            return

        def report(path: bytes, kind: Kind, reason: str) -> None:
            self._dirty.put(place, path, kind, reason)

        watched = _Watched(Tree(place, excluded or _nothing, report))
        self._roots[place] = watched
        self._arm(watched, self._mounts.refresh())

    def remove(self, root: str | bytes | os.PathLike[str]) -> None:
        """Stop watching a root, drop its hints; raise KeyError when it was not watched."""
        place = os.path.normpath(os.fsencode(root))
        watched = self._roots.pop(place)
        if watched is not None:
            watched.tree.disarm("removed")
        self._dirty.forget(place)
        if not any(self._roots.values()):
            self._stop_reader()

    def take(self) -> list[Hint]:
        """Return the hints since the last call, rescans first; each path once."""
        return self._dirty.take()

    def check(self) -> None:
        """Notice and repair: a dead thread, an overflow, a root that went, came back or is another, failed watches.

        Call every few seconds. What is repaired gets a "rescan" hint, after its watches are back. Looks only at the
        roots' own stat data and the mount table, so a sleeping disk sleeps on, unless there is something to repair.
        """
        table = self._mounts.refresh()
        dead = self._reader is not None and not self._reader.is_alive()
        if dead:
            self._stop_reader()
        for watched in self._roots.values():
            if watched is None:
                continue
            tree = watched.tree
            if dead:
                tree.disarm("the watching thread died")
            why = tree.lost or tree.stale or self._difference(watched, table)
            if why:
                self._repair(watched, why, table)
            elif time.monotonic() >= watched.retry_at:
                tree.retry()
                watched.retry_at = time.monotonic() + RETRY_SECONDS

    def health(self) -> dict[bytes, RootHealth]:
        """Say for each root how it is watched, and what is wrong."""
        return {
            place: RootHealth("polling", "polling") if watched is None else self._health_of(watched)
            for place, watched in self._roots.items()
        }

    def close(self) -> None:
        """Stop watching; may be repeated."""
        for place in list(self._roots):
            self.remove(place)
        self._stop_reader()

    # --- helpers --------------------------------------------------------------------------------------------------

    def _arm(self, watched: _Watched, table: list[Mount]) -> bool:
        tree = watched.tree
        below = mounts.mounts_below(tree.root, table)
        watched.barriers = frozenset((mount.mount_id, mount.mount_point) for mount in below)
        try:
            # Before the watches: whoever replaces the folder in between is found out by the next check.
            watched.identity = _identity(tree.root)
            tree.arm(self._running_reader(), frozenset(mount.mount_point for mount in below))
        except OSError as error:
            tree.disarm(_words(error))
        watched.retry_at = time.monotonic() + RETRY_SECONDS
        return not tree.lost

    def _repair(self, watched: _Watched, why: str, table: list[Mount]) -> None:
        began = time.monotonic()
        if began < watched.repair_at:
            return
        if self._difference(watched, table):
            watched.tree.disarm(why)  # another folder: none of the watches is worth keeping
        armed = self._arm(watched, table)
        ended = time.monotonic()
        watched.repair_at = ended + min(REPAIR_SHARE * (ended - began), REPAIR_SECONDS)
        if armed:
            watched.repairs += 1
            self._dirty.put(watched.tree.root, b"", "rescan", why)

    def _difference(self, watched: _Watched, table: list[Mount]) -> str:
        try:
            if _identity(watched.tree.root) != watched.identity:
                return "another folder is in its place"
        except OSError as error:
            return _words(error)
        below = mounts.mounts_below(watched.tree.root, table)
        if frozenset((mount.mount_id, mount.mount_point) for mount in below) != watched.barriers:
            return "something was mounted or unmounted below"
        return ""

    def _running_reader(self) -> _Reader:
        if self._reader is None:
            self._reader = _Reader()
            self._reader.name = "watcher-inotify"
            self._reader.start()
        return self._reader

    def _stop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()
            reader.join()

    def _health_of(self, watched: _Watched) -> RootHealth:
        tree = watched.tree
        failures, first = tree.failures()
        problems = [_sentence(tree.root, code, count, first[code]) for code, count in sorted(failures.items())]
        if tree.stale:
            problems.append(f"changes in {_shown(tree.root)} were missed: {tree.stale}")
        if self._reader is not None and not self._reader.is_alive():
            problems.append("the watching thread died")
        lost = tree.lost
        if lost:
            problems.append(f"{_shown(tree.root)} is not watched: {lost}")
        dead = self._reader is None or not self._reader.is_alive()
        state: Literal["watching", "degraded", "lost"] = (
            "lost" if lost or dead else "degraded" if failures or tree.stale else "watching"
        )
        count = failures.total()
        return RootHealth("inotify", state, tree.watched, count, tree.overflows, watched.repairs, tuple(problems))


def _nothing(name: str) -> bool:
    return False


def _identity(root: bytes) -> tuple[int, int]:
    status = os.stat(root, follow_symlinks=False)
    return status.st_dev, status.st_ino


def _words(error: OSError) -> str:
    if error.errno == errno.EMFILE:
        return f"no inotify instance is free (sysctl fs.inotify.max_user_instances, now {_limit('max_user_instances')})"
    if error.errno == errno.ENOSPC:
        return f"no inotify watch is free (sysctl fs.inotify.max_user_watches, now {_limit('max_user_watches')})"
    return error.strerror or str(error)


def _sentence(root: bytes, code: int, count: int, first: bytes) -> str:
    where = _shown(os.path.join(root, first))
    what = "1 folder is" if count == 1 else f"{count} folders are"
    return (
        f"{what} not watched ({where}{' and others' if count > 1 else ''}): {_words(OSError(code, os.strerror(code)))}"
    )


def _limit(name: str) -> str:
    try:
        return (_SYSCTL / name).read_text().strip()
    except OSError:
        return "unknown"


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
