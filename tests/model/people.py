"""What a person and a sync client do in the household of the model, and what they may pick from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.model.disk import Content, Disk, Inode, View, Volume
from tests.model.mover import Mover
from tests.model.pictures import digest
from tests.model.planner import Planner
from tests.model.slots import Note
from tests.model.state import QUARANTINE, Root
from twinwatch.photo import ContentDigest

NAMES = ("IMG_1.jpg", "IMG_1 (1).jpg", "img_1.JPG", "IMG_2.jpg", "IMG_1-edited.jpg", "IMG_1.jpg.xmp", "IMG_2.mov")
FOLDERS = ("", "sub", "sub/deep")
Picked = tuple[Root, str, str, Inode]


class People:
    """The acts; each takes three numbers that say what is meant, and does nothing where there is no such thing."""

    disk: Disk
    mover: Mover
    planners: list[Planner]
    volumes: list[Volume]
    owed: set[Content]
    counts: Counter[str]

    def __init__(self) -> None:
        self.owed = set()
        self.counts = Counter()
        self._going: list[Inode] = []
        self._monotonic = 0.0
        self._clock_off = 0.0
        self._contents: dict[ContentDigest, Content] = {}
        self._scenes = 0
        self._moves: dict[int, list[float]] = {1: [], 2: []}  # since the last `resume`, by the true time
        self._resumed = {1: 0.0, 2: 0.0}

    def check(self) -> None:
        """Look whether a law is broken."""
        raise NotImplementedError

    def restart(self, planner: Planner) -> None:
        """Start a process again."""
        raise NotImplementedError

    # What a person, and a sync client, do

    def arrive(self, a: int, b: int, _: int) -> None:
        self._scenes += 1
        self._create(self._root(a), b, Content(self._scenes, 0, _kind(NAMES[b % len(NAMES)])))

    def copy(self, a: int, b: int, c: int) -> None:
        """The same bytes, or a smaller version, under another name; sync clients keep the time."""
        source = self._pick(a)
        if source is None:
            return
        content = source[3].content
        if c % 3 == 0 and content.kind == "picture":
            content = content._replace(version=content.version + 1)
        made = self._create(self._root(b), c, content)
        if made is not None and a % 2:
            self.disk.set_time(source[0].view, made, source[3].mtime_ns)

    def link(self, a: int, b: int, c: int) -> None:
        picked = self._pick(a)
        folder, name = FOLDERS[c % len(FOLDERS)], NAMES[b % len(NAMES)]
        if picked is not None and self._free(picked[0], folder, name):
            self.disk.link(picked[0].view, picked[1], picked[2], folder, name)

    def edit(self, a: int, b: int, _: int) -> None:
        """Write into a file in place; some tools put the time back."""
        picked = self._pick(a)
        if picked is None:
            return
        root, inode = picked[0], picked[3]
        before, mtime = inode.content, inode.mtime_ns
        self._scenes += b % 2
        after = Content(self._scenes, 0, before.kind) if b % 2 else before._replace(version=before.version + 1)
        self.disk.write(root.view, inode, self._known(after))
        self.owed.add(after)
        self._taken(before)
        if b % 3 == 0:
            self.disk.set_time(root.view, inode, mtime)

    def rename(self, a: int, b: int, c: int) -> None:
        """Give a file a free name, or take another's name, as an editor saves."""
        picked = self._pick(a)
        folder, name = FOLDERS[c % len(FOLDERS)], NAMES[b % len(NAMES)]
        if picked is None or picked[0].view.inside(folder) not in picked[0].view.volume.folders:
            return
        root, at, was, inode = picked
        if name.endswith(".xmp") != was.endswith(".xmp"):
            return
        there = self.disk.look(root.view, folder, name)
        if there is inode:
            return
        if there is not None:
            self.disk.unlink(root.view, folder, name)
            self._taken(there.content)
        self.disk.rename(root.view, at, was, root.view, folder, name, exclusive=False)

    def exchange(self, a: int, b: int, _: int) -> None:
        """Two files change names in one step."""
        one, other = self._pick(a), self._pick(b)
        if one is None or other is None or one[0] is not other[0] or one[3] is other[3]:
            return
        folders = one[0].view.volume.folders
        first, second = folders[one[0].view.inside(one[1])], folders[one[0].view.inside(other[1])]
        first[one[2]], second[other[2]] = other[3], one[3]
        for each in (one, other):
            self.disk.set_time(one[0].view, each[3], each[3].mtime_ns)

    def delete(self, a: int, _: int, __: int) -> None:
        picked = self._pick(a)
        if picked is not None:
            self.disk.unlink(*_place(picked))
            self._taken(picked[3].content)

    def unmount(self, a: int, _: int, __: int) -> None:
        root = self._root(a)
        root.there = not root.there

    def restore(self, a: int, b: int, _: int) -> None:
        planner, root, notes = self._quarantine(a)
        if notes and planner.alive:
            planner.start(self.mover.restore(planner, root, notes[b % len(notes)]))

    def purge(self, a: int, b: int, _: int) -> None:
        planner, root, notes = self._quarantine(a)
        if notes and planner.alive:
            note = notes[b % len(notes)]
            known = [p for p, _ in planner.index.photos.values() if p.reading.digest == note.keeper]
            keepers = [(planner.roots[p.root], p) for p in known if planner.roots[p.root].there]
            planner.start(self.mover.purge(planner, root, note, keepers))

    def keep_both(self, a: int, b: int, c: int) -> None:
        one, other, planner = self._pick(a), self._pick(b), self.planners[c % 2]
        if one is not None and other is not None:
            pair = sorted((digest(one[3].content), digest(other[3].content)))
            planner.index.allowed.add((pair[0], pair[1]))
            planner.commit()

    def resume(self, a: int, _: int, __: int) -> None:
        planner = self.planners[a % 2]
        planner.resume()
        self._resumed[planner.number] = self._monotonic
        self._moves[planner.number].clear()

    def clock(self, a: int, b: int, _: int) -> None:
        """The wall clock jumps; forward, the brake's window is over sooner than it truly is."""
        jump = (-3 * 86400, -3600, 3600, 86400)[a % 4] * (1 + b % 3)
        self._clock_off += jump
        if jump > 0:
            for number, moves in self._moves.items():
                moves.clear()
                self._resumed[number] = self._monotonic  # what has begun before counts no more either

    def ask_to_move(self, a: int, _: int, __: int) -> None:
        """`scan --quarantine`: from now on residents too."""
        planner = self.planners[a % 2]
        planner.move_residents = not planner.move_residents
        self.walk(a, 1, 0)

    def walk(self, a: int, b: int, _: int) -> None:
        planner = self.planners[a % 2]
        root = list(planner.roots.values())[a // 2 % len(planner.roots)]
        if planner.alive and root.there:
            planner.start(planner.survey(root, again=bool(b % 2)))

    def wait(self, a: int, _: int, __: int) -> None:
        self._monotonic += 1 + a % 20
        self.disk.now_ns += (1 + a % 20) * 10**9
        for planner in self.planners:
            if planner.alive:
                planner.settle()

    def work(self, a: int, b: int, c: int) -> None:
        """Let a process go on for a few moments."""
        planner = self.planners[a % 2]
        for number in range(1 + c % 12):
            planner.step(b + number)
            self.check()

    def finish(self, a: int, _: int, __: int) -> None:
        """Let a process work until it has nothing to do, unless it waits for the other's lock."""
        planner = self.planners[a % 2]
        for turn in range(400):
            planner.step(turn)
            self.check()
            if not planner.running:
                return

    def crash(self, a: int, _: int, __: int) -> None:
        planner = self.planners[a % 2]
        planner.crash()
        self.check()

    def come_back(self, a: int, _: int, __: int) -> None:
        planner = self.planners[a % 2]
        if not planner.alive:
            self.restart(planner)

    def lose_index(self, a: int, _: int, __: int) -> None:
        planner = self.planners[a % 2]
        planner.crash()
        planner.index = type(planner.index)()
        planner.saved = planner.index.copy()
        self._moves[planner.number].clear()  # the brake forgets what it counted; the residents stay where they are
        self.restart(planner)

    ACTS: dict[str, Callable[[People, int, int, int], None]] = {  # noqa: RUF012 - never changed
        name: function
        for name, function in list(locals().items())
        if name in (
            "arrive", "copy", "link", "edit", "rename", "exchange", "delete", "unmount", "restore", "purge",
            "keep_both", "resume", "clock", "ask_to_move", "walk", "wait", "work", "finish", "crash", "come_back",
            "lose_index",
        )
    }  # fmt: skip

    # What there is to pick from

    def _root(self, a: int) -> Root:
        roots = [root for planner in self.planners for root in planner.roots.values()]
        return roots[a % len(roots)]

    def _files(self) -> list[Picked]:
        found: list[Picked] = []
        for planner in self.planners:
            for root in planner.roots.values():
                for folder in self.disk.folders(root.view):
                    if QUARANTINE not in root.view.inside(folder):
                        place = root.view.inside(folder)
                        found.extend((root, folder, n, i) for n, i in root.view.volume.folders[place].items())
        return found

    def _pick(self, a: int) -> Picked | None:
        files = [picked for picked in self._files() if picked[3].content.kind != "empty"]
        return files[a % len(files)] if files else None

    def _quarantine(self, a: int) -> tuple[Planner, Root, list[Note]]:
        planner = self.planners[a % 2]
        root = list(planner.roots.values())[a // 2 % len(planner.roots)]
        return planner, root, self.mover.slots(root)

    def _free(self, root: Root, folder: str, name: str) -> bool:
        known = root.view.inside(folder) in root.view.volume.folders
        return known and self.disk.look(root.view, folder, name) is None

    def _create(self, root: Root, number: int, content: Content) -> Inode | None:
        folder, name = FOLDERS[number // len(NAMES) % len(FOLDERS)], NAMES[number % len(NAMES)]
        if not self._free(root, folder, name) or content.kind == "empty":
            return None
        self.owed.add(self._known(content))
        return self.disk.create(root.view, folder, name, content)

    def _known(self, content: Content) -> Content:
        self._contents[digest(content)] = content
        return content

    def _in_roots(self) -> set[Content]:
        return {picked[3].content for picked in self._files()}

    def _taken(self, content: Content) -> None:
        """A person took one file of this content away: if it is nowhere else, nobody owes it any more.

        What a person has asked to be purged counts as gone from that moment, and not only when it is deleted.
        """
        everywhere = [
            inode
            for volume in self.volumes
            for names in volume.folders.values()
            for inode in names.values()
            if inode.content == content and inode not in self._going
        ]
        if not everywhere:
            self.owed.discard(content)


def _kind(name: str) -> str:
    return {"xmp": "sidecar", "mov": "clip"}.get(name.rpartition(".")[2], "picture")


def _place(picked: Picked) -> tuple[View, str, str]:
    return picked[0].view, picked[1], picked[2]
