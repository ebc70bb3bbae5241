"""The folders of a quarantine by themselves: what is listed, what is taken away, what a rename is never made over.

Most disks know an exclusive rename; here there is none, as on NFS, exFAT or a pool.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import until
from tests.nas import PICTURE, Nas, start_child, state
from twinwatch import syscalls
from twinwatch.errors import MoveRefusedError, RootError
from twinwatch.quarantine import recover, restore, slots
from twinwatch.quarantine.slots import (
    Slot,
    entry,
    listing,
    move_exclusively,
    opened_place,
    remove_placeholder,
    remove_slot,
    taken,
)

OTHER = b"other" * 3000
IN_1996 = 825_600_462 * 10**9
VERIFIER = 0x7894FFFF * 10**9  # as found on a server whose client had lost its power


class NoExclusiveRename:
    syscall = syscalls._libc.syscall

    def renameat2(self, *_: Any) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1


class Two:
    """Two folders by descriptor, a photo in the first."""

    def __init__(self, folder: Path) -> None:
        self.source, self.target = folder / "source", folder / "target"
        for path in (self.source, self.target):
            path.mkdir()
        (self.source / "a.jpg").write_bytes(PICTURE)
        self.there = self.target / "a.jpg"
        self.source_fd, self.target_fd = (os.open(path, os.O_RDONLY) for path in (self.source, self.target))

    def move(self) -> None:
        move_exclusively(self.source_fd, self.target_fd, "a.jpg")

    def names(self) -> tuple[list[str], list[str]]:
        return sorted(os.listdir(self.source)), sorted(os.listdir(self.target))


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    made = Two(tmp_path)
    monkeypatch.setattr(syscalls, "_libc", NoExclusiveRename())
    yield made
    os.close(made.source_fd)
    os.close(made.target_fd)


# --- a rename that is never over anything ---------------------------------------------------------------------------


def test_a_photo_goes_to_a_free_name_and_leaves_nothing_open(two: Two) -> None:
    before = len(os.listdir("/proc/self/fd"))
    two.move()
    assert two.names() == ([], ["a.jpg"])
    assert two.there.read_bytes() == PICTURE
    assert len(os.listdir("/proc/self/fd")) == before


ODD: list[Callable[[Path], object]] = [
    lambda path: path.write_bytes(OTHER),
    Path.touch,
    Path.mkdir,
    lambda path: path.symlink_to("nowhere"),
    os.mkfifo,
]


@pytest.mark.parametrize("odd", ODD)
def test_nothing_is_overwritten_whatever_has_the_name(two: Two, odd: Callable[[Path], object]) -> None:
    odd(two.there)
    before = os.lstat(two.there)
    with pytest.raises(FileExistsError):
        two.move()
    after = os.lstat(two.there)
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert two.names() == (["a.jpg"], ["a.jpg"])
    assert (two.source / "a.jpg").read_bytes() == PICTURE


def test_a_name_that_is_taken_for_a_moment_is_known_by_its_mode_and_its_time(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    plainly = os.rename

    def rename(*args: Any, **more: Any) -> None:
        found = two.there.stat()
        seen.append((found.st_mode & 0o7777, found.st_mtime_ns))
        plainly(*args, **more)

    monkeypatch.setattr(os, "rename", rename)
    two.move()
    assert seen == [(0o200, IN_1996)]  # whatever an earlier version left is known by these


class OnSmb:
    """What statfs(2) says of a share, in its first word; its kernel says of every rename that it replaced nothing."""

    syscall = syscalls._libc.syscall

    def __init__(self, magic: int) -> None:
        self.magic = magic

    def fstatfs(self, _fd: int, said: Any) -> int:
        said._obj[0] = self.magic
        return 0

    def renameat2(self, *_: Any) -> int:
        pytest.fail("it is not to be believed")


@pytest.mark.parametrize("magic", [0xFF534D42, 0xFE534D42, ctypes.c_int32(0xFF534D42).value])
def test_on_smb_a_name_is_taken_first_whatever_linux_says(
    two: Two, monkeypatch: pytest.MonkeyPatch, magic: int
) -> None:
    """Its client looks whether the name is free and then has the server replace; on 32 bits the number is negative."""
    monkeypatch.setattr(syscalls, "_libc", OnSmb(magic))
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: OnSmb(magic))
    two.move()
    assert two.names() == ([], ["a.jpg"])
    (two.source / "a.jpg").write_bytes(OTHER)
    with pytest.raises(FileExistsError):
        two.move()
    assert two.there.read_bytes() == PICTURE


def replaced(path: Path) -> None:
    path.rename(path.with_name("ours"))
    path.touch()


def written(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(OTHER)


@pytest.mark.parametrize("happens", [replaced, written, Path.unlink])
def test_a_name_that_somebody_took_from_us_is_theirs(
    two: Two, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path], None]
) -> None:
    plainly = os.fstat

    def fstat(fd: int) -> os.stat_result:
        found = plainly(fd)
        if two.there.exists() and two.there.stat().st_ino == found.st_ino:
            happens(two.there)
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(FileExistsError):
        two.move()
    assert (two.source / "a.jpg").read_bytes() == PICTURE
    assert [path.stat().st_size for path in two.target.glob("a.jpg")] == {
        replaced: [0], written: [len(OTHER)], Path.unlink: [],
    }[happens]  # fmt: skip


@pytest.mark.parametrize("done", [False, True])
def test_a_rename_that_is_reported_as_failed_leaves_the_photo_or_takes_our_file_away(
    two: Two, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    plainly = os.rename

    def rename(*args: Any, **more: Any) -> None:
        if done:  # NFS may answer so of a rename that was made
            plainly(*args, **more)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        two.move()
    assert two.names() == (([], ["a.jpg"]) if done else (["a.jpg"], []))


# --- the empty file that a crash left -------------------------------------------------------------------------------


def made(path: Path, content: bytes = b"", mode: int = 0o644, mtime_ns: int = 0) -> None:
    path.write_bytes(content)
    path.chmod(mode)
    if mtime_ns:
        os.utime(path, ns=(mtime_ns, mtime_ns))


def linked(path: Path) -> None:
    made(path, mode=0o200)
    path.with_name("z.jpg").hardlink_to(path)


def of_another(path: Path) -> None:
    made(path, mode=0o200)
    os.chown(path, 1234, 1234)


def verifier_of_another(path: Path) -> None:
    made(path, mode=0, mtime_ns=VERIFIER)
    os.chown(path, 1234, 1234)


def a_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0o200)
    os.utime(path, ns=(IN_1996, IN_1996))


def a_symlink(path: Path) -> None:
    path.symlink_to("ours")
    made(path.with_name("ours"), mode=0o200)


def a_fifo(path: Path) -> None:
    os.mkfifo(path, 0o200)
    os.utime(path, ns=(IN_1996, IN_1996))


@pytest.mark.parametrize("left", [
    lambda path: made(path, mode=0o200), lambda path: made(path, mtime_ns=IN_1996),
    lambda path: made(path, mode=0o200, mtime_ns=IN_1996), lambda path: made(path, mode=0, mtime_ns=VERIFIER),
])  # fmt: skip
def test_an_empty_file_of_ours_is_taken_away_without_a_trace(two: Two, left: Callable[[Path], None]) -> None:
    left(two.there)
    remove_placeholder(two.target_fd, "a.jpg")
    assert two.names() == (["a.jpg"], [])


@pytest.mark.parametrize("left", [
    made, lambda path: made(path, b"x", 0o200), lambda path: made(path, b"x", mtime_ns=IN_1996),
    lambda path: made(path, mtime_ns=IN_1996 + 10**9), lambda path: made(path, mode=0o201), linked, a_folder, a_fifo,
    a_symlink, lambda path: made(path, mtime_ns=VERIFIER), lambda path: made(path, mode=0, mtime_ns=VERIFIER + 1),
    lambda path: made(path, b"x", mode=0, mtime_ns=VERIFIER),
    pytest.param(verifier_of_another, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")),
    pytest.param(of_another, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")),
])  # fmt: skip
def test_nothing_else_is_taken_away(two: Two, left: Callable[[Path], None]) -> None:
    left(two.there)
    before = two.names()
    remove_placeholder(two.target_fd, "a.jpg")
    assert two.names() == before


def test_where_there_is_no_such_file_nothing_is_made_or_missed(two: Two) -> None:
    remove_placeholder(two.target_fd, "a.jpg")
    assert two.names() == (["a.jpg"], [])


# --- slots ----------------------------------------------------------------------------------------------------------


OURS = [".manifest.json.0123abcd.tmp", ".twinwatch-0123abcd.tmp"]
THEIRS = ["photo.tmp", ".manifest.json.notes", ".twinwatch-notes", "manifest.json.tmp", ".tmp"]


@pytest.mark.parametrize("left", [*OURS, *THEIRS])
def test_a_slot_goes_with_what_we_left_in_it_and_stays_whole_with_anything_else(held: Nas, left: str) -> None:
    slot = held.slot()
    slot.photo_path.rename(held.root.path / "in/b.jpg")
    (held.place / slot.name / left).write_bytes(b"")
    with opened_place(held.place) as place_fd:
        remove_slot(place_fd, slot.name)
    stays = {"manifest.json", left} if left in THEIRS else set()
    assert {path.name for path in held.place.rglob("*")} == stays | ({slot.name} if stays else set())


def test_only_folders_are_slots(held: Nas) -> None:
    (held.place / "notes.txt").write_bytes(b"a person's")
    (held.place / "elsewhere").symlink_to(held.root.path)
    assert [slot.present for slot in held.slots()] == [True]
    assert listing(held.folder / "nowhere") == []


def copied(slot: Path) -> Path:
    return Path(shutil.copytree(slot, slot.with_name("a copy of it")))


def no_manifest(slot: Path) -> Path:
    (slot / "manifest.json").unlink()
    return slot


def a_fifo_for_a_manifest(slot: Path) -> Path:
    (slot / "manifest.json").unlink()
    os.mkfifo(slot / "manifest.json")
    return slot


def a_symlink_for_a_manifest(slot: Path) -> Path:
    (slot / "manifest.json").rename(slot.parent.parent / "manifest.json")
    (slot / "manifest.json").symlink_to(slot.parent.parent / "manifest.json")
    return slot


@pytest.mark.timeout(30)  # what is no file is not waited for
@pytest.mark.parametrize(("damaged", "words"), [
    (copied, "is that of"), (no_manifest, "has no manifest"), (a_fifo_for_a_manifest, "no regular file"),
    (a_symlink_for_a_manifest, "cannot be read"),
])  # fmt: skip
def test_a_slot_without_a_manifest_of_its_own_is_listed_with_what_is_wrong(
    held: Nas, damaged: Callable[[Path], Path], words: str
) -> None:
    name = damaged(held.place / held.slot().name).name
    (slot,) = [slot for slot in held.slots() if slot.name == name]
    assert (slot.manifest, slot.present) == (None, False)
    assert words in slot.trouble
    with pytest.raises(ValueError, match="manifest"):
        _ = slot.photo_path


def waits_in(place: Path, pid: int) -> bool:
    """Tell whether a process has a folder open and sleeps, as it does while another has the lock."""
    opened = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            opened.add(os.readlink(link))
    return str(place) in opened and state(pid) == "S"


@pytest.mark.parametrize("undone", [False, True])
def test_a_slot_that_is_made_or_removed_at_this_moment_is_listed_as_it_is_afterwards(
    held: Nas, *, undone: bool
) -> None:
    slot = held.place / held.slot().name
    manifest = (slot / "manifest.json").read_bytes()
    photo = held.slot().photo_path
    (slot / "manifest.json").unlink()
    listed = [sys.executable, "-c", "import sys; from pathlib import Path; from twinwatch.quarantine import listing\n"
              "print([slot.trouble for slot in listing(Path(sys.argv[1]))])", str(held.place)]  # fmt: skip
    with opened_place(held.place):
        asking = subprocess.Popen(listed, stdout=subprocess.PIPE, text=True)
        until(lambda: waits_in(held.place, asking.pid), "it did not wait")
        if undone:
            photo.rename(held.root.path / "in/b.jpg")
            slot.rmdir()
        else:
            (slot / "manifest.json").write_bytes(manifest)
    assert asking.communicate()[0] == f"{[] if undone else ['']}\n"


def test_a_quarantine_that_another_process_keeps_is_waited_for_and_then_named(
    held: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PATIENCE", 0.05)
    held.put("in/c.jpg", PICTURE)
    before = held.tree()
    keeping = start_child(
        "import fcntl, os, sys\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
        "print('it has it', flush=True)\n"
        "sys.stdin.read()",
        str(held.place),
    )
    assert keeping.stdout is not None
    keeping.stdout.readline()
    who = f"process {keeping.pid} works in it"
    with pytest.raises(BlockingIOError, match=who), opened_place(held.place):
        pass
    with pytest.raises(RootError, match=who):
        recover(held.root, held.index)
    with pytest.raises(RootError, match=who) as told:
        held.hold("in/c.jpg", "keep/a.jpg")
    assert told.value.root == held.root.id
    with pytest.raises(MoveRefusedError, match=f"{who}.*end that one"):
        restore(held.slot(), held.index, 0.0)
    assert (held.tree(), len(held.slots())) == (before, 1)
    keeping.communicate()
    held.hold("in/c.jpg", "keep/a.jpg")
    assert len(held.slots()) == 2


def test_a_photo_taken_out_of_its_slot_is_not_present(held: Nas) -> None:
    held.slot().photo_path.unlink()
    assert isinstance(held.slot(), Slot)
    assert not held.slot().present


def test_a_symlink_in_a_slot_is_no_file_of_it_but_takes_the_name(two: Two) -> None:
    two.there.symlink_to(two.source / "a.jpg")
    assert entry(two.target_fd, "a.jpg") is None
    assert taken(two.target_fd, "a.jpg")
    two.there.unlink()
    two.there.symlink_to("nowhere")
    assert taken(two.target_fd, "a.jpg")
    two.there.unlink()
    assert not taken(two.target_fd, "a.jpg")


def test_one_at_a_time_has_the_quarantine(held: Nas) -> None:
    other = os.open(held.place, os.O_RDONLY)
    try:
        with opened_place(held.place), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)


@pytest.mark.timeout(30)  # what is opened as a folder only is refused at once
def test_a_fifo_in_place_of_the_quarantine_is_not_waited_for(nas: Nas) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    os.mkfifo(nas.place)
    with pytest.raises(MoveRefusedError):
        nas.hold("in/b.jpg", "keep/a.jpg")
    assert len(nas.tree()) == 2
