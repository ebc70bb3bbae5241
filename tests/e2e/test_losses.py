"""Around a running daemon: a copy that comes back each time, a keeper that goes, an index that breaks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.drawing import scene, stored
from tests.e2e.running import PATIENCE, Daemon, twinwatch, until

RETURNS = 3
"""`brake.max_returns` unless it is configured."""


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    return [stored(scene(number, (96, 72)), quality=90) for number in range(4)]


def _json(*arguments: object, check: bool = True) -> list[dict[str, Any]]:
    done = twinwatch(*arguments, "--json", check=check)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _logged(daemon: Daemon, *arguments: object) -> list[dict[str, Any]]:
    return _json("log", "--state", daemon.state, *arguments)


def _held_names(daemon: Daemon) -> list[str]:
    return sorted(Path(row["path"]).name for row in daemon.held())


# A sync client brings what was set aside


def _bring(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".syncthing.{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.rename(path)


def test_what_comes_back_each_time_is_left_alone_and_told(daemon: Daemon, photos: list[bytes]) -> None:
    """Its content counts, and the count outlives the process: the daemon is killed on the way."""
    (daemon.root / "a.jpg").write_bytes(photos[0])
    copy, other = daemon.root / "a (1).jpg", daemon.root / "a (2).jpg"
    daemon.start().wait_for("level")
    for number in range(RETURNS + 1):
        _bring(copy, photos[0])
        daemon.wait_held(number + 1)
        if number == 1:
            daemon.kill()
            daemon.start().wait_for("level")
    _bring(copy, photos[0])
    until(lambda: "came back each time; it is left alone now" in daemon.tail(), daemon.tail)
    daemon.wait_settled()

    told = [row for row in _logged(daemon, copy) if "brake.max_returns" in row["why"]]
    assert {(row["action"], row["verdict"], row["keeper"]) for row in told} == {
        ("review", "identical", str(daemon.root / "a.jpg"))
    }
    assert copy.read_bytes() == photos[0]
    assert _held_names(daemon) == ["a (1).jpg"] * (RETURNS + 1), "every one that came is kept, each in its own slot"
    daemon.wait_for("level")  # one file that fights is no reason to stop

    _bring(other, photos[0])
    _bring(daemon.root / "b.jpg", photos[1])
    daemon.wait_held(RETURNS + 2)
    _bring(daemon.root / "b (1).jpg", photos[1])
    daemon.wait_held(RETURNS + 3)
    assert _held_names(daemon)[-2:] == ["a (2).jpg", "b (1).jpg"], "elsewhere, and other pictures, are no return"
    daemon.stop()


# The keeper goes


@pytest.mark.parametrize("how", ["deleted", "edited", "deleted while nobody looked"])
def test_a_copy_whose_keeper_goes_is_offered_back_and_not_purged(daemon: Daemon, photos: list[bytes], how: str) -> None:
    keeper, copy = daemon.root / "a.jpg", daemon.root / "a (1).jpg"
    keeper.write_bytes(photos[0])
    daemon.start().wait_for("level")
    _bring(copy, photos[0])
    daemon.wait_held(1)
    (held,) = daemon.held()
    assert _json("quarantine", "verify", "--state", daemon.state)[0]["ok"]

    if how == "edited":
        keeper.write_bytes(photos[1])
    elif how == "deleted":
        keeper.unlink()
    else:
        daemon.stop()
        keeper.unlink()
        daemon.start()

    daemon.wait_settled()
    offered = [row for row in _logged(daemon, "--action", "review") if row["slot"] == held["id"]]
    assert [row["path"] for row in offered] == [str(copy)], "once"
    back = f"twinwatch quarantine restore {held['id']} --state {daemon.state}"
    assert back in offered[0]["why"], "it can be pasted"
    assert back in twinwatch("log", "--state", daemon.state).stdout
    (found,) = _json("quarantine", "verify", "--state", daemon.state, check=False)
    assert (found["ok"], found["keeper"], back in found["advice"]) == (False, "gone", True)
    (refused,) = _json("quarantine", "purge", held["id"], "--yes", "--state", daemon.state, check=False)
    assert (refused["state"], "may be the last copy" in refused["why"], back in refused["why"]) == (
        "failed",
        True,
        True,
    )
    assert Path(held["held_as"]).read_bytes() == photos[0]

    told = [line for line in daemon.log.read_text().splitlines() if "quarantine restore" in line and "gone" in line]
    assert [line.count(back) for line in told] == [line.count("quarantine restore") for line in told] != []
    twinwatch("quarantine", "restore", held["id"], "--state", daemon.state)
    daemon.wait_settled()
    assert copy.read_bytes() == photos[0]
    assert daemon.held() == []
    daemon.stop()


def test_a_keeper_that_is_renamed_is_not_gone(daemon: Daemon, photos: list[bytes]) -> None:
    (daemon.root / "2024").mkdir()
    (daemon.root / "2024/a.jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    _bring(daemon.root / "a (1).jpg", photos[0])
    daemon.wait_held(1)
    (daemon.root / "2024/a.jpg").rename(daemon.root / "2024/wedding.jpg")
    daemon.wait_settled()
    (daemon.root / "2024").rename(daemon.root / "Summer 2024")
    daemon.wait_settled()
    assert _logged(daemon, "--action", "review") == []
    assert "can be put back" not in daemon.log.read_text()
    (found,) = _json("quarantine", "verify", "--state", daemon.state)
    assert found["ok"], "its keeper is known by its new name"
    daemon.stop()


def test_a_keeper_is_gone_also_when_a_scan_of_its_folder_alone_knew_it(daemon: Daemon, photos: list[bytes]) -> None:
    keeper = daemon.root / "sub/a.jpg"
    keeper.parent.mkdir()
    keeper.write_bytes(photos[0])
    twinwatch("scan", keeper.parent, "--state", daemon.state)
    daemon.start().wait_for("level")
    _bring(daemon.root / "a (1).jpg", photos[0])
    daemon.wait_held(1)
    keeper.unlink()
    daemon.wait_settled()
    (held,) = daemon.held()
    assert [row["slot"] for row in _logged(daemon, "--action", "review")] == [held["id"]]
    daemon.stop()


# The index breaks


def _delete(index: Path) -> None:
    index.unlink()


def _cut(index: Path) -> None:
    whole = index.read_bytes()
    index.write_bytes(whole[: len(whole) // 2])


def _flip(index: Path) -> None:
    """Turn every bit of the first page of the table of photos."""
    with closing(sqlite3.connect(index)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'photo'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    data = bytearray(index.read_bytes())
    at = (page - 1) * size
    data[at : at + size] = bytes(byte ^ 0xFF for byte in data[at : at + size])
    index.write_bytes(data)


DAMAGES = {"deleted": _delete, "cut off": _cut, "flipped": _flip}


@pytest.mark.parametrize(("what", "damage"), DAMAGES.items(), ids=list(DAMAGES))
def test_a_daemon_with_a_broken_index_begins_a_new_one_and_everything_goes_back(
    daemon: Daemon, photos: list[bytes], what: str, damage: Callable[[Path], None]
) -> None:
    root, index = daemon.root, daemon.state / "index.db"
    for number, content in enumerate(photos):
        (root / f"{number}.jpg").write_bytes(content)
    (root / "resident.jpg").write_bytes(photos[0])
    daemon.start().wait_for("level")
    for number, content in enumerate(photos):
        (root / f"{number} (1).jpg.xmp").write_bytes(b"stars of %d" % number)
        _bring(root / f"{number} (1).jpg", content)
    daemon.wait_held(len(photos))
    daemon.stop()
    held = {row["id"]: row["path"] for row in daemon.held()}
    log = _logged(daemon)
    assert len([row for row in log if row["slot"] in held]) == len(photos)

    damage(index)
    daemon.start()
    if (
        what == "flipped"
    ):  # nobody reads all of it before it is needed: it ends then, and is started again, as a service is
        assert daemon.process is not None
        assert daemon.process.wait(PATIENCE) == 1
        assert "index.db is damaged" in daemon.tail()
        assert "index rebuild" in daemon.tail()
        daemon.start()
    daemon.wait_for("level")
    assert {row["id"]: row["path"] for row in daemon.held()} == held
    assert daemon.status()["photos"] == len(photos) + 1, "read again from disk"
    assert (root / "resident.jpg").exists(), "what was there before is no arrival"
    if what == "flipped":
        assert _logged(daemon)[: len(log)] == log, "the log lay in other pages"
    if what != "deleted":
        assert "the index was damaged: a new one was begun" in daemon.log.read_text()
        assert list(daemon.state.glob("index.db.2*")) != [], "the old file is kept"
    assert all(row["ok"] for row in _json("quarantine", "verify", "--state", daemon.state))
    _bring(root / "late (1).jpg", photos[0])
    daemon.wait_held(len(photos) + 1)

    twinwatch("quarantine", "restore", "--all", "--state", daemon.state)
    daemon.wait_settled()
    assert daemon.held() == []
    for number, content in enumerate(photos):
        assert (root / f"{number} (1).jpg").read_bytes() == content
        assert (root / f"{number} (1).jpg.xmp").read_bytes() == b"stars of %d" % number
    daemon.stop()


# A disk that is away while copies of its photos arrive


@pytest.mark.parametrize("noticed", [True, False])
def test_a_copy_that_came_while_its_original_was_away_is_found_when_it_is_back(
    daemon: Daemon, tmp_path: Path, photos: list[bytes], *, noticed: bool
) -> None:
    """Also when the daemon was started anew meanwhile, or compared the two before it noticed."""
    usb, away = tmp_path / "usb", tmp_path / "away"
    usb.mkdir()
    (usb / "a.jpg").write_bytes(photos[0])
    roots = [{"path": str(usb)}, {"path": str(daemon.root)}]
    daemon.config.write_text(
        f"roots: {json.dumps(roots)}\nsettle: {{quiet_seconds: 0.4, closed_seconds: 0.1}}\n"
        "quarantine: {min_free_mib: 0}\nlog: {format: plain}\n"
    )
    daemon.start().wait_for("level")
    usb.rename(away)
    if noticed:
        daemon.wait_for("degraded")
    (daemon.root / "a (1).jpg").write_bytes(photos[0])
    daemon.wait_settled("degraded")
    daemon.stop()
    daemon.start().wait_for("degraded")
    assert daemon.held() == []
    away.rename(usb)
    daemon.wait_for("level")
    assert _held_names(daemon) == ["a (1).jpg"]
    daemon.stop()
