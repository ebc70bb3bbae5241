"""What was there before a root was level is only reported, however late it comes to light; what arrives is moved."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from demo.scenes import as_photo, scene

from tests.e2e.running import CONFIG, Daemon, twinwatch, until, without_rights_of_root


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    return [as_photo(scene(number, 320, 240), number) for number in range(30)]


def _configure(daemon: Daemon, *roots: Path, extra: str = "") -> None:
    listed = json.dumps([{"path": str(root)} for root in roots])
    daemon.config.write_text(CONFIG.format(root="HERE").replace("[{path: HERE}]", listed) + extra)


def _reported(daemon: Daemon) -> set[str]:
    lines = twinwatch("log", "--action", "review", "--state", daemon.state, "--json").stdout.splitlines()
    return {Path(json.loads(line)["path"]).name for line in lines}


def _only_an_arrival_is_held(daemon: Daemon, photo: bytes) -> None:
    (daemon.root / "new (9).jpg").write_bytes(photo)
    daemon.wait_settled()
    assert [Path(row["path"]).name for row in daemon.held()] == ["new (9).jpg"]


@pytest.fixture
def hidden(daemon: Daemon, photos: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A photo, and copies of it in a file and in a folder that cannot be read, and in one that is not downloaded."""
    without_rights_of_root(tmp_path, monkeypatch)
    root = daemon.root
    (root / "a.jpg").write_bytes(photos[0])
    (root / "locked").mkdir()
    (root / "locked/a (1).jpg").write_bytes(photos[0])
    (root / "locked").chmod(0)
    (root / "a (2).jpg").write_bytes(photos[0])
    (root / "a (2).jpg").chmod(0)
    with (root / "a (3).jpg").open("wb") as cloud:
        cloud.truncate(len(photos[0]))
    return daemon


def _come_to_light(daemon: Daemon, photo: bytes) -> None:
    (daemon.root / "locked").chmod(0o700)
    (daemon.root / "locked/a (1).jpg").chmod(0o640)  # so that it looks as if it were still being written
    (daemon.root / "a (2).jpg").chmod(0o600)
    with (daemon.root / "a (3).jpg").open("r+b") as cloud:
        cloud.write(photo)


COPIES = {"a (1).jpg", "a (2).jpg", "a (3).jpg"}


def test_what_could_not_be_read_at_first_is_no_arrival_once_it_can(hidden: Daemon, photos: list[bytes]) -> None:
    hidden.start().wait_for("degraded")
    until(lambda: f"{hidden.root} is level" in hidden.tail(), hidden.tail)  # degraded already in its first walk
    hidden.wait_settled("degraded")
    _come_to_light(hidden, photos[0])
    twinwatch("resume", "--state", hidden.state)
    until(lambda: _reported(hidden) >= COPIES, hidden.tail)
    _only_an_arrival_is_held(hidden, photos[0])
    (hidden.root / "locked/new (8).jpg").write_bytes(photos[0])
    hidden.wait_held(2)
    hidden.stop()


def test_nor_is_what_a_scan_could_not_read(hidden: Daemon, photos: list[bytes]) -> None:
    assert twinwatch("scan", hidden.root, "--state", hidden.state, check=False).returncode == 1
    _come_to_light(hidden, photos[0])
    hidden.start().wait_for("level")
    assert _reported(hidden) >= COPIES
    _only_an_arrival_is_held(hidden, photos[0])
    hidden.stop()


@pytest.mark.parametrize("while_it_runs", [True, False])
def test_what_is_no_longer_excluded_was_there_before(
    daemon: Daemon, photos: list[bytes], *, while_it_runs: bool
) -> None:
    (daemon.root / "a.jpg").write_bytes(photos[0])
    (daemon.root / "Archive").mkdir()
    (daemon.root / "Archive/a (1).jpg").write_bytes(photos[0])
    _configure(daemon, daemon.root, extra="exclude: [Archive, Other]\n")
    daemon.start().wait_for("level")
    if while_it_runs:
        _configure(daemon, daemon.root, extra="exclude: [Other]\n")
        daemon.hup()
    else:
        daemon.stop()
        _configure(daemon, daemon.root)
        daemon.start()
    until(lambda: _reported(daemon) == {"a (1).jpg"}, daemon.tail)
    until(lambda: daemon.log.read_text().count("is level") == 2, daemon.tail)
    _only_an_arrival_is_held(daemon, photos[0])
    daemon.stop()


def test_what_its_owner_renames_is_no_arrival(daemon: Daemon, photos: list[bytes]) -> None:
    """A file, and a folder of them: nobody asked to move what was there before, whatever it is called now."""
    for folder in ("2024", "backup"):
        (daemon.root / folder).mkdir()
        for number in range(3):
            (daemon.root / folder / f"{number}.jpg").write_bytes(photos[number])
    daemon.start().wait_for("level")
    assert len(_reported(daemon)) == 3
    (daemon.root / "backup/0.jpg").rename(daemon.root / "backup/0 (7).jpg")
    daemon.wait_settled()
    (daemon.root / "backup").rename(daemon.root / "second backup")
    daemon.wait_settled()
    assert daemon.held() == []
    until(lambda: daemon.status()["photos"] == 6, daemon.tail)
    (daemon.root / "second backup/0 (7).jpg").unlink()
    until(lambda: daemon.status()["photos"] == 5, "what is gone is forgotten all the same")
    _only_an_arrival_is_held(daemon, photos[1])
    daemon.stop()


def test_another_folder_that_a_person_accepts_has_residents_of_its_own(daemon: Daemon, photos: list[bytes]) -> None:
    (daemon.root / "a.jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    daemon.root.rename(daemon.root.with_name("old"))
    daemon.root.mkdir()
    for name in ("a.jpg", "b.jpg", "b (1).jpg"):
        (daemon.root / name).write_bytes(photos[name != "a.jpg"])
    daemon.wait_for("degraded")
    until(lambda: "is unmarked" in daemon.tail(), daemon.tail)
    twinwatch("resume", "--root", daemon.root, "--state", daemon.state)
    until(lambda: daemon.log.read_text().count("is level") == 2, daemon.tail)
    assert _reported(daemon) == {"b (1).jpg"}
    _only_an_arrival_is_held(daemon, photos[0])
    daemon.stop()


def _with_copies(daemon: Daemon, photos: list[bytes]) -> None:
    for number, photo in enumerate(photos):
        (daemon.root / f"{number}.jpg").write_bytes(photo)
        (daemon.root / f"{number} (1).jpg").write_bytes(photo)


def test_a_first_walk_in_which_the_root_was_lost_is_made_again(daemon: Daemon, photos: list[bytes]) -> None:
    _with_copies(daemon, photos)
    daemon.start()
    until(lambda: "review" in daemon.tail(), daemon.tail)
    away = daemon.root.with_name("away")
    (daemon.root / ".twinwatch").rename(away)
    until(lambda: "is unmarked" in daemon.log.read_text(), daemon.tail)
    away.rename(daemon.root / ".twinwatch")
    until(lambda: daemon.log.read_text().count("watching") == 2, daemon.tail)
    daemon.wait_for("level")
    assert len(_reported(daemon)) == len(photos)
    _only_an_arrival_is_held(daemon, photos[0])
    daemon.stop()


def test_a_root_that_was_taken_out_in_its_first_walk_begins_anew(
    daemon: Daemon, photos: list[bytes], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _with_copies(daemon, photos)
    _configure(daemon, daemon.root, other)
    daemon.start()
    until(lambda: "review" in daemon.tail(), daemon.tail)
    _configure(daemon, other)
    daemon.hup()
    until(lambda: "configuration:" in daemon.log.read_text(), daemon.tail)
    daemon.wait_for("level")
    said = len(daemon.log.read_text())
    _configure(daemon, daemon.root, other)
    daemon.hup()
    until(lambda: f"{daemon.root} is level" in daemon.log.read_text()[said:], daemon.tail)
    assert len(_reported(daemon)) == len(photos)
    _only_an_arrival_is_held(daemon, photos[0])
    assert daemon.signal(signal.SIGTERM) == 0
