"""A root that is not surely the recorded one is unknown, and nothing beneath it can lead out of it."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from tests.mounting import as_plain_user, as_root, mounted, tmpfs
from tests.nas import Nas
from twinwatch import syscalls
from twinwatch.brake import Limits
from twinwatch.content import digest_of, same_bytes
from twinwatch.errors import PhotoChangedError, PhotoError, RootError
from twinwatch.folders import Folder, Mark
from twinwatch.ingest import Survey
from twinwatch.naming import Exclusions
from twinwatch.photo import Reading
from twinwatch.roots import MARKER, Health, Root, accepted_identity, mark, write_durably
from twinwatch.syscalls import open_beneath


def found(root: Root) -> list[str]:
    return [str(folder.path / name) for folder in root.walk() for name in folder.files]


# --- identity and health -------------------------------------------------------------------------------------------


def test_a_root_is_recognised_again_and_keeps_its_marker(nas: Nas) -> None:
    assert nas.root.check() is Health.HEALTHY
    assert mark(nas.root.path, "another") == nas.root.identity


def test_a_root_without_its_marker_or_with_another_is_not_believed(nas: Nas, tmp_path: Path) -> None:
    other = nas.other_root("other")
    marker = nas.root.path / MARKER
    marker.rename(tmp_path / "marker")
    assert nas.root.check() is Health.UNMARKED
    for nonsense in (b"", b"{", b"[]", b'{"id": 5}', b'{"id": "\\ud800"}', b"[" * 60_000):
        marker.write_bytes(nonsense)
        assert nas.root.check() is Health.UNMARKED
    shutil.copy(other.path / MARKER, marker)
    assert nas.root.check() is Health.REPLACED
    with pytest.raises(RootError):
        found(nas.root)
    with pytest.raises(RootError), nas.root.opened():
        pass
    (tmp_path / "marker").rename(marker)
    assert nas.root.check() is Health.HEALTHY


def test_a_marker_copied_to_another_disk_is_not_believed(nas: Nas) -> None:
    moved = replace(nas.root.identity, fsid=nas.root.identity.fsid + 1, inode=nas.root.identity.inode + 1)
    assert replace(nas.root, identity=moved).check() is Health.REPLACED


@as_root
@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs mkfs.ext4")
def test_another_disk_with_the_marker_and_the_inode_is_not_believed(nas: Nas, tmp_path: Path) -> None:
    where = tmp_path / "disk"
    where.mkdir()
    for name in ("ours", "theirs"):
        image = tmp_path / name
        image.write_bytes(b"")
        os.truncate(image, 8 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with mounted(where, "-o", "loop", str(tmp_path / "ours")):
        ours = replace(nas.root, path=where, identity=mark(where))
        marker = (where / MARKER).read_bytes()
        assert ours.check() is Health.HEALTHY
    with mounted(where, "-o", "loop", str(tmp_path / "theirs")):
        (where / MARKER).parent.mkdir()
        (where / MARKER).write_bytes(marker)
        assert where.stat().st_ino == ours.identity.inode  # the top folder of every ext4
        assert ours.check() is Health.REPLACED
    with mounted(where, "-o", "loop", str(tmp_path / "ours")):
        assert ours.check() is Health.HEALTHY


@as_root
def test_a_file_system_that_is_numbered_by_its_device_may_have_another_number(nas: Nas, tmp_path: Path) -> None:
    where = tmp_path / "memory"
    where.mkdir()
    with tmpfs(where):
        identity = mark(where)
        root = replace(nas.root, path=where, identity=replace(identity, fsid=identity.fsid + 1))
        assert root.check() is Health.HEALTHY


def test_a_reference_root_is_itself_with_whatever_marker_or_none(nas: Nas) -> None:
    identity = accepted_identity(nas.root.path, "", reference=True)
    assert identity.marker == ""
    reference = replace(nas.root, reference=True, identity=identity)
    assert (nas.root.path / MARKER).exists()
    assert reference.check() is Health.HEALTHY
    (nas.root.path / MARKER).unlink()
    assert reference.check() is Health.HEALTHY


def test_a_folder_that_is_gone_holds_nothing_at_all(nas: Nas) -> None:
    assert list(nas.root.walk(PurePosixPath("gone"))) == [Folder(PurePosixPath("gone"), {}, "", (), 0, frozenset(), 0)]


@pytest.mark.timeout(30)  # what is no file is not waited for
@pytest.mark.parametrize("odd", [Path.touch, os.mkfifo])
def test_a_folder_that_became_something_else_holds_nothing_at_all(nas: Nas, odd: Callable[[Path], None]) -> None:
    odd(nas.root.path / "a")
    assert list(nas.root.walk(PurePosixPath("a"))) == [Folder(PurePosixPath("a"), {})]


def test_what_has_the_mark_it_is_known_by_needs_no_second_look(nas: Nas) -> None:
    marks: dict[str, Mark] = {}
    for name, content in (("a.jpg", b"abc"), ("b.jpg", b"12345"), ("c.jpg", b"x")):
        stat = nas.put(name, content).stat()
        marks[name] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    marks["c.jpg"] = (*marks["c.jpg"][:3], 0)
    (folder,) = nas.root.walk(known=lambda _: marks)
    assert (folder.unchanged, folder.unchanged_bytes) == (frozenset({"a.jpg", "b.jpg"}), 8)
    assert (list(folder.files), folder.others, folder.mounts, folder.trouble) == (["c.jpg"], 0, (), "")


def test_a_mark_without_an_inode_is_no_files(nas: Nas) -> None:
    stat = nas.put("a.jpg", b"abc").stat()
    mark = (None, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    (folder,) = nas.root.walk(known=lambda _: {"a.jpg": mark})
    assert (list(folder.files), folder.unchanged) == (["a.jpg"], frozenset())


def test_a_folder_of_many_files_is_looked_at_in_parts_and_whole(nas: Nas) -> None:
    every: dict[str, Mark] = {}
    for number in range(1_501):  # a thousand are looked at in one go
        stat = nas.put(f"{number}.jpg", b"%d" % number).stat()
        every[f"{number}.jpg"] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    (folder,) = nas.root.walk(known=lambda _: every)
    assert folder.unchanged == every.keys()
    assert folder.unchanged_bytes == sum(mark[1] for mark in every.values())
    assert folder.files == {}
    marks = {name: mark for name, mark in every.items() if not name.endswith(("0.jpg", "5.jpg"))}
    (folder,) = nas.root.walk(known=lambda _: marks)
    assert folder.unchanged == marks.keys()
    assert folder.unchanged_bytes == sum(mark[1] for mark in marks.values())
    assert folder.files.keys() == every.keys() - marks.keys()


def test_what_goes_while_its_folder_is_listed_hides_no_other(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    nas.put("a.jpg", b"x")
    (nas.root.path / "link.jpg").symlink_to("a.jpg")
    plainly = os.listdir
    monkeypatch.setattr(os, "listdir", lambda what: ["gone.jpg", *plainly(what)])
    assert found(nas.root) == ["a.jpg"]


def test_a_walk_leaves_nothing_open(nas: Nas) -> None:
    nas.put("a/b/a.jpg", b"x")
    before = set(os.listdir("/proc/self/fd"))
    assert found(nas.root) == ["a/b/a.jpg"]
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_folder_whose_disk_fails_is_trouble(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    nas.put("a/a.jpg", b"x")
    plainly = os.listdir

    def failing(what: int) -> list[str]:
        if Path(f"/proc/self/fd/{what}").readlink().name == "a":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return plainly(what)

    monkeypatch.setattr(os, "listdir", failing)
    folders = {str(folder.path): folder for folder in nas.root.walk()}
    assert (folders["a"].files, folders["a"].trouble) == ({}, os.strerror(errno.EIO))
    assert folders["."].trouble == ""


@pytest.mark.timeout(30)  # what is no file is not waited for
@pytest.mark.parametrize("odd", ["folder", "fifo", "symlink"])
def test_a_marker_that_is_no_file_is_none_and_never_waited_for(nas: Nas, odd: str) -> None:
    marker = nas.root.path / MARKER
    marker.rename(marker.with_name("kept.json"))
    if odd == "folder":
        marker.mkdir()
    elif odd == "fifo":
        os.mkfifo(marker)
    else:
        marker.symlink_to("kept.json")
    before = set(os.listdir("/proc/self/fd"))
    assert nas.root.check() is Health.UNMARKED
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.timeout(30)  # what is opened as a folder only is not waited for
@pytest.mark.parametrize("odd", [Path.touch, os.mkfifo])
def test_a_root_whose_own_folder_is_none_cannot_be_marked(tmp_path: Path, odd: Callable[[Path], None]) -> None:
    odd(tmp_path / ".twinwatch")
    with pytest.raises(RootError, match="cannot be written"):
        mark(tmp_path)


def test_a_marker_is_on_disk_with_its_folder_which_others_may_look_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plainly, seen, sizes = os.fsync, [], []

    def fsync(fd: int) -> None:
        plainly(fd)
        seen.append(Path(f"/proc/self/fd/{fd}").readlink())
        sizes.append(os.fstat(fd).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    before = os.umask(0o022)
    try:
        mark(tmp_path)
    finally:
        os.umask(before)
    assert seen[1:] == [tmp_path / ".twinwatch", tmp_path]
    assert (seen[0].parent, sizes[0]) == (tmp_path / ".twinwatch", (tmp_path / MARKER).stat().st_size)
    assert (tmp_path / ".twinwatch").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / MARKER).stat().st_mode & 0o7777 == 0o644


def test_a_missing_root_and_a_root_that_became_a_symlink_are_unknown(nas: Nas, tmp_path: Path) -> None:
    away = tmp_path / "away"
    nas.root.path.rename(away)
    assert nas.root.check() is Health.MISSING
    nas.root.path.symlink_to(away)
    assert nas.root.check() is not Health.HEALTHY
    with pytest.raises(RootError, match="has become a symlink"):
        found(nas.root)
    nas.root.path.unlink()
    nas.root.path.write_bytes(b"a file")
    assert nas.root.check() is Health.MISSING


@as_root
def test_another_file_system_mounted_over_a_root_is_not_it(nas: Nas) -> None:
    nas.put("a.jpg", b"a")
    with tmpfs(nas.root.path):
        assert nas.root.check() is Health.UNMARKED
        (nas.root.path / ".twinwatch").mkdir()
        (nas.root.path / MARKER).write_text(f'{{"id": "{nas.root.identity.marker}"}}')
        assert nas.root.check() is Health.REPLACED
        with pytest.raises(RootError):
            nas.root.is_gone(PurePosixPath("a.jpg"))
    assert nas.root.check() is Health.HEALTHY


# --- walking -------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(30)  # what is no file is not waited for
def test_every_name_is_found_and_nothing_but_files_is_opened(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = (b"\xff.jpg", b"new\nline.jpg", b"-rf", b"x" * 255, b"%00.jpg", b"a b/c/d.jpg")
    names = [os.fsdecode(name) for name in strange]
    for name in names:
        nas.put(name, b"x")
    monkeypatch.chdir(nas.root.path)
    os.mkfifo("fifo.jpg")
    Path("link.jpg").symlink_to("-rf")
    Path("loop").symlink_to(".")
    Path("outside").symlink_to("/")
    for excluded in (".twinwatch", "@eaDir", ".stversions"):
        Path(excluded).mkdir(exist_ok=True)
        Path(excluded, "thumb.jpg").write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        assert sorted(found(nas.root)) == sorted(names)
    assert sum(folder.others for folder in nas.root.walk()) == 5
    outside = ("loop/-rf", "outside/etc/passwd", "../state/index.db", "/etc/passwd")
    for odd in ("fifo.jpg", "link.jpg", "socket.jpg", *outside):
        with pytest.raises(PhotoError), nas.root.opened_file(PurePosixPath(odd)):
            pass
        assert nas.root.stat(PurePosixPath(odd)) is None
    with pytest.raises(PhotoChangedError), nas.root.opened_file(PurePosixPath("a b")):
        pass


def test_the_users_own_exclusions_are_left_out(nas: Nas) -> None:
    nas.put("keep/a.jpg", b"x")
    nas.put("drafts/a.jpg", b"x")
    assert found(replace(nas.root, exclusions=Exclusions(("drafts/",)))) == ["keep/a.jpg"]


def test_a_walk_of_a_root_that_loses_its_marker_stops_in_the_middle(nas: Nas) -> None:
    nas.put("a/a.jpg", b"x")
    walk = nas.root.walk()
    next(walk)
    (nas.root.path / MARKER).unlink()
    with pytest.raises(RootError):
        next(walk)


def know(nas: Nas, path: str) -> None:
    """Enter a photo into the index as judged."""
    photo = nas.photo(path)
    reading = Reading(photo.reading.digest, None, None)
    entered = nas.index.photos.record(nas.root.id, photo.path, photo.stat, reading, arrived=False)
    nas.index.photos.set_judged(entered.id)


def survey(nas: Nas) -> Survey:
    made = Survey(nas.root, nas.index, Limits(), lambda: 1.0)
    list(made.files())
    return made


@as_root
def test_a_mount_in_a_root_is_not_entered_and_what_it_hides_is_not_gone(nas: Nas) -> None:
    nas.put("a/a.jpg", b"x")
    know(nas, "a/a.jpg")
    for how in (("-t", "tmpfs", "tmpfs"), ("--bind", str(nas.state))):
        with mounted(nas.root.path / "a", *how):
            assert not nas.root.is_gone(PurePosixPath("a/a.jpg"))
            if how[0] == "-t":
                (nas.root.path / "a/new.jpg").write_bytes(b"x")
                assert found(nas.root) == []
                assert [folder.mounts for folder in nas.root.walk()] == [("a",)]
            assert survey(nas).vanished == 0
            assert nas.index.photos.count() == 1
    (nas.root.path / "a/a.jpg").unlink()
    assert nas.root.is_gone(PurePosixPath("a/a.jpg"))
    assert survey(nas).vanished == 1


def test_a_folder_that_cannot_be_listed_is_trouble_and_what_it_hides_is_not_gone() -> None:
    """As a plain user: root may list everything. So it is in a folder that others may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder, closing(Nas(Path(folder))) as nas:
        nas.folder.chmod(0o755)
        nas.put("a/a.jpg", b"x")
        know(nas, "a/a.jpg")
        nas.index.commit()
        (nas.root.path / "a").chmod(0)
        with as_plain_user():
            assert unlisted(nas)
        (nas.root.path / "a").chmod(0o755)
        assert nas.index.photos.count() == 1


def test_a_root_whose_marker_cannot_be_read_is_unreadable_and_never_opened() -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Nas(Path(folder))) as nas:
        nas.folder.chmod(0o755)
        (nas.root.path / ".twinwatch").chmod(0)
        with as_plain_user():
            assert nas.root.check() is Health.UNREADABLE
            with pytest.raises(RootError, match="cannot be read") as raised, nas.root.opened():
                pass
            assert raised.value.health is Health.UNREADABLE
        (nas.root.path / ".twinwatch").chmod(0o755)


def test_a_folder_that_may_not_be_entered_or_written_is_said_to_be_so() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(0)
        (folder / "plain").mkdir(0o555)
        with as_plain_user():
            with pytest.raises(RootError, match="cannot be opened") as raised:
                mark(folder / "closed")
            assert raised.value.health == Health.UNREADABLE
            with pytest.raises(RootError, match="cannot be written"):
                accepted_identity(folder / "plain", "", reference=False)
        assert accepted_identity(folder / "plain", "its own", reference=False) == mark(folder / "plain")
        assert json.loads((folder / "plain" / MARKER).read_text())["id"] == "its own"


def test_what_is_told_of_a_file_is_what_the_disk_says_and_it_is_closed_again(nas: Nas) -> None:
    path = nas.put("a/a.jpg", b"abc")
    before = set(os.listdir("/proc/self/fd"))
    with nas.root.opened_file(PurePosixPath("a/a.jpg")) as (fd, opened):
        assert os.read(fd, 10) == b"abc"
    told = nas.root.stat(PurePosixPath("a/a.jpg"))
    assert told == opened
    assert told is not None
    assert (told.inode, told.size, told.mtime_ns) == (path.stat().st_ino, 3, path.stat().st_mtime_ns)
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_may_not_be_read_is_said_to_be_so_and_is_not_gone() -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Nas(Path(folder))) as nas:
        nas.folder.chmod(0o755)
        nas.put("a.jpg", b"x").chmod(0)
        with as_plain_user(), pytest.raises(PhotoError, match=f"^{nas.root.path}/a.jpg cannot be read") as raised:
            nas.root.opened_file(PurePosixPath("a.jpg")).__enter__()
        assert not isinstance(raised.value, PhotoChangedError)


@pytest.mark.timeout(30)  # what is no file is not waited for
@pytest.mark.parametrize("odd", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_closed_again(nas: Nas, odd: Callable[[Path], None]) -> None:
    odd(nas.root.path / "a.jpg")
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(PhotoChangedError), nas.root.opened_file(PurePosixPath("a.jpg")):
        pass
    assert nas.root.stat(PurePosixPath("a.jpg")) is None
    assert set(os.listdir("/proc/self/fd")) == before


def unlisted(nas: Nas) -> bool:
    folders = {str(folder.path): folder for folder in nas.root.walk()}
    return (
        folders["a"].trouble != ""
        and not nas.root.is_gone(PurePosixPath("a/a.jpg"))
        and nas.root.stat(PurePosixPath("a/a.jpg")) is None
    )


# --- system calls --------------------------------------------------------------------------------------------------


class NoOpenat2:
    """A libc of a kernel before 5.6."""

    def syscall(self, *_: object) -> int:
        ctypes.set_errno(errno.ENOSYS)
        return -1


@pytest.fixture(params=["openat2", "walked"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    if request.param == "walked":
        monkeypatch.setattr(syscalls, "_libc", NoOpenat2())
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    (root / "file").symlink_to("a/b/file")
    (root / "up").symlink_to("..")
    (root / "a/absolute").symlink_to(tmp_path)
    (root / "a/same").symlink_to("b")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    before = len(os.listdir("/proc/self/fd"))
    yield fd
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(fd)


def test_a_path_beneath_is_opened(tree: int) -> None:
    for path in (b"a/b/file", b"./a//b/file"):
        fd = open_beneath(tree, path, os.O_RDONLY)
        assert os.read(fd, 99) == b"inside"
        assert not os.get_inheritable(fd)
        os.close(fd)
    for path in (b"", b"."):
        fd = open_beneath(tree, path, os.O_RDONLY | os.O_DIRECTORY)
        assert sorted(os.listdir(fd)) == ["a", "file", "up"]
        os.close(fd)


@pytest.mark.parametrize(
    "path",
    [b"file", b"up/secret", b"a/absolute/secret", b"a/same/file", b"../secret", b"a/../../secret", b"/etc/passwd",
     b"a/b/file/x", b"a/b/none", b"a/b/..", b"up"],
)  # fmt: skip
def test_no_path_leads_out_or_through_a_symlink(tree: int, path: bytes) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - ELOOP, EXDEV, ENOTDIR or ENOENT: the kernels differ
        os.close(open_beneath(tree, path, os.O_RDONLY))


@as_root
def test_no_path_leads_into_another_file_system(tree: int, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "root/a/b"):
        (tmp_path / "root/a/b/file").write_bytes(b"on another disk")
        with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at below
            open_beneath(tree, b"a/b/file", os.O_RDONLY)
        assert caught.value.errno == errno.EXDEV


def test_contents_are_compared_to_their_ends(tmp_path: Path) -> None:
    sizes = [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20]
    for size in sizes:
        for other, same in ((b"", size == 0), (b"x" * size, True), (b"x" * (size + 1), False)):
            (tmp_path / "a").write_bytes(b"x" * size)
            (tmp_path / "b").write_bytes(other)
            with open(tmp_path / "a", "rb") as a, open(tmp_path / "b", "rb") as b:
                a.read(1)  # offsets do not matter
                assert same_bytes(a.fileno(), b.fileno()) == same
                assert (digest_of(a.fileno()) == digest_of(b.fileno())) == same
    (tmp_path / "b").write_bytes(b"x" * (sizes[-1] - 1) + b"y")
    with open(tmp_path / "a", "rb") as a, open(tmp_path / "b", "rb") as b:
        assert not same_bytes(a.fileno(), b.fileno())


def test_a_small_file_is_written_whole_and_leaves_no_other(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        write_durably(fd, "x", b"one")
        write_durably(fd, "x", b"two")
        (tmp_path / "y").mkdir()
        with pytest.raises(OSError):  # noqa: PT011 - a folder is there
            write_durably(fd, "y", b"three")
    finally:
        os.close(fd)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]
    assert (tmp_path / "x").read_bytes() == b"two"
