"""The whole job on the real process and real inotify: copies go, look-alikes stay, whatever happens to the daemon."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from demo.scenes import as_photo, copies, look_alikes, scene

from tests.e2e.running import Daemon, twinwatch, until

MIRROR, COPIED, ALIKE = 200, 40, 40


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """Two hundred drawn photos, each another scene."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(_photo, range(MIRROR), chunksize=10))


def _photo(number: int) -> bytes:
    return as_photo(scene(number, 480, 360), number)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    root, state = tmp_path / "mirror", tmp_path / "state"
    root.mkdir()
    running = Daemon(root, state)
    yield running
    running.end()


def _arrive(path: Path, content: bytes, how: int) -> None:
    """Let a file come as sync clients bring it: written in place, under a temporary name, or moved in from outside."""
    path.parent.mkdir(exist_ok=True)
    if how == 0:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            file.write(content[len(content) // 2 :])
    else:
        folder = path.parent if how == 1 else path.parent.parent.parent
        temporary = folder / f".syncthing.{path.name}.tmp"
        temporary.write_bytes(content)
        os.rename(temporary, path)


def _arrivals(photos: list[bytes]) -> list[tuple[str, bytes, bool]]:
    """Return forty copies of eight kinds and forty look-alikes of eight kinds, shuffled: name, content, is a copy."""
    arrivals: list[tuple[str, bytes, bool]] = []
    for number in range(COPIED + ALIKE):
        made = (copies if number < COPIED else look_alikes)(photos[number])
        ending, content = list(made.values())[number % len(made)]
        arrivals.append((f"Camera Uploads/IMG_{number:04d}{ending}", content, number < COPIED))
    random.Random(7).shuffle(arrivals)
    return arrivals


def _disturb(daemon: Daemon, number: int, copied: int) -> None:
    """Kill the daemon while it moves, kill it while it reads, stop it and let files come meanwhile.

    `copied` is how many copies have arrived: half of them held means that it is in the midst of it, or done already.
    """
    if number in (20, 45):
        until(lambda: len(daemon.held()) >= max(1, copied // 2), daemon.tail)
    if number in (20, 45, 60):
        daemon.kill()
        daemon.start()
    if number in (30, 55):
        daemon.stop()
    if number in (35, 58):
        daemon.start()


@pytest.mark.timeout(900)
def test_every_copy_is_held_and_no_look_alike_moves_through_stops_and_kills(
    daemon: Daemon, photos: list[bytes]
) -> None:
    mirror = {f"2024/IMG_{n:04d}.jpg": content for n, content in enumerate(photos)}
    (daemon.root / "2024").mkdir()
    for name, content in mirror.items():
        (daemon.root / name).write_bytes(content)
    daemon.start().wait_for("level")

    arrivals = _arrivals(photos)
    for number, (name, content, _) in enumerate(arrivals):
        _arrive(daemon.root / name, content, number % 3)
        _disturb(daemon, number, sum(is_copy for _, _, is_copy in arrivals[: number + 1]))
    daemon.wait_settled()

    held = {row["path"]: row for row in daemon.held()}
    copied = {str(daemon.root / name): content for name, content, is_copy in arrivals if is_copy}
    assert copied.keys() - held.keys() == set(), "copies that were not found"
    assert held.keys() - copied.keys() == set(), "moved without being a copy"
    for name, content in mirror.items():
        assert (daemon.root / name).read_bytes() == content
    for name, content, is_copy in arrivals:
        assert (daemon.root / name).exists() != is_copy
        assert is_copy or (daemon.root / name).read_bytes() == content
    for path, row in held.items():
        manifest = json.loads((Path(row["held_as"]).parent / "manifest.json").read_text())
        assert manifest["verdict"] in ("identical", "same-pixels", "re-encoded")
        assert manifest["why"]
        assert Path(row["keeper"]).read_bytes() == mirror[f"2024/{Path(path).name[:8]}.jpg"]
        assert Path(row["held_as"]).read_bytes() == copied[path]

    stats = {path: os.stat(row["held_as"]) for path, row in held.items()}
    twinwatch("quarantine", "restore", "--all", "--state", daemon.state)
    for path, content in copied.items():
        assert Path(path).read_bytes() == content
        now, before = os.stat(path), stats[path]
        assert (now.st_ino, now.st_mtime_ns, now.st_mode, now.st_uid) == (
            before.st_ino,
            before.st_mtime_ns,
            before.st_mode,
            before.st_uid,
        )
    daemon.wait_settled()
    assert daemon.held() == [], "what a person put back stays"
    daemon.stop()


def test_a_photo_whose_worker_was_paused_for_too_long_is_read_again(daemon: Daemon, photos: list[bytes]) -> None:
    """As a container or a whole machine may be."""
    (daemon.root / "a.jpg").write_bytes(photos[0])
    with daemon.config.open("a") as config:
        config.write("workers: {job_seconds: 3, idle_seconds: 600, count: 1}\n")
    daemon.start().wait_for("level")
    (worker,) = _children(daemon.pid)
    os.kill(worker, signal.SIGSTOP)
    (daemon.root / "a (1).jpg").write_bytes(photos[0] + b"more: the same bytes need no decoding")
    until(lambda: "did not answer" in daemon.tail(), daemon.tail)
    until(lambda: "a (1).jpg" in daemon.tail().rpartition("same-pixels")[2], daemon.tail)
    daemon.stop()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_unfinished_and_strange_files_are_left_alone_with_a_clear_line(daemon: Daemon, photos: list[bytes]) -> None:
    root = daemon.root
    daemon.start().wait_for("level")
    (root / "empty.jpg").write_bytes(b"")
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(5000))
    (root / "cut.jpg").write_bytes(photos[0][: len(photos[0]) // 2])
    odd = os.fsencode(root) + b"/new\nline \xff.jpg"
    with open(odd, "wb") as file:
        file.write(photos[1])
    os.mkfifo(root / "pipe.jpg")
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "linked.jpg").symlink_to(root / "broken.jpg")
    os.link(odd, root / "hard.jpg")
    daemon.wait_settled()
    unreadable = {str(root / name) for name in ("empty.jpg", "broken.jpg", "cut.jpg")}  # tried again, each at its time
    until(lambda: unreadable <= daemon.logged_paths(), daemon.tail)
    (root / "copy of it.jpg").write_bytes(photos[1])
    daemon.wait_settled()

    lines = [json.loads(line) for line in twinwatch("log", "--state", daemon.state, "--json").stdout.splitlines()]
    verdicts = {line["path"]: line["verdict"] for line in lines}
    assert {verdicts[path] for path in unreadable} == {"undecodable"}
    assert not any("pipe" in path or "linked" in path or "loop" in path for path in verdicts)
    assert [row["verdict"] for row in daemon.held()] == ["identical"]
    assert len({os.stat(path).st_ino for path in (odd, root / "hard.jpg")}) == 1
    daemon.stop()


def test_residents_are_reported_and_moved_only_by_scan(daemon: Daemon, photos: list[bytes]) -> None:
    root = daemon.root
    (root / "a.jpg").write_bytes(photos[0])
    (root / "a (1).jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    assert daemon.held() == []
    actions = twinwatch("log", "--state", daemon.state, "--action", "review", "--json").stdout.splitlines()
    assert [json.loads(line)["path"] for line in actions] == [str(root / "a (1).jpg")]
    busy = twinwatch("scan", root, "--state", daemon.state, check=False)
    assert (busy.returncode, "another twinwatch works with" in busy.stderr) == (1, True)
    daemon.stop()

    dry = [json.loads(line) for line in twinwatch("scan", root, "--state", daemon.state, "--json").stdout.splitlines()]
    assert [(line["path"], line["action"]) for line in dry] == [(str(root / "a (1).jpg"), "would-hold")]
    twinwatch("scan", root, "--state", daemon.state, "--quarantine")
    assert [row["path"] for row in daemon.held()] == [str(root / "a (1).jpg")]


def test_a_root_that_goes_away_and_comes_back_loses_nothing(daemon: Daemon, photos: list[bytes]) -> None:
    root = daemon.root
    for number in range(30):
        (root / f"{number}.jpg").write_bytes(photos[number])
    daemon.start().wait_for("level")
    away = root.with_name("away")
    root.rename(away)
    assert daemon.wait_for("degraded")["roots"][0]["state"] == "missing"
    root.mkdir()
    until(lambda: daemon.status()["roots"][0]["state"] == "unmarked", daemon.tail)
    (problem,) = daemon.status()["roots"][0]["problems"]
    assert f"resume --root {root} --state {daemon.state}" in problem
    root.rmdir()
    shutil.copy2(away / "3.jpg", away / "3 (1).jpg")
    away.rename(root)
    assert daemon.wait_for("level")["photos"] >= 30
    until(lambda: [row["path"] for row in daemon.held()] == [str(root / "3 (1).jpg")], daemon.tail)
    daemon.stop()
