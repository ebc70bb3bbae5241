"""What a daemon of the model knows: its roots, what survives a crash of it, and the moments at which it may come."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from tests.model.disk import View
from twinwatch.photo import ContentDigest, Photo, RootId

HIDDEN = ".twinwatch"
QUARANTINE = f"{HIDDEN}/quarantine"
Moment = Literal["worker", "call"]
"""What is waited for: a worker's answer, while other files are taken, or a system call of the deciding thread."""
Steps = Generator[Moment, None, None]


class ChangedError(Exception):
    """A file is not what it was: looked at again."""


class RefusedError(Exception):
    """A guard did not hold."""


class UnhealthyError(Exception):
    """A root is not the recorded one, or a move could be neither finished nor undone."""


@dataclass(slots=True, eq=False)
class Root:
    """A watched folder as one daemon sees it; `there` is whether its marker is where it was."""

    id: RootId
    name: str
    view: View
    reference: bool = False
    there: bool = True

    @property
    def key(self) -> tuple[int, str]:
        """Name the quarantine behind this root, through whatever mount it is seen: its lock, its slots."""
        return self.view.volume.number, self.view.inside(QUARANTINE)


@dataclass(frozen=True, slots=True)
class Row:
    """One move in the journal."""

    slot: str
    root: RootId
    path: PurePosixPath
    digest: ContentDigest
    keeper_digest: ContentDigest
    at: float
    state: str
    keeper_root: RootId | None  # None: of another daemon's root
    keeper: PurePosixPath


@dataclass(slots=True)
class Index:
    """What survives a crash: photos as of the last commit, the journal always."""

    photos: dict[tuple[RootId, PurePosixPath], tuple[Photo, str]] = field(default_factory=dict)
    journal: dict[str, Row] = field(default_factory=dict)
    allowed: set[tuple[ContentDigest, ContentDigest]] = field(default_factory=set)
    returns: dict[ContentDigest, int] = field(default_factory=dict)
    level: set[RootId] = field(default_factory=set)
    offered: set[str] = field(default_factory=set)
    paused: str = ""
    resumed_at: float = 0.0
    forgiven: frozenset[str] = frozenset()

    def copy(self) -> Index:
        """Return what a crash would leave if it came now."""
        return replace(
            self, photos=dict(self.photos), journal=dict(self.journal), allowed=set(self.allowed),
            returns=dict(self.returns), level=set(self.level), offered=set(self.offered),
        )  # fmt: skip


def folder_of(path: PurePosixPath) -> str:
    """Return the folder of a path below its root, as the disk names it."""
    return "" if path.parent == PurePosixPath() else str(path.parent)
