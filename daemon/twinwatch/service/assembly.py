"""Puts the rooms together from a configuration, for the daemon and for `scan` alike."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Self

from twinwatch import mounts
from twinwatch.config import Config, RootConfig
from twinwatch.errors import RootError, TwinwatchError
from twinwatch.index import Index, MoveRow, MoveState
from twinwatch.ingest import ACCEPTED, Belt, Found, Hold, Line, Outcome, Survey, seen_again
from twinwatch.naming import Exclusions
from twinwatch.photo import TOP, RootId, RootRecord
from twinwatch.roots import EXPLANATIONS, Health, Root, accepted_identity, identity_of, opened, quarantine_place
from twinwatch.service.decoders import heed_decoders
from twinwatch.verdict import Move
from twinwatch.workers import WorkerLimits, Workers

if TYPE_CHECKING:
    from twinwatch.quarantine import Recovered

_EXCLUDED = "excluded:"
"""Prefix of the setting, followed by a root's path, that lists what was excluded when that was last looked at."""


@dataclass(slots=True)
class Watched:
    """One configured root, whether or not it can be used right now."""

    config: RootConfig
    root: Root | None = None  # None until it was there for the first time
    health: Health = Health.MISSING
    words: str = ""
    id: RootId | None = None  # of what is recorded of it, also while it is away
    looked: bool = False  # for that record


class Assembly:
    """The index, the workers and the line, over the configured roots; to be closed."""

    def __init__(
        self,
        config: Config,
        state: Path,
        *,
        report: Callable[[Outcome], None],
        failed: Callable[[Found, TwinwatchError], None],
        wake: Callable[[], None] = lambda: None,
        hold: bool = True,
        move_residents: bool = False,
        whole: bool = True,
        left_alone: frozenset[Path] = frozenset(),
    ) -> None:
        """Open the state and set everything up; without `hold` nothing is moved, only said.

        The configuration is the `whole` of what is watched, or other roots that are recorded may be watched too.
        `left_alone` are roots, as configured, whose disk does not answer: nothing of them is looked at.

        Raises IndexUnusableError when the index cannot be used.
        """
        self.config = config
        self._whole = whole
        self.left_alone = left_alone
        self.looking: Watched | None = None  # the root that is looked at: its path may lead over other disks
        self.index = Index(state)
        heed_decoders(self.index)
        count = config.workers.processes(os.cpu_count() or 1)
        self.workers = Workers(count, _limits(config))
        self.line = Line(
            self.index,
            self.workers,
            self._holding() if hold else _only_said,
            clock=time.time,
            report=report,
            policy=config.policy,
            limits=config.brake,
            radius=config.match.radius,
            move_residents=move_residents,
        )
        # More lines than workers, so that a worker finds its next job waiting when it ends one.
        self.belt = Belt(self.line, 2 * count + 2, failed=failed, wake=wake)
        self.line.look_again = self.belt.add_again
        self.watched = [Watched(root) for root in config.roots]
        self._left: Counter[RootId] = Counter()  # how often each root was let go of

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is on its way, end the workers, close the index."""
        self.belt.close()
        self.workers.close()
        self.index.close()

    def abandon(self) -> bool:
        """Let go of the index, drop what is not committed, end the workers: another process goes on.

        For another thread than the deciding one, which gets an AbandonedError. Returns False, and does nothing, while
        that one uses the index, and so does not hang.
        """
        if not self.index.abandon():
            return False
        self.workers.abandon()
        return True

    def look(self, watched: Watched) -> bool:
        """Bring the health of a root up to date; return True when it has just become healthy.

        A root that is seen for the first time is marked and recorded.
        """
        self.looking = watched
        try:
            return self._look(watched)
        finally:
            self.looking = None

    def _look(self, watched: Watched) -> bool:
        before = watched.health
        if watched.config.path in self.left_alone:
            watched.health = Health.HANGING
            watched.words = f"{watched.config.path} is hanging: {EXPLANATIONS[Health.HANGING]}"
            return self._admit(watched, before)
        try:
            root = self._recognised(watched.config)
        except RootError as error:
            watched.health, watched.words = Health(error.health), str(error)
        except OSError as error:
            watched.health, watched.words = Health.UNREADABLE, f"{watched.config.path}: {error.strerror}"
        else:
            watched.root, watched.id, watched.looked = root, root.id, True
            watched.health = root.check()
            watched.words = _words(root, watched.health)
        if not watched.looked:
            known = self.index.root_at(Path(os.path.realpath(watched.config.path)))
            watched.id, watched.looked = None if known is None else known.id, True
        return self._admit(watched, before)

    def stop_root(self, watched: Watched, health: Health, words: str) -> None:
        """Use a root no longer until a person or a look says that it is healthy again."""
        watched.health, watched.words = health, words
        self._admit(watched, Health.HEALTHY)

    def leave(self, root: Root) -> None:
        """Use a root no longer, because it is not to be watched any more or is not there."""
        self.line.roots.pop(root.id, None)
        self._left[root.id] += 1
        self.belt.drop_root(root.id)
        self._tell_line()

    def adopt(self, config: Config, watched: list[Watched]) -> None:
        """Take over a new configuration and its roots; what needs a restart stays as it is."""
        self.config = config
        self.watched = watched
        self.line.policy, self.line.limits, self.line.radius = config.policy, config.brake, config.match.radius
        self._tell_line()

    def recover(self, watched: Watched, *, patient: bool = True) -> list[Recovered]:
        """Finish or undo what a crash left half done in the quarantine of a root; raise RootError.

        One that is not `patient` waits for no other process that works there.
        """
        if watched.root is None or self._holds_nothing(watched.root):
            return []
        from twinwatch.quarantine import recover

        return recover(watched.root, self.index, patient=patient)

    def _holds_nothing(self, root: Root) -> bool:
        """Tell whether there surely is nothing to recover: no quarantine on disk, and none that the journal speaks of.

        Then that room, a tenth of what it costs to start, need not be entered. Raises RootError as `recover` would.
        """
        if root.quarantine is None:
            return True
        if self.index.journal.rows(MoveState.MOVING, MoveState.HELD):
            return False
        with root.opened():
            try:
                os.lstat(root.quarantine)
            except FileNotFoundError:
                return True
            except OSError:
                return False  # `recover` will say so
        return False

    def seen_again(self) -> int:
        """Let the next walks judge again what was judged without a root that is there now; return how many photos."""
        paths = {root.path for root in self.line.roots.values()}
        paths |= {one.config.path for one in self.watched if one.health is Health.HEALTHY}
        return seen_again(self.index, self.line.roots, paths)

    def survey(self, watched: Watched, below: PurePosixPath = TOP) -> Survey:
        """Return a walk over a healthy root, or over one folder of it.

        In the whole of it any number may be missing if a person said so.
        """
        if watched.root is None:
            raise RootError(f"{watched.config.path} is not there", EXPLANATIONS[Health.MISSING], Health.MISSING)
        root, before = watched.root, self._left[watched.root.id]
        survey = Survey(root, self.index, self.config.brake, time.time, watched=lambda: self.line.watched)
        survey.below, survey.left = below, lambda: self._left[root.id] != before
        if below == TOP and self.accepted(watched):
            survey.limits = replace(survey.limits, max_missing_share=1.0)
        return survey

    def surveyed(self, watched: Watched, survey: Survey) -> None:
        """Hear that a walk over all of it has ended: what a person said of what is missing holds for no later one."""
        if survey.failure is None and not survey.left() and self.accepted(watched):
            self.index.memory.set_setting(_accepted_key(watched), None)

    def accepted(self, watched: Watched) -> bool:
        """Tell whether a person said that what is missing in this root may be forgotten."""
        return self.index.memory.setting(_accepted_key(watched)) is not None

    def accept(self, root_config: RootConfig) -> RootRecord:
        """Record the folder that is there now as this root, because a person said so; raise RootError."""
        path = _resolved(root_config.path)
        known = self.index.root_at(path)
        marker = "" if known is None else known.identity.marker
        identity = accepted_identity(path, marker, reference=root_config.reference)
        place = None if root_config.reference else self._place(path, root_config, known)
        return self.index.record_root(path, identity, place)

    def _recognised(self, config: RootConfig) -> Root:
        path = _resolved(config.path)
        self._refuse_twice(config, path)
        known = self.index.root_at(path)
        if known is None:
            known = self.accept(config)
        elif known.reference != config.reference or _moved_place(known, config):
            known = self._reconfigured(path, config, known)
        self._heed_exclusions(known, self.config.excluded(config))
        mode = mounts.mode_for(path) if config.mode == "auto" else config.mode
        place = None if known.quarantine is None else Path(known.quarantine)
        exclusions = Exclusions(self.config.excluded(config))
        return Root(known.id, path, known.reference, mode, exclusions, known.identity, place)

    def _refuse_twice(self, config: RootConfig, path: Path) -> None:
        """Raise RootError where a link leads by now to what is watched already: links may change at any time."""
        for other in self.watched:
            place = None if other.root is None or other.config == config else other.root.path
            if place is not None and (path.is_relative_to(place) or place.is_relative_to(path)):
                what = f"{config.path} leads to {path}, and {place} is watched already"
                raise RootError(what, "give each folder once")

    def _heed_exclusions(self, known: RootRecord, patterns: tuple[str, ...]) -> None:
        """Where something is no longer excluded, what comes to light was there before: the next walk is a first one.

        What was known of it stayed known, and was compared with nothing that came meanwhile.
        """
        key, now = f"{_EXCLUDED}{known.path}", json.dumps(sorted(set(patterns)))
        before = self.index.memory.setting(key)
        if before == now:
            return
        taken_back = set() if before is None else set(json.loads(before)) - set(patterns)
        if taken_back:
            then, still = Exclusions(tuple(taken_back)), Exclusions(patterns)
            self.index.photos.judge_anew(known.id, lambda path: then.path(path) and not still.path(path))
            self.index.set_level(known.id, None)
        self.index.memory.set_setting(key, now)

    def _reconfigured(self, path: Path, config: RootConfig, known: RootRecord) -> RootRecord:
        """Record what the configuration changed of a known root; it must still be the folder that was recorded."""
        if config.reference:
            return self.index.record_root(path, known.identity, None)
        if not known.identity.marker:
            with opened(path) as fd:
                if identity_of(fd) != known.identity:
                    raise RootError(f"{path} is replaced", EXPLANATIONS[Health.REPLACED], Health.REPLACED)
            return self.accept(config)
        return self.index.record_root(path, known.identity, self._place(path, config, known))

    def _place(self, path: Path, config: RootConfig, known: RootRecord | None) -> Path:
        if config.quarantine is not None:
            return config.quarantine
        if known is not None and known.quarantine is not None:
            return Path(known.quarantine)
        return quarantine_place(path, tuple(other.path for other in self.config.roots if other.path != path))

    def _admit(self, watched: Watched, before: Health) -> bool:
        root = watched.root
        if root is not None and watched.health is Health.HEALTHY:
            self.line.roots[root.id] = root
        elif root is not None:
            self.leave(root)
        self._tell_line()
        return root is not None and watched.health is Health.HEALTHY and before is not Health.HEALTHY

    def _tell_line(self) -> None:
        # Also those that are not configured, or not asked for, now: they may be later, with photos known and judged.
        away = {Path(record.path) for record in self.index.roots() if record.id not in self.line.roots}
        unknown = {one.config.path for one in self.watched if one.id is None and one.health is not Health.HEALTHY}
        self.line.unseen = frozenset(away | unknown)
        self.line.observed = frozenset(
            watched.root.id
            for watched in self.watched
            if watched.root is not None and (watched.config.observe or self.config.observe)
        )
        known = self._whole and all(watched.looked for watched in self.watched)
        self.line.watched = frozenset(one.id for one in self.watched if one.id is not None) if known else None

    def _holding(self) -> Hold:
        from twinwatch.quarantine import Holder  # now, not at the first move: of a version with what is loaded already

        holder = Holder(self.index, time.time, self.config.quarantine.min_free_mib)

        def hold(move: Move, duplicate_root: Root, keeper_root: Root) -> MoveRow | None:
            if duplicate_root.id in self.line.observed:
                return None
            holder.min_free_mib = self.config.quarantine.min_free_mib  # it may be another since the start
            return holder.hold(move, duplicate_root, keeper_root)

        return hold


def _only_said(_move: Move, _duplicate_root: Root, _keeper_root: Root) -> None:
    return None


def _limits(config: Config) -> WorkerLimits:
    workers = config.workers
    return WorkerLimits(
        seconds=workers.job_seconds,
        memory_bytes=workers.memory_mib << 20,
        idle_seconds=workers.idle_seconds,
        nice=workers.nice,
        share=workers.share,
    )


def _resolved(path: Path) -> Path:
    with contextlib.suppress(OSError):
        return path.resolve(strict=True)
    raise RootError(f"{path} is not there", EXPLANATIONS[Health.MISSING], Health.MISSING)


def _accepted_key(watched: Watched) -> str:
    """Return the setting that `resume --root` makes: links followed, as the folder is recorded in the index."""
    return f"{ACCEPTED}{watched.config.path if watched.root is None else watched.root.path}"


def _moved_place(known: RootRecord, config: RootConfig) -> bool:
    return config.quarantine is not None and known.quarantine is not None and config.quarantine != known.quarantine


def _words(root: Root, health: Health) -> str:
    return "" if health is Health.HEALTHY else f"{root.path} is {health}: {EXPLANATIONS[health]}"
