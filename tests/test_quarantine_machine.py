"""Any sequence of what people, sync and the daemon do: no picture's content disappears, and nothing is overwritten."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.nas import NOW, Nas
from tests.torture.races import At
from twinwatch.errors import MoveRefusedError, PhotoError, RootError
from twinwatch.index import MoveState
from twinwatch.quarantine import purge, recover, restore

names = st.sampled_from(["a.jpg", "b.jpg", "c/a.jpg", "c/b.jpg"])
picks = st.integers(0, 100)


class CrashError(BaseException):
    """The process dies here: nothing that only handles errors may run."""


class Household(RuleBasedStateMachine):
    """`pictures` is every content that nobody deleted: it must be found somewhere at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108
        self.nas = Nas(self.folder)
        self.pictures: set[bytes] = set()
        self.made = 0

    def teardown(self) -> None:
        self.nas.close()
        shutil.rmtree(self.folder)

    def files(self) -> list[str]:
        return [path.removeprefix("photos/") for path in sorted(self.nas.tree())]

    def gone(self, content: bytes) -> None:
        """A person took one file away: its content need not be anywhere else any more."""
        if content not in self.nas.everything():
            self.pictures.discard(content)

    @rule(name=names)
    def arrive(self, name: str) -> None:
        if name not in self.files():
            self.made += 1
            content = f"picture {self.made}".encode() * 100
            self.nas.put(name, content, mtime_ns=10**18 + self.made)
            self.pictures.add(content)

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks, name=names)
    def copy(self, pick: int, name: str) -> None:
        source = self.files()[pick % len(self.files())]
        if name not in self.files():
            self.nas.put(name, (self.nas.root.path / source).read_bytes())

    @precondition(lambda self: self.files() != [])
    @rule(pick=picks)
    def edit(self, pick: int) -> None:
        path = self.nas.root.path / self.files()[pick % len(self.files())]
        before = path.read_bytes()
        self.made += 1
        path.write_bytes(f"edited {self.made}".encode())
        self.pictures.add(path.read_bytes())
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
        """Identical or not: a wrong decision must still lose nothing."""
        files = self.files()
        duplicate, keeper = files[pick % len(files)], files[other % len(files)]
        before = self.nas.tree()
        try:
            self.nas.hold(duplicate, keeper)
        except PhotoError:
            assert (self.nas.root.path / duplicate).samefile(self.nas.root.path / keeper)
            return
        content = before.pop(f"photos/{duplicate}")
        assert self.nas.tree() == before
        assert content in self.nas.held()

    @precondition(lambda self: self.nas.slots() != [])
    @rule(pick=picks, with_index=st.booleans())
    def restore(self, pick: int, with_index: bool) -> None:
        slot = self.nas.slots()[pick % len(self.nas.slots())]
        before = self.nas.tree()
        content = slot.photo_path.read_bytes()
        try:
            back = restore(slot, self.nas.index if with_index else None, NOW)
        except MoveRefusedError:
            assert slot.manifest is not None
            assert f"photos/{slot.manifest.path}" in before
            assert self.nas.tree() == before
            return
        assert self.nas.tree() == {**before, str(back.relative_to(self.folder)): content}

    @precondition(lambda self: self.nas.slots() != [])
    @rule(pick=picks)
    def purge(self, pick: int) -> None:
        slot = self.nas.slots()[pick % len(self.nas.slots())]
        assert slot.manifest is not None
        held, keeper = slot.photo_path.read_bytes(), slot.manifest.keeper_root / slot.manifest.keeper
        before = self.nas.tree()
        try:
            purge(slot, self.nas.index, lambda _: [])
        except MoveRefusedError:
            assert held in self.nas.held()
        else:
            assert keeper.is_file()
            self.gone(held)
        assert self.nas.tree() == before

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
            target.hardlink_to(path)

    @precondition(lambda self: len(self.files()) > 1)
    @rule(pick=picks, other=picks, at=st.integers(1, 60))
    def crash_while_holding(self, pick: int, other: int, at: int) -> None:
        files = self.files()
        self.crash_at(at, lambda: self.nas.hold(files[pick % len(files)], files[other % len(files)]))

    @precondition(lambda self: self.nas.slots() != [])
    @rule(pick=picks, at=st.integers(1, 60))
    def crash_while_restoring(self, pick: int, at: int) -> None:
        slot = self.nas.slots()[pick % len(self.nas.slots())]
        self.crash_at(at, lambda: restore(slot, self.nas.index, NOW))

    @rule(at=st.integers(1, 60))
    def crash_while_recovering(self, at: int) -> None:
        self.crash_at(at, lambda: recover(self.nas.root, self.nas.index))

    def crash_at(self, at: int, act: Callable[[], object]) -> None:
        """Die just before the wanted system call; what was not committed is gone."""

        def die() -> None:
            raise CrashError

        try:
            with At(at, die):
                act()
        except CrashError:
            self.nas.index._database.connection.rollback()
        except (PhotoError, RootError):
            pass
        self.restart()

    @rule(pick=picks, other=picks)
    def another_daemon_works_here_too(self, pick: int, other: int) -> None:
        """It has its own state, and shares nothing but the disk."""
        second = Nas(self.folder, "second state")
        try:
            recover(second.root, second.index)
            files = self.files()
            if len(files) > 1:
                second.hold(files[pick % len(files)], files[other % len(files)])
            elif second.slots():
                restore(second.slots()[pick % len(second.slots())], second.index, NOW)
        except (PhotoError, RootError):
            pass
        finally:
            second.close()
        self.restart()

    @rule()
    def restart(self) -> None:
        self.nas.close()
        self.nas = Nas(self.folder)
        recover(self.nas.root, self.nas.index)
        assert recover(self.nas.root, self.nas.index) == []

    @rule()
    def lose_the_index(self) -> None:
        self.nas.close()
        shutil.rmtree(self.folder / "state")
        self.restart()

    @rule()
    def lose_the_marker_for_a_while(self) -> None:
        marker = self.nas.root.path / ".twinwatch/root.json"
        marker.rename(self.folder / "marker")
        before = self.nas.everything()
        for slot in self.nas.slots():
            try:
                restore(slot, self.nas.index, NOW)
            except RootError:
                continue
            raise AssertionError("restored into a folder that is not the root")
        assert self.nas.everything() == before
        (self.folder / "marker").rename(marker)

    @invariant()
    def no_picture_is_lost(self) -> None:
        assert self.pictures <= set(self.nas.everything())

    @invariant()
    def every_slot_is_whole_and_the_journal_agrees(self) -> None:
        slots = self.nas.slots()
        assert all(slot.present and not slot.trouble for slot in slots)
        in_journal = {row.slot for row in self.nas.index.journal.rows(MoveState.HELD)}
        assert {slot.name for slot in slots} <= in_journal
        assert self.nas.index.journal.rows(MoveState.MOVING) == []


Household.TestCase.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
TestHousehold = Household.TestCase

if __name__ == "__main__":  # python -m tests.test_quarantine_machine 400: so many households of 25 acts each
    long = settings(max_examples=int(sys.argv[1]), stateful_step_count=25, deadline=None, print_blob=True)
    run_state_machine_as_test(Household, settings=long)
    sys.stdout.write(f"{sys.argv[1]} households of up to 25 acts on a real disk: no law was broken\n")
