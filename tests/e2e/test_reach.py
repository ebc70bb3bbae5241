"""What was judged without some known photos - not asked for, not configured, excluded - is compared with them later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.drawing import scene, stored
from tests.e2e.running import CONFIG, Daemon, twinwatch, until

PHOTO = stored(scene(1, (320, 240)), quality=90)


def _configure(daemon: Daemon, *roots: Path, extra: str = "") -> None:
    listed = json.dumps([{"path": str(root)} for root in roots])
    daemon.config.write_text(CONFIG.format(root="HERE").replace("[{path: HERE}]", listed) + extra)


def _reload(daemon: Daemon, *roots: Path, extra: str = "") -> None:
    read = daemon.log.read_text().count("configuration: ")
    _configure(daemon, *roots, extra=extra)
    daemon.hup()
    until(lambda: daemon.log.read_text().count("configuration: ") > read, daemon.tail)


def _is_held(daemon: Daemon, *names: str) -> None:
    daemon.wait_held(len(names))
    assert sorted(Path(row["path"]).name for row in daemon.held()) == sorted(names)


@pytest.fixture
def other(daemon: Daemon, tmp_path: Path) -> Path:
    """A second root, which has the original of what comes to the first; the daemon is level with both."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(PHOTO)
    _configure(daemon, daemon.root, folder)
    daemon.start().wait_for("level")
    return folder


def test_what_a_scan_of_one_folder_judged_is_compared_with_the_others_later(daemon: Daemon, other: Path) -> None:
    daemon.stop()
    (daemon.root / "a (1).jpg").write_bytes(PHOTO)
    first, second = (
        twinwatch("scan", daemon.root, "--config", daemon.config, "--state", daemon.state).stdout for _ in range(2)
    )
    assert "1 picture, 1 looked at" in first
    assert "1 picture, 0 looked at" in second, "the other folder was not there for that either"
    daemon.start()
    _is_held(daemon, "a (1).jpg")
    daemon.stop()


def test_so_is_what_came_while_the_other_was_away_and_one_scan_looked_at(daemon: Daemon, other: Path) -> None:
    away = other.rename(other.with_name("away"))
    daemon.wait_for("degraded")
    (daemon.root / "a (1).jpg").write_bytes(PHOTO)
    daemon.wait_settled("degraded")
    daemon.stop()
    twinwatch("scan", daemon.root, "--state", daemon.state)
    away.rename(other)
    daemon.start()
    _is_held(daemon, "a (1).jpg")
    daemon.stop()


def test_a_root_that_is_taken_out_and_put_back_has_the_original_of_what_came_meanwhile(
    daemon: Daemon, other: Path
) -> None:
    _reload(daemon, daemon.root)
    (daemon.root / "a (1).jpg").write_bytes(PHOTO)
    daemon.wait_settled()
    _reload(daemon, daemon.root, other)
    _is_held(daemon, "a (1).jpg")
    daemon.stop()


def test_what_was_excluded_for_a_while_has_the_original_of_what_came_meanwhile(daemon: Daemon) -> None:
    (daemon.root / "Archive").mkdir()
    (daemon.root / "Archive" / "a.jpg").write_bytes(PHOTO)
    daemon.start().wait_for("level")
    _reload(daemon, daemon.root, extra="exclude: [Archive]\n")
    (daemon.root / "a (1).jpg").write_bytes(PHOTO)
    daemon.wait_settled()
    assert daemon.held() == []
    _reload(daemon, daemon.root)
    _is_held(daemon, "a (1).jpg")
    daemon.stop()
