"""What a person does to a running daemon: another configuration, a brake that stopped it, several and strange roots."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from demo.scenes import as_photo, copies, scene

from tests.e2e.running import CONFIG, Daemon, twinwatch, until, without_rights_of_root
from twinwatch.service.state import published


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    return [as_photo(scene(number, 320, 240), number) for number in range(6)]


def _configure(daemon: Daemon, extra: str) -> None:
    daemon.config.write_text(CONFIG.format(root=json.dumps(str(daemon.root))) + extra)


def _reload(daemon: Daemon, text: str) -> None:
    before = daemon.log.read_text().count("configuration: ")
    daemon.config.write_text(text)
    daemon.hup()
    until(lambda: daemon.log.read_text().count("configuration: ") > before, daemon.tail)


def test_a_bad_reload_keeps_the_old_configuration_and_a_good_one_takes_effect(
    daemon: Daemon, photos: list[bytes]
) -> None:
    (daemon.root / "a.jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    daemon.config.write_text("roots: [{path: /nowhere, refrence: true}]\nsettle: 5\n")
    daemon.hup()
    until(lambda: "the old one stays in force" in daemon.tail(), daemon.tail)
    assert daemon.tail().count(f"{daemon.config}:") >= 2, "every problem with its line"
    (daemon.root / "a (1).jpg").write_bytes(photos[0])
    daemon.wait_settled()
    assert [Path(row["path"]).name for row in daemon.held()] == ["a (1).jpg"]

    _configure(daemon, "observe: true\n")
    daemon.hup()
    until(lambda: "observe" in daemon.tail().split("stays in force")[-1], daemon.tail)
    (daemon.root / "a (2).jpg").write_bytes(photos[0])
    daemon.wait_settled()
    assert len(daemon.held()) == 1
    lines = twinwatch("log", "--action", "would-hold", "--state", daemon.state, "--json").stdout.splitlines()
    assert [Path(json.loads(line)["path"]).name for line in lines] == ["a (2).jpg"]
    daemon.stop()


def test_what_a_reload_changes_is_in_effect_at_once(daemon: Daemon, photos: list[bytes]) -> None:
    """Also the room that moving leaves, what is logged, and how long the next walk over a root is waited for."""
    (daemon.root / "a.jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    full = daemon.config.read_text().replace("min_free_mib: 0", "min_free_mib: 1048576").replace("info", "debug")
    _reload(daemon, full)
    (daemon.root / "a (1).jpg").write_bytes(photos[0])
    (daemon.root / "b.jpg").write_bytes(photos[1])
    daemon.wait_settled()
    assert daemon.held() == []
    assert "nothing is moved below 1048576 MiB" in daemon.log.read_text()
    assert f"{daemon.root / 'b.jpg'}: nothing like it is known" in daemon.log.read_text()
    _reload(daemon, full.replace("min_free_mib: 1048576", "min_free_mib: 0") + "reconcile: {every_minutes: 0.02}\n")
    daemon.wait_held(1)
    assert "after a restart" not in daemon.log.read_text()
    daemon.stop()


def test_a_root_that_is_taken_out_and_put_in_again_is_so_at_once(
    daemon: Daemon, tmp_path: Path, photos: list[bytes]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes(photos[0])
    one = daemon.config.read_text()
    both, polled = (
        one.replace("}]", f"}}, {{path: {json.dumps(str(other))}{mode}}}]") for mode in ("", ", mode: polling")
    )
    daemon.config.write_text(both)
    daemon.start().wait_for("level")
    _reload(daemon, one)
    until(lambda: _modes(daemon) == {str(daemon.root): "inotify"}, daemon.tail)
    (other / "a (1).jpg").write_bytes(photos[0])
    daemon.wait_settled()
    assert daemon.held() == []
    _reload(daemon, both)
    daemon.wait_held(1)
    _reload(daemon, polled)
    until(lambda: _modes(daemon) == {str(daemon.root): "inotify", str(other): "polling"}, daemon.tail)
    assert "after a restart" not in daemon.log.read_text()
    daemon.stop()


def _modes(daemon: Daemon) -> dict[str, str]:
    return {root["path"]: root["mode"] for root in (published(daemon.state) or {})["roots"]}


def test_a_file_that_arrives_is_work_and_no_new_start(daemon: Daemon, photos: list[bytes]) -> None:
    settle = "settle: {quiet_seconds: 4, closed_seconds: 4}"
    daemon.config.write_text(f"roots: [{{path: {json.dumps(str(daemon.root))}}}]\n{settle}\n")
    daemon.start().wait_for("level")
    (daemon.root / "a.jpg").write_bytes(photos[0])
    seen: list[object] = []

    def known() -> bool:
        said = published(daemon.state) or {}
        seen.append(said.get("state"))
        return said.get("photos") == 1 and said.get("state") == "level"

    until(known, daemon.tail)
    assert set(seen) == {"level", "working"}
    daemon.stop()


def test_the_brake_pauses_and_resume_goes_on(daemon: Daemon, photos: list[bytes]) -> None:
    _configure(daemon, "brake: {max_moves: 2}\n")
    (daemon.root / "a.jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    for number in range(4):
        (daemon.root / f"a ({number}).jpg").write_bytes(photos[0])
    status = daemon.wait_for("paused")
    assert "brake.max_moves" in status["paused"]
    assert (len(daemon.held()), len(list(daemon.root.glob("*.jpg")))) == (2, 3)
    twinwatch("resume", "--state", daemon.state)
    daemon.wait_held(4)
    assert [path.name for path in daemon.root.glob("*.jpg")] == ["a.jpg"]
    daemon.stop()


def test_a_reference_root_is_matched_against_and_never_touched(
    daemon: Daemon, tmp_path: Path, photos: list[bytes]
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "copy of a copy (1).jpg").write_bytes(copies(photos[0])["recompressed"][1])
    roots = [{"path": str(library), "reference": True}, {"path": str(daemon.root)}]
    daemon.config.write_text(
        f"roots: {json.dumps(roots)}\nsettle: {{quiet_seconds: 0.4}}\nquarantine: {{min_free_mib: 0}}"
    )
    daemon.start().wait_for("level")
    assert os.listdir(library) == ["copy of a copy (1).jpg"], "not even a marker"
    (daemon.root / "the original.jpg").write_bytes(photos[0])
    (library / "again.jpg").write_bytes(copies(photos[0])["recompressed"][1])
    daemon.wait_settled()
    assert sorted(os.listdir(library)) == ["again.jpg", "copy of a copy (1).jpg"]
    assert [(Path(row["path"]).name, Path(row["keeper"]).parent) for row in daemon.held()] == [
        ("the original.jpg", library)
    ]
    daemon.stop()


def test_a_polled_root_is_walked_and_a_missing_one_waited_for(
    daemon: Daemon, tmp_path: Path, photos: list[bytes]
) -> None:
    late = tmp_path / "usb disk"
    roots = [{"path": str(daemon.root), "mode": "polling"}, {"path": str(late)}]
    settle = "{quiet_seconds: 0.3, polling_seconds: 0.6}"
    daemon.config.write_text(f"roots: {json.dumps(roots)}\nsettle: {settle}\nreconcile: {{every_minutes: 0.02}}\n")
    (daemon.root / "a.jpg").write_bytes(photos[0])
    daemon.start()
    status = daemon.wait_for("degraded")
    assert [(root["state"], root["mode"]) for root in status["roots"]] == [
        ("healthy", "polling"),
        ("missing", "inotify"),
    ]
    until(lambda: bool(daemon.status()["roots"][0]["level"]), daemon.tail)
    (daemon.root / "a (1).jpg").write_bytes(photos[0])
    until(lambda: [Path(row["path"]).name for row in daemon.held()] == ["a (1).jpg"], daemon.tail)
    late.mkdir()
    (late / "b.jpg").write_bytes(photos[1])
    assert daemon.wait_for("level")["photos"] == 2
    daemon.stop()


def test_a_link_that_leads_elsewhere_now_is_followed(daemon: Daemon, photos: list[bytes], tmp_path: Path) -> None:
    one, two, other = daemon.root, tmp_path / "two", tmp_path / "other"
    link, next_link = tmp_path / "link", tmp_path / "next"
    for folder in (two, other):
        folder.mkdir()
    (one / "a.jpg").write_bytes(photos[0])
    for name in ("b.jpg", "b (1).jpg"):
        (two / name).write_bytes(photos[1])
    link.symlink_to(one)
    roots = json.dumps([{"path": str(link)}, {"path": str(other)}])
    daemon.config.write_text(CONFIG.format(root="HERE").replace("[{path: HERE}]", roots))
    daemon.start().wait_for("level")

    def lead(to: Path) -> None:
        next_link.symlink_to(to)
        next_link.rename(link)

    lead(two)
    until(lambda: f"{two} is level" in daemon.tail(), daemon.tail)
    (two / "b (2).jpg").write_bytes(photos[1])
    (one / "a (1).jpg").write_bytes(photos[0])
    daemon.wait_held(1)
    assert [Path(row["path"]).name for row in daemon.held()] == ["b (2).jpg"], "residents stay, and what is left"
    lead(other)
    until(lambda: f"{other} is watched already" in daemon.tail(), daemon.tail)
    assert [root["state"] for root in daemon.wait_for("degraded")["roots"]] == ["unreadable", "healthy"]
    lead(one)
    daemon.wait_held(2)
    assert {Path(row["path"]).name for row in daemon.held()} == {"b (2).jpg", "a (1).jpg"}
    daemon.stop()


def test_a_quarantine_that_another_process_keeps_stops_its_root_alone(
    daemon: Daemon, photos: list[bytes], tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere" / "other"
    other.mkdir(parents=True)
    for root in (daemon.root, other):
        (root / "a.jpg").write_bytes(photos[0 if root == other else 1])
    roots = json.dumps([{"path": str(daemon.root)}, {"path": str(other)}])
    daemon.config.write_text(CONFIG.format(root="HERE").replace("[{path: HERE}]", roots))
    daemon.start().wait_for("level")
    (daemon.root / "a (1).jpg").write_bytes(photos[1])
    daemon.wait_held(1)
    place = Path(daemon.held()[0]["held_as"]).parent.parent
    kept = os.open(place, os.O_RDONLY)
    fcntl.flock(kept, fcntl.LOCK_EX)
    (daemon.root / "a (2).jpg").write_bytes(photos[1])
    until(lambda: f"process {os.getpid()} works in it" in daemon.tail(), daemon.tail)
    assert daemon.wait_for("degraded")["roots"][1]["state"] == "healthy"
    (other / "a (3).jpg").write_bytes(photos[0])
    daemon.wait_held(2)
    os.close(kept)
    daemon.wait_held(3)
    daemon.wait_for("level")
    kept = os.open(place, os.O_RDONLY)
    fcntl.flock(kept, fcntl.LOCK_EX)
    (daemon.root / "a (4).jpg").write_bytes(photos[1])
    until(lambda: daemon.log.read_text().count(f"process {os.getpid()} works in it") == 2, daemon.tail)
    daemon.stop()
    os.close(kept)


@pytest.mark.parametrize("by_link", [False, True])
def test_many_vanished_photos_stop_the_root_until_a_person_agrees(
    daemon: Daemon, photos: list[bytes], *, by_link: bool
) -> None:
    named = daemon.root
    if by_link:
        named = daemon.root.parent / "a link"
        named.symlink_to(daemon.root)
        daemon.config.write_text(daemon.config.read_text().replace(str(daemon.root), str(named)))
    for number in range(40):
        (daemon.root / f"{number}.jpg").write_bytes(photos[number % 6] + bytes([number]))
    daemon.start().wait_for("level")
    daemon.stop()
    for number in range(30):
        (daemon.root / f"{number}.jpg").unlink()
    daemon.start()
    status = daemon.wait_for("degraded")
    assert (status["roots"][0]["state"], status["photos"]) == ("emptied", 40)
    twinwatch("resume", "--root", named, "--state", daemon.state)
    assert daemon.wait_for("level")["photos"] == 10
    daemon.stop()


def test_one_instance_per_state_and_idle_workers_leave(daemon: Daemon, photos: list[bytes]) -> None:
    _configure(daemon, "workers: {idle_seconds: 0.2}\n")
    (daemon.root / "a.jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    second = twinwatch("run", daemon.root, "--state", daemon.state, check=False)
    assert (second.returncode, "another twinwatch works with" in second.stderr) == (1, True)
    pid = daemon.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until(lambda: children.read_text().strip() == "", lambda: children.read_text())
    opened = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists()}
    assert not any(str(daemon.root) in name for name in opened), "an idle daemon holds no file of a root open"
    listed = [Path(f"/proc/{pid}/net/{kind}") for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet")]
    rows = [row.split() for path in listed if path.exists() for row in path.read_text().splitlines()[1:]]
    assert not opened & {f"socket:[{word}]" for row in rows for word in row}, "it speaks to no network"
    daemon.stop()


def test_a_stop_in_the_middle_of_work_is_clean_and_the_work_is_done_later(daemon: Daemon, photos: list[bytes]) -> None:
    for number in range(12):
        (daemon.root / f"{number}.jpg").write_bytes(as_photo(scene(50 + number, 640, 480), number))
    daemon.start()
    daemon.stop()
    daemon.start()
    assert daemon.wait_for("level")["photos"] == 12
    assert daemon.signal(signal.SIGINT) == 0
    assert daemon.status()["state"] == "stopped"


def test_fingerprints_of_an_older_version_are_made_again_and_nothing_is_decided_anew(
    daemon: Daemon, photos: list[bytes]
) -> None:
    (daemon.root / "a.jpg").write_bytes(photos[0])
    (daemon.root / "a (1).jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    daemon.stop()
    decided = twinwatch("log", "--state", daemon.state, "--json").stdout
    with closing(sqlite3.connect(daemon.state / "index.db")) as index, index:
        index.execute("INSERT INTO shared (words) VALUES ('phash64/0')")
        index.execute("UPDATE photo SET algorithm_id = last_insert_rowid(), phash = 5, c0 = 5, c1 = 0")
        index.execute("DELETE FROM setting")
    daemon.start()

    def algorithms() -> set[tuple[str, int]]:
        with closing(sqlite3.connect(daemon.state / "index.db")) as index:
            return set(index.execute("SELECT words, phash FROM photo JOIN shared ON shared.id = algorithm_id"))

    until(lambda: not any(name == "phash64/0" or phash == 5 for name, phash in algorithms()), daemon.tail)
    daemon.wait_for("level")
    assert twinwatch("log", "--state", daemon.state, "--json").stdout == decided
    daemon.stop()


def test_a_photo_that_may_not_be_read_is_told_once_and_keeps_nobody_busy(
    daemon: Daemon, photos: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_rights_of_root(tmp_path, monkeypatch)
    daemon.start().wait_for("level")
    (daemon.root / "a.jpg").write_bytes(photos[0])
    secret = daemon.root / "secret.jpg"
    secret.touch(0o000)
    until(lambda: "it is tried again when it changes" in daemon.tail(), daemon.tail)
    assert daemon.tail().count("secret.jpg cannot be read") == 2, "at first, and when it is given up"
    daemon.wait_for("level")
    secret.chmod(0o600)
    secret.write_bytes(photos[0])
    until(lambda: [Path(row["path"]).name for row in daemon.held()] == ["secret.jpg"], daemon.tail)
    daemon.stop()
