"""A daemon over the disk of the model: the decisions are those of the real core, the disk and its moments are made up.

`verdict.decide`, `brake`, `reconcile`, `settle`, `naming.companions` and the comparisons of `photo.FileStat` are the
real ones. What is written here again is the order of the steps, as `ingest.line` has them. Every `yield` is a moment
in which anybody else may act, or the daemon be killed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tests.model.disk import Inode
from tests.model.pictures import prove, read
from tests.model.state import (
    HIDDEN,
    ChangedError,
    Index,
    Moment,
    RefusedError,
    Root,
    Row,
    Steps,
    UnhealthyError,
    folder_of,
)
from twinwatch.brake import Limits, hold_back, missing_too_many
from twinwatch.naming import is_picture
from twinwatch.photo import (
    COPY_VERDICTS,
    ContentDigest,
    Evidence,
    FileStat,
    Photo,
    PhotoId,
    Reading,
    RootId,
)
from twinwatch.reconcile import drift, unchanged
from twinwatch.settle import Settler, Settling
from twinwatch.verdict import Duplicate, Match, Move, Policy, Undecided, decide

if TYPE_CHECKING:
    from tests.model.world import World


class Planner:
    """One twinwatch process."""

    def __init__(self, world: World, number: int, roots: list[Root], limits: Limits) -> None:
        self.world, self.number, self.roots, self.limits = world, number, {root.id: root for root in roots}, limits
        self.policy = Policy()
        self.move_residents = False
        self.index = Index()
        self.saved = self.index.copy()
        self.settler: Settler[tuple[RootId, PurePosixPath]] = Settler(Settling())
        self.running: list[Steps] = []
        self.alone: Steps | None = None  # the step that holds the deciding thread
        self.taking = 0  # files on their way
        self.alive = True
        self._ids = 0

    def commit(self) -> None:
        """Make the index durable."""
        self.saved = self.index.copy()

    def crash(self) -> None:
        """Die at once, wherever this is."""
        self.alive, self.alone = False, None
        self.running.clear()
        self.taking = 0
        self.world.unlock(self)
        self.index = self.saved.copy()
        self.settler = Settler(Settling())

    def start(self, steps: Steps) -> None:
        """Begin something."""
        self.running.append(steps)

    def step(self, pick: int) -> None:
        """Go on to the next moment of what holds the thread, else of one of what runs."""
        steps = self.alone or (self.running[pick % len(self.running)] if self.running else None)
        if steps is None or not self.alive:
            return
        try:
            moment = next(steps)
        except StopIteration:
            ended = True
        except (ChangedError, RefusedError, UnhealthyError):
            self.world.unlock(self)
            ended = True
        else:
            ended = False
            self.alone = steps if moment == "call" else None
        if ended:
            self.alone = None
            self.running.remove(steps)

    # Reconcile

    def survey(self, root: Root, *, again: bool = False) -> Steps:
        """Walk a root, compare it with the index by the real `drift`, settle what arrived, forget what is gone."""
        missing: list[PurePosixPath] = []
        walked = set()
        respelled: set[PurePosixPath] = set()
        for folder in self.world.disk.folders(root.view):
            if not self.world.healthy(root):
                return
            if HIDDEN in folder.split("/"):
                continue
            walked.add(folder)
            found = {n: s for n, s in self.world.disk.names(root.view, folder).items() if is_picture(n)}
            done = ("done",) if again else ("done", "open")
            known = self._in_folder(root.id, folder)
            change = drift({n: p.stat for n, (p, judged) in known.items() if judged in done}, found)
            missing.extend(PurePosixPath(folder, name) for name in known if name not in found)
            spelled = {name.casefold() for name in self.world.disk.names(root.view, folder)}
            respelled |= {path for path in missing if path.name.casefold() in spelled and folder_of(path) == folder}
            for name in (*change.changed, *change.arrived):
                key = (root.id, PurePosixPath(folder, name))
                if root.id in self.index.level:
                    self.settler.saw(key, found[name], self.world.monotonic(), "changed")
                else:
                    self.start(self.take(*key))
            yield "worker"
        missing += [path for (at, path) in self.index.photos if at == root.id and folder_of(path) not in walked]
        while self.taking:  # a barrier
            yield "worker"
        gone = [
            path
            for path in missing
            if self._known(root, path) and (path in respelled or self.world.is_gone(root, folder_of(path), path.name))
        ]
        count = sum(1 for at, _ in self.index.photos if at == root.id)
        if not self.world.healthy(root) or missing_too_many(len(gone), count, self.limits):
            return
        for path in gone:
            photo, _ = self.index.photos.pop((root.id, path))
            self._offer_back(photo.reading.digest)
        self._offer_lost(root)
        self.index.level.add(root.id)
        self.commit()

    def _offer_back(self, digest: ContentDigest) -> None:
        if any(photo.reading.digest == digest for photo, _ in self.index.photos.values()):
            return
        for row in self.index.journal.values():
            if row.keeper_digest == digest and row.state == "held":
                self.index.offered.add(row.slot)

    def _offer_lost(self, root: Root) -> None:
        held = [row for row in self.index.journal.values() if row.state == "held"]
        digests = {photo.reading.digest for photo, _ in self.index.photos.values()}
        away = {(row.root, row.path, row.digest) for row in held}
        for row in held:
            itself = (row.keeper_root, row.keeper, row.keeper_digest) in away
            if row.keeper_root == root.id and row.keeper_digest not in digests and not itself:
                there = self.world.disk.stat(root.view, folder_of(row.keeper), row.keeper.name)
                known = (root.id, row.keeper) in self.index.photos or any(
                    there is not None and at == root.id and photo.stat.inode == there.inode
                    for (at, _), (photo, _) in self.index.photos.items()
                )
                if known or self.world.is_gone(root, folder_of(row.keeper), row.keeper.name):
                    self.index.offered.add(row.slot)

    def settle(self) -> None:
        """Take what has stood still, by the real settler."""
        now = self.world.monotonic()
        for key in self.settler.due(now):
            root = self.roots[key[0]]
            stat = self.world.disk.stat(root.view, folder_of(key[1]), key[1].name) if self.world.healthy(root) else None
            if stat is None:
                self.settler.forget(key)
            elif self.settler.look(key, stat, now):
                self.start(self.take(*key))

    # The line

    def take(self, root_id: RootId, path: PurePosixPath) -> Steps:
        """Take a file from here to its decision."""
        self.taking += 1
        try:
            yield from self._take(root_id, path)
        finally:
            self.taking = max(0, self.taking - 1)  # none was left when the process was killed

    def _take(self, root_id: RootId, path: PurePosixPath) -> Steps:
        """Read, match, prove, decide, act, in the order of `ingest.line`."""
        photo = yield from self._read(self.roots[root_id], path)
        if photo is None:
            return
        matches: list[Match] = []
        while True:
            matches = []
            for candidate in self._candidates(photo):
                evidence = self._prove(photo, candidate)
                yield "worker"
                if evidence is not None:
                    matches.append(Match(candidate, evidence))
            if (root_id, path) not in self.index.photos:
                return
            if self._still_true(photo, matches):
                break
        self.world.cases += 1
        decision = decide(photo, matches, self.policy, self._may_move)
        if isinstance(decision, Duplicate):
            yield from self._carry_out(decision, photo)
        else:
            judged = "open" if isinstance(decision, Undecided) else "done"
            self._judge(decision.photo if isinstance(decision, Undecided) else photo, judged)

    def _read(self, root: Root, path: PurePosixPath) -> Generator[Moment, None, Photo | None]:
        inode = self._opened(root, path)
        if inode is None:
            return None
        stat = self.world.disk.shown(root.view, inode)
        known, judged = self.index.photos.get((root.id, path), (None, ""))
        if known is not None and unchanged(known.stat, stat):
            return None if judged == "done" else known
        if self._followed(root, path, stat):
            return None
        yield "worker"
        reading = read(inode.content)
        if self.world.disk.shown(root.view, inode) != stat:
            raise ChangedError
        new = known is None or known.reading.digest != reading.digest
        arrived = (known is not None and known.arrived) or (root.id in self.index.level and new)
        photo = self._record(root, path, stat, reading, arrived=arrived)
        if known is not None and new:
            self._offer_back(known.reading.digest)
        return photo

    def _carry_out(self, decision: Duplicate, photo: Photo) -> Steps:
        self.world.heard(self, decision)
        for move in decision.moves:
            yield "call"
            why = self._held_back(move)
            if why or move.duplicate.root in self.world.observed:
                self._judge(move.duplicate, "open")
                continue
            returned = self._came_back(move.duplicate)
            try:
                yield from self.world.mover.hold(self, move)
            except RefusedError:
                self._judge(move.duplicate, "open")
                continue
            digest = move.duplicate.reading.digest
            self.index.returns[digest] = self.index.returns.get(digest, 0) + returned
            self.index.photos.pop((move.duplicate.root, move.duplicate.path), None)
            self.commit()
        if decision.moves[0].keeper.id == photo.id:
            self._judge(photo, "done")

    def _held_back(self, move: Move) -> str:
        digest, now = move.duplicate.reading.digest, self.world.wall()
        if (digest, digest) in self.index.allowed:
            return "allowed"
        if self._came_back(move.duplicate) and self.index.returns.get(digest, 0) >= self.limits.max_returns:
            return "it comes back each time"
        if self.index.paused:
            return "paused"
        recent = self._recent(now)
        here = sum(1 for row in recent if row.root == move.duplicate.root)
        photos = sum(1 for at, _ in self.index.photos if at == move.duplicate.root)
        self.index.paused = hold_back([row.at for row in recent], here, photos, now, self.limits)
        return self.index.paused

    def _recent(self, now: float) -> list[Row]:
        since, resumed = now - self.limits.window_minutes * 60, self.index.resumed_at
        since = since if resumed > now else max(since, resumed)
        return [
            row
            for row in self.index.journal.values()
            if row.at > since and row.state != "cancelled" and row.slot not in self.index.forgiven
        ]

    def resume(self) -> None:
        """Do what `twinwatch resume` does."""
        now = self.world.wall()
        self.index.paused, self.index.resumed_at = "", now
        self.index.forgiven = frozenset(row.slot for row in self.index.journal.values() if row.at > now)
        self.commit()

    def _came_back(self, photo: Photo) -> bool:
        return any(
            (row.digest, row.root, row.path) == (photo.reading.digest, photo.root, photo.path)
            and row.state not in ("moving", "cancelled")
            for row in self.index.journal.values()
        )

    def _may_move(self, photo: Photo) -> bool:
        return not photo.reference and (photo.arrived or self.move_residents)

    def _candidates(self, photo: Photo) -> list[Photo]:
        digest = photo.reading.digest
        if (digest, digest) in self.index.allowed:
            return []
        mine = self.world.content_of(digest)
        return [
            other
            for other, _ in self.index.photos.values()
            if other.id != photo.id
            and self.world.healthy(self.roots[other.root])
            and self.world.content_of(other.reading.digest).scene // 2 == mine.scene // 2
            and tuple(sorted((digest, other.reading.digest))) not in self.index.allowed
        ]

    def _prove(self, photo: Photo, candidate: Photo) -> Evidence | None:
        inode, other = (self._opened(self.roots[p.root], p.path) for p in (photo, candidate))
        if inode is None:
            raise ChangedError
        stat = self.world.disk.shown(self.roots[photo.root].view, inode)
        if not unchanged(photo.stat, stat):
            raise ChangedError
        if other is None:
            return None
        other_stat = self.world.disk.shown(self.roots[candidate.root].view, other)
        if not unchanged(candidate.stat, other_stat):
            self.settler.saw((candidate.root, candidate.path), other_stat, self.world.monotonic(), "changed")
            return None
        if stat.may_be_same_file(other_stat):
            return None
        return prove(inode.content, other.content)

    def _still_true(self, photo: Photo, matches: list[Match]) -> bool:
        own, _ = self.index.photos[photo.root, photo.path]
        if own.id != photo.id or own.reading.digest != photo.reading.digest:
            raise ChangedError
        for match in matches:
            now = self.index.photos.get((match.photo.root, match.photo.path))
            if match.evidence.verdict in COPY_VERDICTS and (
                now is None or now[0].id != match.photo.id or now[0].reading.digest != match.photo.reading.digest
            ):
                return False
        return True

    def _followed(self, root: Root, path: PurePosixPath, stat: FileStat) -> bool:
        for (at, other), (photo, judged) in list(self.index.photos.items()):
            same = (photo.stat.inode, photo.stat.size, photo.stat.mtime_ns) == (stat.inode, stat.size, stat.mtime_ns)
            if at != root.id or not same or other == path or judged == "new":
                continue
            there = self.world.disk.stat(root.view, folder_of(other), other.name)
            if there is not None and there.same_inode(stat):
                linked = self._record(root, path, stat, photo.reading, arrived=photo.arrived)
                self._judge(linked, "done")
                return True
            del self.index.photos[at, other]
            moved = replace(photo, path=path, stat=replace(photo.stat, ctime_ns=stat.ctime_ns))
            self.index.photos[at, path] = (moved, judged)
            return True
        return False

    def _record(self, root: Root, path: PurePosixPath, stat: FileStat, reading: Reading, *, arrived: bool) -> Photo:
        before = self.index.photos.get((root.id, path))
        if before is None:
            self._ids += 1
        number = PhotoId(self._ids) if before is None else before[0].id
        photo = Photo(number, root.id, path, stat, reading, arrived, root.reference)
        self.index.photos[root.id, path] = (photo, "new")
        return photo

    def _judge(self, photo: Photo, judged: str) -> None:
        known = self.index.photos.get((photo.root, photo.path))
        if known is not None and known[0].id == photo.id:
            self.index.photos[photo.root, photo.path] = (known[0], judged)

    def _opened(self, root: Root, path: PurePosixPath) -> Inode | None:
        if not self.world.healthy(root):
            return None
        return self.world.disk.look(root.view, folder_of(path), path.name)

    def _known(self, root: Root, path: PurePosixPath) -> bool:
        return (root.id, path) in self.index.photos

    def _in_folder(self, root_id: RootId, folder: str) -> dict[str, tuple[Photo, str]]:
        return {p.name: e for (at, p), e in self.index.photos.items() if at == root_id and folder_of(p) == folder}
