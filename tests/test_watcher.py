"""The watcher on the real kernel: every event becomes a hint, and whatever is missed is said and repaired."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import pytest
from watchdog.observers.inotify_c import CallbackId, InotifyEvent, InotifyFD, WatchDescriptor

from twinwatch.watcher import Hint, Kind, Watcher
from twinwatch.watcher.hints import DirtySet
from twinwatch.watcher.tree import MASK
from twinwatch.watcher.watch import RootHealth

SOON = 60.0  # seconds; a deadline for what takes milliseconds on a machine that is not busy


class Ear:
    """A watcher of one root, and what it has said so far."""

    def __init__(self, root: Path, excluded: Callable[[str], bool] | None = None) -> None:
        self.root = root
        self.heard: list[Hint] = []
        self.watcher = Watcher(lambda: None)
        self.watcher.add(root, "inotify", excluded)

    @property
    def health(self) -> RootHealth:
        return self.watcher.health()[os.fsencode(self.root)]

    def hear(self, path: str | bytes, *kinds: Kind) -> Hint:
        """Wait for a hint on `path` of one of these kinds (of any, if none is given)."""
        wanted = os.fsencode(path)

        def found() -> Hint | None:
            self.heard += self.watcher.take()
            return next((hint for hint in self.heard if hint.path == wanted and hint.kind in (kinds or KINDS)), None)

        hint = until(found)
        assert hint is not None
        return hint

    def silent(self) -> list[Hint]:
        """Return what was said until now: a marker file is made, and what comes before its hint has been said."""
        self.heard = []
        (self.root / "marker").write_bytes(b"")
        self.hear("marker", "closed")
        (self.root / "marker").unlink()
        self.hear("marker", "gone")
        return [hint for hint in self.heard if hint.path != b"marker"]

    def forget(self) -> None:
        self.silent()
        self.heard = []

    def check_until(self, true: Callable[[], object]) -> None:
        def checked() -> bool:
            self.watcher.check()
            return bool(true())

        until(checked)


T = TypeVar("T")

KINDS: tuple[Kind, ...] = ("changed", "closed", "moved-in", "directory", "gone", "rescan")


def until(true: Callable[[], T]) -> T:
    deadline = time.monotonic() + SOON
    while not (value := true()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def ear(root: Path) -> Iterator[Ear]:
    (root / "old" / "deep").mkdir(parents=True)
    listener = Ear(root)
    with listener.watcher:
        yield listener


# --- what is heard ------------------------------------------------------------------------------------------------


def test_hears_a_new_file_and_its_end(ear: Ear) -> None:
    with (ear.root / "a.jpg").open("wb") as file:
        assert ear.hear("a.jpg").kind == "changed"
        file.write(b"x")
    assert ear.hear("a.jpg", "closed").root == os.fsencode(ear.root)
    assert ear.health.state == "watching"
    assert ear.health.watched == 3


def test_hears_in_folders_that_were_there(ear: Ear) -> None:
    (ear.root / "old/deep/a.jpg").write_bytes(b"x")
    ear.hear("old/deep/a.jpg", "closed")


def test_hears_an_atomic_save_by_its_final_name(ear: Ear) -> None:
    (ear.root / ".tmp").write_bytes(b"x")
    (ear.root / ".tmp").rename(ear.root / "a.jpg")
    ear.hear("a.jpg", "moved-in")
    ear.hear(".tmp", "gone")


def test_hears_links_deletes_and_new_times(ear: Ear) -> None:
    (ear.root / "a.jpg").write_bytes(b"x")
    ear.forget()
    os.link(ear.root / "a.jpg", ear.root / "b.jpg")
    ear.hear("b.jpg", "changed")
    ear.forget()
    os.utime(ear.root / "b.jpg", (1, 1))
    ear.hear("b.jpg", "changed")
    (ear.root / "b.jpg").unlink()
    ear.hear("b.jpg", "gone")


def test_names_are_bytes(ear: Ear) -> None:
    for name in (b"\xff\xfe.jpg", b"new\nline.jpg", "für.jpg".encode(), b"n" * 251 + b".jpg"):
        Path(os.fsdecode(os.path.join(os.fsencode(ear.root), name))).write_bytes(b"x")
        ear.hear(name, "closed")
    folder = os.path.join(os.fsencode(ear.root), b"\xe9t\xe9")
    os.mkdir(folder)
    ear.hear(b"\xe9t\xe9", "directory")
    Path(os.fsdecode(os.path.join(folder, b"\xff.jpg"))).write_bytes(b"x")
    ear.hear(b"\xe9t\xe9/\xff.jpg", "closed")


def test_our_own_reading_is_not_heard(ear: Ear) -> None:
    (ear.root / "old/a.jpg").write_bytes(b"x")
    ear.forget()
    for _ in range(3):
        (ear.root / "old/a.jpg").read_bytes()
        os.listdir(ear.root / "old")
        (ear.root / "old/a.jpg").stat()
    assert ear.silent() == []


def test_a_new_folder_is_said_after_it_is_watched(ear: Ear) -> None:
    (ear.root / "new/a/b").mkdir(parents=True)
    ear.hear("new", "directory")  # whoever walks it now cannot miss anything: what comes later is heard
    (ear.root / "new/a/b/late.jpg").write_bytes(b"x")
    ear.hear("new/a/b/late.jpg", "closed")


def test_files_made_at_once_with_their_folders_are_heard_or_walked(ear: Ear) -> None:
    for number in range(60):
        folder = ear.root / f"n{number}" / "x" / "y"
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(b"x")
    ear.silent()

    def covered(path: Path) -> bool:
        names = {hint.path for hint in ear.heard if hint.kind == "directory"} | {
            hint.path for hint in ear.heard if hint.kind == "closed"
        }
        relative = path.relative_to(ear.root)
        return any(os.fsencode(each) in names for each in (relative, *relative.parents))

    assert all(covered(ear.root / f"n{number}" / "x" / "y" / "a.jpg") for number in range(60))
    assert ear.health.watched == 3 + 180


def test_a_folder_moved_in_is_walked_and_watched(ear: Ear, tmp_path: Path) -> None:
    (tmp_path / "album/sub").mkdir(parents=True)
    (tmp_path / "album").rename(ear.root / "album")
    ear.hear("album", "directory")
    (ear.root / "album/sub/a.jpg").write_bytes(b"x")
    ear.hear("album/sub/a.jpg", "closed")


def test_a_folder_moved_within_is_heard_by_its_new_name_only(ear: Ear) -> None:
    (ear.root / "old").rename(ear.root / "renamed")
    ear.hear("renamed", "directory")
    ear.hear("old", "gone")
    ear.forget()
    (ear.root / "renamed/deep/a.jpg").write_bytes(b"x")
    ear.hear("renamed/deep/a.jpg", "closed")
    assert {hint.path for hint in ear.heard} == {b"renamed/deep/a.jpg"}
    assert ear.health.watched == 3


def test_a_folder_moved_out_is_not_heard_any_more(ear: Ear, tmp_path: Path) -> None:
    (ear.root / "old").rename(tmp_path / "away")
    ear.hear("old", "gone")
    ear.forget()
    (tmp_path / "away/a.jpg").write_bytes(b"x")
    (tmp_path / "away/deep/a.jpg").write_bytes(b"x")
    assert ear.silent() == []
    assert ear.health.watched == 1
    (tmp_path / "away").rename(ear.root / "back")
    ear.hear("back", "directory")
    (ear.root / "back/deep/b.jpg").write_bytes(b"x")
    ear.hear("back/deep/b.jpg", "closed")
    assert ear.health.watched == 3


def test_folders_that_swap_names_are_told_apart(ear: Ear) -> None:
    (ear.root / "other").mkdir()
    ear.hear("other", "directory")
    for _ in range(21):
        (ear.root / "old").rename(ear.root / "third")
        (ear.root / "other").rename(ear.root / "old")
        (ear.root / "third").rename(ear.root / "other")
    ear.forget()
    (ear.root / "other/deep/a.jpg").write_bytes(b"x")
    ear.hear("other/deep/a.jpg", "closed")
    (ear.root / "old/a.jpg").write_bytes(b"x")
    ear.hear("old/a.jpg", "closed")
    assert ear.health.watched == 4


def test_a_folder_deleted_and_made_again(ear: Ear) -> None:
    for _ in range(20):
        (ear.root / "old/deep").rmdir()
        (ear.root / "old").rmdir()
        (ear.root / "old/deep").mkdir(parents=True)
    ear.forget()
    (ear.root / "old/deep/a.jpg").write_bytes(b"x")
    ear.hear("old/deep/a.jpg", "closed")
    assert ear.health.watched == 3
    assert ear.health.problems == ()


def test_excluded_folders_are_never_watched(root: Path) -> None:
    (root / "@eaDir/sub").mkdir(parents=True)
    (root / "album").mkdir()
    ear = Ear(root, lambda name: name in ("@eaDir", ".stversions"))
    with ear.watcher:
        (root / "album/.stversions").mkdir()
        (root / "album/.stversions/a.jpg").write_bytes(b"x")
        (root / "@eaDir/a.jpg").write_bytes(b"x")
        assert ear.silent() == []
        assert ear.health.watched == 2
        (root / "@eaDir").rename(root / "plain")
        ear.hear("plain", "directory")
        (root / "plain").rename(root / "@eaDir")
        ear.hear("plain", "gone")
        assert ear.silent() == []
        assert ear.health.watched == 2


def test_symlinks_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    ear = Ear(root)
    with ear.watcher:
        assert ear.health.watched == 1
        (root / "link2").symlink_to(tmp_path / "elsewhere")
        ear.hear("link2", "changed")
        (tmp_path / "elsewhere/a.jpg").write_bytes(b"x")
        assert {hint.path for hint in ear.silent()} <= {b"link2"}
        assert ear.health.watched == 1


# --- what goes wrong ----------------------------------------------------------------------------------------------


def test_an_overflow_asks_for_a_rescan_and_repairs_the_watches(root: Path) -> None:
    (root / "ballast").write_bytes(b"")
    (root / "first").mkdir()
    gate, held = threading.Event(), threading.Event()

    def wake() -> None:  # on the inotify thread: nothing is read meanwhile, so that the kernel's queue runs over
        held.set()
        gate.wait(SOON)

    with Watcher(wake) as watcher:
        watcher.add(root, "inotify")
        (root / "start").write_bytes(b"")
        assert held.wait(SOON)
        (root / "first").rename(root / "second")
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        if limit > 100_000:
            pytest.skip(f"it would take {limit} events")
        for _ in range(limit // 2 + 10):
            (root / "ballast").rename(root / "ballast2")
            (root / "ballast2").rename(root / "ballast")
        (root / "unheard/deep").mkdir(parents=True)
        gate.set()
        key = os.fsencode(root)
        until(lambda: watcher.health()[key].overflows)
        assert watcher.health()[key].state == "degraded"

        def rescanned() -> bool:
            watcher.check()
            return any(hint.kind == "rescan" for hint in watcher.take())

        until(rescanned)
        assert watcher.health()[key] == RootHealth("inotify", "watching", 4, 0, 1, 1, ())
        (root / "unheard/deep/a.jpg").write_bytes(b"x")
        until(lambda: any(hint.path == b"unheard/deep/a.jpg" for hint in watcher.take()))


def test_too_many_paths_become_a_rescan() -> None:
    dirty = DirtySet(lambda: None, max_paths=3)
    for number in range(5):
        dirty.put(b"/a", b"%d" % number, "closed", "")
    dirty.put(b"/b", b"x", "closed", "")
    hints = dirty.take()
    assert [(hint.root, hint.path, hint.kind) for hint in hints] == [
        (b"/a", b"", "rescan"),
        (b"/a", b"4", "closed"),
        (b"/b", b"x", "closed"),
    ]
    assert dirty.take() == []


def test_a_path_is_said_once_and_as_soon_as_it_may_be_looked_at() -> None:
    woken: list[int] = []
    dirty = DirtySet(lambda: woken.append(1))
    events: list[tuple[bytes, Kind]] = [(b"x", "changed"), (b"x", "closed"), (b"x", "changed")]
    events += [(b"y", "closed"), (b"y", "gone"), (b"y", "changed")]
    for path, kind in events:
        dirty.put(b"/a", path, kind, "")
    assert [(hint.path, hint.kind) for hint in dirty.take()] == [(b"x", "closed"), (b"y", "changed")]
    assert woken == [1]


def test_a_root_deleted_and_made_again(ear: Ear) -> None:
    (ear.root / "old/deep").rmdir()
    (ear.root / "old").rmdir()
    ear.root.rmdir()
    ear.check_until(lambda: ear.health.state == "lost")
    assert "not watched" in ear.health.problems[0]
    ear.root.mkdir()
    ear.check_until(lambda: ear.health.state == "watching")
    ear.hear("", "rescan")
    (ear.root / "a.jpg").write_bytes(b"x")
    ear.hear("a.jpg", "closed")


def test_a_root_renamed_and_another_in_its_place(ear: Ear, tmp_path: Path) -> None:
    ear.root.rename(tmp_path / "moved")
    ear.root.mkdir()
    ear.check_until(lambda: ear.health.repairs)
    ear.hear("", "rescan")
    ear.forget()
    (tmp_path / "moved/old/a.jpg").write_bytes(b"x")
    assert ear.silent() == []
    (ear.root / "b.jpg").write_bytes(b"x")
    ear.hear("b.jpg", "closed")


def test_a_parent_of_the_root_renamed(tmp_path: Path) -> None:
    (tmp_path / "nas/photos").mkdir(parents=True)
    ear = Ear(tmp_path / "nas/photos")
    with ear.watcher:
        (tmp_path / "nas").rename(tmp_path / "old-nas")  # no event at all
        ear.check_until(lambda: ear.health.state == "lost")
        (tmp_path / "nas/photos").mkdir(parents=True)
        ear.check_until(lambda: ear.health.state == "watching")
        ear.hear("", "rescan")


def test_a_root_that_is_not_there_yet(tmp_path: Path) -> None:
    ear = Ear(tmp_path / "later")
    with ear.watcher:
        assert ear.health.state == "lost"
        ear.watcher.check()
        assert ear.watcher.take() == []
        (tmp_path / "later").mkdir()
        ear.check_until(lambda: ear.health.state == "watching")
        ear.hear("", "rescan")


def test_a_root_that_is_a_symlink_is_lost(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    ear = Ear(tmp_path / "link")
    with ear.watcher:
        assert ear.health.state == "lost"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_on_the_watching_thread_is_repaired(root: Path) -> None:
    fail = [True]

    def wake() -> None:
        if fail and fail.pop():
            raise ZeroDivisionError

    before = len(os.listdir("/proc/self/fd"))
    with Watcher(wake) as watcher:
        watcher.add(root, "inotify")
        (root / "a.jpg").write_bytes(b"x")
        key = os.fsencode(root)
        until(lambda: watcher.health()[key].state == "lost")
        assert "died" in " ".join(watcher.health()[key].problems)
        watcher.take()

        def repaired() -> bool:
            watcher.check()
            return watcher.health()[key].state == "watching"

        until(repaired)
        assert [hint.kind for hint in watcher.take()] == ["rescan"]
        (root / "b.jpg").write_bytes(b"x")
        until(lambda: any(hint.path == b"b.jpg" for hint in watcher.take()))
    until(lambda: len(os.listdir("/proc/self/fd")) == before)


def test_an_unreadable_folder_is_said_and_heard_once_it_can_be(root: Path) -> None:
    if os.geteuid() != 0:
        check_unreadable(root)
        return
    script = (  # root may read everything, unless it gives up its capabilities
        "import ctypes, struct, sys, pathlib\n"
        "from tests import test_watcher\n"
        "assert ctypes.CDLL(None).capset(struct.pack('=Ii', 0x20080522, 0), bytes(24)) == 0\n"
        "test_watcher.check_unreadable(pathlib.Path(sys.argv[1]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script, str(root)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check_unreadable(root: Path) -> None:
    (root / "closed/sub").mkdir(parents=True)
    (root / "closed").chmod(0)
    ear = Ear(root)
    with ear.watcher:
        assert (ear.health.state, ear.health.watched, ear.health.failed) == ("degraded", 1, 1)
        assert "Permission denied" in ear.health.problems[0]
        (root / "closed").chmod(0o755)
        ear.hear("closed", "directory")
        (root / "closed/sub/a.jpg").write_bytes(b"x")
        ear.hear("closed/sub/a.jpg", "closed")
        assert (ear.health.state, ear.health.watched) == ("watching", 3)


LIMITED = """
import os, sys
from pathlib import Path
from twinwatch.watcher import Watcher
root = Path(sys.argv[1])
watcher = Watcher(lambda: None)
watcher.add(root, "inotify")
health = watcher.health()[os.fsencode(root)]
print(health.state, health.watched, health.failed)
print(*health.problems, sep="; ")
for number in range(15):
    (root / str(number)).rmdir()
from twinwatch.watcher import watch
import time
deadline = time.monotonic() + 60
watch.RETRY_SECONDS = 0
for watched in watcher._roots.values():
    watched.retry_at = 0
while watcher.health()[os.fsencode(root)].failed and time.monotonic() < deadline:
    watcher.check()
    time.sleep(0.01)
health = watcher.health()[os.fsencode(root)]
print(health.state, health.watched, health.failed)
print(sum(hint.kind == "directory" for hint in watcher.take()))
"""


def test_the_watch_limit_is_said_and_tried_again(root: Path) -> None:
    """In a user namespace of its own: the limit of this machine is never touched."""
    for number in range(20):
        (root / str(number)).mkdir()
    inner = 'sysctl -q -w user.max_inotify_watches=8 && exec "$@"'
    command = ["unshare", "-U", "-r", "sh", "-c", inner, "sh", sys.executable, "-c", LIMITED, str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        probe = subprocess.run([*command[:5], "sysctl -q -w user.max_inotify_watches=8"], capture_output=True)
    except FileNotFoundError:
        pytest.skip("no unshare(1)")
    if probe.returncode != 0:
        pytest.skip("user namespaces are not allowed here")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, sentence, after, walked = done.stdout.splitlines()
    assert first == "degraded 8 13"
    assert "13 folders are not watched" in sentence
    assert "max_user_watches" in sentence
    assert after == "watching 6 0"
    assert int(walked) > 0


def test_no_inotify_instance_is_free(root: Path) -> None:
    script = (
        "import os, sys\n"
        "from twinwatch.watcher import Watcher\n"
        "watcher = Watcher(lambda: None)\n"
        "watcher.add(sys.argv[1], 'inotify')\n"
        "print(watcher.health()[os.fsencode(sys.argv[1])].problems)\n"
    )
    inner = 'sysctl -q -w user.max_inotify_instances=0 && exec "$@"'
    command = ["unshare", "-U", "-r", "sh", "-c", inner, "sh", sys.executable, "-c", script, str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare(1)")
    if "unshare" in done.stderr or "sysctl" in done.stderr:
        pytest.skip("user namespaces are not allowed here")
    assert "max_user_instances" in done.stdout, done.stderr


# --- mounts -------------------------------------------------------------------------------------------------------


@pytest.fixture
def mount() -> Iterator[Callable[[Path], None]]:
    """Return a function that mounts a tmpfs on a folder; unmounted at the end."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    places: list[Path] = []

    def mount_tmpfs(place: Path) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "twinwatch-test", place], capture_output=True)
        if done.returncode != 0:
            pytest.skip(f"may not mount: {done.stderr.decode()}")
        places.append(place)

    yield mount_tmpfs
    for place in reversed(places):
        subprocess.run(["umount", place], capture_output=True, check=False)


def test_a_root_unmounted_and_mounted_again(root: Path, mount: Callable[[Path], None]) -> None:
    mount(root)
    (root / "album").mkdir()
    ear = Ear(root)
    with ear.watcher:
        subprocess.run(["umount", root], check=True)
        ear.check_until(lambda: ear.health.repairs == 1)
        assert ear.health.watched == 1  # the empty mount point: `roots` says what to think of it
        ear.hear("", "rescan")
        ear.forget()
        mount(root)
        (root / "album").mkdir()
        ear.check_until(lambda: ear.health.repairs == 2)
        ear.hear("", "rescan")
        (root / "album/a.jpg").write_bytes(b"x")
        ear.hear("album/a.jpg", "closed")


def test_a_volume_mounted_below_asks_for_a_rescan_and_is_not_entered(ear: Ear, mount: Callable[[Path], None]) -> None:
    mount(ear.root / "old")
    (ear.root / "old/inner").mkdir()
    ear.check_until(lambda: ear.health.repairs == 1)
    ear.hear("", "rescan")
    assert ear.health.watched == 1
    assert ear.health.state == "watching"
    subprocess.run(["umount", ear.root / "old"], check=True)
    ear.check_until(lambda: ear.health.repairs == 2)
    assert ear.health.watched == 3
    (ear.root / "old/deep/a.jpg").write_bytes(b"x")
    ear.hear("old/deep/a.jpg", "closed")


# --- life cycle ---------------------------------------------------------------------------------------------------


def test_two_roots_one_inside_the_other(root: Path) -> None:
    (root / "inner").mkdir()
    with Watcher(lambda: None) as watcher:
        watcher.add(root, "inotify")
        watcher.add(root / "inner", "inotify")
        with pytest.raises(ValueError, match="already"):
            watcher.add(f"{root}/", "inotify")
        (root / "inner/a.jpg").write_bytes(b"x")
        heard: set[tuple[bytes, bytes]] = set()

        def both() -> bool:
            heard.update((hint.root, hint.path) for hint in watcher.take() if hint.kind == "closed")
            return len(heard) == 2

        until(both)
        watcher.remove(root / "inner")
        watcher.take()
        (root / "inner/b.jpg").write_bytes(b"x")
        until(lambda: any(hint.path == b"inner/b.jpg" for hint in watcher.take()))
        assert set(watcher.health()) == {os.fsencode(root)}


def test_a_polling_root_makes_no_hints(root: Path) -> None:
    with Watcher(lambda: None) as watcher:
        watcher.add(root, "polling")
        (root / "a.jpg").write_bytes(b"x")
        watcher.check()
        assert watcher.take() == []
        assert watcher.health()[os.fsencode(root)] == RootHealth("polling", "polling")
        assert not any(thread.name == "watcher-inotify" for thread in threading.enumerate())


def test_nothing_is_left_behind(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        watcher = Watcher(lambda: None)
        watcher.add(root, "inotify")
        assert len(os.listdir("/proc/self/fd")) > before
        watcher.close()
        watcher.close()
        assert len(os.listdir("/proc/self/fd")) == before
    assert not any(thread.name == "watcher-inotify" for thread in threading.enumerate())


def test_repairing_makes_no_warning_and_loses_no_watch(ear: Ear) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for watched in ear.watcher._roots.values():
            assert watched is not None
            for _ in range(3):
                watched.tree.stale = "a test says so"
                watched.repair_at = 0
                ear.watcher.check()
    assert (ear.health.state, ear.health.watched, ear.health.repairs) == ("watching", 3, 3)
    (ear.root / "old/deep/a.jpg").write_bytes(b"x")
    ear.hear("old/deep/a.jpg", "closed")


# --- what we rely on in watchdog beyond its documented classes ----------------------------------------------------


def test_watchdog_is_as_we_know_it(root: Path) -> None:
    """A new watchdog that changes one of these must not be taken unseen; the tests above say what then breaks."""
    major, minor = (int(part) for part in version("watchdog").split(".")[:2])
    assert (7, 1) <= (major, minor) < (8, 0)
    reader = InotifyFD()
    try:
        for name in ("stop", "join", "is_alive", "_lock", "_is_reading", "_inotify_fd"):
            assert hasattr(reader, name), name
        first, second = Silent(), Silent()
        wd = reader.add_callback(os.fsencode(root), MASK, first, CallbackId(1))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert reader.add_callback(os.fsencode(root), MASK, second, CallbackId(2)) == wd  # one folder, one watch
            reader.remove_callbacks([(wd, CallbackId(1))])
            assert reader._watch_for_wd[wd].callbacks == {CallbackId(2): second}
            reader.remove_callbacks([(wd, CallbackId(2))])
            reader.remove_callbacks([(wd, CallbackId(2))])  # a watch that is gone is no error
            assert reader._watch_for_wd == {}
    finally:
        reader._is_reading = False  # its thread was never started
        reader.close()


class Silent:
    """A `WatchCallback` that does nothing."""

    def on_event(self, event: InotifyEvent) -> None: ...

    def on_watch_deleted(self, wd: WatchDescriptor) -> None: ...

    def on_queue_overflow(self) -> None: ...
