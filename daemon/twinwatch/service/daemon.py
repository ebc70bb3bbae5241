"""The daemon's life: start, watch, settle, take, supervise, reload, stop. One thread decides; this is its loop."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

from twinwatch.config import Config, diff, needs_restart
from twinwatch.errors import ConfigError, PhotoChangedError, RootError, TwinwatchError
from twinwatch.index import MoveState
from twinwatch.ingest import ACCEPTED, PAUSED, Action, Found, Outcome, Survey, forget
from twinwatch.naming import is_picture
from twinwatch.photo import TOP, FileStat, RootId, Verdict
from twinwatch.roots import Health, Root
from twinwatch.service import state
from twinwatch.service.assembly import Assembly, Watched
from twinwatch.service.refresh import Refresher
from twinwatch.service.systemd import Manager
from twinwatch.settle import Hint as SettleHint
from twinwatch.settle import Settler
from twinwatch.watcher import Hint, RootHealth, Watcher

log = logging.getLogger("twinwatch")

SUPERVISE_SECONDS = 5.0
"""How often roots, mounts and the watcher's threads are looked at."""

POLL_SECONDS = 60.0
"""How often a root that is polled is walked, unless walking it takes long."""

COMMIT_SECONDS = 0.5
"""How long readings may wait for their commit: a crash costs that much reading, never a move."""

STATUS_SECONDS = 1.0


@dataclass(slots=True)
class _Life:
    """What the daemon remembers of one root between two looks."""

    watched: Watched
    next_survey: float = 0.0  # monotonic seconds
    surveying: bool = False
    again: bool = False  # something happened meanwhile that asks for one more walk
    level: bool = False
    watching: bool = False
    took_seconds: float = 0.0
    skipped: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Daemon:
    """Watches the configured roots until it is told to stop."""

    def __init__(self, config: Config, folder: Path, reload: Callable[[], Config], *, observe: bool = False) -> None:
        """`reload` reads the configuration again; with `observe` nothing is moved, whatever the configuration says."""
        self._config = config
        self._folder = folder
        self._reload = reload
        self._observe = observe
        self._manager = Manager()
        self._wake = threading.Event()
        self._stopping = False
        self._wanted: set[str] = set()  # what signals asked for
        self._next_supervision = 0.0
        self._next_status = 0.0
        self._last_status: dict[str, Any] = {}
        self._changed = True  # something happened that the status may have to say
        self._lives: list[_Life] = []

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; raise TwinwatchError when it cannot start."""
        self._assembly = Assembly(
            self._config,
            self._folder,
            report=self._report,
            failed=self._failed,
            wake=self._wake.set,
            hold=not self._observe,
        )
        self._settler: Settler[tuple[RootId, PurePosixPath]] = Settler(self._config.settle)
        self._watcher = Watcher(self._wake.set)
        self._refresher = Refresher(self._assembly.index, self._assembly.workers, self._assembly.belt)
        with self._assembly:
            self._assembly.line.retry = self._retry
            self._listen()
            try:
                self._lives = [_Life(watched) for watched in self._assembly.watched]
                self._supervise(time.monotonic())
                self._manager.ready()
                while not self._stopping:
                    self._turn()
            finally:
                self._manager.stopping()
                self._watcher.close()
                self._publish("stopped")
        log.info("stopped")

    def _turn(self) -> None:
        """Do everything there is to do, then wait for more."""
        belt = self._assembly.belt
        self._changed = self._changed or len(belt) > 0 or len(self._settler) > 0
        self._obey()
        now = time.monotonic()
        self._heed()
        self._settle(now)
        belt.step()
        self._supervise(now)
        if all(life.level for life in self._lives):
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
        times = [self._next_supervision, *(life.next_survey for life in self._lives if life.watched.root)]
        due = self._settler.next_due()
        if due is not None:
            times.append(due)
        if len(self._assembly.belt) or self._assembly.index.dirty:
            times.append(now + COMMIT_SECONDS)
        if self._changed:
            times.append(self._next_status)
        return max(0.0, min(times) - now)

    # Signals

    def _listen(self) -> None:
        def note(number: int, _frame: FrameType | None) -> None:
            self._wanted.add(signal.Signals(number).name)
            self._wake.set()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, note)

    def _obey(self) -> None:
        while self._wanted:
            wanted = self._wanted.pop()
            if wanted in ("SIGTERM", "SIGINT"):
                log.info("told to stop; whatever is on its way is given up, nothing is half done")
                self._stopping = True
            elif wanted == "SIGHUP":
                self._read_configuration()
            elif wanted == "SIGUSR1":
                log.info("a person resumed: every root is looked at again")
                for life in self._lives:
                    self._survey_soon(life)
                self._next_supervision = 0.0

    def _read_configuration(self) -> None:
        self._manager.reloading()
        try:
            new = self._reload()
        except ConfigError as error:
            log.error("the new configuration is not used, the old one stays in force:\n%s", error)
        else:
            changes = diff(self._config, new)
            later = needs_restart(self._config, new)
            for sentence in changes:
                log.info("configuration: %s%s", sentence, " (after a restart)" if sentence in later else "")
            if changes:
                self._adopt(new)
            else:
                log.info("configuration read again: nothing changed")
        self._manager.ready()

    def _adopt(self, new: Config) -> None:
        old_lives = {life.watched.config: life for life in self._lives}
        same_exclusions = new.exclude == self._config.exclude
        self._config = self._assembly.config = new
        line = self._assembly.line
        line.policy, line.limits, line.radius = new.policy, new.brake, new.match.radius
        self._settler.settling = new.settle
        kept = []
        for root in new.roots:
            life = old_lives.pop(root, None) if same_exclusions else None
            kept.append(life or _Life(Watched(root)))
        for life in old_lives.values() if same_exclusions else self._lives:
            self._unwatch(life)
        self._lives = kept
        self._assembly.watched = [life.watched for life in kept]
        self._next_supervision = 0.0

    # Events

    def _heed(self) -> None:
        """Turn what the watcher saw into files that must settle and folders that must be walked."""
        for hint in self._watcher.take():
            life = self._life_of(Path(os.fsdecode(hint.root)))
            if life is None or life.watched.root is None or life.watched.health is not Health.HEALTHY:
                continue
            if hint.kind == "rescan":
                log.warning("%s: %s; walking it to miss nothing", life.watched.config.path, hint.reason)
                self._survey_soon(life)
            else:
                self._look_at(life, life.watched.root, hint)

    def _look_at(self, life: _Life, root: Root, hint: Hint) -> None:
        path = PurePosixPath(os.fsdecode(hint.path))
        if any(root.exclusions.dir(part) for part in path.parts[:-1]):
            return
        if hint.kind in ("directory", "gone") and not (is_picture(path.name) and hint.kind == "gone"):
            if not root.exclusions.dir(path.name):
                self._survey_below(life, path)
            return
        if not is_picture(path.name) or root.exclusions.file(path.name):
            return
        stat = root.stat(path)
        if stat is None:
            self._gone(root, path)
        else:
            kind: SettleHint = "closed" if hint.kind in ("closed", "moved-in") else "changed"
            self._settler.saw((root.id, path), stat, time.monotonic(), kind)

    def _gone(self, root: Root, path: PurePosixPath) -> None:
        self._settler.forget((root.id, path))
        photo = self._assembly.index.photos.at(root.id, path)
        # Only a healthy root can say that a file is gone: a missing one says so of everything.
        if photo is None or root.check() is not Health.HEALTHY or root.stat(path) is not None:
            return
        for slot in forget(self._assembly.index, root, photo, time.time()):
            log.warning("%s is gone; its held copy can be put back: twinwatch quarantine restore %s", path, slot)

    def _settle(self, now: float) -> None:
        for key in self._settler.due(now):
            root = self._assembly.line.roots.get(key[0])
            stat = None if root is None else root.stat(key[1])
            if stat is None:
                self._settler.forget(key)
            elif self._settler.look(key, stat, now):
                self._assembly.belt.add(Found(*key))

    def _unsettled(self, found: Found, stat: FileStat) -> bool:
        """Let a file that a survey found, and that was written a moment ago, settle first."""
        root = self._assembly.line.roots.get(found.root)
        if not self._assembly.index.is_level(found.root):
            return False  # what is there at first is taken as it is: once it had settled it would be an arrival
        hint: SettleHint = "polled" if root is not None and root.mode == "polling" else "changed"
        age = time.time() - max(stat.mtime_ns, stat.ctime_ns) / 1e9
        if not 0 <= age < self._config.settle.wait(hint):
            return False
        self._settler.saw((found.root, found.path), stat, time.monotonic(), hint)
        return True

    def _retry(self, found: Found, stat: FileStat, tries: int) -> bool:
        return self._settler.retry((found.root, found.path), stat, time.monotonic(), tries)

    # Roots

    def _supervise(self, now: float) -> None:
        if now >= self._next_supervision:
            self._next_supervision = now + SUPERVISE_SECONDS
            for life in self._lives:
                self._look_after(life)
            self._watcher.check()
        for life in self._lives:
            if life.watched.health is Health.HEALTHY and now >= life.next_survey and not life.surveying:
                self._survey(life)

    def _look_after(self, life: _Life) -> None:
        watched = life.watched
        before, said = watched.health, watched.words
        if before is Health.EMPTIED and not self._accepted(watched):
            return  # only a person may say that this is right
        back = self._assembly.look(watched)
        self._changed = self._changed or (watched.health, watched.words) != (before, said)
        if back:
            self._begin(life)
        elif watched.health is not Health.HEALTHY and (watched.words != said or before is Health.HEALTHY):
            log.error("%s", watched.words)
            life.level = False
            self._unwatch(life)

    def _begin(self, life: _Life) -> None:
        """Recover, watch and walk a root that has just become healthy."""
        root = life.watched.root
        if root is None:
            return
        try:
            for recovered in self._assembly.recover(life.watched):
                done = recovered.outcome in (MoveState.HELD, MoveState.CANCELLED, MoveState.RESTORED)
                level = logging.INFO if done else logging.ERROR
                log.log(level, "recovered slot %s, %s: %s", recovered.slot, recovered.path, recovered.words)
        except RootError as error:
            log.error("%s", error)
            self._assembly.stop_root(life.watched, Health(error.health), str(error))
            return
        if not life.watching:
            self._watcher.add(root.path, root.mode, root.exclusions.dir)
            life.watching = True
        log.info("watching %s (%s%s)", root.path, root.mode, ", reference" if root.reference else "")
        self._survey_soon(life)

    def _unwatch(self, life: _Life) -> None:
        if life.watched.root is not None:
            if life.watching:
                self._watcher.remove(life.watched.root.path)
                life.watching = False
            self._assembly.line.roots.pop(life.watched.root.id, None)
            self._assembly.belt.drop_root(life.watched.root.id)

    def _survey_soon(self, life: _Life) -> None:
        life.next_survey = 0.0
        life.again = life.again or life.surveying

    def _survey(self, life: _Life) -> None:
        began = time.monotonic()
        survey = self._assembly.survey(life.watched)
        survey.unsettled = self._unsettled
        if self._accepted(life.watched):
            survey.limits = replace(survey.limits, max_missing_share=1.0)
        life.surveying, life.again = True, False

        def done(ended: Survey) -> None:
            life.surveying = False
            life.took_seconds = time.monotonic() - began
            self._surveyed(life, ended)

        survey.done = done
        self._assembly.belt.add_bulk(survey.files())

    def _accepted(self, watched: Watched) -> bool:
        """Tell whether a person said that what is missing in this root may be forgotten."""
        return self._assembly.index.memory.setting(f"{ACCEPTED}{watched.config.path}") is not None

    def _surveyed(self, life: _Life, survey: Survey) -> None:
        now = time.monotonic()
        life.problems = survey.troubles + [f"{name} is another file system: not entered" for name in survey.mounts]
        life.skipped = {"placeholders": survey.placeholders} if survey.placeholders else {}
        if survey.failure is not None:
            log.error("%s", survey.failure)
            self._assembly.stop_root(life.watched, Health(survey.failure.health), str(survey.failure))
            life.level = False
            return
        if self._accepted(life.watched):
            self._assembly.index.memory.set_setting(f"{ACCEPTED}{life.watched.config.path}", None)
        first = not life.level
        life.level = True
        life.next_survey = 0.0 if life.again else now + self._period(life)
        for trouble in life.problems:
            log.warning("%s", trouble)
        log.log(
            logging.INFO if first else logging.DEBUG,
            "%s is level: %d pictures in %d folders, %d looked at, %d gone",
            survey.root.path,
            survey.pictures,
            survey.folders,
            survey.taken,
            survey.vanished,
        )

    def _period(self, life: _Life) -> float:
        reconcile = self._config.reconcile
        seconds = reconcile.every_minutes * 60
        if life.watched.root is not None and life.watched.root.mode == "polling":
            # A walk may take up a twentieth of the time, so that a large slow share is not walked for ever.
            seconds = min(seconds, max(POLL_SECONDS, 20 * life.took_seconds))
        return seconds * random.uniform(1 - reconcile.jitter, 1 + reconcile.jitter)  # noqa: S311 - no secret

    def _survey_below(self, life: _Life, folder: PurePosixPath) -> None:
        survey = self._assembly.survey(life.watched)
        survey.below = folder if folder.parts else TOP
        survey.unsettled = self._unsettled
        survey.done = lambda ended: self._surveyed_below(life, ended)
        self._assembly.belt.add_bulk(survey.files())

    def _surveyed_below(self, life: _Life, survey: Survey) -> None:
        if survey.failure is not None or survey.troubles:
            self._survey_soon(life)  # whatever it was, the walk over the whole root says it

    def _life_of(self, path: Path) -> _Life | None:
        for life in self._lives:
            if life.watched.root is not None and life.watched.root.path == path:
                return life
        return None

    # What is told

    def _report(self, outcome: Outcome) -> None:
        if outcome.action is Action.NONE and outcome.verdict is Verdict.DISTINCT:
            log.debug("%s: nothing like it is known", outcome.path)
            return
        words = [f"{outcome.action}: {outcome.path}", str(outcome.verdict)]
        if outcome.keeper is not None:
            words.append(f"of {outcome.keeper}")
        if outcome.evidence is not None and outcome.evidence.words:
            words.append(f"({outcome.evidence.words})")
        if outcome.why:
            words.append(f"- {outcome.why}")
        if outcome.slot is not None:
            words.append(f"- undo: twinwatch quarantine restore {outcome.slot}")
        log.info("%s", " ".join(words))

    def _failed(self, found: Found, error: TwinwatchError) -> None:
        root = self._assembly.line.roots.get(found.root)
        if isinstance(error, RootError):
            log.error("%s", error)
            self._next_supervision = 0.0
        else:
            # A change is nothing to talk about; a disk error, or a worker that could not be started, is. Both pass.
            if not isinstance(error, PhotoChangedError):
                log.warning("%s", error)
            stat = None if root is None else root.stat(found.path)
            if stat is not None:
                hint: SettleHint = "changed" if isinstance(error, PhotoChangedError) else "polled"
                self._settler.saw((found.root, found.path), stat, time.monotonic(), hint)

    def _tell(self, now: float) -> None:
        if not self._changed or now < self._next_status:
            return
        self._next_status = now + STATUS_SECONDS
        self._changed = False
        status = self._current()
        if status != self._last_status:
            self._last_status = status
            self._publish(status["state"], status)

    def _publish(self, word: str, status: dict[str, Any] | None = None) -> None:
        said = {**(status or self._last_status), "state": word}
        try:
            state.publish(self._folder, said)
        except OSError as error:
            log.error("the status cannot be written: %s", error)
        self._manager.status(f"{word}: {said.get('photos', 0)} photos, {said.get('held', 0)} held")

    def _current(self) -> dict[str, Any]:
        index = self._assembly.index
        health = self._watcher.health()
        roots = [self._root_status(life, health) for life in self._lives]
        queued = len(self._settler) + len(self._assembly.belt)
        paused = index.memory.setting(PAUSED)
        if paused is not None:
            word = "paused"
        elif any(root["problems"] or root["state"] not in ("healthy",) for root in roots):
            word = "degraded"
        elif queued == 0 and all(life.level for life in self._lives):
            word = "level"
        else:
            word = "starting"
        return {
            "state": word,
            "paused": paused,
            "photos": index.photos.count(),
            "queued": queued,
            "not_ready": self._settler.retrying,
            "held": index.journal.count_held(),
            "roots": roots,
        }

    def _root_status(self, life: _Life, health: dict[bytes, RootHealth]) -> dict[str, Any]:
        root, config = life.watched.root, life.watched.config
        seen = None if root is None else health.get(os.fsencode(root.path))
        problems = list(life.problems) + ([] if seen is None else list(seen.problems))
        if life.watched.health is not Health.HEALTHY:
            problems.append(life.watched.words)
        return {
            "path": str(config.path),
            "state": str(life.watched.health),
            "mode": root.mode if root is not None else "inotify",
            "level": life.level,
            "reference": config.reference,
            "problems": problems,
            **life.skipped,
        }
