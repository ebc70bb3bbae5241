"""A held copy whose keeper is gone, or was edited, may be the last of its picture: it is offered back to the person."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from twinwatch.index import DecisionRow, Index, MoveRow, MoveState
from twinwatch.photo import ContentDigest, RootId
from twinwatch.roots import Root

WatchedRoots = Collection[RootId] | None
"""The roots that are watched, also while they are away: what is known of others may be gone. None: all known ones."""


def offer_back(
    index: Index, digest: ContentDigest, where: Path, now: float, watched: WatchedRoots = None
) -> list[MoveRow]:
    """Offer back the copies that are held for a keeper that was `where`, unless another watched photo has its bytes.

    Each is told by one line of the audit log; `now` is in seconds since the epoch. Returns the moves offered back.
    """
    if _is_watched(index, digest, watched):
        return []
    return _offer(index, index.journal.held_for(digest), where, now)


def without_keeper(index: Index, root: Root, now: float, watched: WatchedRoots = None) -> list[MoveRow]:
    """Offer back what is held for a photo of this root that is no longer known in any watched one, each once.

    For a root that was just walked to its end. This finds what `offer_back` cannot: the keeper went, or was edited,
    while nobody looked or before the index was begun anew. A keeper that is held itself is not gone.
    """
    held = index.journal.rows(MoveState.HELD)
    away = {(row.root_path, row.path, row.digest) for row in held}
    lost = [
        row
        for row in held
        if row.keeper_root == root.path
        and (row.keeper_root, row.keeper, row.keeper_digest) not in away
        and not _is_watched(index, row.keeper_digest, watched)
        and not index.memory.was_offered(row.slot)
        and _is_known_gone(index, root, row)
    ]
    return [row for each in lost for row in _offer(index, [each], root.path / each.keeper, now)]


def _is_watched(index: Index, digest: ContentDigest, watched: WatchedRoots) -> bool:
    """Tell whether a photo with these bytes is known where it would be noticed if it went."""
    return any(watched is None or photo.root in watched for photo in index.photos.with_digest(digest))


def _is_known_gone(index: Index, root: Root, row: MoveRow) -> bool:
    """Tell whether the keeper is surely not in its place any more: not merely unread, or behind a locked door."""
    if index.photos.at(root.id, row.keeper) is not None or root.is_gone(row.keeper):
        return True
    there = root.stat(row.keeper)  # where a.jpg and A.JPG are one name, another photo answers to it
    return there is not None and index.photos.same_inode(root.id, there) != []


def _offer(index: Index, held: Iterable[MoveRow], where: Path, now: float) -> list[MoveRow]:
    offered = list(held)
    for row in offered:
        path = row.root_path / row.path
        index.memory.audit(DecisionRow(now, path, row.verdict, where, "review", why(row), row.slot, None))
    return offered


def why(row: MoveRow) -> str:
    """Say what happened to a held copy and what to do; who shows it completes the command (`service.told`)."""
    return f"the keeper is gone or was edited; its copy can be put back: twinwatch quarantine restore {row.slot}"
