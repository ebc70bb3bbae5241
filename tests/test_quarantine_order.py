"""What must be on disk before what: seen by writing down every call that matters, in its order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.nas import NOW, Nas
from tests.statements import hear
from twinwatch import syscalls
from twinwatch.index import MoveState
from twinwatch.quarantine import purge, recover, restore

PICTURE, STARS = b"picture" * 3000, b"stars"


class Order:
    """Notes each commit, each fsync with what it syncs, each rename and unlink, by name."""

    def __init__(self, nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nas = nas
        self.seen: list[str] = []
        for name in ("fsync", "unlink", "mkdir", "rmdir"):
            self._note(monkeypatch, name, getattr(os, name))
        real = syscalls._libc
        order = self

        class Libc:
            syscall = real.syscall

            def renameat2(self, from_fd: int, name: Any, to_fd: int, *rest: Any) -> int:
                result = int(real.renameat2(from_fd, name, to_fd, *rest))
                order.seen.append(f"rename {order.name(from_fd)} -> {order.name(to_fd)}")
                return result

        monkeypatch.setattr(syscalls, "_libc", Libc())

    def _note(self, monkeypatch: pytest.MonkeyPatch, name: str, real: Any) -> None:
        def noted(what: Any, *rest: Any, **more: Any) -> Any:
            result = real(what, *rest, **more)
            self.seen.append(f"{name} {self.name(what)}")
            return result

        monkeypatch.setattr(os, name, noted)

    def name(self, what: Any) -> str:
        """Say what a descriptor or path is; a slot is SLOT."""
        path = Path(os.readlink(f"/proc/self/fd/{what}")) if isinstance(what, int) else Path(what)
        if path.is_absolute() and not path.is_relative_to(self.nas.folder):
            return "above"
        text = str(path.relative_to(self.nas.folder)) if path.is_absolute() else str(path)
        parts = ["SLOT" if part.startswith("2023") else part for part in text.split("/")]
        return "/".join(parts).replace(".twinwatch-photos-quarantine", "Q")

    def after(self, first: str) -> list[str]:
        return self.seen[self.seen.index(first) + 1 :]


@pytest.fixture
def order(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> Order:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    nas.put("in/b.jpg.xmp", STARS)
    return Order(nas, monkeypatch)


@pytest.fixture(autouse=True)
def commits(order: Order) -> Any:
    def note(statement: str) -> None:
        if statement == "COMMIT":
            order.seen.append("commit")

    end = hear(note)
    yield
    end()


INTO = "rename photos/in -> Q/SLOT"
BACK = "rename Q/SLOT -> photos/in"


def test_nothing_is_renamed_before_the_intent_is_durable_nor_called_done_before_the_rename_is(
    nas: Nas, order: Order
) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    first, last = order.seen.index(INTO), len(order.seen) - 1 - order.seen[::-1].index(INTO)
    before, after = order.seen[:first], order.seen[last + 1 :]
    assert order.seen.count(INTO) == 2
    assert before.index("commit") < before.index("mkdir SLOT"), "the journal knows of the slot before it is made"
    assert before.index("mkdir SLOT") < before.index("fsync Q/SLOT"), "the manifest has its name"
    assert before.index("fsync Q/SLOT") < len(before) - 1 - before[::-1].index("fsync Q"), "and the slot has its own"
    assert after.index("commit") == len(after) - 1, "held is said last"
    assert after.index("fsync Q/SLOT") < after.index("fsync photos/in"), "the new name before the old one goes"


def test_the_manifest_is_on_disk_before_its_name(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    written = next(seen for seen in order.seen if seen.startswith("fsync Q/SLOT/.manifest"))
    assert order.seen.index(written) < order.seen.index("fsync Q/SLOT")


def test_a_quarantine_that_is_new_has_its_name_on_disk(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    made = order.seen.index("mkdir Q")
    assert order.seen[made + 1] == "fsync ."


def test_a_restored_photo_is_on_disk_before_its_slot_goes(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    order.seen.clear()
    restore(nas.slot(), nas.index, NOW)
    first, last = order.seen.index(BACK), len(order.seen) - 1 - order.seen[::-1].index(BACK)
    assert "commit" in order.seen[:first], "what a person wants is remembered before the daemon sees the file"
    after = order.seen[last + 1 :]
    restored = after.index("commit")
    assert after.index("fsync photos/in") < after.index("fsync Q/SLOT") < restored
    assert after.index("unlink manifest.json") > restored


def test_folders_made_again_for_a_restore_are_on_disk(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    (nas.root.path / "in").rmdir()
    order.seen.clear()
    restore(nas.slot(), nas.index, NOW)
    assert order.after("mkdir in")[0] == "fsync photos"


def test_a_purge_is_remembered_before_anything_is_deleted(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    order.seen.clear()
    purge(nas.slot(), nas.index, lambda _: [])
    assert order.seen.index("commit") < order.seen.index("unlink b.jpg")
    assert order.seen.index("fsync photos/keep/a.jpg") < order.seen.index("unlink b.jpg"), "the last copy is on disk"
    assert (
        order.seen.index("unlink b.jpg")
        < order.seen.index("unlink b.jpg.xmp")
        < order.seen.index("unlink manifest.json")
    )
    assert order.after("unlink b.jpg")[0] == "fsync Q/SLOT", "no power cut takes a companion and leaves its photo"
    assert order.after("unlink b.jpg.xmp")[0] == "fsync Q/SLOT", "nor the manifest, and leaves what it explains"


def test_a_photo_alone_is_purged_without_a_sync_to_spare(nas: Nas, order: Order) -> None:
    (nas.root.path / "in/b.jpg.xmp").unlink()
    nas.hold("in/b.jpg", "keep/a.jpg")
    order.seen.clear()
    purge(nas.slot(), nas.index, lambda _: [])
    assert order.after("unlink b.jpg")[:2] == ["fsync Q/SLOT", "unlink manifest.json"]


def test_what_recovery_brings_together_is_on_disk(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    slot = nas.slot()
    (slot.photo_path.parent / "b.jpg.xmp").rename(nas.root.path / "in/b.jpg.xmp")
    order.seen.clear()
    recover(nas.root, nas.index)
    after = order.after(INTO)
    assert after.index("fsync Q/SLOT") < after.index("fsync photos/in"), "the new name before the old one goes"


def test_a_file_in_both_places_is_at_home_on_disk_before_it_leaves_its_slot(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    (nas.root.path / "in/b.jpg").hardlink_to(nas.slot().photo_path)
    order.seen.clear()
    recover(nas.root, nas.index)
    at = order.seen.index("unlink b.jpg")
    assert (order.seen[at - 1], order.seen[at + 1]) == ("fsync photos/in", "fsync Q/SLOT")


def test_companions_of_a_purge_that_is_finished_are_gone_before_what_explains_them(nas: Nas, order: Order) -> None:
    nas.hold("in/b.jpg", "keep/a.jpg")
    nas.slot().photo_path.unlink()
    nas.index.journal.set_state(nas.slot().name, MoveState.PURGED)
    order.seen.clear()
    recover(nas.root, nas.index)
    assert order.after("unlink b.jpg.xmp")[:2] == ["fsync Q/SLOT", "unlink manifest.json"]


def test_what_is_put_back_is_on_disk(nas: Nas, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    libc = syscalls._libc
    taken: list[bool] = []

    class Vanishing:
        syscall = libc.syscall

        def renameat2(self, *arguments: Any) -> int:
            result = int(libc.renameat2(*arguments))
            if not taken:
                taken.append(True)
                (nas.root.path / "keep/a.jpg").write_bytes(STARS)
            return result

    monkeypatch.setattr(syscalls, "_libc", Vanishing())
    with pytest.raises(Exception, match="put back"):
        nas.hold("in/b.jpg", "keep/a.jpg")
    assert "fsync photos/in" in order.after(BACK)
    assert nas.slots() == []
