"""The watched roots over time: found, recovered, watched, walked, lost and found again."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from twinwatch.config import Config
from twinwatch.errors import RootError
from twinwatch.index import MoveState
from twinwatch.ingest import Found, Survey
from twinwatch.photo import TOP, FileStat, RootId
from twinwatch.roots import Health, Root
from twinwatch.service import told
from twinwatch.service.assembly import Assembly, Watched
from twinwatch.watcher import Watcher

log = logging.getLogger("twinwatch")

SUPERVISE_SECONDS = 5.0
"""How often roots, mounts and the watcher's threads are looked at."""

POLL_SECONDS = 60.0
"""How often a root that is polled is walked, unless walking it takes long."""


@dataclass(slots=True)
class Life:
    """What is remembered of one root between two rounds."""

    watched: Watched
    next_survey: float = 0.0  # monotonic seconds
    surveying: bool = False
    again: bool = False  # something happened meanwhile that asks for one more walk
    level: bool = False
    watching: bool = False
    took_seconds: float = 0.0
    walked_at: float = 0.0  # monotonic seconds
    placeholders: int = 0
    problems: list[str] = field(default_factory=list)
    said: str = ""  # why it was stopped last, until it is level again: what lasts is told once

    @property
    def root(self) -> Root | None:
        """Return the root if it can be used right now."""
        return self.watched.root if self.watched.health is Health.HEALTHY else None


class Rounds:
    """Goes round the roots every few seconds and keeps each of them watched and level."""

    def __init__(
        self,
        assembly: Assembly,
        watcher: Watcher,
        unsettled: Callable[[Found, FileStat], bool],
        awaited: Callable[[FileStat], bool],
    ) -> None:
        """`unsettled` takes over what a walk found and what was written a moment ago, `awaited` tells that it has."""
        self._assembly = assembly
        self._watcher = watcher
        self._unsettled = unsettled
        self._awaited = awaited
        self._lives = [Life(watched) for watched in assembly.watched]
        self._next_round = 0.0
        self.changed = True  # something that `status` may have to say

    def __iter__(self) -> Iterator[Life]:
        return iter(self._lives)

    @property
    def level(self) -> bool:
        """Tell whether every root was walked to its end since it was last found."""
        return all(life.level for life in self._lives)

    def next_due(self) -> float:
        """Return when `go` must be called again at the latest, in monotonic seconds."""
        surveys = [life.next_survey for life in self._lives if life.root is not None and not life.surveying]
        return min([self._next_round, *surveys])

    def go(self, now: float) -> None:
        """Look after every root that is due."""
        if now >= self._next_round:
            self._next_round = now + SUPERVISE_SECONDS
            for life in self._lives:
                self._look_after(life)
            self._watcher.check()
            self._hurry()
        for life in self._lives:
            if life.root is not None and now >= life.next_survey and not life.surveying:
                self._survey(life)

    def _hurry(self) -> None:
        """Walk a root as often as a polled one while some of its folders cannot be watched."""
        health = self._watcher.health()
        for life in self._lives:
            seen = None if life.root is None else health.get(os.fsencode(life.root.path))
            if seen is not None and seen.state in ("degraded", "lost") and not life.surveying:
                life.next_survey = min(life.next_survey, life.walked_at + _polling_seconds(life))

    def soon(self) -> None:
        """Make the next `go` look after every root."""
        self._next_round = 0.0

    def failed(self, root_id: RootId, error: RootError) -> None:
        """Use a root no longer until the next round finds it well: then it is recovered and walked once more."""
        for life in self._lives:
            if life.root is not None and life.root.id == root_id:
                self._stop(life, error)
        self.soon()

    def survey_all_soon(self) -> None:
        """Make the next `go` look after every root and walk it."""
        self.soon()
        for life in self._lives:
            self.survey_soon(life)

    def survey_soon(self, life: Life) -> None:
        """Make the next `go` walk this root; one that is being walked is walked once more."""
        life.next_survey = 0.0
        life.again = life.again or life.surveying

    def survey_below(self, life: Life, folder: PurePosixPath) -> None:
        """Walk one folder of a root."""
        survey = self._walk(life, folder)

        def done(ended: Survey) -> None:
            if ended.failure is not None or ended.troubles or ended.left():
                self.survey_soon(life)  # whatever it was, the walk over the whole root says it

        survey.done = done
        self._assembly.belt.add_folder(survey.files())

    def of(self, root_id: RootId) -> Life | None:
        """Return the life of the root with this number."""
        for life in self._lives:
            if life.watched.root is not None and life.watched.root.id == root_id:
                return life
        return None

    def at(self, path: Path) -> Life | None:
        """Return the life of the root at this path."""
        for life in self._lives:
            if life.watched.root is not None and life.watched.root.path == path:
                return life
        return None

    def adopt(self, new: Config) -> None:
        """Take over a new configuration: begin with new roots, leave old ones, go on with the others."""
        same_exclusions = new.exclude == self._assembly.config.exclude
        before = {life.watched.config: life for life in self._lives}
        kept: list[Life] = []
        for root in new.roots:
            life = before.pop(root, None) if same_exclusions else None
            kept.append(life or Life(Watched(root)))
        for life in self._lives:
            if life not in kept:
                self._leave(life, life.watched.root)
        self._lives = kept
        other_waits = new.reconcile != self._assembly.config.reconcile
        self._assembly.adopt(new, [life.watched for life in kept])
        for life in kept:
            if other_waits:  # else the next walk would come after the wait that was in force at the last one
                life.next_survey = min(life.next_survey, life.walked_at + self._period(life))
        self.soon()

    def status(self) -> list[dict[str, Any]]:
        """Return what `status` says of each root."""
        health = self._watcher.health()
        rows = []
        for life in self._lives:
            root, config = life.watched.root, life.watched.config
            seen = None if root is None else health.get(os.fsencode(root.path))
            problems = life.problems + ([] if seen is None else list(seen.problems))
            if life.watched.words:
                problems.append(self._pasteable(life.watched, life.watched.words))
            rows.append(
                {
                    "path": str(config.path),
                    "state": str(life.watched.health),
                    "mode": "inotify" if root is None else root.mode,
                    "level": life.level,
                    "reference": config.reference,
                    "placeholders": life.placeholders,
                    "problems": problems,
                }
            )
        return rows

    def _look_after(self, life: Life) -> None:
        watched, led_to = life.watched, life.watched.root
        before, said = watched.health, watched.words
        if before is Health.EMPTIED and not self._assembly.accepted(watched):
            return  # only a person may say that this is right
        back = self._assembly.look(watched)
        self.changed = self.changed or (watched.health, watched.words) != (before, said)
        if led_to is not None and watched.root is not None and watched.root.id != led_to.id:
            log.warning(
                "%s is a link: it leads to %s now, no longer to %s", watched.config.path, watched.root.path, led_to.path
            )
            self._leave(life, led_to)
            life.level = False
            back = watched.health is Health.HEALTHY
        if back:
            self._begin(life)
        elif watched.health is not Health.HEALTHY and (watched.words != said or before is Health.HEALTHY):
            log.error("%s", self._pasteable(watched, watched.words))
            life.level = False
            self._leave(life, watched.root)

    def _begin(self, life: Life) -> None:
        """Recover, watch and walk a root that has just become healthy."""
        root = life.root
        if root is None:
            return
        try:
            # What could not be had for some seconds may be kept for ever: no other root waits for it again.
            for recovered in self._assembly.recover(life.watched, patient=not life.said):
                done = recovered.outcome in (MoveState.HELD, MoveState.CANCELLED, MoveState.RESTORED)
                level = logging.INFO if done else logging.ERROR
                log.log(level, "recovered slot %s, %s: %s", recovered.slot, recovered.path, recovered.words)
        except RootError as error:
            self._stop(life, error)
            return
        if not life.watching:
            self._watcher.add(root.path, root.mode, root.exclusions.dir)
            life.watching = True
        log.info("watching %s (%s%s)", root.path, root.mode, ", reference" if root.reference else "")
        self.survey_soon(life)
        again = self._assembly.seen_again()
        if again:
            log.info("%d pictures that were judged while %s could not be seen are judged again", again, root.path)
            self.survey_all_soon()

    def _leave(self, life: Life, root: Root | None) -> None:
        if root is None:
            return
        if life.watching:
            self._watcher.remove(root.path)
            life.watching = False
        self._assembly.leave(root)

    def _pasteable(self, watched: Watched, words: str) -> str:
        """Return a message whose command to accept a root names this root and this state."""
        return told.completed(words, self._assembly.index.path.parent, watched.config.path)

    def _stop(self, life: Life, error: RootError) -> None:
        if str(error) != life.said:
            log.error("%s", self._pasteable(life.watched, str(error)))
        life.said = str(error)
        life.level = False
        self._assembly.stop_root(life.watched, Health(error.health), str(error))

    def _survey(self, life: Life) -> None:
        began = time.monotonic()
        survey = self._walk(life)
        life.surveying, life.again = True, False

        def done(ended: Survey) -> None:
            life.surveying = False
            if ended.left():
                life.next_survey = 0.0
                return
            life.walked_at = time.monotonic()
            life.took_seconds = life.walked_at - began
            self._surveyed(life, ended)

        survey.done = done
        self._assembly.belt.add_bulk(survey.files())

    def _walk(self, life: Life, below: PurePosixPath = TOP) -> Survey:
        survey = self._assembly.survey(life.watched, below)
        survey.unsettled, survey.awaited = self._unsettled, self._awaited
        return survey

    def _surveyed(self, life: Life, survey: Survey) -> None:
        self.changed = True
        problems = survey.troubles + [f"{name} is another file system: not entered" for name in survey.mounts]
        if problems != life.problems:
            for problem in problems:
                log.warning("%s", problem)
        life.problems, life.placeholders = problems, survey.placeholders
        if survey.failure is not None:
            self._stop(life, survey.failure)
            return
        for slot in survey.orphaned:
            back = told.command(f"quarantine restore {slot}", self._assembly.index.path.parent)
            log.warning("the keeper of slot %s is gone; put its copy back: %s", slot, back)
        self._assembly.surveyed(life.watched, survey)
        first, life.level, life.said = not life.level, True, ""
        life.next_survey = 0.0 if life.again else time.monotonic() + self._period(life)
        log.log(
            logging.INFO if first else logging.DEBUG,
            "%s is level: %d pictures in %d folders, %d looked at, %d gone",
            survey.root.path,
            survey.pictures,
            survey.folders,
            survey.taken,
            survey.vanished,
        )

    def _period(self, life: Life) -> float:
        reconcile = self._assembly.config.reconcile
        seconds = reconcile.every_minutes * 60
        if life.root is not None and life.root.mode == "polling":
            seconds = min(seconds, _polling_seconds(life))
        return seconds * random.uniform(1 - reconcile.jitter, 1 + reconcile.jitter)  # noqa: S311 - no secret


def _polling_seconds(life: Life) -> float:
    """Return how long to wait between two walks: they may take up a twentieth of the time, also on a slow share."""
    return max(POLL_SECONDS, 20 * life.took_seconds)
