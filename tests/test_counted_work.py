"""What work costs, counted instead of timed: system calls of the real command, statements of the real database.

A count that grows here is a cost that grows everywhere; a count of syncs that shrinks is a journal that is weaker.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.drawing import scene, shifted, stored
from tests.nas import NOW, Nas
from twinwatch.brake import Limits
from twinwatch.ingest import Belt, Found, Line
from twinwatch.photo import ContentDigest, Fingerprint, Header, PerceptualHash, Reading, RootId, Verdict
from twinwatch.verdict import Policy
from twinwatch.workers import WorkerLimits, Workers

STRACE = shutil.which("strace")
FEW, MANY = 5, 25
COUNTED = (
    *("openat", "openat2", "newfstatat", "statx", "pread64", "pwrite64", "sendmsg", "fadvise64", "fsync", "fdatasync"),
    *("rename", "renameat", "renameat2"),
)

needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def calls_of(state: Path, root: Path, *options: str) -> Counter[str]:
    """Run `twinwatch scan` and return its system calls, with those of all its children."""
    assert STRACE is not None
    told = state.parent / "calls"
    scan = [sys.executable, "-m", "twinwatch", "scan", "--state", str(state), *options, str(root)]
    # By a filter of its own only the calls that are counted stop the process.
    trace = [STRACE, "-f", "-qq", "--seccomp-bpf", "-e", f"trace={','.join(COUNTED)}", "-c", "-o", str(told)]
    done = subprocess.run([*trace, *scan], capture_output=True, text=True, check=False, timeout=100)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("this machine does not let strace look")
    assert done.returncode == 0, done.stderr
    calls: Counter[str] = Counter()
    for line in told.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
            calls[fields[-1]] += int(fields[3])
    return calls


def house(folder: Path, count: int, *, twins: bool = False) -> tuple[Path, Path]:
    """Make a root with so many files, and a state folder, in a folder of their own."""
    root, state = folder / f"{count}" / "photos", folder / f"{count}" / "state"
    for made in (root, state):
        made.mkdir(parents=True)
    for number in range(count):
        content = stored(scene(number, (160, 120)))
        (root / f"{number}.jpg").write_bytes(content)
        if twins:
            (root / f"{number} (1).jpg").write_bytes(content)
    return root, state


def each(few: Counter[str], many: Counter[str]) -> Counter[str]:
    """Return how many calls each further file made, rounded; what a process calls at its start cancels out.

    To a few calls: how often a command looks while its workers start is not the same each time.
    """
    files = MANY - FEW
    return Counter({name: (many[name] - few[name] + files // 2) // files for name in many})


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, Path, Counter[str]]]:
    folder = tmp_path_factory.mktemp("counted")
    made = {}
    for count in (FEW, MANY):
        root, state = house(folder, count)
        made[count] = (root, state, calls_of(state, root))
    return made


@needs_strace
def test_a_new_photo_is_opened_and_read_once(scanned: dict[int, tuple[Path, Path, Counter[str]]]) -> None:
    few, many = (scanned[count][2] for count in (FEW, MANY))
    calls = each(few, many)
    assert calls["openat2"] <= 2  # the root's marker, and the photo
    assert calls["openat"] <= 1  # the root
    assert calls["pread64"] <= 2  # the photo at once; now and then a page of the index
    assert calls["newfstatat"] <= 9  # in the listing; root, marker and photo opened, handed over, read, still the same
    syncs = [one["fsync"] + one["fdatasync"] for one in (few, many)]
    assert syncs[1] - syncs[0] < (MANY - FEW) / 2  # readings are committed together, twice a second
    assert calls["sendmsg"] <= 1  # one job for a worker
    assert calls["fadvise64"] <= 1


@needs_strace
def test_an_unchanged_photo_costs_one_call(scanned: dict[int, tuple[Path, Path, Counter[str]]]) -> None:
    few, many = (calls_of(state, root) for root, state, _ in (scanned[FEW], scanned[MANY]))
    calls = each(few, many)
    assert calls["newfstatat"] + calls["statx"] == 1
    looked_at = {name: count for name, count in calls.items() if count and ("open" in name or "sync" in name)}
    assert looked_at == {}
    assert many["pread64"] - few["pread64"] < MANY - FEW  # pages of the index, not photos


NOT_WITHOUT_WORK = (
    *("twinwatch.quarantine", "twinwatch.content", "twinwatch.workers.lane", "twinwatch.workers.process"),
    *("twinwatch.cli.holding", "twinwatch.cli.telling", "twinwatch.config.page", "twinwatch.service.told"),
    *("twinwatch.index.salvage", "concurrent.futures", "logging", "subprocess", "socket", "shutil", "platformdirs"),
)


def test_a_scan_of_nothing_new_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """What it costs to start is as much as looking at ten thousands of files: half of it was for what was not done."""
    root, state = house(tmp_path, FEW)
    started = [sys.executable, "-X", "importtime", "-m", "twinwatch", "scan", "--state", str(state), str(root)]
    imported = []
    for _ in range(2):
        done = subprocess.run(started, capture_output=True, text=True, check=True, timeout=100)
        told = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
        imported.append({line.rpartition("|")[2].strip() for line in told})
    new, known = imported
    assert "twinwatch.workers.process" in new  # or a worker is started from elsewhere by now
    assert {"twinwatch.index", "twinwatch.roots"} <= known
    assert sorted(known.intersection(NOT_WITHOUT_WORK)) == []


@needs_strace
def test_a_folder_of_unchanged_photos_costs_few_calls_beside_theirs(tmp_path: Path) -> None:
    """What is done for each folder is done for each file of a library that has a folder for each day."""
    calls = []
    for folders in (FEW, MANY):
        root, state = tmp_path / f"{folders}" / "photos", tmp_path / f"{folders}" / "state"
        for number in range(folders):
            (root / f"{number}").mkdir(parents=True)
            (root / f"{number}" / "1.jpg").write_bytes(stored(scene(number, (160, 120))))
        state.mkdir()
        calls_of(state, root)
        calls.append(calls_of(state, root))
    one = each(*calls)
    assert one["openat"] + one["openat2"] <= 3  # the root, its marker, the folder
    # The folder in its parent, the photo; root, marker and folder opened, and the folder listed; the index's log.
    assert one["newfstatat"] <= 7


@needs_strace
def test_a_move_is_made_durable_step_by_step(tmp_path: Path) -> None:
    calls = []
    for count in (FEW, MANY):
        root, state = house(tmp_path, count, twins=True)
        calls.append(calls_of(state, root, "--quarantine"))
    one = each(*calls)
    # Fewer would be a weaker journal. Manifest, its folder, both folders of the rename, and the commits around it.
    assert 8 <= one["fsync"] + one["fdatasync"] <= 12
    assert one["renameat2"] + one["renameat"] + one["rename"] <= 3


class Statements(list[str]):
    """Every statement that the database of an index runs."""

    def __init__(self, nas: Nas) -> None:
        nas.index._database._connection.set_trace_callback(self.append)


@pytest.fixture
def nas(tmp_path: Path) -> Iterator[Nas]:
    made = Nas(tmp_path)
    yield made
    made.close()


def fill(nas: Nas, count: int) -> None:
    """Enter photos that are nothing like any other."""
    header = Header("JPEG", 4000, 3000, 1, "RGB", 8, False, 1)
    for number in range(count):
        value = PerceptualHash(int.from_bytes(os.urandom(8), "big"))
        digest = ContentDigest(number.to_bytes(32, "big"))
        reading = Reading(digest, header, Fingerprint((value,) * 8, 50.0, "x"))
        photo = nas.index.photos.record(
            RootId(1), PurePosixPath(f"{number}.jpg"), nas.photo("new.jpg").stat, reading, arrived=False
        )
        nas.index.photos.set_judged(photo.id)
    nas.index.commit()


def test_an_arrival_takes_as_many_statements_in_a_large_index_as_in_a_small_one(nas: Nas) -> None:
    counts = []
    with Workers(1) as workers:
        for known in (10, 1000):
            nas.put("new.jpg", stored(scene(known, (160, 120))))
            fill(nas, known)
            nas.index.set_level(nas.root.id, NOW)
            line = Line(
                nas.index,
                workers,
                nas.holder.hold,
                clock=lambda: NOW,
                report=lambda _: None,
                policy=Policy(),
                limits=Limits(),
            )
            line.roots = {nas.root.id: nas.root}
            belt = Belt(line, 2, failed=lambda _, error: pytest.fail(str(error)))
            statements = Statements(nas)
            belt.add(Found(nas.root.id, PurePosixPath("new.jpg")))
            while belt.step(30):
                pass
            counts.append(len(statements))
            assert not [text for text in statements if "count(*)" in text]
    assert counts[0] == counts[1] <= 20


def test_a_walk_asks_the_index_once_for_each_folder(nas: Nas) -> None:
    for number in range(30):
        nas.put(f"{number % 3}/{number}.jpg", b"%d" % number)
    for number in range(30):
        path = f"{number % 3}/{number}.jpg"
        photo = nas.photo(path)
        known = nas.index.photos.record(nas.root.id, PurePosixPath(path), photo.stat, photo.reading, arrived=False)
        nas.index.photos.set_judged(known.id)
    from twinwatch.ingest import Survey

    survey = Survey(nas.root, nas.index, Limits(), lambda: NOW)
    statements = Statements(nas)
    assert [found for found in survey.files() if isinstance(found, Found)] == []
    assert survey.pictures == 30
    assert len([text for text in statements if "FROM photo" in text and "folder_id" in text]) <= 4 + 1  # folders, top


def test_each_frame_of_a_burst_is_looked_at_once_however_many_workers_there_are(tmp_path: Path) -> None:
    """The file of a frame is decoded anew by a worker that has not seen it: its proofs go to the one that has."""
    frames = []
    for number in range(6):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(stored(shifted(scene(3, (1024, 768), frame=number), number)))
        frames.append(os.open(path, os.O_RDONLY))
    looked_at = 0
    never_idle = WorkerLimits(idle_seconds=3600.0)
    (tmp_path / "other.jpg").write_bytes(stored(scene(4)))
    with (
        Workers(2, never_idle, jobs_module="tests.counting_jobs") as workers,
        (tmp_path / "other.jpg").open("rb") as other,
    ):
        started = []
        while len(workers._lanes) < 2:  # one that is free does the other's job: then no second worker comes
            started.append(workers.read(other.fileno()))
        assert {one.result().trouble for one in started} == {None}
        for later, earlier in itertools.combinations(reversed(range(6)), 2):
            until(lambda: len(workers._asleep) == 2)
            evidence = workers.prove(frames[later], frames[earlier]).result()
            assert evidence.verdict is Verdict.LOOK_ALIKE
            looked_at += int(evidence.measures["looked_at"])
    for frame in frames:
        os.close(frame)
    assert looked_at == len(frames)


def test_a_worker_keeps_the_memory_of_a_picture_for_the_next(tmp_path: Path) -> None:
    """Else the kernel clears all of it once more for each: a page fault is 4 KiB, and here are 48 MB."""
    path = tmp_path / "large.png"
    path.write_bytes(stored(scene(1, (400, 300), grain=0).resize((4000, 3000)), "PNG", compress_level=1))
    with Workers(1) as workers, path.open("rb") as photo:
        faults = [0]
        for _ in range(4):
            assert workers.read(photo.fileno()).result().trouble is None
            (child,) = workers._children
            faults.append(int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[7]))
    assert faults[1] - faults[0] > 10_000
    assert faults[-1] - faults[-2] < 2_000
