"""What holds a move back: a person's word (also during the proof), a copy that keeps coming back, a pause, the brake.

All of it is remembered in the index, so a restart forgets nothing.
"""

from __future__ import annotations

from twinwatch.brake import Limits, hold_back
from twinwatch.index import Index, MoveRow
from twinwatch.photo import Photo, PhotoId
from twinwatch.roots import Root
from twinwatch.verdict import Move

PAUSED = "paused"
"""Name of the setting that says why nothing is moved until a person resumes."""

RESUMED_AT = "resumed_at"
"""Name of the setting that says when a person last resumed, seconds since the epoch: older moves are forgiven."""

FORGIVEN = "forgiven"
"""Name of the setting that lists the slots which a clock set back left in the future when a person last resumed."""


def held_back(index: Index, move: Move, root: Root, limits: Limits, now: float) -> str:
    """Say why this duplicate, of this root, may not be moved at `now` (seconds since the epoch), or nothing.

    What would be too much pauses all moving until a person resumes.
    """
    memory, digest = index.memory, move.duplicate.reading.digest
    if memory.is_allowed(digest, digest):
        return "a person put this back"
    if memory.is_allowed(digest, move.keeper.reading.digest):
        return "a person said meanwhile that both may stay"
    if root.exclusions.path(move.duplicate.path):
        return "it is excluded by now"
    if came_back(index, move.duplicate, root) and (memory.returns(digest) or 0) >= limits.max_returns:
        return "it was set aside before and came back each time; it is left alone now (brake.max_returns)"
    paused = memory.setting(PAUSED)
    if paused:
        return f"moving is paused: {paused}"
    recent = _recent(index, limits, now)
    here = sum(1 for row in recent if row.root_path == root.path)
    braked = hold_back([row.at for row in recent], here, index.photos.count(root.id), now, limits)
    if braked:
        memory.set_setting(PAUSED, braked)
        return f"moving is paused: {braked}"
    return ""


def resume(index: Index, now: float) -> str | None:
    """Let moving go on, as a person says so at `now`; return why it was paused, or None when it was not.

    All at once: whoever saw that the pause is over, and not yet what is forgiven, would pause anew.
    """
    forgiven = " ".join(row.slot for row in index.journal.since(now))
    return index.memory.set_settings({PAUSED: None, FORGIVEN: forgiven, RESUMED_AT: str(now)})[PAUSED]


def came_back(index: Index, photo: Photo, root: Root) -> bool:
    """Tell whether this content was set aside from this very place before: copies side by side are no return."""
    return index.journal.was_held(photo.reading.digest, root.path, photo.path)


def _recent(index: Index, limits: Limits, now: float) -> list[MoveRow]:
    """Return the moves that the brake counts: those of the window that no person has forgiven.

    A `resume` that lies in the future tells of a clock set back since; believed, it would blind the brake until
    the clock is there again.
    """
    memory = index.memory
    since, resumed = now - limits.window_minutes * 60, float(memory.setting(RESUMED_AT) or 0)
    forgiven = (memory.setting(FORGIVEN) or "").split()
    recent = index.journal.since(since if resumed > now else max(since, resumed))
    return [row for row in recent if row.slot not in forgiven]


class Refused:
    """What was refused and may be moved later: while a person has not resumed, or there is no room on the disk.

    Nothing new comes of telling it again at each walk, nor of proving it again while all moving is paused. A restart
    forgets this, and tells them once more.
    """

    def __init__(self) -> None:
        self._why: dict[PhotoId, str] = {}
        self._paused: set[PhotoId] = set()

    def was_said(self, duplicate: PhotoId, why: str) -> bool:
        """Tell whether that is what was said of this copy before, and remember it."""
        before, self._why[duplicate] = self._why.get(duplicate), why
        return before == why

    def waits(self, newcomer: PhotoId) -> None:
        """Note that what was found for a newcomer was not done because all moving is paused."""
        self._paused.add(newcomer)

    def is_waiting(self, newcomer: PhotoId, *, paused: bool) -> bool:
        """Tell whether that is still so."""
        if not paused:
            self._paused.clear()
        return newcomer in self._paused
