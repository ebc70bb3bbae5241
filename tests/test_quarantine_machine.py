"""Any sequence of what people, sync and daemons do on a real disk: no picture is lost, and nothing is overwritten."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.nas import NOW, Nas, digest_of
from tests.test_ingest import Counting, House
from tests.torture.library import picture
from tests.torture.races import At
from twinwatch.errors import MoveRefusedError, PhotoError, RootError
from twinwatch.index import FILE_NAME, Index, MoveState
from twinwatch.ingest import Action
from twinwatch.photo import ContentDigest
from twinwatch.quarantine import purge, recover, restore

NAMES = ("a.jpg", "b.jpg", "A.JPG", "c/a.jpg", "c/b.jpg", "c/A.jpg")
names = st.sampled_from(NAMES)
picks = st.integers(0, 100)
moments = st.integers(1, 60)


class CrashError(BaseException):
    """The process dies here: nothing that only handles errors may run."""


@functools.cache
def workers() -> Counting:
    """Return the real workers, which all households share."""
    made = Counting(1)
    atexit.register(made.close)
    return made


@functools.cache
def empty_index() -> bytes:
    """Return an index with nothing in it: to make its tables anew for each daemon would take most of the time."""
    with tempfile.TemporaryDirectory() as folder:
        Index(Path(folder)).close()
        return Path(folder, FILE_NAME).read_bytes()


class Household(RuleBasedStateMachine):
    """`pictures` is every content that nobody deleted: it must be found somewhere at every step.

    Names may be folded where `disk` does that; two contents of one scene are copies of each other.
    """

    disk: ClassVar[Path | None] = None  # where the photos are; in memory, where there is room, without
    keeps_modes: ClassVar[bool] = (
        True  # without, an empty file of ours that a crash left cannot be told from a person's
    )
    done: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.states = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(dir=self.disk or self.states))
        self.nas = self.daemon("state")
        self.pictures: set[bytes] = set()
        self.scenes: dict[bytes, int] = {}
        self.kept: set[frozenset[ContentDigest]] = set()
        self.made = 2
        for name, content in (("a.jpg", picture(1)), ("c/a.jpg", picture(1)), ("c/b.jpg", picture(1) + b"2")):
            self.put(name, content, 1)
        self.put("b.jpg", picture(2), 2)

    def teardown(self) -> None:
        self.nas.close()
        for folder in (self.folder, self.states):
            shutil.rmtree(folder, ignore_errors=True)  # FUSE removes late what was open
        self.done["households"] += 1

    def daemon(self, state: str, root: str = "photos") -> Nas:
        """Start a process with a state of its own, or with what an earlier one left."""
        folder = self.states / state
        if not folder.exists():
            folder.mkdir()
            (folder / FILE_NAME).write_bytes(empty_index())
        return Nas(self.folder, str(folder), root)

    def paths(self) -> list[Path]:
        """Return every photo that a person sees."""
        found = sorted(self.nas.root.path.rglob("*.[jJ][pP][gG]"))
        seen = [path for path in found if not any(part.startswith(".twinwatch") for part in path.parts)]
        left = [path for path in seen if path.stat().st_size == 0]
        assert not (left and self.keeps_modes), "an empty file of ours was left"
        self.done["empty files left"] += len(left)
        return [path for path in seen if path not in left]

    def files(self) -> list[str]:
        return [str(path.relative_to(self.nas.root.path)) for path in self.paths()]

    def tree(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self.paths()}

    def everything(self) -> set[bytes]:
        """Return the content of every file in roots and quarantines, also of those that lie in another's root."""
        return {path.read_bytes() for path in self.folder.rglob("*.[jJ][pP][gG]")}

    def gone(self, content: bytes) -> None:
        """A person took one file away: its content need not be anywhere else any more."""
        if content not in self.everything():
            self.pictures.discard(content)

    def is_free(self, name: str) -> bool:
        return not (self.nas.root.path / name).exists()

    @rule(name=names)
    def arrive(self, name: str) -> None:
        if self.is_free(name):
            self.made += 1
            self.put(name, picture(self.made % 40), self.made)

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks, name=names, same=st.booleans())
    def copy(self, pick: int, name: str, same: bool) -> None:
        """The same bytes, or other bytes with the same pixels."""
        source = (self.nas.root.path / self.files()[pick % len(self.files())]).read_bytes()
        if self.is_free(name):
            self.put(name, source if same else source + b"2", self.scenes[source])

    def put(self, name: str, content: bytes, scene: int) -> None:
        self.nas.put(name, content, mtime_ns=10**18 + self.made)
        self.pictures.add(content)
        self.scenes[content] = scene

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks)
    def edit(self, pick: int) -> None:
        path = self.nas.root.path / self.files()[pick % len(self.files())]
        before = path.read_bytes()
        self.made += 1
        after = picture(self.made % 40)
        path.write_bytes(after)
        self.pictures.add(after)
        self.scenes[after] = self.made
        self.gone(before)

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks, name=names)
    def rename(self, pick: int, name: str) -> None:
        path = self.nas.root.path / self.files()[pick % len(self.files())]
        target = self.nas.root.path / name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            path.rename(target)

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        path = self.nas.root.path / self.files()[pick % len(self.files())]
        before = path.read_bytes()
        path.unlink()
        self.gone(before)

    @precondition(lambda self: len(self.files()) > 1)
    @rule(pick=picks, other=picks)
    def hold(self, pick: int, other: int) -> None:
        """Identical or not: a wrong decision must still lose nothing, and is not made where a person said otherwise."""
        files = self.files()
        duplicate, keeper = files[pick % len(files)], files[other % len(files)]
        one, two = (digest_of(self.nas.root.path / name) for name in (duplicate, keeper))
        before = self.tree()
        self.done["holds"] += 1
        try:
            self.nas.hold(duplicate, keeper)
        except PhotoError:
            may_stay = self.nas.index.memory.is_allowed
            one_file = (self.nas.root.path / duplicate).samefile(self.nas.root.path / keeper)
            assert one_file or may_stay(one, one) or may_stay(one, two)
            return
        assert {frozenset([one]), frozenset([one, two])}.isdisjoint(self.kept)
        content = before.pop(f"photos/{duplicate}")
        assert self.tree() == before
        assert content in self.nas.held()

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks, other=picks)
    def keep_both(self, pick: int, other: int) -> None:
        """A person says that two may stay; if they are the same bytes, these are never set aside."""
        files = self.files()
        pair = [digest_of(self.nas.root.path / files[each % len(files)]) for each in (pick, other)]
        self.nas.index.memory.allow(pair[0], pair[1], NOW)
        self.kept.add(frozenset(pair))

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks)
    def forget(self, pick: int) -> None:
        """A person takes back what was said of a content, also by putting it back."""
        path = self.nas.root.path / self.files()[pick % len(self.files())]
        self.nas.forget(path)
        self.kept = {pair for pair in self.kept if digest_of(path) not in pair}

    @precondition(lambda self: len(self.files()) > 1)
    @rule()
    def the_daemon_walks(self) -> None:
        """By the real line with real workers: only copies go, and not where a person said that both may stay."""
        before, kept = self.tree(), set(self.kept)
        house = House(self.nas, workers())
        house.survey()
        left = {self.scenes[content] for content in self.tree().values()}
        self.done["decisions"] += len(house.said)
        for outcome in house.said:
            assert not any(part.startswith(".twinwatch") for part in outcome.path.parts)
            if outcome.action is Action.HELD:
                assert outcome.keeper is not None
                held, keeper = (before[str(path.relative_to(self.folder))] for path in (outcome.path, outcome.keeper))
                assert self.scenes[held] == self.scenes[keeper]
                assert self.scenes[held] in left, "no copy of it is left"
                row = self.nas.index.journal.get(str(outcome.slot))
                assert row is not None
                assert {frozenset([row.digest]), frozenset([row.digest, row.keeper_digest])}.isdisjoint(kept)

    @precondition(lambda self: self.nas.slots() != [])
    @rule(pick=picks, with_index=st.booleans())
    def restore(self, pick: int, with_index: bool) -> None:
        slot = self.nas.slots()[pick % len(self.nas.slots())]
        before = self.tree()
        content = slot.photo_path.read_bytes()
        assert slot.manifest is not None
        try:
            back = restore(slot, self.nas.index if with_index else None, NOW)
        except MoveRefusedError:
            assert not self.is_free(str(slot.manifest.path))
            assert self.tree() == before
            return
        assert self.tree() == {**before, str(back.relative_to(self.folder)): content}
        if with_index:
            self.kept.add(frozenset([slot.manifest.photo.digest]))
            self.kept.add(frozenset([slot.manifest.photo.digest, slot.manifest.keeper_digest]))

    @precondition(lambda self: self.nas.slots() != [])
    @rule(pick=picks)
    def purge(self, pick: int) -> None:
        slot = self.nas.slots()[pick % len(self.nas.slots())]
        assert slot.manifest is not None
        held, keeper = slot.photo_path.read_bytes(), slot.manifest.keeper_root / slot.manifest.keeper
        before = self.tree()
        try:
            purge(slot, self.nas.index, lambda _: [])
        except MoveRefusedError:
            assert held in self.nas.held()
        else:
            assert keeper.is_file()
            self.gone(held)
        assert self.tree() == before

    @precondition(lambda self: self.nas.slots() != [])
    @rule(pick=picks, home=st.booleans())
    def crash_in_a_move(self, pick: int, home: bool) -> None:
        """As a crash between rename and journal leaves it, or one just before the rename."""
        slot = self.nas.slots()[pick % len(self.nas.slots())]
        assert slot.manifest is not None
        self.nas.index.journal.set_state(slot.name, MoveState.MOVING)
        where = self.nas.root.path / slot.manifest.path
        if home and where.parent.is_dir() and not where.exists():
            slot.photo_path.rename(where)
        self.restart()

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks, name=names)
    def link(self, pick: int, name: str) -> None:
        """Give a file a second name: no copy of itself."""
        path, target = self.nas.root.path / self.files()[pick % len(self.files())], self.nas.root.path / name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            with suppress(PermissionError):  # exFAT has no second names
                target.hardlink_to(path)

    @precondition(lambda self: len(self.files()) > 1)
    @rule(pick=picks, other=picks, at=moments)
    def crash_while_holding(self, pick: int, other: int, at: int) -> None:
        files = self.files()
        self.crash_at(at, lambda: self.nas.hold(files[pick % len(files)], files[other % len(files)]))

    @precondition(lambda self: self.nas.slots() != [])
    @rule(pick=picks, at=moments)
    def crash_while_restoring(self, pick: int, at: int) -> None:
        slot = self.nas.slots()[pick % len(self.nas.slots())]
        self.crash_at(at, lambda: restore(slot, self.nas.index, NOW))

    @rule(at=moments)
    def crash_while_recovering(self, at: int) -> None:
        self.crash_at(at, lambda: recover(self.nas.root, self.nas.index))

    def crash_at(self, at: int, act: Callable[[], object]) -> None:
        """Die just before the wanted system call; what was not committed is gone."""
        die_at(at, self.nas, act)
        self.restart()

    @rule(pick=picks, other=picks)
    def another_daemon_works_here_too(self, pick: int, other: int) -> None:
        """It has its own state, and shares nothing but the disk."""
        second = self.daemon("second")
        with suppress(PhotoError, RootError):
            recover(second.root, second.index)
            self.work(second, self.files(), pick, other)
        second.close()
        self.restart()

    @rule(pick=picks, other=picks, at=st.integers(0, 120))
    def a_daemon_of_a_folder_in_it_works(self, pick: int, other: int, at: int) -> None:
        """Its root lies in ours, and so does its quarantine; it may die at any moment."""
        (self.nas.root.path / "c").mkdir(exist_ok=True)
        inner = self.daemon("inner", "photos/c")
        recover(inner.root, inner.index)
        files = [name.removeprefix("c/") for name in self.files() if name.startswith("c/")]
        die_at(at, inner, lambda: self.work(inner, files, pick, other))
        inner.close()
        inner = self.daemon("inner", "photos/c")
        recover(inner.root, inner.index)
        assert recover(inner.root, inner.index) == []
        assert all(slot.present and not slot.trouble for slot in inner.slots())
        inner.close()

    def work(self, nas: Nas, files: list[str], pick: int, other: int) -> None:
        if len(files) > 1:
            self.done["holds"] += 1
            nas.hold(files[pick % len(files)], files[other % len(files)])
        elif nas.slots():
            restore(nas.slots()[pick % len(nas.slots())], nas.index, NOW)

    @rule()
    def restart(self) -> None:
        self.nas.close()
        self.nas = self.daemon("state")
        recover(self.nas.root, self.nas.index)
        assert recover(self.nas.root, self.nas.index) == []

    @rule()
    def lose_the_index(self) -> None:
        self.nas.close()
        shutil.rmtree(self.states / "state")
        self.kept.clear()
        self.restart()

    @rule()
    def lose_the_marker_for_a_while(self) -> None:
        marker = self.nas.root.path / ".twinwatch/root.json"
        marker.rename(self.folder / "marker")
        before = self.everything()
        for slot in self.nas.slots():
            try:
                restore(slot, self.nas.index, NOW)
            except RootError:
                continue
            raise AssertionError("restored into a folder that is not the root")
        assert self.everything() == before
        (self.folder / "marker").rename(marker)

    @invariant()
    def no_picture_is_lost(self) -> None:
        assert self.pictures <= self.everything()

    @invariant()
    def every_slot_is_whole_and_the_journal_agrees(self) -> None:
        slots = self.nas.slots()
        assert all(slot.present and not slot.trouble for slot in slots)
        in_journal = {row.slot for row in self.nas.index.journal.rows(MoveState.HELD)}
        assert {slot.name for slot in slots} <= in_journal
        assert self.nas.index.journal.rows(MoveState.MOVING) == []


def die_at(at: int, nas: Nas, act: Callable[[], object]) -> None:
    """Let a process act, and die just before its system call number `at`, if there are so many."""

    def die() -> None:
        raise CrashError

    opened = descriptors()
    try:
        with At(at, die):
            act()
    except CrashError:
        nas.index._database.rollback()
    except (PhotoError, RootError):
        pass
    for fd in descriptors() - opened:  # as the kernel does; on FUSE what one has open is renamed, not deleted
        os.close(fd)


def descriptors() -> set[int]:
    """Return what this process has open."""
    gc.collect()
    return {fd for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{fd}")}


Household.TestCase.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
TestHousehold = Household.TestCase
