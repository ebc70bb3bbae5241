"""The daemon's life: start, listen, settle, take, tell, reload, stop. One thread decides; this is its loop."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

# The rooms that a walk may do without are loaded at the start: an upgrade must not mix two versions in one process.
from twinwatch import quarantine  # noqa: F401
from twinwatch.config import Config
from twinwatch.config.changes import diff, needs_restart
from twinwatch.errors import AbandonedError, ConfigError, PhotoChangedError, RootError, TwinwatchError, WorkerError
from twinwatch.ingest import PAUSED, SOON_ONCE, Action, Found, Outcome, forget
from twinwatch.naming import is_picture
from twinwatch.photo import FileStat, RootId, Verdict
from twinwatch.roots import Health, Root
from twinwatch.service import logs, quiet, state, told
from twinwatch.service.assembly import Assembly
from twinwatch.service.departed import Departed
from twinwatch.service.pulse import Pulse
from twinwatch.service.refresh import Refresher
from twinwatch.service.rounds import Life, Rounds
from twinwatch.service.supervisor import WAITING, Adopted, Start
from twinwatch.service.systemd import Manager
from twinwatch.settle import Hint as SettleHint
from twinwatch.settle import Settler
from twinwatch.watcher import Hint, Watcher
from twinwatch.workers import lane  # noqa: F401

log = logging.getLogger("twinwatch")

COMMIT_SECONDS = 0.5
"""How long readings may wait for their commit: a crash costs that much reading, never a move."""

STATUS_SECONDS = 1.0
"""How often the status is written at the most."""


_ANSWERED = "a disk answers again"


class Daemon:
    """Watches the configured roots until it is told to stop."""

    def __init__(self, folder: Path, reload: Callable[[], Config], *, observe: bool = False) -> None:
        """`reload` reads the configuration again; with `observe` nothing is moved, whatever the configuration says.

        Made by the process that the service manager started, run by a fork of it.
        """
        self._folder = folder
        self._reload = reload
        self._observe = observe
        self._manager = Manager()
        self._wake = threading.Event()
        self._stopping = False
        self._wanted: set[str] = set()  # what signals asked for, and `_ANSWERED`
        self._departed = Departed()
        self._troubled: dict[tuple[RootId, PurePosixPath], tuple[FileStat, int]] = {}  # not readable, and how often
        self._next_status = 0.0
        self._next_rest = 0.0
        self._resting = ""  # why bulk work rests
        self._reload_later = False  # the configuration, when all disks answer
        self._last_status: dict[str, Any] = {}
        self._changed = True  # something happened that the status may have to say

    def run(self, start: Start) -> None:
        """Run until SIGTERM or SIGINT; raise TwinwatchError when it cannot start."""
        self._config = start.config
        logs.set_level(self._config.log.level)  # a daemon before this one may have read it, and not its supervisor
        self._supervisor = start.line
        self._assembly = Assembly(
            self._config,
            self._folder,
            report=self._report,
            failed=self._failed,
            wake=self._wake.set,
            hold=not self._observe,
            left_alone=start.left_alone,
        )
        self._settler: Settler[tuple[RootId, PurePosixPath]] = Settler(self._config.settle)
        self._watcher = Watcher(self._wake.set)
        self._rounds = Rounds(self._assembly, self._watcher, self._unsettled, self._settler.awaits)
        parts = self._assembly
        self._refresher = Refresher(parts.index, parts.workers, parts.belt, parts.line.roots)
        with self._assembly:
            self._assembly.line.retry = self._retry
            self._assembly.line.look_again = self._look_again
            self._pulse = Pulse(self._assembly, start.line, self._config.hang_seconds, self._disk_changed)
            self._listen()
            try:
                self._publish({**self._status(), "state": "starting", "roots": []})  # not what one before it said
                self._rounds.go(time.monotonic())
                self._manager.ready()
                while not self._stopping:
                    self._turn()
            finally:
                if self._pulse.given_up:
                    self._pulse.stay()
                self._manager.stopping()
                self._watcher.close()
                self._publish({**self._last_status, "state": "stopped"})
        log.info("stopped")

    def _turn(self) -> None:
        """Do everything there is to do, then wait for more."""
        if self._pulse.given_up:
            raise AbandonedError
        belt = self._assembly.belt
        self._changed = self._changed or self._queued > 0
        self._obey()
        now = time.monotonic()
        self._heed()
        self._settle(now)
        self._rest(now)
        belt.step()
        self._departed.done(now, self._is_done_with)
        self._rounds.go(now)
        if self._rounds.level:
            self._refresher.go_on()
        self._assembly.index.commit_if_older(COMMIT_SECONDS)
        self._tell(now)
        self._manager.alive(now)
        if not belt.eager:
            self._changed = self._wake.wait(self._patience()) or self._changed
            self._wake.clear()

    def _patience(self) -> float:
        """Return for how many seconds nothing needs to be done unless somebody wakes us."""
        now = time.monotonic()
        times = [self._rounds.next_due(), self._manager.next_due()]
        times += [due for due in (self._settler.next_due(), self._departed.next_due()) if due is not None]
        if self._assembly.belt.resting:
            times.append(self._next_rest)
            if self._assembly.index.dirty or len(self._assembly.belt) > self._assembly.belt.bulk:
                times.append(now + COMMIT_SECONDS)
        elif len(self._assembly.belt) or self._assembly.index.dirty:
            times.append(now + COMMIT_SECONDS)
        if self._changed or self._rounds.changed:
            times.append(self._next_status)
        return max(0.0, min(times) - now)

    # Signals

    def _listen(self) -> None:
        def note(number: int, _frame: FrameType | None) -> None:
            self._wanted.add(signal.Signals(number).name)
            self._wake.set()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, note)
        signal.signal(signal.SIGCONT, self._continue)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAITING)

    def _continue(self, _number: int, _frame: FrameType | None) -> None:
        """Die rather than go on beside another daemon: somebody has woken what was stopped for good."""
        if self._pulse.given_up:
            os.kill(os.getpid(), signal.SIGKILL)

    def _disk_changed(self) -> None:
        """Hear, on another thread, that a disk answers again, or that the one that this thread waits for does not."""
        if self._pulse.given_up:
            self._manager.going_on()
        else:
            self._wanted.add(_ANSWERED)
            self._wake.set()

    def _obey(self) -> None:
        while self._wanted:
            wanted = self._wanted.pop()
            if wanted in ("SIGTERM", "SIGINT"):
                log.info("told to stop; whatever is on its way is given up, nothing is half done")
                self._stopping = True
            elif wanted == "SIGHUP" and self._assembly.left_alone:
                log.warning("the configuration is read when every disk answers again: folders on it are looked at then")
                self._reload_later = True
            elif wanted == "SIGHUP":
                self._read_configuration()
            elif wanted == "SIGUSR1":
                log.info("a person resumed: every root is looked at again")
                self._rounds.survey_all_soon()
            elif wanted == _ANSWERED:
                self._rounds.soon()
                if self._reload_later and not self._assembly.left_alone:
                    self._reload_later = False
                    self._read_configuration()

    def _read_configuration(self) -> None:
        self._manager.reloading()
        try:
            new = self._reload()
        except ConfigError as error:
            log.error("the new configuration is not used, the old one stays in force")
            for problem in error.problems:
                log.error("%s", problem)
        else:
            changes, later = diff(self._config, new), needs_restart(self._config, new)
            for sentence in changes:
                log.info("configuration: %s%s", sentence, " (after a restart)" if sentence in later else "")
            if changes:
                self._rounds.adopt(new)
                self._config = new
                self._settler.settling = new.settle
                self._pulse.seconds = new.hang_seconds
                logs.set_level(new.log.level)
            else:
                log.info("configuration read again: nothing changed")
        self._supervisor.send(Adopted(self._config))
        self._manager.ready()

    # Events

    def _heed(self) -> None:
        """Turn what the watcher saw into files that must settle and folders that must be walked."""
        for hint in self._watcher.take():
            life = self._rounds.at(Path(os.fsdecode(hint.root)))
            if life is None or life.root is None:
                continue
            if hint.kind == "rescan":
                log.warning("%s: %s; walking it to miss nothing", life.root.path, hint.reason)
                self._rounds.survey_soon(life)
            else:
                self._look_at(life, life.root, hint)

    def _look_at(self, life: Life, root: Root, hint: Hint) -> None:
        path = PurePosixPath(os.fsdecode(hint.path))
        if any(root.exclusions.dir(part) for part in path.parts[:-1]):
            return
        if hint.kind == "directory":
            if not root.exclusions.dir(path.name):
                self._rounds.survey_below(life, path)
            return
        if not is_picture(path.name) and hint.kind == "gone":
            if self._assembly.index.photos.is_folder(root.id, path):
                self._departed.saw((root.id, path), time.monotonic())
            return
        if not is_picture(path.name) or root.exclusions.file(path.name):
            return
        stat = self._stat(root, path)
        if stat is None:
            self._settler.forget((root.id, path))
            self._troubled.pop((root.id, path), None)
            if self._assembly.index.photos.at(root.id, path) is not None:
                self._departed.saw((root.id, path), time.monotonic())
        else:
            self._assembly.workers.prepare()  # it gets warm while the file settles
            kind: SettleHint = "closed" if hint.kind in ("closed", "moved-in") else "changed"
            self._settler.saw((root.id, path), stat, time.monotonic(), kind)

    def _is_done_with(self, key: tuple[RootId, PurePosixPath]) -> bool:
        """Forget what went, unless it waits under another name; return False while that cannot be told yet."""
        life = self._rounds.of(key[0])
        if life is None or life.root is None:
            return True  # whatever it was, the walk that comes when the root is back says it
        if self._assembly.belt.in_haste:
            return False
        photo = self._assembly.index.photos.at(*key)
        if photo is not None and self._settler.awaits(photo.stat):
            return False
        if is_picture(key[1].name):
            self._gone(life.root, key[1])
        else:
            self._rounds.survey_below(life, key[1])
        return True

    def _gone(self, root: Root, path: PurePosixPath) -> None:
        photo = self._assembly.index.photos.at(root.id, path)
        # Only a healthy root can say that a file is gone: a missing one says so of everything.
        try:
            if photo is None or not root.is_gone(path):
                return
        except RootError:
            self._rounds.soon()
            return
        for slot in forget(self._assembly.index, root, photo, time.time(), self._assembly.line.watched):
            back = told.command(f"quarantine restore {slot}", self._folder)
            log.warning("%s is gone; its held copy can be put back: %s", root.path / path, back)

    def _stat(self, root: Root, path: PurePosixPath) -> FileStat | None:
        """Return a file's stat data, or None when it cannot be seen; a root that has just gone is looked after."""
        try:
            return root.stat(path)
        except RootError:
            self._rounds.soon()
            return None

    def _settle(self, now: float) -> None:
        for key in self._settler.due(now):
            root = self._assembly.line.roots.get(key[0])
            stat = None if root is None else self._stat(root, key[1])
            if stat is None:
                self._settler.forget(key)
            elif self._settler.look(key, stat, now):
                self._assembly.belt.add(Found(*key))

    def _rest(self, now: float) -> None:
        """Let bulk work rest, or go on, as the configuration and the machine ask for."""
        belt = self._assembly.belt
        if now < self._next_rest:
            return
        self._next_rest = now + quiet.LOOK_SECONDS
        workers = self._assembly.workers.running
        why = quiet.look(self._config.quiet, workers=workers, resting=belt.resting) if belt.bulk else ""
        if why != self._resting:
            log.info("bulk work rests: %s", why) if why else log.info("bulk work goes on")
            self._changed = True
        self._resting, belt.resting = why, bool(why)

    def _unsettled(self, found: Found, stat: FileStat) -> bool:
        """Let a file that a walk found, and that was written a moment ago, settle first."""
        root = self._assembly.line.roots.get(found.root)
        index = self._assembly.index
        if not index.is_level(found.root):
            return False  # what is there at first is taken as it is: once it had settled it would be an arrival
        hint: SettleHint = "polled" if root is not None and root.mode == "polling" else "changed"
        age = time.time() - max(stat.mtime_ns, stat.ctime_ns) / 1e9
        if not 0 <= age < self._config.settle.wait(hint):
            return False
        if index.photos.at(found.root, found.path) is None and not index.is_arrival(found.root, found.path):
            return False  # so is what was there, and comes to light now
        self._settler.saw((found.root, found.path), stat, time.monotonic(), hint)
        return True

    def _retry(self, found: Found, stat: FileStat, tries: int) -> bool:
        return self._settler.retry((found.root, found.path), stat, time.monotonic(), tries)

    def _look_again(self, found: Found) -> None:
        """Let a file of which the index was wrong settle first, so that one that never does keeps nobody busy."""
        root = self._assembly.line.roots.get(found.root)
        stat = None if root is None else self._stat(root, found.path)
        if stat is not None:
            self._settler.saw((found.root, found.path), stat, time.monotonic(), "changed")

    def _failed(self, found: Found, error: TwinwatchError) -> None:
        if found.again:
            self._refresher.failed()
            if isinstance(error, WorkerError):
                log.warning("%s", error)
                return
        if isinstance(error, RootError):
            lost = found.root if error.root is None else RootId(error.root)
            self._rounds.failed(lost, error)
            if lost != found.root:
                self._assembly.belt.add_again(found)  # without that root, and once more when it is back
            return
        if isinstance(error, PhotoChangedError):  # nothing to talk about
            self._look_again(found)
            return
        root = self._assembly.line.roots.get(found.root)
        stat = None if root is None else self._stat(root, found.path)
        if stat is not None:
            self._trouble(found, stat, error)

    def _trouble(self, found: Found, stat: FileStat, error: TwinwatchError) -> None:
        """Try a file again that could not be read: soon, then ever later, then at each walk over its root.

        A busy worker or disk passes. Permissions and bad sectors may stay for years: they are told once.
        """
        key = (found.root, found.path)
        before, tries = self._troubled.get(key, (stat, -1))
        tries = tries + 1 if before == stat else 0
        self._troubled[key] = (stat, tries)
        if tries == 0:
            log.warning("%s", error)
        if tries and isinstance(error, WorkerError) and error.trouble in SOON_ONCE:
            return
        if not self._settler.retry(key, stat, time.monotonic(), tries) and tries == self._config.settle.retries:
            log.warning("%s; it is tried again when it changes, and at each walk", error)

    # What is told

    def _report(self, outcome: Outcome) -> None:
        """Write the one log line of a photo."""
        if outcome.action is Action.NONE and outcome.verdict is Verdict.DISTINCT:
            log.debug("%s: nothing like it is known", outcome.path)
            return
        if outcome.keeper is None:
            words = [f"{outcome.verdict}: {outcome.path}"]
        else:
            words = [f"{outcome.action}: {outcome.path} {outcome.verdict} of {outcome.keeper}"]
        if outcome.evidence is not None and outcome.evidence.words:
            words.append(f"({outcome.evidence.words})")
        if outcome.why:
            words.append(f"- {told.completed(outcome.why, self._folder)}")
        if outcome.slot is not None:
            words.append(f"- undo: {told.command(f'quarantine restore {outcome.slot}', self._folder)}")
        log.info("%s", " ".join(words))

    def _tell(self, now: float) -> None:
        # That something arrived is said at once: whoever reads "level" may believe it.
        arrived = self._last_status.get("state") == "level" and bool(self._queued)
        if not arrived and (now < self._next_status or not (self._changed or self._rounds.changed)):
            return
        self._next_status = now + STATUS_SECONDS
        self._changed = self._rounds.changed = False
        status = self._status()
        if status != self._last_status:
            self._last_status = status
            if status["state"] == "level":
                self._assembly.index.commit()  # whoever reads it, and then the log, finds there what was done
            self._publish(status)

    def _publish(self, status: dict[str, Any]) -> None:
        try:
            state.publish(self._folder, status)
        except OSError as error:
            log.error("the status cannot be written: %s", error)
        self._manager.status(f"{status['state']}: {status.get('photos', 0)} photos, {status.get('held', 0)} held")

    @property
    def _queued(self) -> int:
        return len(self._settler) + len(self._assembly.belt) + len(self._departed)

    def _status(self) -> dict[str, Any]:
        index = self._assembly.index
        roots = self._rounds.status()
        queued = self._queued
        paused = index.memory.setting(PAUSED)
        if paused is not None:
            word = "paused"
        elif any(root["problems"] or root["state"] != Health.HEALTHY for root in roots):
            word = "degraded"
        elif not self._rounds.level:
            word = "starting"
        else:
            word = "working" if queued else "level"
        return {
            "state": word,
            "paused": paused,
            "resting": self._resting or None,
            "photos": index.photos.count(),
            "queued": queued,
            "not_ready": self._settler.retrying,
            "held": index.journal.count_held(),
            "roots": roots,
        }
