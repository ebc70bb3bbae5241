"""The move protocol of `quarantine` on the disk of the model: at every `yield` anyone may act, or it dies.

The guards ask what the real ones ask (`reconcile.unchanged`, `FileStat.may_be_same_file`, `naming.companions`). The one
moment that has no `yield` is between the last look at a name taken by us and the plain rename over it, which Linux
cannot make one step where it knows no exclusive rename (docs/safety.md names it).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.model.disk import EMPTY, Inode, View
from tests.model.pictures import digest
from tests.model.planner import Planner
from tests.model.slots import MANIFEST, Held, Note, Slots
from tests.model.state import (
    QUARANTINE,
    ChangedError,
    Moment,
    RefusedError,
    Root,
    Row,
    Steps,
    UnhealthyError,
    folder_of,
)
from twinwatch.naming import companions
from twinwatch.photo import ContentDigest, FileStat, Photo, Verdict
from twinwatch.reconcile import unchanged
from twinwatch.verdict import Move

if TYPE_CHECKING:
    from tests.model.world import World


class Mover(Slots):
    """Hold, restore, purge and recover."""

    def __init__(self, world: World) -> None:
        super().__init__(world.disk)
        self.world = world
        self._slots = 0

    def hold(self, planner: Planner, move: Move) -> Steps:
        """Set a duplicate aside; raise RefusedError or ChangedError with everything as it was."""
        root, keeper_root = planner.roots[move.duplicate.root], planner.roots[move.keeper.root]
        if root.reference:
            raise RefusedError
        self._healthy(root, keeper_root)
        opened, stats = [], []
        for photo, at in ((move.duplicate, root), (move.keeper, keeper_root)):
            inode = self.disk.look(at.view, folder_of(photo.path), photo.path.name)
            if inode is None or not unchanged(photo.stat, self.disk.shown(at.view, inode)):
                raise ChangedError
            opened.append(inode)
            stats.append(self.disk.shown(at.view, inode))
            yield "call"
        if stats[0].may_be_same_file(stats[1]):
            raise RefusedError
        for photo, inode in zip((move.duplicate, move.keeper), opened, strict=True):
            if digest(inode.content) != photo.reading.digest:
                raise ChangedError
            yield "call"
        if move.evidence.verdict is Verdict.IDENTICAL and opened[0].content != opened[1].content:
            raise RefusedError
        yield from self.world.lock(planner, root)
        try:
            yield from self._hold_locked(planner, move, root, keeper_root, opened[0], stats[0])
        finally:
            self.world.unlock(planner)

    def _hold_locked(
        self, planner: Planner, move: Move, root: Root, keeper_root: Root, duplicate: Inode, stat: FileStat
    ) -> Steps:
        home = folder_of(move.duplicate.path)
        group, stats = self._group(move, root, keeper_root, home, duplicate, stat)
        yield "call"
        self._slots += 1
        slot, view = f"slot{self._slots}", root.view
        inside, began = f"{QUARANTINE}/{slot}", self.world.monotonic()
        keeper_digest = move.keeper.reading.digest
        note = Note(
            slot, view.volume.number, view.inside(QUARANTINE), view.inside(home), root, move.duplicate.path, group,
            keeper_digest, keeper_root, move.keeper.path, self.world.wall(),
        )  # fmt: skip
        row = Row(
            slot, root.id, move.duplicate.path, move.duplicate.reading.digest, keeper_digest, note.at, "moving",
            keeper_root.id, move.keeper.path,
        )  # fmt: skip
        planner.index.journal[slot] = row
        planner.commit()
        yield "call"
        self.disk.make_folder(view, inside)
        yield "call"
        self.disk.create(view, inside, "manifest.json", MANIFEST)
        self.notes[view.volume.number, view.inside(inside)] = note
        yield "call"
        try:
            for held, before in zip(group, stats, strict=True):
                found = self.disk.stat(view, home, held.name)
                if found is None or not unchanged(before, found):
                    raise ChangedError
                yield "call"
            if not self._keeper_stands(move, keeper_root):
                raise ChangedError
            yield "call"
            for held in group:
                yield from self._move(view, home, held.name, view, inside)
                yield "call"
            yield from self._check_arrived(move, group, stats, root, keeper_root, inside)
            self.world.held(planner, move, root, keeper_root, inside, began)
        except (OSError, ChangedError, RefusedError) as error:
            yield "call"
            if not self._remove_slot(view, inside):
                raise UnhealthyError from error
            planner.index.journal[slot] = replace(row, state="cancelled")
            planner.commit()
            if isinstance(error, OSError):
                raise RefusedError from error
            raise
        planner.index.journal[slot] = replace(row, state="held")
        planner.commit()

    def _group(
        self, move: Move, root: Root, keeper_root: Root, home: str, duplicate: Inode, stat: FileStat
    ) -> tuple[tuple[Held, ...], list[FileStat]]:
        names = self.disk.names(root.view, home)
        keeper_is_here = keeper_root is root and folder_of(move.keeper.path) == home
        held, stats = [], []
        for companion in companions(move.duplicate.path.name, names):
            if keeper_is_here and move.keeper.path.name in companion.others:
                continue
            if companion.shared:
                raise RefusedError
            inode = self.disk.look(root.view, home, companion.name)
            if inode is None:
                raise RefusedError
            if companion.kind != "sidecar" and not self._beside_keeper(move, keeper_root, root, inode):
                raise RefusedError
            held.append(Held(companion.name, inode.number, inode.content))
            stats.append(self.disk.shown(root.view, inode))
        photo = Held(move.duplicate.path.name, duplicate.number, duplicate.content)
        return (*held, photo), [*stats, stat]

    def _beside_keeper(self, move: Move, keeper_root: Root, root: Root, inode: Inode) -> bool:
        folder = folder_of(move.keeper.path)
        mine = self.disk.shown(root.view, inode)
        for other in companions(move.keeper.path.name, self.disk.names(keeper_root.view, folder)):
            beside = self.disk.look(keeper_root.view, folder, other.name)
            if beside is None:
                continue
            same_file = mine.may_be_same_file(self.disk.shown(keeper_root.view, beside))
            if not same_file and beside.content == inode.content:
                return True
        return False

    def _check_arrived(
        self, move: Move, group: tuple[Held, ...], stats: list[FileStat], root: Root,
        keeper_root: Root, inside: str,
    ) -> Steps:  # fmt: skip
        view, home = root.view, folder_of(move.duplicate.path)
        for held, before in zip(group, stats, strict=True):
            found = self.disk.stat(view, inside, held.name)
            same = found is not None and (
                (found.inode, found.size, found.mtime_ns) == (before.inode, before.size, before.mtime_ns)
            )
            if not same:
                yield from self._put_back(group, view, home, inside)
                raise ChangedError
            yield "call"
        if not self._keeper_stands(move, keeper_root):
            went = self.disk.stat(keeper_root.view, folder_of(move.keeper.path), move.keeper.path.name) is None
            yield from self._put_back(group, view, home, inside)
            back = self.disk.stat(keeper_root.view, folder_of(move.keeper.path), move.keeper.path.name)
            raise RefusedError if went and back is not None else ChangedError

    def _put_back(self, group: tuple[Held, ...], view: View, home: str, inside: str) -> Steps:
        for held in reversed(group):
            yield "call"
            try:
                yield from self._move(view, inside, held.name, view, home)
            except OSError:
                continue

    def _keeper_stands(self, move: Move, keeper_root: Root) -> bool:
        found = self.disk.stat(keeper_root.view, folder_of(move.keeper.path), move.keeper.path.name)
        return found is not None and unchanged(move.keeper.stat, found)

    def _healthy(self, *roots: Root) -> None:
        if not all(self.world.healthy(root) for root in roots):
            raise UnhealthyError

    # What a person asks for

    def restore(self, planner: Planner, root: Root, note: Note) -> Steps:
        """Put a held photo back; raise RefusedError when a name is taken."""
        yield from self.world.lock(planner, root)
        try:
            self._healthy(root)
            view, inside = root.view, f"{QUARANTINE}/{note.slot}"
            home = note.home[len(view.base) :].strip("/")
            photo = note.files[-1]
            if self.disk.look(view, inside, photo.name) is None or not note.home.startswith(view.base):
                raise RefusedError
            self.disk.make_folder(view, home)
            here = [held for held in note.files if self.disk.look(view, inside, held.name) is not None]
            for held in here:
                self._remove_placeholder(view, home, held.name)
                if self.disk.look(view, home, held.name) is not None:
                    raise RefusedError
            yield "call"
            planner.index.allowed |= {_pair(digest(photo.content), note.keeper), (digest(photo.content),) * 2}
            planner.index.journal.setdefault(note.slot, self._row(planner, note, root, "held"))
            planner.commit()
            yield "call"
            moved: list[Held] = []
            try:
                for held in here:
                    yield from self._move(view, inside, held.name, view, home)
                    moved.append(held)
                    yield "call"
            except OSError as error:
                for held in reversed(moved):
                    yield from self._move(view, home, held.name, view, inside)
                raise RefusedError from error
            planner.index.journal[note.slot] = replace(planner.index.journal[note.slot], state="restored")
            planner.commit()
            yield "call"
            self._remove_slot(view, inside)
        except OSError as error:
            raise RefusedError from error
        finally:
            self.world.unlock(planner)

    def purge(self, planner: Planner, root: Root, note: Note, keepers: list[tuple[Root, Photo]]) -> Steps:
        """Delete a held photo for good, if a file with the keeper's bytes stands somewhere in a root."""
        yield from self.world.lock(planner, root)
        try:
            self._healthy(root)
            view, inside = root.view, f"{QUARANTINE}/{note.slot}"
            held = [self.disk.look(view, inside, file.name) for file in note.files]
            stats = [self.disk.shown(view, inode) for inode in held if inode is not None]
            if any(i is not None and i.content != f.content for i, f in zip(held, note.files, strict=True)):
                raise RefusedError
            if not any(self._has_bytes(at, photo, note.keeper, stats) for at, photo in keepers):
                raise RefusedError
            row = planner.index.journal.get(note.slot) or self._row(planner, note, root, "held")
            planner.index.journal[note.slot] = replace(row, state="purged")
            planner.commit()
            self.world.purged(note, view, inside)
            yield "call"
            for file in note.files:
                if self.disk.look(view, inside, file.name) is not None:
                    self.disk.unlink(view, inside, file.name)
                    yield "call"
            self._remove_slot(view, inside)
        finally:
            self.world.unlock(planner)

    def _has_bytes(self, at: Root, photo: Photo, wanted: ContentDigest, held: list[FileStat]) -> bool:
        inode = self.disk.look(at.view, folder_of(photo.path), photo.path.name)
        if inode is None or at.view.inside(folder_of(photo.path)).startswith(at.key[1]):
            return False
        stat = self.disk.shown(at.view, inode)
        return digest(inode.content) == wanted and not any(stat.may_be_same_file(other) for other in held)

    # After a crash

    def recover(self, planner: Planner, root: Root) -> Steps:
        """`quarantine.recover`: where the photo is decides whether a move is finished or undone."""
        if root.reference:
            return
        for note in self.slots(root):
            yield from self.world.lock(planner, root)
            try:
                self._healthy(root)
                if note in self.slots(root):
                    yield from self._recover_slot(planner, root, note)
            finally:
                self.world.unlock(planner)
        for row in list(planner.index.journal.values()):
            there = any(note.slot == row.slot for note in self.slots(root))
            if row.root == root.id and not there and row.state in ("moving", "held"):
                home = self.disk.stat(root.view, folder_of(row.path), row.path.name)
                outcome = "cancelled" if row.state == "moving" else "missing" if home is None else "restored"
                planner.index.journal[row.slot] = replace(row, state=outcome)
        planner.commit()

    def _recover_slot(self, planner: Planner, root: Root, note: Note) -> Steps:
        view, inside = root.view, f"{QUARANTINE}/{note.slot}"
        reachable = note.home == view.base or note.home.startswith(view.base)
        home = note.home[len(view.base) :].strip("/")
        row = planner.index.journal.get(note.slot)
        state = "" if row is None else row.state
        photo = note.files[-1]
        for held in note.files:
            found = self.disk.look(view, inside, held.name)
            if found is not None and found.content == EMPTY and found.number != held.inode:
                self.disk.unlink(view, inside, held.name)
            elif found is not None and reachable:
                self._remove_placeholder(view, home, held.name)
            yield "call"
        if self.disk.look(view, inside, photo.name) is not None:
            brought = yield from self._bring(note.files[:-1], view, home, inside)
            if state == "held" and not brought:
                return
            outcome = "held"
        elif reachable and self._is(view, home, photo):
            yield from self._bring(note.files[:-1], view, inside, home)
            outcome = "restored" if state in ("held", "restored") else "cancelled"
        else:
            outcome = "missing"
        if outcome == "missing" and state in ("missing", "purged", "restored", "cancelled"):
            if state != "missing":
                self._remove_slot(view, inside)
            return
        planner.index.journal[note.slot] = replace(row or self._row(planner, note, root, ""), state=outcome)
        planner.commit()
        yield "call"
        if outcome != "held" and outcome != "missing":
            self._remove_slot(view, inside)

    def _bring(self, files: tuple[Held, ...], view: View, folder: str, to: str) -> Generator[Moment, None, bool]:
        brought = False
        for held in files:
            if self._is(view, folder, held):
                try:
                    yield from self._move(view, folder, held.name, view, to)
                    brought = True
                except FileExistsError:
                    continue
                yield "call"
        return brought

    def _row(self, planner: Planner, note: Note, root: Root, state: str) -> Row:
        # Manifests name the keeper's root by its path: another daemon knows it only if it watches that very folder.
        keeper_root = next((r.id for r in planner.roots.values() if r.view == note.keeper_root.view), None)
        return Row(
            note.slot, root.id, note.path, digest(note.files[-1].content), note.keeper, note.at, state, keeper_root,
            note.keeper_path,
        )  # fmt: skip


def _pair(a: ContentDigest, b: ContentDigest) -> tuple[ContentDigest, ContentDigest]:
    return (a, b) if a <= b else (b, a)
