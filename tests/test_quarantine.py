"""Hold and restore: a guard for every way to lose a photo, and the way back that keeps everything."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nas import NOW, Nas, run_child
from twinwatch.errors import MoveRefusedError, PhotoChangedError, PhotoError, RootError
from twinwatch.index import Index, MoveState
from twinwatch.quarantine import Holder, recover, restore
from twinwatch.quarantine.restore import changed_in_quarantine
from twinwatch.roots import mark
from twinwatch.verdict import Move

PICTURE, OTHER = b"picture" * 3000, b"other" * 3000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")


def twins(nas: Nas) -> None:
    nas.put("a/IMG_1.jpg", PICTURE)
    nas.put("b/IMG_1 (1).jpg", PICTURE)


def refused(nas: Nas, move: Move, kind: type[PhotoError] = MoveRefusedError) -> PhotoError:
    """Hold, expect a refusal, and check that nothing at all was moved."""
    before, held = nas.tree(), nas.held()
    with pytest.raises(kind) as caught:
        nas.holder.hold(move, nas.root, nas.root)
    assert (nas.tree(), nas.held()) == (before, held)
    assert [row for row in nas.index.journal.rows(MoveState.MOVING, MoveState.HELD) if row.slot not in known(nas)] == []
    return caught.value


def known(nas: Nas) -> set[str]:
    return {slot.name for slot in nas.slots()}


def test_a_held_photo_lies_in_its_own_slot_with_its_name_and_its_reason(nas: Nas) -> None:
    twins(nas)
    row = nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    slot = nas.slot()
    assert (slot.name, slot.present, slot.trouble) == (row.slot, True, "")
    assert slot.photo_path.read_bytes() == PICTURE
    assert slot.photo_path.name == "IMG_1 (1).jpg"
    assert nas.index.journal.get(row.slot) == row
    assert row.state == MoveState.HELD
    assert slot.manifest is not None
    assert str(slot.manifest.keeper) == "a/IMG_1.jpg"
    assert nas.tree() == {"photos/a/IMG_1.jpg": PICTURE}
    assert changed_in_quarantine(slot) == []


@pytest.mark.parametrize(
    "name",
    [
        b"plain.jpg",
        b"\xff\xfe.jpg",
        b"new\nline.jpg",
        b"-rf.jpg",
        b"%s \"'.jpg",
        b"x" * 251 + b".jpg",
        b"\xe2\x80\xae.jpg",
    ],
)
@pytest.mark.parametrize("with_index", [True, False])
def test_hold_then_restore_is_the_identity(nas: Nas, name: bytes, with_index: bool) -> None:
    nas.put("keeper.jpg", PICTURE)
    path = nas.put(f"deep/er/{os.fsdecode(name)}", PICTURE, mtime_ns=1_234_567_890_123_456_789)
    path.chmod(0o751)
    os.setxattr(path, "user.tag", b"holiday")
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = os.stat(path)
    nas.hold(f"deep/er/{os.fsdecode(name)}", "keeper.jpg")
    path.parent.rmdir()  # the folders may be gone by then
    path.parent.parent.rmdir()
    assert restore(nas.slot(), nas.index if with_index else None, NOW) == path
    after = os.stat(path)
    assert path.read_bytes() == PICTURE
    assert os.getxattr(path, "user.tag") == b"holiday"
    for kept in ("st_ino", "st_mtime_ns", "st_mode", "st_uid", "st_gid", "st_size"):
        assert getattr(after, kept) == getattr(before, kept)
    assert nas.slots() == []
    if with_index:
        assert [row.state for row in nas.index.journal.rows()] == [MoveState.RESTORED]
    assert recover(nas.root, nas.index) == [] or not with_index
    assert [row.state for row in nas.index.journal.rows(MoveState.MOVING, MoveState.HELD)] == []


def test_restore_needs_no_index_at_all(nas: Nas) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    slot = nas.slot()
    nas.index.close()
    for file in nas.state.iterdir():
        file.unlink()
    restore(slot, None, NOW)
    assert sorted(nas.tree()) == ["photos/a/IMG_1.jpg", "photos/b/IMG_1 (1).jpg"]
    nas.index = Index(nas.state)


def test_a_restored_photo_is_remembered_as_wanted(nas: Nas) -> None:
    twins(nas)
    row = nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    restore(nas.slot(), nas.index, NOW)
    assert nas.index.memory.is_allowed(row.digest, row.digest)
    assert nas.index.memory.is_allowed(row.digest, row.keeper_digest)


def _but_for_reading(path: Path) -> tuple[int, ...]:
    """What a change would show in; the time of the last look is no change, and `nas.tree` looks."""
    found = os.lstat(path)
    return found.st_mode, found.st_ino, found.st_nlink, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("taken_by", ["file", "folder", "symlink", "dangling", "fifo"])
def test_restore_never_overwrites_and_leaves_no_trace_of_the_attempt(nas: Nas, taken_by: str) -> None:
    twins(nas)
    row = nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    home = nas.root.path / "b/IMG_1 (1).jpg"
    match taken_by:
        case "file":
            home.write_bytes(OTHER)
        case "folder":
            home.mkdir()
        case "symlink":
            home.symlink_to(nas.root.path / "a/IMG_1.jpg")
        case "dangling":
            home.symlink_to("nowhere")
        case _:
            os.mkfifo(home)
    before, found = nas.tree(), _but_for_reading(home)
    with pytest.raises(MoveRefusedError, match="exists"):
        restore(nas.slot(), nas.index, NOW)
    assert nas.tree() == before
    assert _but_for_reading(home) == found
    assert nas.held() == [PICTURE]
    assert nas.index.journal.rows(MoveState.HELD) == [row]
    assert not nas.index.memory.is_allowed(row.digest, row.digest)  # it is not back: the next copy is set aside as ever


DIES_WITH_THE_NAME_TAKEN = """
import os, sys
from pathlib import Path
from tests.crash_driver import Faults
from tests.nas import NOW, Nas
from twinwatch.quarantine import restore
nas = Nas(Path(sys.argv[1]))
Faults(0, "", plain=True)
os.rename = lambda *_, **__: os._exit(9)
restore(nas.slot(), nas.index, NOW)
"""


@pytest.mark.parametrize("mode", [0o200, 0o755])
def test_a_name_taken_in_a_crash_is_known_as_ours_also_where_no_modes_are_kept(nas: Nas, mode: int) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    assert run_child(DIES_WITH_THE_NAME_TAKEN, str(nas.folder)).returncode == 9
    home = nas.root.path / "b/IMG_1 (1).jpg"
    assert home.stat().st_size == 0
    home.chmod(mode)  # as a file system shows it that has one mode for all
    restore(nas.slot(), nas.index, NOW)
    assert home.read_bytes() == PICTURE


ANSWERED_LATE = """
import contextlib, errno, os, sys
from pathlib import Path
from tests.crash_driver import Faults
from tests.nas import NOW, Nas
from twinwatch.errors import TwinwatchError
from twinwatch.quarantine import recover, restore
nas = Nas(Path(sys.argv[2]))
move = None if sys.argv[1] == "restore" else nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
Faults(0, "", plain=True)
rename, making, unlink, waiting = os.rename, os.open, os.unlink, []

def later(name, other, *, src_dir_fd, dst_dir_fd):
    if name.endswith(".jpg"):
        waiting.append((name, other, os.dup(src_dir_fd), os.dup(dst_dir_fd)))
        raise OSError(errno.ETIMEDOUT, "the server does not answer")
    rename(name, other, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

def after_it(call, changes):
    def called(*args, **more):
        while waiting and changes(*args):
            name, other, source, target = waiting.pop()
            rename(name, other, src_dir_fd=source, dst_dir_fd=target)
        return call(*args, **more)
    return called

os.rename = later
os.open = after_it(making, lambda path, flags, *_: flags & os.O_CREAT)
os.unlink = after_it(unlink, lambda *_: True)
with contextlib.suppress(TwinwatchError):
    restore(nas.slot(), nas.index, NOW) if move is None else nas.holder.hold(move, nas.root, nas.root)
os.rename = rename
recover(nas.root, nas.index)
"""


@pytest.mark.parametrize("act", ["hold", "restore"])
def test_a_rename_that_a_server_makes_after_it_was_given_up_loses_nothing(nas: Nas, act: str) -> None:
    twins(nas)
    if act == "restore":
        nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    before = nas.everything()
    done = run_child(ANSWERED_LATE, act, str(nas.folder))
    assert done.returncode == 0, done.stderr
    assert nas.everything() == before
    assert recover(nas.root, nas.index) == []


def test_an_empty_file_of_somebody_else_is_never_taken_away(nas: Nas) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    home = nas.root.path / "b/IMG_1 (1).jpg"
    home.touch()
    with pytest.raises(MoveRefusedError, match="exists"):
        restore(nas.slot(), nas.index, NOW)
    assert home.stat().st_size == 0


def test_restore_refuses_another_folder_in_the_roots_place(nas: Nas, tmp_path: Path) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    slot = nas.slot()
    nas.root.path.rename(tmp_path / "away")
    with pytest.raises(RootError):
        restore(slot, nas.index, NOW)
    nas.root.path.mkdir()
    with pytest.raises(RootError):
        restore(slot, nas.index, NOW)  # no marker
    mark(nas.root.path)
    with pytest.raises(RootError):
        restore(slot, nas.index, NOW)  # another marker
    assert slot.photo_path.read_bytes() == PICTURE


def test_restore_refuses_a_manifest_without_a_marker(nas: Nas, tmp_path: Path) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    slot = nas.slot()
    assert slot.manifest is not None
    (tmp_path / "bare").mkdir()
    forged = replace(slot.manifest, root=tmp_path / "bare", marker="")
    (slot.place / slot.name / "manifest.json").write_bytes(forged.to_bytes())
    with pytest.raises(RootError):
        restore(nas.slot(), nas.index, NOW)
    assert list((tmp_path / "bare").iterdir()) == []


def test_restore_through_a_symlink_that_stands_where_the_folder_was_is_refused(nas: Nas, tmp_path: Path) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    (nas.root.path / "b").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (nas.root.path / "b").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MoveRefusedError):
        restore(nas.slot(), nas.index, NOW)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert nas.held() == [PICTURE]


def test_restore_of_a_slot_whose_manifest_was_damaged_meanwhile_is_refused(nas: Nas) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    slot = nas.slot()
    (slot.place / slot.name / "manifest.json").write_bytes(b"{")
    with pytest.raises(MoveRefusedError):
        restore(slot, nas.index, NOW)
    assert nas.held() == [PICTURE]


# --- guards of hold ------------------------------------------------------------------------------------------------


def edited(path: Path) -> None:
    path.write_bytes(OTHER)


def edited_and_back_dated(path: Path) -> None:
    """Change a byte in place and put the modification time back, as Android does when it blanks a location."""
    found = os.stat(path)
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replaced(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.with_name("reserve").write_bytes(b"takes the free inode")
    path.write_bytes(content)


def symlinked(path: Path) -> None:
    path.rename(path.with_name("real.bin"))
    path.symlink_to("real.bin")


ACCIDENTS = [edited, edited_and_back_dated, replaced, symlinked, Path.unlink]


@pytest.mark.parametrize("accident", ACCIDENTS)
@pytest.mark.parametrize("victim", ["a/IMG_1.jpg", "b/IMG_1 (1).jpg"])
def test_a_file_that_changed_since_the_proof_is_not_moved_nor_a_keeper(
    nas: Nas, accident: Callable[[Path], None], victim: str
) -> None:
    twins(nas)
    move = nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    accident(nas.root.path / victim)
    refused(nas, move, PhotoChangedError)


class DuringHold(Holder):
    """A holder in whose clock something happens: after both were read, before the intent is written."""

    def __init__(self, index: Index, happens: Callable[[], object]) -> None:
        def clock() -> float:
            happens()
            return NOW

        super().__init__(index, clock, min_free_mib=0)


@pytest.mark.parametrize("about", ["the pair", "what was put back"])
def test_a_person_is_heeded_up_to_the_intent(nas: Nas, about: str) -> None:
    """Said while both are read for the last time, by another process: it has an index of its own."""
    twins(nas)
    move = nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    duplicate, keeper = move.duplicate.reading.digest, move.keeper.reading.digest
    said: list[str] = []

    def keep() -> None:
        other = Index(nas.index.path.parent)
        other.memory.allow(duplicate, keeper if about == "the pair" else duplicate, NOW)
        other.close()
        said.append(about)

    before = nas.tree()
    with pytest.raises(MoveRefusedError, match="a person said meanwhile"):
        DuringHold(nas.index, keep).hold(move, nas.root, nas.root)
    assert (nas.tree(), nas.slots(), nas.index.journal.rows(), said) == (before, [], [], [about])


@pytest.mark.parametrize("accident", ACCIDENTS)
@pytest.mark.parametrize("victim", ["a/IMG_1.jpg", "b/IMG_1 (1).jpg"])
def test_a_file_that_changes_after_it_was_read_again_is_not_moved_nor_a_keeper(
    nas: Nas, accident: Callable[[Path], None], victim: str
) -> None:
    twins(nas)
    move = nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    after: list[dict[str, bytes]] = []

    def happens() -> None:
        accident(nas.root.path / victim)
        after.append(nas.tree())

    nas.holder = DuringHold(nas.index, happens)
    with pytest.raises(PhotoChangedError):
        nas.holder.hold(move, nas.root, nas.root)
    assert (nas.tree(), nas.held(), nas.slots()) == (after[0], [], [])
    assert [row.state for row in nas.index.journal.rows()] == [MoveState.CANCELLED]


@pytest.mark.parametrize("accident", [edited, edited_and_back_dated, replaced, symlinked, Path.unlink])
def test_a_companion_that_changes_after_it_was_read_keeps_the_whole_group_at_home(
    nas: Nas, accident: Callable[[Path], None]
) -> None:
    twins(nas)
    nas.put("b/IMG_1 (1).jpg.xmp", b"stars")
    move = nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    nas.holder = DuringHold(nas.index, lambda: accident(nas.root.path / "b/IMG_1 (1).jpg.xmp"))
    with pytest.raises(PhotoError):
        nas.holder.hold(move, nas.root, nas.root)
    assert nas.tree()["photos/b/IMG_1 (1).jpg"] == PICTURE
    assert nas.slots() == []


def test_a_file_edited_while_its_companions_are_read_is_not_moved(nas: Nas) -> None:
    """The audit hook stands for a slow read of a large clip, in which a person saves an edit."""
    twins(nas)
    nas.put("b/IMG_1 (1).jpg.xmp", b"stars")
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.nas import Nas; from twinwatch.errors import PhotoChangedError\n"
        "nas = Nas(Path(sys.argv[1])); path = nas.root.path / 'b/IMG_1 (1).jpg'; armed = []\n"
        "move = nas.move('b/IMG_1 (1).jpg', 'a/IMG_1.jpg')\n"
        "def hook(event, args):\n"
        "    if event == 'os.listdir' and not armed:\n"
        "        armed.append(1)\n"
        "        with path.open('r+b') as file: file.write(b'EDIT')\n"
        "sys.addaudithook(hook)\n"
        "try: nas.holder.hold(move, nas.root, nas.root)\n"
        "except PhotoChangedError: print('refused')\n"
    )
    said = run_child(script, str(nas.folder))
    assert (said.stdout, said.stderr) == ("refused\n", "")
    assert nas.tree()["photos/b/IMG_1 (1).jpg"] == b"EDIT" + PICTURE[4:]


def test_another_content_is_never_held_as_identical(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", OTHER)
    move = nas.move("b.jpg", "a.jpg")
    refused(nas, move)
    lying = replace(move.duplicate, reading=move.keeper.reading)
    refused(nas, replace(move, duplicate=lying), PhotoChangedError)


def test_a_hard_link_of_the_keeper_is_no_copy(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    os.link(nas.root.path / "a.jpg", nas.root.path / "b.jpg")
    assert "one file" in str(refused(nas, nas.move("b.jpg", "a.jpg")))


def test_a_photo_is_no_copy_of_itself(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    refused(nas, nas.move("a.jpg", "a.jpg"))


def test_nothing_is_moved_from_a_reference_root(nas: Nas) -> None:
    twins(nas)
    move = nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    reference = replace(nas.root, reference=True, quarantine=None)
    with pytest.raises(MoveRefusedError, match="reference"):
        nas.holder.hold(move, reference, nas.root)
    assert len(nas.tree()) == 2


@pytest.mark.parametrize("whose", ["duplicate", "keeper"])
def test_nothing_is_moved_while_a_root_has_lost_its_marker(nas: Nas, whose: str) -> None:
    second = nas.other_root("second")
    nas.put("b.jpg", PICTURE)
    nas.put("a.jpg", PICTURE, second)
    move = nas.move("b.jpg", "a.jpg", second)
    lost = nas.root if whose == "duplicate" else second
    (lost.path / ".twinwatch/root.json").unlink()
    with pytest.raises(RootError):
        nas.holder.hold(move, nas.root, second)
    assert len(nas.tree()) == 2


def test_nothing_is_moved_when_the_disk_is_nearly_full(nas: Nas) -> None:
    twins(nas)
    nas.holder = Holder(nas.index, lambda: NOW, min_free_mib=1 << 40)
    assert "full" in str(refused(nas, nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")))


def test_a_folder_replaced_by_a_symlink_leads_nowhere(nas: Nas, tmp_path: Path) -> None:
    twins(nas)
    move = nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    (nas.root.path / "b").rename(tmp_path / "b")
    (nas.root.path / "b").symlink_to(tmp_path / "b")
    refused(nas, move, PhotoChangedError)
    assert (tmp_path / "b/IMG_1 (1).jpg").read_bytes() == PICTURE


def test_a_symlink_in_place_of_the_quarantine_is_not_followed(nas: Nas, tmp_path: Path) -> None:
    twins(nas)
    (tmp_path / "trap").mkdir()
    nas.place.symlink_to(tmp_path / "trap")
    with pytest.raises(MoveRefusedError):
        nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    assert len(nas.tree()) == 2
    assert list((tmp_path / "trap").iterdir()) == []
    with pytest.raises(RootError):
        recover(nas.root, nas.index)


@as_root
@pytest.mark.parametrize("how", [["-t", "tmpfs", "tmpfs"], ["--bind"]])
def test_a_quarantine_on_another_mount_is_refused(nas: Nas, tmp_path: Path, how: list[str]) -> None:
    twins(nas)
    (tmp_path / "there").mkdir()
    nas.place.mkdir()
    source = [str(tmp_path / "there")] if how == ["--bind"] else []
    subprocess.run(["mount", *how, *source, str(nas.place)], check=True)
    try:
        why = refused(nas, nas.move("b/IMG_1 (1).jpg", "a/IMG_1.jpg"))
        assert how == ["--bind"] or "another file system" in str(why)
        assert nas.slots() == []
    finally:
        subprocess.run(["umount", str(nas.place)], check=True)


def test_the_quarantine_is_for_its_owner_only(nas: Nas) -> None:
    twins(nas)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    assert stat.S_IMODE(nas.place.stat().st_mode) == 0o700
    assert stat.S_IMODE((nas.place / nas.slot().name).stat().st_mode) == 0o700


def test_a_socket_in_the_folder_disturbs_nothing(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    twins(nas)
    monkeypatch.chdir(nas.root.path / "b")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("IMG.sock")
        nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    assert nas.held() == [PICTURE]
