"""Feels the pulse of this process: when a thread hangs in a call to a disk, another daemon goes on without that disk.

A thread of its own. It asks no disk for anything, and logs only what nobody else can do anything about: the log may be
on that disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Never

from twinwatch import mounts
from twinwatch.mounts import Mount
from twinwatch.service.assembly import Assembly, Watched
from twinwatch.service.stuck import Call, calls, place_of
from twinwatch.service.supervisor import Answers, Hangs, Line

log = logging.getLogger("twinwatch")

LOOKS = 4
"""How often the threads are looked at in `seconds`; a look at one costs two small reads of /proc."""


class Pulse:
    """Looks after all threads of this process: that which decides, and that which hears of events."""

    def __init__(self, assembly: Assembly, line: Line, seconds: float, changed: Callable[[], None]) -> None:
        """Begin to look: a call that lasts for `seconds` hangs.

        `changed` is called, on a thread of this one's own, when a disk answers again and when one has stopped to.
        """
        self.seconds = seconds
        self.given_up = False  # another daemon goes on
        self._assembly = assembly
        self._line = line
        self._changed = changed
        self._state = assembly.index.path.resolve()
        self._told: Path | None = None  # what hangs and cannot be left behind
        threading.Thread(target=self._look, name="pulse", daemon=True).start()

    def stay(self) -> Never:
        """Do nothing more, until the supervisor ends this process."""
        while True:
            signal.pause()

    def _look(self) -> None:
        seen: dict[int, tuple[Call, float]] = {}
        while not self.given_up:
            if self._line.heard(self.seconds / LOOKS):
                match self._line.receive():
                    case Answers(roots):
                        self._assembly.left_alone -= roots
                        self._changed()
                    case None:
                        return  # the kernel ends us with our supervisor
            now, before = time.monotonic(), seen
            seen = {
                thread: before[thread] if before.get(thread, (None,))[0] == call else (call, now)
                for thread, call in calls({thread: call for thread, (call, _) in before.items()}).items()
            }
            lasting = (place_of(call) for call, since in seen.values() if now - since >= self.seconds)
            place = next(filter(None, lasting), None)
            if place is not None:
                self._leave(place)

    def _leave(self, place: Path) -> None:
        """Let another daemon go on, if that leaves one root more alone, and the index is on another disk."""
        known = mounts.read()
        where, state = mounts.mount_of(place, known), mounts.mount_of(self._state, known)
        here = [each for each in self._assembly.watched if where is not None and _is_on(each, where, known)]
        looking = self._assembly.looking
        roots = frozenset(each.config.path for each in [*here, *([] if looking is None else [looking])])
        with_index = where is None or (state is not None and where.device == state.device)
        if with_index or roots <= self._assembly.left_alone:
            if place != self._told:
                self._told = place
                log.error("%s: its disk has not answered for %.0f s; everything waits for it", place, self.seconds)
            return
        if not self._assembly.abandon():
            return
        self.given_up = True
        self._changed()
        _unlock(each.root.quarantine for each in self._assembly.watched if each.root is not None and each not in here)
        self._line.send(Hangs(roots))


def _is_on(watched: Watched, where: Mount, known: list[Mount]) -> bool:
    """Tell whether a root, or what it sets aside, is on the same disk as a mount; nothing but the mounts is asked."""
    root = watched.root
    places = [watched.config.path] if root is None else [root.path, *filter(None, [root.quarantine])]
    found = [mounts.mount_of(place, known) for place in places]
    return any(mount is not None and mount.device == where.device for mount in found)


def _unlock(quarantines: Iterable[Path | None]) -> None:
    """Let go of the locks on quarantines of disks that answer: a move to there may hang for its keeper's disk."""
    places = {str(place) for place in quarantines if place is not None}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}") in places:
                fcntl.flock(int(fd), fcntl.LOCK_UN)
