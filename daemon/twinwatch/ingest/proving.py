"""Which known photos a newcomer matches: the index offers candidates, likeliest first, and each is proved."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from twinwatch.errors import PhotoChangedError, PhotoError, WorkerError
from twinwatch.index import Index, Judged
from twinwatch.ingest.found import Found
from twinwatch.matching import taken_apart
from twinwatch.photo import COPY_VERDICTS, Evidence, Photo, RootId, Verdict
from twinwatch.reconcile import unchanged
from twinwatch.roots import Root
from twinwatch.verdict import Match, Policy, better, held_for_review
from twinwatch.workers import Priority, Workers

if TYPE_CHECKING:
    from concurrent.futures import Future

MAX_PROOFS = 24
"""Candidates proved for one newcomer, nearest first: a burst of hundreds would cost more than it could find."""

MAX_OF_OTHER_MOMENTS = 2
"""Of these, those that a camera says it took at another time than the newcomer: the frames around it in a burst."""

MAX_FAILED = 2
"""Candidates whose proof may fail before the search is given up: one may lie on a bad sector, more is the newcomer."""

_LOOKED_THROUGH = 8 * MAX_PROOFS


class Line(Protocol):
    """What of the line that asks is looked at, as it is at that moment."""

    roots: dict[RootId, Root]
    policy: Policy
    radius: int
    look_again: Callable[[Found], None]

    def root(self, root_id: RootId) -> Root:
        """Return a healthy root; raise RootError when it is not."""

    def place(self, photo: Photo) -> Path:
        """Return where a photo is, for words."""


class Prover:
    """Compares newcomers with what is known, for one line."""

    def __init__(self, line: Line, index: Index, workers: Workers) -> None:
        self._line = line
        self._index = index
        self._workers = workers

    def prove(self, photo: Photo, priority: Priority) -> Generator[Future[Any], Any, tuple[list[Match], bool] | None]:
        """Return what the photo matches, and whether a job was waited for: then the index may be another by now.

        None where another line has set the photo aside between two proofs.
        """
        try:
            return (yield from self._prove(photo, priority))
        except PhotoError:
            if self._index.photos.by_id(photo.id) is None:
                return None
            raise

    def _prove(self, photo: Photo, priority: Priority) -> Generator[Future[Any], Any, tuple[list[Match], bool]]:
        """Return what the photo matches, and whether a job was waited for, so that the index may be another by now."""
        self._line.root(photo.root)  # it may have gone while the photo was read: its twin in there would not be offered
        memory = self._index.memory
        digest = photo.reading.digest
        matches: list[Match] = []
        failed: list[WorkerError] = []
        if memory.is_allowed(digest, digest):
            return matches, False  # a person put exactly this back
        proofs = of_other_moments = 0

        def others() -> bool:
            return of_other_moments < MAX_OF_OTHER_MOMENTS

        for candidate in self._index.photos.candidates(
            photo, self._line.roots, self._line.radius, _LOOKED_THROUGH, others
        ):
            if memory.is_allowed(digest, candidate.reading.digest) or self._is_excluded(candidate):
                continue
            if proofs == MAX_PROOFS or len(failed) == MAX_FAILED:
                break
            proofs += 1
            of_other_moments += taken_apart(photo.reading.header, candidate.reading.header)
            evidence = yield from self._compared(photo, candidate, priority, failed)
            if evidence is None:
                continue
            matches.append(Match(candidate, evidence))
            if self._settles_it(photo, matches[-1]):
                break
        if failed and not any(match.evidence.verdict in COPY_VERDICTS for match in matches):
            raise failed[0]
        return matches, proofs > 0

    def _compared(
        self, photo: Photo, candidate: Photo, priority: Priority, failed: list[WorkerError]
    ) -> Generator[Future[Any], Any, Evidence | None]:
        """Return what `_evidence` does; None, and why in `failed`, where no worker could make the proof."""
        try:
            return (yield from self._evidence(photo, candidate, priority))
        except WorkerError as error:
            what = f"{self._line.place(photo)} could not be compared with {self._line.place(candidate)}: {error.what}"
            failed.append(WorkerError(what, error.hint, error.trouble))
            return None

    def _settles_it(self, photo: Photo, match: Match) -> bool:
        """Tell whether no other candidate matters: the same bytes, or a better picture it is proved to be a copy of.

        The same bytes have been compared with all others only if they were judged: a twin's own proof may be under way.
        """
        if match.evidence.verdict is Verdict.IDENTICAL:
            return self._index.photos.judged(match.photo.id) is not Judged.NOT_YET
        is_copy = match.evidence.verdict in COPY_VERDICTS and not held_for_review(match.evidence, self._line.policy)
        return is_copy and not better(photo, match.photo, match.evidence, self._line.policy)[0]

    def _evidence(
        self, photo: Photo, candidate: Photo, priority: Priority
    ) -> Generator[Future[Any], Any, Evidence | None]:
        """Return the proof of the pair; None when they are distinct or the candidate is not what the index says."""
        with contextlib.ExitStack() as stack:
            fd, stat = stack.enter_context(self._line.root(photo.root).opened_file(photo.path))
            if not unchanged(photo.stat, stat):
                raise PhotoChangedError(f"{photo.path} changed while it was compared", "it is read again")
            try:
                other_fd, other = stack.enter_context(self._line.root(candidate.root).opened_file(candidate.path))
            except PhotoError:
                # Not seen just now, or renamed: once it is seen it is compared with this one, and need not be read.
                self._index.photos.set_judged(candidate.id, Judged.NOT_YET)
                return None
            if not unchanged(candidate.stat, other):
                self._line.look_again(Found(candidate.root, candidate.path))
                return None
            if stat.may_be_same_file(other) or other.is_placeholder:
                return None
            if photo.reading.digest == candidate.reading.digest:
                return Evidence(Verdict.IDENTICAL, words="the same bytes", measures={"bytes": stat.size})
            evidence = yield self._workers.prove(fd, other_fd, priority)
        if not isinstance(evidence, Evidence):
            raise TypeError("a worker's answer to `prove` is Evidence")
        if evidence.verdict in (Verdict.DISTINCT, Verdict.UNDECODABLE):
            return None
        return evidence.named(photo.path.name, candidate.path.name)

    def _is_excluded(self, photo: Photo) -> bool:
        """Tell whether a person excluded this photo after it was read: it is still known, and looked at no more."""
        root = self._line.roots.get(photo.root)
        return root is not None and root.exclusions.path(photo.path)
