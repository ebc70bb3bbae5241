"""The straight line of one photo: read, match, prove, decide, hold. Read this file first.

`Line.take` is a generator. Each `yield` hands a future of the workers to the belt and gets its result back; between two
yields it runs alone, on the one thread that decides and moves.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twinwatch.brake import Limits
from twinwatch.errors import MoveRefusedError, NoRoomError, PhotoChangedError, PhotoError, RootError, WorkerError
from twinwatch.index import DecisionRow, Index, Judged, MoveRow
from twinwatch.ingest.following import followed
from twinwatch.ingest.found import Found
from twinwatch.ingest.orphans import WatchedRoots, offer_back, why
from twinwatch.ingest.proving import Prover
from twinwatch.ingest.reading import MOST_READINGS, read, read_anew
from twinwatch.ingest.restraint import PAUSED, Refused, came_back, held_back
from twinwatch.ingest.unseen import judged
from twinwatch.photo import (
    COPY_VERDICTS,
    Evidence,
    FileStat,
    Photo,
    Reading,
    RootId,
    Trouble,
    Verdict,
)
from twinwatch.reconcile import unchanged
from twinwatch.roots import Root, stat_of
from twinwatch.verdict import Duplicate, Match, Move, Policy, Undecided, decide
from twinwatch.workers import Workers

if TYPE_CHECKING:
    from concurrent.futures import Future

_DECIDED = (Judged.DONE, Judged.PARTLY)
"""Of these photos an event tells nothing new: `seen_again` says when those that lack a root are to be judged."""

Take = Generator["Future[Any]", Any, None]
Hold = Callable[[Move, Root, Root], MoveRow | None]
"""Sets a duplicate aside; a dry run's returns None and moves nothing."""


class Action(StrEnum):
    """What was done about a photo."""

    NONE = "none"
    WOULD_HOLD = "would-hold"
    HELD = "held"
    REVIEW = "review"


class Pace(Enum):
    """What bulk work asks of the belt between two files."""

    WAIT = "wait until every file given so far is taken"
    BREATHE = "other work may come first now"


class Outcome(NamedTuple):
    """What came of one photo."""

    path: Path
    verdict: Verdict
    keeper: Path | None
    evidence: Evidence | None
    action: Action
    why: str = ""
    slot: str | None = None


class Line:
    """Takes one photo at a time from file to decision; `belt` runs several takes side by side."""

    def __init__(
        self,
        index: Index,
        workers: Workers,
        hold: Hold,
        *,
        clock: Callable[[], float],
        report: Callable[[Outcome], None],
        policy: Policy,
        limits: Limits,
        radius: int = 5,
        move_residents: bool = False,
    ) -> None:
        """`clock` gives seconds since the epoch, `report` hears what came of each photo."""
        self.roots: dict[RootId, Root] = {}  # the healthy ones; no decision uses another
        self.observed: frozenset[RootId] = frozenset()  # roots in which nothing is moved, only said
        self.unseen: frozenset[Path] = frozenset()  # the others that are known: what is judged now is judged in part
        self.watched: WatchedRoots = None  # where a photo may be a keeper
        self.policy = policy
        self.limits = limits
        self.radius = radius
        self.look_again: Callable[[Found], None] = lambda _found: None  # hears of what the index has wrong
        self.retry: Callable[[Found, FileStat, int], bool] = lambda _found, _stat, _tries: False
        self._index = index
        self._workers = workers
        self._hold = hold
        self._refused = Refused()
        self._prover = Prover(self, index, workers)
        self._clock = clock
        self._report = report
        self._move_residents = move_residents

    def take(self, found: Found) -> Take:
        """Read, match, prove, decide and act on one file.

        Raises PhotoError when this file cannot be judged this time, RootError when its root, or that of a photo it is
        compared with, is not healthy; disk and index are then as they were, and the file is taken again.
        """
        photo = yield from self._read_or_noted(found)
        if photo is None:
            return
        before = self._index.photos.judged(photo.id)
        while True:
            among = set(self.roots)
            proved = yield from self._prover.prove(photo, found.priority)
            if proved is None:
                return
            matches, waited = proved
            if not waited:
                break  # nothing else ran since the photo was entered
            now = self._index.photos.by_id(photo.id)
            if now is None:
                return  # another line has set it aside meanwhile, or it is gone
            if self._still_true(photo, now, matches) and among >= set(self.roots):
                break
        decision = decide(photo, matches, self.policy, self._may_move)
        match decision:
            case Duplicate(moves):
                self._set_all_aside(photo, moves)
            case Undecided(one, other, evidence, why):
                self._say(one, evidence.verdict, other, evidence, Action.REVIEW, why)
                judged(self._index, photo.id, self.unseen)
                judged(self._index, one.id, self.unseen, Judged.OPEN)
            case _:
                self._alone(photo, before)

    def _set_all_aside(self, photo: Photo, moves: Sequence[Move]) -> None:
        done = [self._set_aside(move) for move in moves]
        if all(done) and moves[0].keeper.id == photo.id:
            judged(self._index, photo.id, self.unseen)
        if not all(done) and self._paused:
            self._refused.waits(photo.id)

    def _alone(self, photo: Photo, before: Judged) -> None:
        if self._index.photos.judged(photo.id) is before:  # else a twin's line has just opened it
            judged(self._index, photo.id, self.unseen)
        if photo.arrived:
            self._say(photo, Verdict.DISTINCT, None, None, Action.NONE, "")
        else:  # of a first scan's hundred thousand residents the log says only what is worth saying
            self._report(Outcome(self.place(photo), Verdict.DISTINCT, None, None, Action.NONE))

    def _read_or_noted(self, found: Found) -> Generator[Future[Any], Any, Photo | None]:
        try:
            return (yield from self._read(found))
        except (PhotoError, RootError):
            if not self._index.is_arrival(found.root, found.path):  # nor is it one when it can be read at last
                self._index.note_resident(found.root, found.path)
            raise

    def _read(self, found: Found) -> Generator[Future[Any], Any, Photo | None]:
        root = self.root(found.root)
        photos = self._index.photos
        with root.opened_file(found.path) as (fd, stat):
            known = photos.at(root.id, found.path)
            same = known is not None and unchanged(known.stat, stat)
            if known is not None and same and not found.again and photos.judged(known.id) in _DECIDED:
                return None
            if stat.is_placeholder or root.exclusions.path(found.path):
                return None  # reading would download it; or it was excluded since it was found
            if known is not None and same and known.reading.trouble is None:
                if found.again:
                    self._refresh(known, (yield from read_anew(self._workers, fd, found.priority)))
                    return None
                # Read before, but not judged, or only reported.
                return None if self._refused.is_waiting(known.id, paused=self._paused) else known
            elsewhere = None if same else followed(self._index, root, found.path, stat)
            if elsewhere is not None:
                return self._unless_judged(elsewhere)
            reading = yield from read(self._workers, photos, fd, found.priority)
            if stat_of(fd, found.path) != stat:
                raise PhotoChangedError(f"{found.path} changed while it was read", "it is read again")
        new = known is None or known.reading.digest != reading.digest
        arrived = self._has_arrived(found, known, new=new)
        tries = photos.tries(root.id, found.path) if same else 0
        photo = photos.record(root.id, found.path, stat, reading, arrived=arrived, tries=tries + 1)
        if known is not None and new:
            self._edited(root, known)
        if reading.trouble is None:
            return photo
        if self._read_later(found, stat, reading, tries):
            return None
        self._undecodable(photo, reading)
        return photo if photos.with_digest(reading.digest)[1:] else None

    def _unless_judged(self, photo: Photo) -> Photo | None:
        waits = self._index.photos.judged(photo.id) is Judged.NOT_YET and photo.reading.trouble is None
        return photo if waits else None

    @property
    def _paused(self) -> bool:
        return self._index.memory.setting(PAUSED) is not None

    def _refresh(self, known: Photo, reading: Reading) -> None:
        """Take over what was read anew, but no trouble: what an older version read is worth more than nothing.

        Raises WorkerError when no worker could tell: then it is read anew after the next start.
        """
        if reading.trouble is None:
            self._index.photos.refresh(known.id, reading)
        elif reading.trouble in MOST_READINGS:
            where = self.place(known)
            raise WorkerError(f"{where}: {reading.detail}", "what was known of it stays", trouble=reading.trouble)

    def _has_arrived(self, found: Found, known: Photo | None, *, new: bool) -> bool:
        if known is None:
            return self._index.is_arrival(found.root, found.path)
        return known.arrived or (new and self._index.is_level(found.root))

    def _read_later(self, found: Found, stat: FileStat, reading: Reading, tries: int) -> bool:
        """Tell whether it is not ready yet: judged when it has grown, or when the retries are used up.

        Raises WorkerError when its worker could not tell: not judged, it is read again soon or at a walk, also after a
        restart.
        """
        if reading.trouble is not None and tries + 1 < MOST_READINGS.get(reading.trouble, 1):
            where = self.root(found.root).path / found.path
            raise WorkerError(f"{where}: {reading.detail}", "it is tried again", trouble=reading.trouble)
        return reading.trouble is Trouble.TRUNCATED and self.retry(found, stat, tries)

    def _edited(self, root: Root, before: Photo) -> None:
        """Offer back the copies held for what this photo was before it was edited or replaced."""
        where = root.path / before.path
        for row in offer_back(self._index, before.reading.digest, where, self._clock(), self.watched):
            path = row.root_path / row.path
            self._report(Outcome(path, Verdict(row.verdict), where, None, Action.REVIEW, why(row), row.slot))

    def _still_true(self, photo: Photo, own: Photo, matches: list[Match]) -> bool:
        """Tell whether the index, which has `own` now, still has what was compared: another take may have moved one."""
        if own.reading.digest != photo.reading.digest or own.path != photo.path:
            raise PhotoChangedError(f"{photo.path} is no longer what was compared", "it is looked at again")
        for match in matches:
            if match.evidence.verdict not in COPY_VERDICTS:
                continue  # nothing is moved for it
            now = self._index.photos.by_id(match.photo.id)
            if now is None or now.reading.digest != match.photo.reading.digest or now.path != match.photo.path:
                return False
        return True

    def _may_move(self, photo: Photo) -> bool:
        return not photo.reference and (photo.arrived or self._move_residents)

    def _set_aside(self, move: Move) -> bool:
        """Set the duplicate aside, or say why not; return False when it must be judged again: it may be moved later."""
        duplicate, keeper = move.duplicate, move.keeper
        root = self.root(duplicate.root)
        why, later = held_back(self._index, move, root, self.limits, self._clock()), False
        if not why:
            try:
                returned = came_back(self._index, duplicate, root)
                row = self._hold(move, root, self.root(keeper.root))
            except MoveRefusedError as error:
                why, later = str(error), isinstance(error, NoRoomError)
            except PhotoChangedError:
                # Whatever the stat data say, what the index has of one of them is wrong: both are read again.
                for photo in (duplicate, keeper):
                    self._index.photos.unjudge(photo.id)
                    self.look_again(Found(photo.root, photo.path))
                raise
            else:
                self._done(move, row, returned=returned)
                return True
        later = later or self._paused
        if not (later and self._refused.was_said(duplicate.id, why)):
            self._say(duplicate, move.evidence.verdict, keeper, move.evidence, Action.REVIEW, why)
        if later:
            return False
        judged(self._index, duplicate.id, self.unseen, Judged.OPEN)
        return True

    def _done(self, move: Move, row: MoveRow | None, *, returned: bool) -> None:
        why = f"the keeper is {move.rule}"
        action = Action.WOULD_HOLD if row is None else Action.HELD
        slot = None if row is None else row.slot
        self._say(move.duplicate, move.evidence.verdict, move.keeper, move.evidence, action, why, slot)
        if row is not None:
            self._index.memory.set_removed(move.duplicate.reading.digest, row.slot, row.at, returned=returned)
            self._index.photos.forget(move.duplicate.root, move.duplicate.path)
        else:
            judged(self._index, move.duplicate.id, self.unseen, Judged.OPEN)
        self._index.commit()

    def _undecodable(self, photo: Photo, reading: Reading) -> None:
        self._index.photos.set_judged(photo.id)
        why = f"{reading.trouble}: {reading.detail}" if reading.detail else str(reading.trouble)
        self._say(photo, Verdict.UNDECODABLE, None, None, Action.NONE, why)

    def _say(
        self,
        photo: Photo,
        verdict: Verdict,
        keeper: Photo | None,
        evidence: Evidence | None,
        action: Action,
        why: str,
        slot: str | None = None,
    ) -> None:
        path = self.place(photo)
        other = None if keeper is None else self.place(keeper)
        self._index.memory.audit(
            DecisionRow(self._clock(), path, str(verdict), other, str(action), why, slot, evidence)
        )
        self._report(Outcome(path, verdict, other, evidence, action, why, slot))

    def root(self, root_id: RootId) -> Root:
        try:
            return self.roots[root_id]
        except KeyError:
            hint = "it is looked at again when the root is back"
            raise RootError("its root is not healthy", hint, root=root_id) from None

    def place(self, photo: Photo) -> Path:
        root = self.roots.get(photo.root)
        return Path(photo.path) if root is None else root.path / photo.path
