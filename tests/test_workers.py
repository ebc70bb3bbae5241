"""The pool of workers: order, renewal, clocks, deaths and lies of children, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile_jobs import BEGUN, SLOW
from tests.mounting import as_root, tmpfs
from tests.nas import state
from tests.stalling import stalled
from twinwatch.errors import WorkerError
from twinwatch.photo import Reading, Trouble, Verdict
from twinwatch.workers import WorkerLimits, Workers

SOON = 60.0  # seconds; a deadline for what takes milliseconds on a machine that is not busy


@pytest.fixture
def photo(tmp_path: Path) -> Callable[[str], int]:
    """Return a function that gives an open descriptor of a "photo" with this text; the test closes none of them."""
    return lambda text: open_photo(tmp_path, text)


def open_photo(folder: Path, text: str) -> int:
    path = folder / hashlib.sha256(text.encode()).hexdigest()
    path.write_text(text)
    return os.open(path, os.O_RDONLY)


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1, WorkerLimits(memory_bytes=1 << 29), jobs_module="tests.hostile_jobs") as pool:
        yield pool


def ask(workers: Workers, folder: Path, text: str) -> Reading:
    fd = open_photo(folder, text)
    try:
        return workers.read(fd).result(SOON)
    finally:
        os.close(fd)


def answers(workers: Workers, folder: Path) -> bool:
    with contextlib.suppress(WorkerError):
        return ask(workers, folder, "nothing").detail == "nothing"
    return False


@contextlib.contextmanager
def held_up(workers: Workers, folder: Path) -> Iterator[None]:
    """Let the only child stand still, so that it ends no job, after the lane has taken one."""
    pid = int(ask(workers, folder, "pid").detail)
    os.kill(pid, signal.SIGSTOP)
    fd = open_photo(folder, "nothing")
    try:
        until(workers.read(fd).running)
        yield
    finally:
        os.close(fd)
        os.kill(pid, signal.SIGCONT)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def own_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def own_children() -> set[str]:
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found.update((task / "children").read_text().split())
    return found


def test_reads_and_proves(workers: Workers, photo: Callable[[str], int]) -> None:
    fd_a, fd_b = photo("digest"), photo("other")
    read, proof = workers.read(fd_a), workers.prove(fd_a, fd_b)
    os.close(fd_a)  # at once: the pool has its own
    os.close(fd_b)
    assert read.result(SOON).digest == hashlib.sha256(b"digest").digest()
    evidence = proof.result(SOON)
    assert (evidence.verdict, evidence.words) == (Verdict.DISTINCT, "digest / other")


def test_says_what_it_can(workers: Workers) -> None:
    abilities = workers.describe().result(SOON)
    assert abilities.algorithm == "test-1"
    assert abilities.formats == {"JPEG": True, "JXL": False}
    assert set(abilities.sandbox) == {"limits", "capabilities", "no-new-privileges", "landlock", "seccomp"}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("exit", "status 3"),
        ("raise", "ZeroDivisionError"),
        ("refused", "PermissionError"),
        ("last words", "a decoder's last words"),
        ("flood stderr", "flooded"),
        ("garbage", "nonsense"),
        ("empty object", "another question"),
        ("wrong id", "another question"),
        ("not an object", "nonsense"),
        ("deep", "nonsense"),
        ("long", "nonsense"),
        ("surrogate", "nonsense"),
        ("infinite", "nonsense"),
        ("huge number", "nonsense"),
        ("two answers", "nonsense"),
        ("descriptors for the daemon", "another question"),
        ("wrong shape", "nonsense"),
        ("list for an answer", "nonsense"),
        ("short digest", "nonsense"),
        ("close and stay", "closed its line"),
    ],
)
def test_a_child_that_dies_or_lies_is_replaced(workers: Workers, tmp_path: Path, what: str, words: str) -> None:
    with pytest.raises(WorkerError, match=words) as caught:
        ask(workers, tmp_path, what)
    assert caught.value.trouble == Trouble.CRASHED
    assert ask(workers, tmp_path, "nothing").detail == "nothing"


def test_a_child_that_is_killed_from_outside_is_no_crash(workers: Workers, tmp_path: Path) -> None:
    pid = int(ask(workers, tmp_path, "pid").detail)
    fd = open_photo(tmp_path, SLOW.decode())
    future = workers.read(fd)
    until(lambda: os.lseek(fd, 0, os.SEEK_CUR) == BEGUN)
    os.close(fd)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="SIGKILL") as caught:
        future.result(SOON)
    assert caught.value.trouble == Trouble.KILLED
    assert ask(workers, tmp_path, "nothing").detail == "nothing"


def test_too_much_memory_is_told_as_such(workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        ask(workers, tmp_path, "memory")
    assert caught.value.trouble == Trouble.NO_MEMORY
    assert ask(workers, tmp_path, "nothing").detail == "nothing"


def test_a_bad_disk_is_no_fault_of_the_photo(workers: Workers, tmp_path: Path) -> None:
    pid = ask(workers, tmp_path, "pid").detail
    with pytest.raises(WorkerError, match="Input/output error") as caught:
        ask(workers, tmp_path, "bad disk")
    assert caught.value.trouble is None
    assert ask(workers, tmp_path, "pid").detail == pid


@pytest.mark.parametrize("what", ["sleep", "loop"])
def test_the_clock_ends_a_job(tmp_path: Path, what: str) -> None:
    with Workers(1, WorkerLimits(seconds=0.5), jobs_module="tests.hostile_jobs") as workers:
        with pytest.raises(WorkerError, match="did not answer") as caught:
            ask(workers, tmp_path, what)
        assert caught.value.trouble == Trouble.TIMED_OUT
        until(lambda: answers(workers, tmp_path))  # on a busy machine half a second may be too short for it, too


@as_root
def test_a_disk_that_hangs_is_no_fault_of_the_photo(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with tmpfs(disk), Workers(1, WorkerLimits(seconds=2), jobs_module="tests.hostile_jobs") as workers:
        ask(workers, tmp_path, "nothing")
        (disk / "photo").write_bytes(b"nothing")
        with stalled(disk, reads=True):
            fd = os.open(disk / "photo", os.O_RDONLY)  # now: a kernel may leave out what was opened before
            with pytest.raises(WorkerError, match="the disk did not give") as caught:
                workers.read(fd).result(SOON)
        assert caught.value.trouble is None
        assert workers.read(fd).result(SOON).detail == "nothing"
        os.close(fd)


def test_a_child_killed_while_idle_costs_no_photo(workers: Workers, tmp_path: Path) -> None:
    first = ask(workers, tmp_path, "pid").detail
    os.kill(int(first), signal.SIGKILL)
    until(lambda: state(int(first)) == "Z")
    second = ask(workers, tmp_path, "pid").detail
    assert second != first


def test_stray_answers_are_never_taken_for_the_next_photo(workers: Workers, tmp_path: Path) -> None:
    first = ask(workers, tmp_path, "pid").detail
    with pytest.raises(WorkerError):
        ask(workers, tmp_path, "two answers")
    assert ask(workers, tmp_path, "pid").detail != first


def test_children_are_renewed_after_their_share(tmp_path: Path) -> None:
    with Workers(1, WorkerLimits(jobs_per_child=2), jobs_module="tests.hostile_jobs") as workers:
        pids = [ask(workers, tmp_path, "pid").detail for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_arrivals_go_before_bulk(tmp_path: Path) -> None:
    order: list[str] = []
    with Workers(1, WorkerLimits(), jobs_module="tests.hostile_jobs") as workers, contextlib.ExitStack() as files:
        fd = open_photo(tmp_path, "nothing")
        files.callback(os.close, fd)
        with held_up(workers, tmp_path):
            futures = [workers.read(fd, "bulk") for _ in range(2)] + [workers.read(fd, "arrival") for _ in range(2)]
            for name, future in zip(["bulk-1", "bulk-2", "arrival-1", "arrival-2"], futures, strict=True):
                future.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
        for future in futures:
            future.result(SOON)
    assert order == ["arrival-1", "arrival-2", "bulk-1", "bulk-2"]


def test_an_idle_pool_has_no_process_and_no_thread(tmp_path: Path) -> None:
    with Workers(2, WorkerLimits(idle_seconds=0.05), jobs_module="tests.hostile_jobs") as workers:
        assert workers.running == 0
        pid = ask(workers, tmp_path, "pid").detail
        until(lambda: workers.running == 0)
        assert pid not in own_children()
        until(lambda: not any(thread.name.startswith("worker-lane") for thread in threading.enumerate()))
        assert ask(workers, tmp_path, "nothing").detail == "nothing"


def test_garbage_is_collected_but_not_looked_for_in_what_was_imported(workers: Workers, tmp_path: Path) -> None:
    assert ask(workers, tmp_path, "collector").detail == "True, True"


def test_refuses_what_a_child_must_not_be_handed(workers: Workers, tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as writable, pytest.raises(ValueError, match="read-only"):
        workers.read(writable.fileno())
    read_end, write_end = os.pipe()
    with pytest.raises(ValueError, match="regular"):
        workers.read(read_end)
    os.close(read_end)
    os.close(write_end)


def test_a_full_queue_refuses_and_says_so(tmp_path: Path) -> None:
    with Workers(1, WorkerLimits(queued=2), jobs_module="tests.hostile_jobs") as workers:
        fd = open_photo(tmp_path, "sleep")
        running = workers.read(fd)
        until(running.running)
        before = own_descriptors()
        assert workers.free == 2
        waiting = [workers.read(fd), workers.read(fd)]
        assert workers.free == 0
        with pytest.raises(RuntimeError, match="full"):
            workers.read(fd)
        assert own_descriptors() == before + 2
        os.close(fd)
    assert all(future.cancelled() for future in waiting)


def test_without_a_descriptor_to_be_had_a_job_is_refused_and_blames_no_photo(tmp_path: Path) -> None:
    with Workers(1, jobs_module="tests.hostile_jobs") as workers:
        fd = open_photo(tmp_path, "nothing")
        free = os.dup(fd)
        os.close(free)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            with pytest.raises(WorkerError, match="Too many open files") as caught:
                workers.read(fd)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert caught.value.trouble is None
        assert workers.read(fd).result(SOON).detail == "nothing"
        os.close(fd)


def test_closing_ends_what_runs_and_blames_no_photo(tmp_path: Path) -> None:
    workers = Workers(1, jobs_module="tests.hostile_jobs")
    fd = open_photo(tmp_path, "sleep")
    future = workers.read(fd)
    os.close(fd)
    until(lambda: workers.running == 1)
    workers.close()
    workers.close()
    with pytest.raises(WorkerError, match="closed") as caught:
        future.result(SOON)
    assert caught.value.trouble is None
    with pytest.raises(RuntimeError, match="closed"):
        workers.describe()


def test_a_cancelled_job_is_not_done(tmp_path: Path) -> None:
    with Workers(1, jobs_module="tests.hostile_jobs") as workers:
        fd = open_photo(tmp_path, "nothing")
        with held_up(workers, tmp_path):
            unwanted, wanted = workers.read(fd), workers.read(fd)
            os.close(fd)
            assert unwanted.cancel()
        assert wanted.result(SOON).detail == "nothing"


def test_a_worker_that_cannot_start_blames_no_photo(tmp_path: Path) -> None:
    with Workers(1, jobs_module="no_such_module") as workers:
        with pytest.raises(WorkerError, match="no_such_module") as caught:
            ask(workers, tmp_path, "nothing")
        assert caught.value.trouble is None


def test_every_job_has_an_outcome_while_children_are_killed_at_random(tmp_path: Path) -> None:
    dice = random.Random(7)
    before, children = own_descriptors(), own_children()
    fd = open_photo(tmp_path, "nothing")
    outcomes = {"done": 0, "crashed": 0}
    with Workers(2, WorkerLimits(), jobs_module="tests.hostile_jobs") as workers:
        for _ in range(40):
            futures = [workers.read(fd, dice.choice(("arrival", "bulk"))) for _ in range(5)]
            victims = sorted(own_children() - children)
            if victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(dice.choice(victims)), signal.SIGKILL)
            for future in futures:
                error = future.exception(SOON)
                assert error is None or isinstance(error, WorkerError), error
                outcomes["done" if error is None else "crashed"] += 1
    os.close(fd)
    assert outcomes["done"] >= 100, outcomes  # a kill costs at most the one job that its child had
    assert own_descriptors() == before
    assert own_children() == children


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before, children = own_descriptors(), own_children()
    with Workers(2, WorkerLimits(seconds=20), jobs_module="tests.hostile_jobs") as workers:
        for what in ("nothing", "segfault", "garbage", "descriptors for the daemon", "short digest", "nothing"):
            with contextlib.suppress(WorkerError):
                ask(workers, tmp_path, what)
    assert own_descriptors() == before
    assert own_children() == children


def test_children_die_with_the_daemon(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from twinwatch.workers import Workers\n"
        "workers = Workers(1, jobs_module='tests.hostile_jobs')\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
        "print(workers.read(fd).result(60).detail, flush=True)\n"
        "workers.read(os.open(sys.argv[2], os.O_RDONLY))\n"
        "time.sleep(3600)\n"
    )
    for text in ("pid", "loop"):
        (tmp_path / text).write_text(text)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", script, str(tmp_path / "pid"), str(tmp_path / "loop")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as daemon:
        assert daemon.stdout is not None
        pid = int(daemon.stdout.readline())
        until(lambda: state(pid) == "R")
        daemon.kill()
    until(lambda: state(pid) in ("", "Z"))  # a zombie where no init reaps the orphans


def test_the_daemon_imports_no_decoder() -> None:
    script = (
        "import sys, twinwatch.workers\n"
        "found = {'PIL', 'numpy', 'scipy', 'imagehash', 'pillow_heif'} & {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(str(found) if found else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
