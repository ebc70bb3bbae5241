"""Killed, or told that the disk failed, at every call that changes something: no photo is lost and no lie is told.

`crash_driver.py` does the work, with this file's parameters; each of its runs ends when the act has no further call.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nas import Nas, run_child, start_child
from twinwatch.errors import RootError
from twinwatch.index import Index, MoveState
from twinwatch.quarantine import recover

PICTURE = b"picture" * 3000
# At least so many calls change something; fewer would mean that the driver does not see them.
CALLS = {"hold": 15, "restore": 11, "purge": 11, "finish": 5, "undo": 6}
KILLS = ["before", "after"]
ERRORS = ["EIO", "EIO+", "ENOSPC", "EXDEV+"]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: thousands of fsyncs would only test the disk's patience."""
    shared = Path("/dev/shm")  # noqa: S108 - a fresh folder in it
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


def sweep(folder: Path, act: str, faults: list[str], *rest: str) -> None:
    driver = Path(__file__).with_name("crash_driver.py")
    script = f"import runpy, sys; sys.argv[0] = {str(driver)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    said = run_child(script, str(folder / "nas"), act, ",".join(faults), *rest)
    assert (said.returncode, said.stderr) == (0, "")
    assert all(int(calls) >= CALLS[act] for calls in said.stdout.split())
    assert len(said.stdout.split()) == len(faults)


@pytest.mark.parametrize("act", CALLS)
def test_killed_at_every_call_the_group_is_whole_in_one_place(memory: Path, act: str) -> None:
    sweep(memory, act, KILLS)


@pytest.mark.parametrize("act", CALLS)
def test_an_error_at_every_call_is_never_called_success_and_loses_nothing(memory: Path, act: str) -> None:
    sweep(memory, act, ERRORS)


@pytest.mark.parametrize("act", ["hold", "restore", "undo"])
def test_the_same_where_no_exclusive_rename_is_known(memory: Path, act: str) -> None:
    sweep(memory, act, [*KILLS, "EIO", "EIO+"], "plain")


@pytest.mark.parametrize("act", CALLS)
def test_the_same_where_files_are_numbered_anew_at_each_mount(memory: Path, act: str) -> None:
    sweep(memory, act, ["after"], "plain", "anew")


def test_two_processes_that_restore_at_once_restore_once(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    nas.hold("b.jpg", "a.jpg")
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.nas import NOW, Nas; from twinwatch.errors import TwinwatchError\n"
        "from twinwatch.quarantine import restore\n"
        "nas = Nas(Path(sys.argv[1])); slot = nas.slot()\n"
        "print('ready', flush=True); sys.stdin.read(1)\n"
        "try: print(restore(slot, nas.index, NOW).name)\n"
        "except TwinwatchError as error: print(type(error).__name__)\n"
        "nas.close()"
    )
    racers = [start_child(script, str(nas.folder)) for _ in range(3)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    said = sorted(racer.communicate("x", timeout=60)[0] for racer in racers)
    assert said == ["MoveRefusedError\n", "MoveRefusedError\n", "b.jpg\n"]
    assert nas.tree() == {"photos/a.jpg": PICTURE, "photos/b.jpg": PICTURE}
    assert nas.slots() == []
    assert [row.state for row in nas.index.journal.rows()] == [MoveState.RESTORED]


def test_recovery_believes_nothing_of_a_root_that_lost_its_marker(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    row = nas.hold("b.jpg", "a.jpg")
    (nas.root.path / ".twinwatch/root.json").unlink()
    with pytest.raises(RootError):
        recover(nas.root, nas.index)
    assert nas.index.journal.rows() == [row]


def test_recovery_without_an_index_finds_every_held_photo_again(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    row = nas.hold("b.jpg", "a.jpg")
    nas.index.close()
    for file in nas.state.iterdir():
        file.unlink()
    nas.index = Index(nas.state)
    assert [found.outcome for found in recover(nas.root, nas.index)] == [MoveState.HELD]
    assert nas.index.journal.rows() == [row]
    assert nas.index.memory.returns(row.digest) == 0
    assert recover(nas.root, nas.index) == []


def test_a_photo_put_back_by_hand_and_a_slot_emptied_by_hand_are_understood(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        nas.put(name, PICTURE)
        nas.hold(name, "a.jpg")
    back, emptied, removed = sorted(nas.slots(), key=lambda slot: slot.photo_path.name)
    back.photo_path.rename(nas.root.path / "b.jpg")
    emptied.photo_path.unlink()
    shutil.rmtree(removed.place / removed.name)
    outcomes = {found.slot: found.outcome for found in recover(nas.root, nas.index)}
    assert outcomes == {
        back.name: MoveState.RESTORED,
        emptied.name: MoveState.MISSING,
        removed.name: MoveState.MISSING,
    }
    assert recover(nas.root, nas.index) == []
    assert nas.tree() == {"photos/a.jpg": PICTURE, "photos/b.jpg": PICTURE}


@pytest.mark.parametrize(
    ("before", "after"), [(MoveState.MOVING, MoveState.CANCELLED), (MoveState.HELD, MoveState.RESTORED)]
)
def test_a_file_that_a_power_cut_left_in_both_folders_stays_in_its_old_one(
    nas: Nas, before: MoveState, after: MoveState
) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    nas.put("b.jpg.xmp", b"stars")
    row = nas.hold("b.jpg", "a.jpg")
    nas.index.journal.set_state(row.slot, before)
    for held in ("b.jpg", "b.jpg.xmp"):
        (nas.root.path / held).hardlink_to(nas.place / row.slot / held)
    assert [found.outcome for found in recover(nas.root, nas.index)] == [after]
    assert nas.tree() == {"photos/a.jpg": PICTURE, "photos/b.jpg": PICTURE, "photos/b.jpg.xmp": b"stars"}
    assert (nas.root.path / "b.jpg").stat().st_nlink == 1
    assert nas.slots() == []


def test_a_companion_that_a_power_cut_left_in_both_folders_follows_its_photo(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    nas.put("b.jpg.xmp", b"stars")
    row = nas.hold("b.jpg", "a.jpg")
    nas.index.journal.set_state(row.slot, MoveState.MOVING)
    (nas.root.path / "b.jpg.xmp").hardlink_to(nas.place / row.slot / "b.jpg.xmp")
    assert [found.outcome for found in recover(nas.root, nas.index)] == [MoveState.HELD]
    assert (nas.tree(), nas.held()) == ({"photos/a.jpg": PICTURE}, [PICTURE, b"stars"])


def test_a_held_photo_stays_when_another_file_has_its_old_name(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    row = nas.hold("b.jpg", "a.jpg")
    nas.put("b.jpg", PICTURE)
    nas.index.journal.set_state(row.slot, MoveState.MOVING)
    assert [found.outcome for found in recover(nas.root, nas.index)] == [MoveState.HELD]
    assert nas.held() == [PICTURE]
    assert "photos/b.jpg" in nas.tree()


def test_a_slot_without_manifest_goes_when_it_is_empty_and_stays_when_it_is_not(nas: Nas) -> None:
    (nas.place / "empty").mkdir(parents=True)
    (nas.place / "full").mkdir()
    (nas.place / "full/photo.jpg").write_bytes(PICTURE)
    assert [found.slot for found in recover(nas.root, nas.index)] == ["full"]
    assert [slot.name for slot in nas.slots()] == ["full"]
    assert nas.held() == [PICTURE]
