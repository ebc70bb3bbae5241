"""The household of the model: disks, two daemons, a person and a sync client, and the laws that must hold at all times.

1  What a picture shows is never lost: every content in roots and quarantine stays somewhere, unless a person took it.
2  A photo is held only while its keeper stands: another file, in a root, with the very content of the proof.
3  Nothing is ever overwritten by us.
4  Nothing is moved that was only alike, that lies in a reference root, or that was there before and nobody asked for.
5  The brake lets no more moves through than its limit.
6  When all is quiet, a photo and its companions are in one place, and the journal agrees with the disk.
7  When all is quiet, every held photo whose keeper is nowhere any more was offered back.

`World.act` takes a word and three numbers, so that Hypothesis and a plain random walk can drive it alike.
"""

from __future__ import annotations

from tests.model.disk import EMPTY, Content, Disk, View, Volume
from tests.model.mover import Mover
from tests.model.people import People
from tests.model.pictures import digest
from tests.model.planner import Planner
from tests.model.slots import Note
from tests.model.state import Root, Steps, folder_of
from twinwatch.brake import Limits
from twinwatch.photo import COPY_VERDICTS, ContentDigest, RootId
from twinwatch.verdict import Duplicate, Move

LAYOUTS = 6


class World(People):
    """Everything there is."""

    def __init__(self, layout: int, limits: Limits) -> None:
        super().__init__()
        self.disk = Disk()
        self._known(EMPTY)
        self.mover = Mover(self)
        self.observed: frozenset[RootId] = frozenset()
        self.limits = limits
        self.cases = 0  # decisions taken
        self._locks: dict[tuple[int, str], Planner] = {}
        self.planners = self._laid_out(layout % LAYOUTS)

    def _laid_out(self, layout: int) -> list[Planner]:
        main, usb = Volume(1), Volume(2, folds=True, exclusive=False, step_ns=10**9)
        library = Volume(3)
        self.volumes = [main, usb, library]
        for folder in ("sub", "sub/deep"):
            for volume in self.volumes:
                volume.folders[folder] = {}
        plain, bind, nested = View(main, "", 1), View(main, "", 1), View(main, "sub", 1)
        pool, disk, disk_pool = View(main, "", 9, shift=1000), View(usb, "", 2), View(usb, "", 8, shift=1000)
        shelf = View(library, "", 3)
        layouts: list[tuple[list[View], list[View]]] = [
            ([plain, disk], [pool]),  # the pool over the same disk, by another daemon
            ([plain, pool], [nested]),  # one daemon is given both, another a folder of it
            ([plain, shelf], [bind]),
            ([plain, disk, bind], [nested]),
            ([disk, disk_pool], [plain, disk]),  # whole seconds do not betray a pool
            ([plain], [plain]),  # two daemons with two states on one folder
        ]
        return [
            Planner(
                self,
                number,
                [Root(RootId(at + 1), f"root{at}", view, reference=view is shelf) for at, view in enumerate(views)],
                self.limits,
            )
            for number, views in enumerate(layouts[layout], 1)
        ]

    # What planners and mover ask

    def healthy(self, root: Root) -> bool:
        return root.there

    def is_gone(self, root: Root, folder: str, name: str) -> bool:
        return root.there and self.disk.look(root.view, folder, name) is None

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        self._monotonic += 1e-6  # no two moments are one
        return 1_700_000_000 + self._monotonic + self._clock_off

    def content_of(self, wanted: ContentDigest) -> Content:
        return self._contents[wanted]

    def lock(self, planner: Planner, root: Root) -> Steps:
        while root.key in self._locks:
            yield "call"
        self._locks[root.key] = planner

    def unlock(self, planner: Planner) -> None:
        self._locks = {key: owner for key, owner in self._locks.items() if owner is not planner}

    # The laws

    def heard(self, planner: Planner, decision: Duplicate) -> None:
        """Law 4, of a decision."""
        moved = [move.duplicate for move in decision.moves]
        for move in decision.moves:
            duplicate, keeper = (self.content_of(p.reading.digest) for p in (move.duplicate, move.keeper))
            assert move.evidence.verdict in COPY_VERDICTS, move
            assert duplicate.scene == keeper.scene, "moved for a picture that is only alike"
            assert not move.duplicate.reference, "moved out of a reference root"
            assert move.duplicate.arrived or planner.move_residents, "a resident was moved unasked"
            assert move.keeper not in moved, "a keeper is moved as well"

    def held(self, planner: Planner, move: Move, root: Root, keeper_root: Root, inside: str, began: float) -> None:
        """Law 2, at the moment a move is called done; and law 5, of what began since the last `resume`."""
        held = self.disk.look(root.view, inside, move.duplicate.path.name)
        keeper = self.disk.look(keeper_root.view, folder_of(move.keeper.path), move.keeper.path.name)
        assert keeper is not None, "held although its keeper is gone"
        assert keeper is not held, "held for itself"
        assert digest(keeper.content) == move.keeper.reading.digest, "held for a keeper of another content"
        assert ".twinwatch" not in move.keeper.path.parts, "held for a keeper that is in quarantine"
        self.counts["held"] += 1
        self.counts["edited at the last moment"] += held is not None and digest(held.content) != (
            move.duplicate.reading.digest
        )
        moves = self._moves[planner.number]
        if began >= self._resumed[planner.number]:
            moves.append(self._monotonic)
        window = self.limits.window_minutes * 60
        assert sum(1 for at in moves if self._monotonic - at <= window) <= self.limits.max_moves, "past the brake"

    def purged(self, note: Note, view: View, inside: str) -> None:
        """A person deletes what is in a slot: it is owed no more, if it is nowhere else."""
        going = [inode for held in note.files if (inode := self.disk.look(view, inside, held.name)) is not None]
        proved = {held.content for held in note.files}
        self._going += going
        for inode in going:
            assert inode.content in proved, "purged what was never proved"
            self.counts["purged"] += 1
            self._taken(inode.content)
        standing = {self._contents[note.keeper]} if note.keeper in self._contents else set()
        assert standing & self._in_roots(), "purged although no keeper stands"

    def check(self) -> None:
        """Laws 1 and 3, after every moment."""
        assert not self.disk.overwritten, f"overwritten: {self.disk.overwritten}"
        lost = self.owed - self.disk.contents(self.volumes)
        assert not lost, f"lost: {lost}"

    def come_to_rest(self) -> None:
        """Let everything run to its end after a restart of both; then law 6 holds."""
        for planner in self.planners:
            for root in planner.roots.values():
                root.there = True
            planner.crash()
        before, rounds = -1, 0
        while (
            rounds < 3 or before != self.counts["held"]
        ):  # one more round sees what the last left for it, and nothing new
            before, rounds = self.counts["held"], rounds + 1
            assert rounds < 12, "it never comes to rest"
            for planner in self.planners:
                self.restart(planner)
                self.run(planner)
                self._monotonic += 3600
                planner.settle()
                self.run(planner)
        for planner in self.planners:
            self._offered(planner)
        for root in (root for planner in self.planners for root in planner.roots.values()):
            for note in self.mover.slots(root):
                self._at_rest(root, note)
        self.check()

    def _offered(self, planner: Planner) -> None:
        roots = list(planner.roots.values())
        there = {digest(inode.content) for root, _, _, inode in self._files() if root in roots}
        held = [row for row in planner.index.journal.values() if row.state == "held"]
        away = {(row.root, row.path, row.digest) for row in held}
        for row in held:
            itself = (row.keeper_root, row.keeper, row.keeper_digest) in away
            lost = row.keeper_root is not None and row.keeper_digest not in there and not itself
            assert not lost or row.slot in planner.index.offered, f"{row.slot} was not offered back"

    def _at_rest(self, root: Root, note: Note) -> None:
        names = set(root.view.volume.folders.get(f"{note.place}/{note.slot}", ())) - {"manifest.json"}
        if not names:
            return
        photo = note.files[-1].name
        if photo in names:
            home = root.view.volume.folders.get(note.home, {})
            for held in note.files[:-1]:
                at_home = home.get(held.name)  # a person may have linked it there from another name
                there = held.name in names or at_home is None or at_home.number != held.inode
                assert there, "a companion was parted from its photo"
        for planner in self.planners:
            row = planner.index.journal.get(note.slot)
            if row is not None and root in planner.roots.values():
                assert row.state != "moving", "a move was neither finished nor undone"

    # The time and the processes

    def run(self, planner: Planner, most: int = 10_000) -> None:
        """Let one process work until nothing is left to do."""
        for turn in range(most):
            if not planner.running:
                return
            planner.step(turn)
            self.check()
        raise AssertionError("never done")

    def restart(self, planner: Planner) -> None:
        """Start a process: recover, then walk."""
        planner.alive = True
        for root in planner.roots.values():
            if root.there:
                planner.start(self._recovered_and_walked(planner, root))

    def _recovered_and_walked(self, planner: Planner, root: Root) -> Steps:
        yield from self.mover.recover(planner, root)
        yield from planner.survey(root)

    def act(self, word: str, a: int, b: int, c: int) -> None:
        """Do one thing."""
        self.counts[word] += 1
        self.ACTS[word](self, a, b, c)
        self.check()
