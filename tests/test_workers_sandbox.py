"""What an enclosed child can do: compute and answer, nothing else. Each escape is really tried, in a real child."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import hostile_jobs
from twinwatch.errors import WorkerError
from twinwatch.photo import Trouble
from twinwatch.workers import WorkerLimits, Workers, filters

SOON = 60.0


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1, WorkerLimits(memory_bytes=1 << 29), jobs_module="tests.hostile_jobs") as pool:
        yield pool


@pytest.fixture(autouse=True)
def _needs_seccomp(workers: Workers) -> None:
    state = workers.describe().result(SOON).sandbox["seccomp"]
    if state != "on":
        pytest.skip(f"seccomp {state}")


def tried(workers: Workers, folder: Path, what: str) -> str:
    (folder / "photo").write_text(what)
    with (folder / "photo").open("rb") as photo:
        return workers.read(photo.fileno()).result(SOON).detail


def test_all_layers_are_on_where_the_kernel_has_them(workers: Workers) -> None:
    abilities = workers.describe().result(SOON)
    assert abilities.layers_missing in ([], ["landlock"])


def test_a_thread_that_escaped_two_layers_is_told(workers: Workers) -> None:
    with Workers(1, jobs_module="tests.threaded_jobs") as careless:
        abilities = careless.describe().result(SOON)
    assert abilities.layers_missing == ["capabilities", "landlock"]
    assert "1 threads" in abilities.sandbox["landlock"]


POORER = """
import ctypes, errno, os, struct, sys
from twinwatch.workers import Workers
from twinwatch.workers.sandbox import _Program
libc = ctypes.CDLL(None, use_errno=True)
refused = dict(landlock_create_ruleset=444, seccomp=SECCOMP)
steps = [(0x20, 0, 0, 0)]  # load the number of the call
for number in refused.values():
    steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | errno.ENOSYS)]
steps.append((0x06, 0, 0, 0x7FFF0000))
program = _Program(len(steps), b"".join(struct.pack("=HBBI", *step) for step in steps))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
with Workers(1, jobs_module="tests.hostile_jobs") as workers:
    abilities = workers.describe().result(60)
    fd = os.open(sys.argv[1], os.O_RDONLY)
    print(workers.read(fd).result(60).detail, *abilities.layers_missing)
    print(abilities.sandbox["landlock"])
"""


def test_a_kernel_without_a_layer_is_told_and_still_works(tmp_path: Path) -> None:
    """A filter makes this kernel look older, as some containers and NAS kernels are."""
    (tmp_path / "photo").write_text("nothing")
    script = POORER.replace("SECCOMP", str(filters.SYSCALLS[platform.machine()]["seccomp"]))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-c", script, str(tmp_path / "photo")]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "nothing landlock seccomp",
        "off: landlock: Function not implemented",
    ], done.stderr


@pytest.mark.parametrize("what", sorted(hostile_jobs.ATTEMPTS))
def test_is_refused(workers: Workers, tmp_path: Path, what: str) -> None:
    assert tried(workers, tmp_path, what) in ("EPERM", "EACCES", "not allowed to raise maximum limit")


@pytest.mark.parametrize("what", sorted(hostile_jobs.CALLS))
def test_call_is_refused(workers: Workers, tmp_path: Path, what: str) -> None:
    if hostile_jobs.CALLS[what][0] == "syscall" and platform.machine() != "x86_64":
        pytest.skip("numbers are of x86_64")
    assert tried(workers, tmp_path, what) == "EPERM"


def test_cannot_write_to_the_photo(workers: Workers, tmp_path: Path) -> None:
    outcomes = tried(workers, tmp_path, "write to the photo").split(",")
    assert len(outcomes) == 6
    assert set(outcomes) <= {"EPERM", "EBADF"}
    assert (tmp_path / "photo").read_text() == "write to the photo"


def test_may_start_threads(workers: Workers, tmp_path: Path) -> None:
    assert tried(workers, tmp_path, "thread") == "done"  # decoders of AVIF and HEIC do


def test_may_use_codecs_that_were_not_used_before(workers: Workers, tmp_path: Path) -> None:
    assert tried(workers, tmp_path, "codecs") == "aéa"


def test_has_only_its_own_descriptors(workers: Workers, tmp_path: Path) -> None:
    numbers = [int(number) for number in tried(workers, tmp_path, "descriptors").split(",")]
    assert numbers[:3] == [0, 1, 2]
    assert len(numbers) == 5  # and the line to the daemon, and the photo


def test_has_a_clean_environment(workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINWATCH_SECRET", "x")
    with Workers(1, jobs_module="tests.hostile_jobs") as fresh:
        names = set(tried(fresh, tmp_path, "environment").split(","))
    assert "OPENBLAS_NUM_THREADS" in names
    assert not names & {"TWINWATCH_SECRET", "HOME", "PATH", "PYTHONPATH"}


def test_goes_first_when_memory_runs_out(workers: Workers, tmp_path: Path) -> None:
    assert tried(workers, tmp_path, "oom score") == "1000"


def test_is_nice(workers: Workers, tmp_path: Path) -> None:
    assert int(tried(workers, tmp_path, "niceness")) == min(19, os.nice(0) + 10)


def test_cpu_time_ends_a_job_that_the_clock_misses() -> None:
    """The daemon's clock is what ends a job; should the daemon be stopped, the kernel ends it by its CPU time."""
    script = "from twinwatch.workers import sandbox\nsandbox.allow_cpu(0)\nwhile True:\n    pass\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, timeout=SOON)
    assert done.returncode == -signal.SIGXCPU


def test_a_worker_that_used_up_its_memory_is_not_trusted_again(workers: Workers, tmp_path: Path) -> None:
    before = tried(workers, tmp_path, "pid")
    with pytest.raises(WorkerError) as caught:
        tried(workers, tmp_path, "memory")
    assert caught.value.trouble == Trouble.NO_MEMORY
    assert tried(workers, tmp_path, "pid") != before


@pytest.mark.parametrize("machine", sorted(filters.SYSCALLS))
def test_the_filter_is_a_program_that_the_kernel_takes(machine: str) -> None:
    program = filters.build(machine, 4711)
    steps = len(program) // 8
    assert len(program) % 8 == 0
    assert steps < 4096  # BPF_MAXINSNS
    for position in range(steps):  # every jump lands inside
        code, true, false, _ = struct.unpack_from("=HBBI", program, position * 8)
        if code & 0x07 == 0x05:
            assert position + 1 + max(true, false) < steps


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to ask for the kernel's numbers")
def test_numbers_are_those_of_the_kernel_headers() -> None:
    machine = platform.machine()
    if machine not in filters.SYSCALLS:
        pytest.skip("no filter for this machine")
    names = sorted(filters.SYSCALLS[machine])
    source = "#include <sys/syscall.h>\n" + "\n".join(f"@{name} __NR_{name}" for name in names)
    asked = subprocess.run(["cc", "-E", "-P", "-"], input=source, capture_output=True, text=True, check=True)
    answers = dict(line[1:].split() for line in asked.stdout.splitlines() if line.startswith("@"))
    known = {name: int(number) for name, number in answers.items() if number.isdigit()}
    assert len(known) > len(names) // 2
    assert known == {name: filters.SYSCALLS[machine][name] for name in known}
