"""The calls that Python lacks, on the kernel at hand and as older or stranger ones answer them."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nas import run_child
from twinwatch import syscalls
from twinwatch.syscalls import file_stat, is_regular, open_beneath, rename_noreplace, set_io_class, sync_directory

OF_PROCESS = 1
IOPRIO_GET = {"x86_64": 252, "aarch64": 31}


class Refusing:
    """A libc whose calls all fail with one errno, as those of a kernel or a sandbox that knows them not."""

    def __init__(self, code: int) -> None:
        self.code = code

    def syscall(self, *_: object) -> int:
        ctypes.set_errno(self.code)
        return -1

    def renameat2(self, *_: object) -> int:
        return self.syscall()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.EAGAIN])
def test_without_openat2_a_path_is_walked(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(b"inside")
    monkeypatch.setattr(syscalls, "_libc", Refusing(code))
    fd = open_beneath(folder, b"a/file", os.O_RDONLY)
    try:
        assert os.read(fd, 99) == b"inside"
    finally:
        os.close(fd)


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.EACCES, errno.ESTALE])
def test_what_else_openat2_says_is_so(folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    (tmp_path / "file").write_bytes(b"inside")
    monkeypatch.setattr(syscalls, "_libc", Refusing(code))
    with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at below
        open_beneath(folder, b"file", os.O_RDONLY)
    assert (caught.value.errno, caught.value.filename) == (code, "file")


def test_a_process_without_an_input_may_be_given_its_number(folder: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"inside")
    aside = os.dup(0)
    os.close(0)
    try:
        fd = open_beneath(folder, b"file", os.O_RDONLY)
        assert (fd, os.read(fd, 10)) == (0, b"inside")
    finally:
        os.dup2(aside, 0)
        os.close(aside)


def test_a_folder_in_the_way_of_a_walk_is_passed_without_the_right_to_list_it(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step but the last is O_PATH: it opens nothing that could block, neither a FIFO nor a device."""
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(syscalls, "_libc", Refusing(errno.ENOSYS))
    with pytest.raises(NotADirectoryError):
        open_beneath(folder, b"fifo/file", os.O_RDONLY)


def test_a_rename_never_replaces(folder: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    with pytest.raises(FileExistsError) as caught:
        rename_noreplace(folder, b"a", folder, b"b")
    assert caught.value.filename == "a"
    assert rename_noreplace(folder, b"a", folder, b"c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]
    with pytest.raises(FileNotFoundError):
        rename_noreplace(folder, b"a", folder, b"d")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_no_rename_is_exclusive_none_is_made(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    monkeypatch.setattr(syscalls, "_libc", Refusing(code))
    assert not rename_noreplace(folder, b"a", folder, b"b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_cannot_be_synced_is_accepted_and_what_else_goes_wrong_is_not() -> None:
    ours, theirs = socket.socketpair()  # which no kernel syncs: EINVAL
    with ours, theirs:
        sync_directory(ours.fileno())
        closed = ours.fileno()
    with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at below
        sync_directory(closed)
    assert caught.value.errno == errno.EBADF


def test_the_value_of_a_file_says_what_its_disk_says(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 5000)
    os.link(file, tmp_path / "second")
    found = os.stat(file)
    said = file_stat(found)
    assert (said.device, said.inode, said.size) == (found.st_dev, found.st_ino, 5000)
    assert (said.mtime_ns, said.ctime_ns) == (found.st_mtime_ns, found.st_ctime_ns)
    assert (said.blocks, said.links) == (found.st_blocks, 2)
    assert is_regular(found)
    assert not is_regular(os.stat(tmp_path))


def io_class(pid: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(ctypes.c_long(IOPRIO_GET[platform.machine()]), OF_PROCESS, pid))


@pytest.mark.skipif(platform.machine() not in IOPRIO_GET, reason="the numbers of its calls are not known here")
def test_a_process_reads_last_or_only_when_nobody_else_does() -> None:
    cat = shutil.which("cat")
    assert cat
    with subprocess.Popen([cat], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        before = io_class(os.getpid())
        set_io_class(process.pid, idle=True)
        assert io_class(process.pid) >> 13 == 3  # idle (ioprio_set(2)), of which there is one level only
        set_io_class(process.pid, idle=False)
        assert io_class(process.pid) == 2 << 13 | 7  # best effort, the lowest
        assert io_class(os.getpid()) == before


def test_an_unknown_machine_has_no_io_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    monkeypatch.setattr(syscalls, "_libc", None)  # nothing is called
    set_io_class(os.getpid(), idle=True)


def test_a_child_is_ended_by_the_kernel_with_its_parent() -> None:
    asked = (
        "import ctypes, os\n"
        "from twinwatch.syscalls import die_with_parent\n"
        "die_with_parent(os.getppid())\n"
        "number = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(number))  # PR_GET_PDEATHSIG\n"
        "print(number.value)\n"
    )
    assert run_child(asked).stdout == f"{int(signal.SIGKILL)}\n"
