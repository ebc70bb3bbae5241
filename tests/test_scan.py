"""`scan` for who runs no daemon: what a person said is heeded once, and what was not done is told by the exit code."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drawing import scene, stored
from tests.e2e.running import Daemon, twinwatch, without_rights_of_root
from twinwatch.index import Index

PHOTOS, LOST = 30, 25


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Thirty photos, looked at once."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    picture = stored(scene(1, (96, 72)), quality=90)
    for number in range(PHOTOS):
        (folder / f"{number}.jpg").write_bytes(picture + bytes([number]))
    assert scanned(folder) == (0, "")
    return folder


def scanned(root: Path) -> tuple[int, str]:
    done = twinwatch("scan", root, "--state", root.parent / "state", check=False)
    return done.returncode, done.stderr


def resume(root: Path) -> None:
    twinwatch("resume", "--root", root, "--state", root.parent / "state")


def lose(root: Path, count: int = LOST) -> None:
    for number in range(count):
        (root / f"{number}.jpg").unlink()


def known(root: Path) -> int:
    index = Index(root.parent / "state")
    try:
        return index.photos.count()
    finally:
        index.close()


def test_a_scan_forgets_what_a_person_says_is_rightly_gone_and_no_more_than_that(root: Path) -> None:
    lose(root)
    code, said = scanned(root)
    assert (code, "emptied" in said, known(root)) == (1, True, PHOTOS)
    resume(root)
    assert (scanned(root), known(root)) == ((0, ""), PHOTOS - LOST)
    for number in range(PHOTOS):
        (root / f"{number}.jpg").write_bytes(stored(scene(2, (96, 72)), quality=90) + bytes([number]))
    assert scanned(root) == (0, "")
    lose(root)
    code, said = scanned(root)
    assert (code, "emptied" in said, known(root)) == (1, True, PHOTOS), "what was said once holds once"


def test_what_a_person_said_of_a_lost_marker_does_not_outlive_a_scan(root: Path) -> None:
    (root / ".twinwatch/root.json").unlink()
    assert scanned(root)[0] == 1
    resume(root)
    assert scanned(root) == (0, "")
    lose(root)
    daemon = Daemon(root, root.parent / "state")
    try:
        status = daemon.start().wait_for("degraded", "level")
        assert (status["state"], status["roots"][0]["state"], status["photos"]) == ("degraded", "emptied", PHOTOS)
        daemon.stop()
    finally:
        daemon.end()


def test_a_scan_that_could_not_judge_a_picture_is_done_in_part(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_rights_of_root(root.parent, monkeypatch)
    for name, mode in (("locked.jpg", 0), ("new.jpg", 0o600)):
        (root / name).write_bytes(stored(scene(3, (96, 72)), quality=90))
        (root / name).chmod(mode)
    done = twinwatch("scan", root, "--state", root.parent / "state", check=False)
    assert (done.returncode, f"{root / 'locked.jpg'} cannot be read" in done.stderr) == (1, True)
    assert "1 could not be judged" in done.stdout
    assert known(root) == PHOTOS + 1
    (root / "locked.jpg").chmod(0o600)
    assert scanned(root) == (0, "")


def test_a_state_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    """As on a disk that is full: not a byte can be written to a file."""
    photos, state = tmp_path / "photos", tmp_path / "state"
    photos.mkdir()
    scan = shlex.join([sys.executable, "-m", "twinwatch", "scan", str(photos), "--state", str(state)])
    done = subprocess.run(["sh", "-c", f"ulimit -f 0; exec {scan}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert f"the state in {state} cannot be used: File too large" in line
