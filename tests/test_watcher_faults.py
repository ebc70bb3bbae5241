"""The watcher on the real kernel when things go wrong: whatever is missed is said, and repaired."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import CallbackId, InotifyEvent, InotifyFD, WatchDescriptor

from tests.ear import SOON, Ear, until
from twinwatch.watcher import Kind, Watcher
from twinwatch.watcher.hints import DirtySet
from twinwatch.watcher.tree import MASK
from twinwatch.watcher.watch import RootHealth


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
        "from tests import test_watcher_faults\n"
        "assert ctypes.CDLL(None).capset(struct.pack('=Ii', 0x20080522, 0), bytes(24)) == 0\n"
        "test_watcher_faults.check_unreadable(pathlib.Path(sys.argv[1]))\n"
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
