"""Feels the pulse of the deciding thread: when that hangs in a call to a disk, another daemon goes on without the disk.

A thread of its own. It asks no disk for anything, and touches the index only to close it, when the deciding thread is
where it cannot use it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from twinwatch import mounts
from twinwatch.mounts import Mount
from twinwatch.service.assembly import Assembly, Watched
from twinwatch.service.stuck import Call, call_of, place_of
from twinwatch.service.supervisor import Answers, Hangs, Line

log = logging.getLogger("twinwatch")

LOOKS = 4
"""How often the deciding thread is looked at in `seconds`; a look costs two small reads of /proc."""


class Pulse:
    """Looks after the thread that makes it."""

    def __init__(self, assembly: Assembly, line: Line, seconds: float, changed: Callable[[], None]) -> None:
        """Begin to look: a call that lasts for `seconds` hangs.

        `changed` is called, on a thread of this one's own, when a disk answers again and when one has stopped to.
        """
        self.seconds = seconds
        self.given_up = False  # the deciding thread hangs, and must never go on
        self._assembly = assembly
        self._line = line
        self._changed = changed
        self._thread = threading.get_native_id()
        self._state = assembly.index.path.resolve()
        self._told: Path | None = None  # what hangs and cannot be left behind
        threading.Thread(target=self._look, name="pulse", daemon=True).start()

    def _look(self) -> None:
        before: Call | None = None
        since = 0.0
        while not self.given_up:
            if self._line.heard(self.seconds / LOOKS):
                match self._line.receive():
                    case Answers(roots):
                        self._assembly.left_alone -= roots
                        self._changed()
                    case None:
                        return  # the kernel ends us with our supervisor
            now, call = time.monotonic(), call_of(self._thread)
            if call is None or call != before:
                before, since = call, now
            elif now - since >= self.seconds and (place := place_of(call)) is not None:
                self._leave(place)

    def _leave(self, place: Path) -> None:
        """Let another daemon go on, if some root is on the disk that hangs, and the index is not."""
        known = mounts.read()
        where, state = mounts.mount_of(place, known), mounts.mount_of(self._state, known)
        roots = [] if where is None else [each for each in self._assembly.watched if _is_on(each, where, known)]
        if where is None or (state is not None and where.device == state.device) or not roots:
            if place != self._told:
                self._told = place
                log.error("%s: its disk has not answered for %.0f s; everything waits for it", place, self.seconds)
            return
        names = ", ".join(str(each.config.path) for each in roots)
        log.error("%s: its disk has not answered for %.0f s; going on without %s", place, self.seconds, names)
        self.given_up = True
        self._changed()
        self._assembly.abandon()
        self._line.send(Hangs(frozenset(each.config.path for each in roots)))


def _is_on(watched: Watched, where: Mount, known: list[Mount]) -> bool:
    """Tell whether a root, or what it sets aside, is on the same disk as a mount; nothing but the mounts is asked."""
    root = watched.root
    places = [watched.config.path] if root is None else [root.path, *filter(None, [root.quarantine])]
    found = [mounts.mount_of(place, known) for place in places]
    return any(mount is not None and mount.device == where.device for mount in found)
