"""A disk that neither answers nor fails: the other roots go on, and it is taken up again when it answers."""

from __future__ import annotations

import json
from pathlib import Path

from demo.scenes import as_photo, scene

from tests.e2e.running import Daemon, twinwatch, until
from tests.mounting import as_root, tmpfs
from tests.stalling import stalled


def _states(daemon: Daemon) -> dict[str, str]:
    return {Path(root["path"]).name: root["state"] for root in daemon.status()["roots"]}


def _names(daemon: Daemon) -> list[str]:
    """Return what was set aside as the log has it: `quarantine list` asks the disks."""
    done = twinwatch("log", "--action", "held", "--state", daemon.state, "--json")
    return sorted(Path(json.loads(line)["path"]).name for line in done.stdout.splitlines())


@as_root
def test_a_disk_that_hangs_holds_up_no_other(daemon: Daemon, tmp_path: Path) -> None:
    photos = [as_photo(scene(number, 320, 240), number) for number in range(3)]
    disk = tmp_path / "disk"
    disk.mkdir()
    with tmpfs(disk):
        slow, aside = disk / "slow", disk / "aside"
        slow.mkdir()
        aside.mkdir()
        roots = [{"path": str(slow)}, {"path": str(daemon.root)}]
        daemon.config.write_text(
            f"roots: {json.dumps(roots)}\nsettle: {{quiet_seconds: 0.4, closed_seconds: 0.1}}\n"
            "quarantine: {min_free_mib: 0}\nhang_seconds: 1\nlog: {format: plain}\n"
        )
        (slow / "a.jpg").write_bytes(photos[0])
        (aside / "a (1).jpg").write_bytes(photos[0])
        (daemon.root / "b.jpg").write_bytes(photos[1])
        daemon.start().wait_for("level")
        assert daemon.process is not None
        supervisor = daemon.process.pid
        with stalled(disk):
            (aside / "a (1).jpg").rename(slow / "a (1).jpg")  # and nothing more: an open would hang this test
            until(lambda: _states(daemon) == {"slow": "hanging", "mirror": "healthy"}, daemon.tail)
            (daemon.root / "b (1).jpg").write_bytes(photos[1])
            (daemon.root / "a (2).jpg").write_bytes(photos[0])  # a copy of what cannot be looked at
            until(lambda: _names(daemon) == ["b (1).jpg"], daemon.tail)
            daemon.wait_settled("degraded")
            assert _names(daemon) == ["b (1).jpg"]
            assert (daemon.root / "a (2).jpg").read_bytes() == photos[0]
        until(lambda: "a (1).jpg" in _names(daemon), daemon.tail)
        daemon.wait_for("level")
        assert daemon.process.pid == supervisor
        assert daemon.log.read_text().count("slow is hanging") == 1
        assert "Traceback" not in daemon.log.read_text()
        assert sorted(path.name for path in slow.glob("*.jpg")) == ["a.jpg"]
        daemon.stop()


@as_root
def test_a_disk_that_hangs_with_the_index_on_it_is_told_and_waited_for(daemon: Daemon, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with tmpfs(disk):
        daemon.root, daemon.state = disk / "photos", disk / "state"
        daemon.root.mkdir()
        daemon.config.write_text(
            f"roots: [{{path: {daemon.root}}}]\nsettle: {{quiet_seconds: 0.4, closed_seconds: 0.1}}\n"
            "quarantine: {min_free_mib: 0}\nhang_seconds: 1\nlog: {format: plain}\n"
        )
        photo = as_photo(scene(1, 320, 240), 1)
        (daemon.root / "a.jpg").write_bytes(photo)
        (disk / "aside.jpg").write_bytes(photo)
        daemon.start().wait_for("level")
        with stalled(disk):
            (disk / "aside.jpg").rename(daemon.root / "a (1).jpg")
            until(lambda: "everything waits for it" in daemon.log.read_text(), daemon.tail)
        until(lambda: _names(daemon) == ["a (1).jpg"], daemon.tail)
        assert "is hanging" not in daemon.log.read_text()
        daemon.stop()


def _watch(daemon: Daemon, *roots: Path) -> None:
    places = json.dumps([{"path": str(root)} for root in roots])
    daemon.config.write_text(
        f"roots: {places}\nsettle: {{quiet_seconds: 0.4, closed_seconds: 0.1}}\n"
        "quarantine: {min_free_mib: 0}\nhang_seconds: 1\nlog: {format: plain}\n"
    )


@as_root
def test_a_folder_that_hangs_the_thread_that_hears_of_events_holds_up_no_other_root(
    daemon: Daemon, tmp_path: Path
) -> None:
    photo = as_photo(scene(1, 320, 240), 1)
    disk = tmp_path / "disk"
    disk.mkdir()
    with tmpfs(disk):
        (disk / "slow").mkdir()
        (disk / "new").mkdir()
        _watch(daemon, disk / "slow", daemon.root)
        (daemon.root / "b.jpg").write_bytes(photo)
        daemon.start().wait_for("level")
        with stalled(disk / "new", alone=True):
            (disk / "new").rename(disk / "slow/new")
            until(lambda: _states(daemon) == {"slow": "hanging", "mirror": "healthy"}, daemon.tail)
            (daemon.root / "b (1).jpg").write_bytes(photo)
            until(lambda: _names(daemon) == ["b (1).jpg"], daemon.tail)
        daemon.wait_for("level")
        daemon.stop()


@as_root
def test_a_root_behind_a_link_that_hangs_from_the_beginning_is_left_alone(daemon: Daemon, tmp_path: Path) -> None:
    photo = as_photo(scene(1, 320, 240), 1)
    disk, link = tmp_path / "disk", tmp_path / "slow"
    disk.mkdir()
    link.symlink_to(disk / "photos")
    with tmpfs(disk):
        (disk / "photos").mkdir()
        _watch(daemon, link, daemon.root)
        (daemon.root / "b.jpg").write_bytes(photo)
        with stalled(disk):
            daemon.start()
            until(lambda: _states(daemon) == {"slow": "hanging", "mirror": "healthy"}, daemon.tail)
            until(lambda: bool(daemon.status()["roots"][1]["level"]), daemon.tail)
            (daemon.root / "b (1).jpg").write_bytes(photo)
            until(lambda: _names(daemon) == ["b (1).jpg"], daemon.tail)
            daemon.hup()
            until(lambda: "read when every disk answers" in daemon.log.read_text(), daemon.tail)
        daemon.wait_for("level")
        until(lambda: "configuration read again" in daemon.log.read_text(), daemon.tail)
        daemon.stop()
