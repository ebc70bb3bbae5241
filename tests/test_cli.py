"""The command line as a person or a script meets it: the real command in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from demo.scenes import as_photo, copies, look_alikes, scene

import twinwatch as twinwatch_package
from tests.e2e.running import twinwatch


@pytest.fixture(scope="module")
def photo() -> bytes:
    return as_photo(scene(1, 480, 360), 1)


@pytest.fixture
def mirror(tmp_path: Path, photo: bytes) -> Path:
    """A photo, three copies and a look-alike of it."""
    return mirror_in(tmp_path, photo)


@pytest.fixture
def plain_mirror(mirror: Path) -> Path:
    """The same with a third copy by its bytes for the PNG: whichever comes first, all have one keeper that stays."""
    (mirror / "IMG_1.png").unlink()
    (mirror / "IMG_1 (2).jpg").write_bytes((mirror / "IMG_1.jpg").read_bytes())
    return mirror


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, photo: bytes) -> Path:
    """The same, and the state in which it was scanned: made once, for those who only look at them."""
    folder = tmp_path_factory.mktemp("scanned")
    twinwatch("scan", mirror_in(folder, photo), "--state", folder / "state")
    return folder


def mirror_in(folder: Path, photo: bytes) -> Path:
    root = folder / "mirror"
    root.mkdir()
    made, alike = copies(photo), look_alikes(photo)
    (root / "IMG_1.jpg").write_bytes(photo)
    (root / "IMG_1 (1).jpg").write_bytes(photo)
    (root / "IMG_1_half.jpg").write_bytes(made["resized to half"][1])
    (root / "IMG_1.png").write_bytes(made["converted to PNG"][1])
    (root / "IMG_1_stamp.jpg").write_bytes(alike["with a date stamp"][1])
    return root


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., list[dict[str, object]]]:
    """Run a command on this test's own state and return its JSON lines."""
    return partial(asked, tmp_path / "state")


def asked(state: Path, *arguments: object) -> list[dict[str, object]]:
    done = twinwatch(*arguments, "--state", state, "--json", check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


ROOM = str(Path(twinwatch_package.__file__).resolve().parent.parent)  # of the code that is tested, from any folder

Ask = Callable[..., list[dict[str, object]]]


def test_scan_reports_first_and_moves_only_when_told(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    before = {path.name for path in mirror.iterdir()}
    reported = ask("scan", mirror)
    assert {path.name for path in mirror.iterdir()} - before == {".twinwatch"}
    actions = {Path(str(row["path"])).name: row["action"] for row in reported if row["action"] != "none"}
    assert actions == {
        "IMG_1 (1).jpg": "would-hold",
        "IMG_1_half.jpg": "would-hold",
        "IMG_1.png": "would-hold",
        "IMG_1_stamp.jpg": "review",
    }
    assert all(set(row) >= {"path", "verdict", "keeper", "evidence", "action"} for row in reported)

    moved = ask("scan", mirror, "--quarantine")
    assert sorted(Path(str(row["path"])).name for row in moved if row["action"] == "held") == [
        "IMG_1 (1).jpg",
        "IMG_1.png",
        "IMG_1_half.jpg",
    ]
    assert {path.name for path in mirror.glob("*.*")} == {".twinwatch", "IMG_1.jpg", "IMG_1_stamp.jpg"}
    held = ask("quarantine", "list")
    assert all(set(row) >= {"id", "path", "held_as", "keeper", "verdict", "held_at", "bytes", "state"} for row in held)
    assert [row["state"] for row in held] == ["held"] * 3
    again = ask("scan", mirror)
    assert [row["action"] for row in again] == ["review"], "nothing else is looked at twice"


@pytest.mark.parametrize(
    ("setting", "told", "not_told"),
    [
        ("observe: true", ("0 set aside, 3 only reported", "`observe: true`"), "set them aside with"),
        ("brake: {max_moves: 1}", ("1 set aside", "moving is paused", "go on with: "), "only reported"),
    ],
)
def test_a_scan_that_may_not_move_says_what_keeps_it(
    mirror: Path, tmp_path: Path, setting: str, told: tuple[str, ...], not_told: str
) -> None:
    config, state = tmp_path / "config.yaml", tmp_path / "state"
    config.write_text(f"roots: [{{path: {mirror}}}]\n{setting}\n")
    said = twinwatch("scan", "--quarantine", "--config", config, "--state", state).stdout
    assert [words in said for words in (*told, not_told)] == [True] * len(told) + [False], said
    if "resume" in said.splitlines()[-1]:
        assert "moving goes on" in pasted(said.splitlines()[-1], tmp_path).stdout


def test_a_scan_of_a_folder_that_lost_its_marker_names_the_command_for_it(mirror: Path, tmp_path: Path) -> None:
    twinwatch("scan", mirror, "--state", tmp_path / "state")
    (mirror / ".twinwatch/root.json").unlink()
    said = twinwatch("scan", mirror, "--state", tmp_path / "state", check=False).stderr
    assert "is the right folder" in pasted(said.splitlines()[0], tmp_path).stdout
    twinwatch("scan", mirror, "--state", tmp_path / "state")


def test_restore_by_id_by_its_end_and_by_path_and_what_is_restored_stays(
    mirror: Path, tmp_path: Path, ask: Ask
) -> None:
    ask("scan", mirror, "--quarantine")
    one, other, third = ask("quarantine", "list")
    for wanted in (one["id"], str(other["id"])[-8:], third["path"]):
        assert [row["state"] for row in ask("quarantine", "restore", wanted)] == ["restored"]
    assert ask("quarantine", "list") == []
    assert [row["action"] for row in ask("scan", mirror, "--quarantine") if row["action"] == "held"] == []
    unknown = twinwatch("quarantine", "restore", "nothing", "--state", tmp_path / "state", check=False)
    assert (unknown.returncode, "nothing in quarantine is called 'nothing'" in unknown.stderr) == (2, True)


def test_restore_works_from_the_manifests_alone(mirror: Path, tmp_path: Path, photo: bytes, ask: Ask) -> None:
    ask("scan", mirror, "--quarantine")
    place = next(tmp_path.glob(".*quarantine"))
    lost = tmp_path / "state"
    for file in lost.iterdir():
        file.unlink()
    done = [
        twinwatch("quarantine", "restore", "--all", "--place", place, "--state", lost).returncode,
        (mirror / "IMG_1 (1).jpg").read_bytes(),
        list(place.iterdir()),
    ]
    assert done == [0, photo, []]


def test_purge_asks_and_refuses_when_the_keeper_is_gone(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    (mirror / "IMG_1 (1).jpg.xmp").write_bytes(bytes(3 << 20))
    ask("scan", mirror, "--quarantine")
    state = ("--state", tmp_path / "state")
    unanswered = twinwatch("quarantine", "purge", "--all", *state, check=False, stdin=-3)
    assert (unanswered.returncode != 0, len(ask("quarantine", "list"))) == (True, 3)
    assert re.search(r"3 photos with 1 file beside them, [345]\.\d MiB, will be deleted", unanswered.stderr)
    (mirror / "IMG_1.jpg").rename(mirror / "moved.jpg")
    (mirror / "moved.jpg").write_bytes(b"edited")
    refused = twinwatch("quarantine", "purge", "--all", "--yes", *state, check=False)
    assert (refused.returncode, refused.stderr.count("may be the last copy")) == (1, 3)
    assert len(ask("quarantine", "list")) == 3


def test_purge_deletes_for_good_when_the_keeper_stands(plain_mirror: Path, tmp_path: Path, ask: Ask) -> None:
    ask("scan", plain_mirror, "--quarantine")
    assert ask("quarantine", "purge", "--all", "--older-than", "1", "--yes") == []
    purged = ask("quarantine", "purge", "--all", "--yes")
    assert [row["state"] for row in purged] == ["purged"] * 3
    assert (ask("quarantine", "list"), (plain_mirror / "IMG_1.jpg").exists()) == ([], True)


@pytest.mark.parametrize(("act", "done"), [(("restore",), "restored"), (("purge", "--yes"), "purged")])
def test_of_everything_what_cannot_be_done_is_told(
    plain_mirror: Path, tmp_path: Path, ask: Ask, act: tuple[str, ...], done: str
) -> None:
    ask("scan", plain_mirror, "--quarantine")
    damaged = sorted(tmp_path.glob(".*quarantine/*/manifest.json"))[1]
    damaged.write_bytes(b"{")
    said = twinwatch("quarantine", *act, "--all", "--state", tmp_path / "state", "--json", check=False)
    rows = {row["id"]: row["state"] for row in map(json.loads, said.stdout.splitlines())}
    assert rows == {**dict.fromkeys(rows, done), damaged.parent.name: "failed"}
    assert (said.returncode, len(rows)) == (1, 3)
    assert "its manifest cannot be read" in said.stderr


@pytest.mark.parametrize("command", ["list", "show", "restore", "purge", "verify"])
def test_a_quarantine_that_cannot_be_read_is_said_in_one_line(
    mirror: Path, tmp_path: Path, ask: Ask, command: str
) -> None:
    ask("scan", mirror, "--quarantine")
    place = next(tmp_path.glob(".*quarantine"))
    place.rename(tmp_path / "aside")
    place.write_bytes(b"a file")
    ids = [] if command in ("list", "verify") else ["x"]
    done = twinwatch("quarantine", command, *ids, "--state", tmp_path / "state", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{place} cannot be read: Not a directory" in done.stderr
    assert ("nothing in quarantine is called 'x'" in done.stderr) == bool(ids)


@pytest.mark.parametrize("command", [("list",), ("verify",), ("restore", "--all"), ("purge", "--all", "--yes")])
def test_what_other_quarantines_hold_is_there_although_one_cannot_be_read(
    tmp_path: Path, photo: bytes, ask: Ask, command: tuple[str, ...]
) -> None:
    for name, picture in (("one", photo), ("other", as_photo(scene(7, 480, 360), 7))):
        (tmp_path / name).mkdir()
        for file in ("IMG_1.jpg", "IMG_1 (1).jpg"):
            (tmp_path / name / file).write_bytes(picture)
    ask("scan", tmp_path / "one", tmp_path / "other", "--quarantine")
    (whole,) = (row for row in ask("quarantine", "list") if "/other/" in str(row["path"]))
    broken = tmp_path / ".twinwatch-one-quarantine"
    broken.rename(tmp_path / "aside")
    broken.symlink_to("aside")
    done = twinwatch("quarantine", *command, "--json", "--state", tmp_path / "state", check=False)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [whole["id"]]
    assert (done.returncode, done.stderr.count(f"{broken} cannot be read: it is a symlink")) == (1, 1)
    assert len(list((tmp_path / "aside").iterdir())) == 1
    looked = twinwatch("quarantine", "verify", "--state", tmp_path / "state", check=False)
    left = len(ask("quarantine", "list"))
    assert (looked.returncode, looked.stdout) == (1, f"{left} looked at, 0 with something to do\n")


def test_compare_pairs_answers_line_by_line_in_order(mirror: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    names = ["IMG_1 (1).jpg", "IMG_1_half.jpg", "IMG_1_stamp.jpg", "gone.jpg"]
    pairs.write_text("a,b,source\n" + "".join(f"IMG_1.jpg,{name},x\n" for name in names))
    done = twinwatch("compare", "--pairs", pairs, "--base", mirror, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["b"] for row in rows] == names
    assert [row["verdict"] for row in rows] == ["identical", "re-encoded", "look-alike", "undecodable"]
    assert (rows[1]["original"], set(rows[0])) == ("a", {"a", "b", "verdict", "original", "evidence"})


def test_check_knows_a_copy_from_elsewhere(mirror: Path, tmp_path: Path, photo: bytes, ask: Ask) -> None:
    ask("scan", mirror)
    elsewhere = tmp_path / "from the web.jpg"
    elsewhere.write_bytes(copies(photo)["recompressed"][1])
    assert "re-encoded" in {row["verdict"] for row in ask("check", elsewhere)}
    elsewhere.write_bytes(as_photo(scene(99, 480, 360), 2))
    stranger = twinwatch("check", elsewhere, "--state", tmp_path / "state", check=False)
    assert (stranger.returncode, stranger.stdout.startswith("no copy of")) == (1, True)


def test_keep_lets_both_stay_and_forget_undoes_it(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    ask("scan", mirror)
    for name in ("IMG_1_half.jpg", "IMG_1.png"):
        twinwatch("keep", mirror / "IMG_1.jpg", mirror / name, "--state", tmp_path / "state")
    twinwatch("keep", mirror / "IMG_1_half.jpg", mirror / "IMG_1.png", "--state", tmp_path / "state")
    held = [Path(str(row["path"])).name for row in ask("scan", mirror, "--quarantine") if row["action"] == "held"]
    assert held == ["IMG_1 (1).jpg"]
    twinwatch("forget", mirror / "IMG_1.png", "--state", tmp_path / "state")
    held = [Path(str(row["path"])).name for row in ask("scan", mirror, "--quarantine") if row["action"] == "held"]
    assert held == ["IMG_1.png"]


def test_keep_says_what_was_set_aside_before(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    small = tmp_path / "small.jpg"
    small.write_bytes((mirror / "IMG_1_half.jpg").read_bytes())
    held = [row for row in ask("scan", mirror, "--quarantine") if row["path"] == str(mirror / "IMG_1_half.jpg")]
    said = twinwatch("keep", small, mirror / "IMG_1.jpg", "--state", tmp_path / "state").stdout
    assert "IMG_1_half.jpg was set aside before that; put it back" in said
    assert f"quarantine restore {held[0]['slot']}" in said


def test_log_filters_by_folder_verdict_action_and_time(scanned: Path) -> None:
    ask = partial(asked, scanned / "state")
    assert len(ask("log", scanned / "mirror")) == 4
    assert len(ask("log", scanned / "other")) == 0
    assert [row["verdict"] for row in ask("log", "--verdict", "look-alike")] == ["look-alike"]
    assert len(ask("log", "--action", "would-hold", "--since", "1h")) == 3
    assert len(ask("log", "--since", "2999-01-01")) == 0
    assert all(row["evidence"] and row["why"] for row in ask("log"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("scann",), 2, "Did you mean 'scan'"),
        (("quarantine", "lst"), 2, "Did you mean 'list'"),
        (("scan",), 2, "which folder?"),
        (("compare", "one.jpg"), 2, "give two files"),
        (("log", "--since", "yesterday", "--state", "."), 2, ""),
        (("run", "--config", "missing.yaml"), 78, "missing.yaml: cannot be read"),
        (("run",), 2, "which folder?"),
        (("scan", "", "--quarantine", "--state", "s"), 2, "is empty"),
        (("scan", ".", "--state", ""), 2, "is empty"),
        (("scan", ".", "--state", "inside"), 78, "is inside the root"),
        (("scan", "file.csv", "--state", "s"), 2, "is a file"),
        (("run", "--config", "file.yaml", "--state", "s"), 78, "is a file; name the folder it is in"),
        (("compare", "--pairs", "file.csv"), 2, "line 2: a and b must both be given"),
        (("compare", "--pairs", "long.csv"), 2, "line 2: field larger"),
        (("compare", "a", "b", "--base", "."), 2, "--base goes with --pairs"),
        (("compare", "\x1b[31m", "\x1b]0;x"), 1, ""),
        (("check", "\x1b[31m", "--state", "nowhere"), 2, "no index"),
        (("quarantine", "list", "--place", "nowhere"), 2, "does not exist"),
        (("quarantine", "purge", "--all", "--older-than", "-1"), 2, "not in the range"),
        (("resume", "--root", "nowhere"), 2, "does not exist"),
        (("scan", "missing folder", "--state", "state"), 1, "is not there"),
        (("status", "--state", "nowhere"), 1, ""),
        (("index", "stats", "--state", "nowhere"), 2, "twinwatch scan DIR"),
    ],
)
def test_bad_input_gets_a_clear_line_and_its_exit_code(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "file.csv").write_text("a,b\nonly a\n")
    (tmp_path / "long.csv").write_text(f"a,b\n{'x' * 200_000},y\n")
    (tmp_path / "file.yaml").write_text(f"roots: [{{path: {tmp_path}/file.csv}}]")
    done = twinwatch(*arguments, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ROOM})
    assert "\x1b" not in done.stdout + done.stderr
    assert (done.returncode, "Traceback" in done.stderr, words in done.stderr) == (code, False, True), done.stderr


def pasted(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Do what a person does with a command at the end of a line: paste it into a shell, wherever that is."""
    command = re.search(r"\S*(?:/| -m )?twinwatch [a-z].*$", line)
    assert command, line
    return subprocess.run(
        ["bash", "-c", command[0]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ROOM},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_what_is_printed_can_be_pasted(tmp_path: Path, photo: bytes) -> None:
    root, state = tmp_path / "it's mine", tmp_path / "state of $HOME"
    root.mkdir()
    (root / "IMG_1.jpg").write_bytes(photo)
    odd = os.fsdecode(b"-odd \xff\n.jpg")
    (root / odd).write_bytes(photo)
    (root / "half.jpg").write_bytes(copies(photo)["resized to half"][1])
    reported = twinwatch("scan", root, "--state", state).stdout.splitlines()
    assert reported[-2] == "3 pictures, 3 looked at, 2 proven copies, 0 for review; nothing was moved"
    moved = pasted(reported[-1], tmp_path).stdout.splitlines()
    assert moved[-2] == "3 pictures, 2 looked at, 2 set aside, 0 for review"
    listed = pasted(moved[-1], tmp_path).stdout.splitlines()
    shown = twinwatch("quarantine", "show", listed[0].split()[0], "--state", state).stdout.splitlines()
    pasted(shown[-1], tmp_path)
    for line in twinwatch("log", root, "--state", state, "--action", "held").stdout.splitlines():
        if "undo: " in line and listed[0].split()[0] not in line:
            pasted(line, tmp_path)
    assert {path.name for path in root.iterdir()} == {"IMG_1.jpg", odd, "half.jpg", ".twinwatch"}
    kept = twinwatch("keep", root / odd, root / "half.jpg", "--state", state).stdout
    assert "forgot" in pasted(kept, tmp_path).stdout


def test_copies_side_by_side_are_all_set_aside(tmp_path: Path, photo: bytes, ask: Ask) -> None:
    root = tmp_path / "mirror"
    root.mkdir()
    for number in range(8):
        (root / f"IMG_{number}.jpg").write_bytes(photo)
    assert sum(row["action"] == "held" for row in ask("scan", root, "--quarantine")) == 7


def test_an_empty_name_chooses_nothing(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    (mirror / "IMG_1_half.jpg").unlink()
    (mirror / "IMG_1.png").unlink()
    ask("scan", mirror, "--quarantine")
    state = ("--state", tmp_path / "state")
    for command in (("restore", ""), ("purge", "", "--yes"), ("purge", "--all", "x", "--yes"), ("purge", "--yes")):
        assert twinwatch("quarantine", *command, *state, check=False).returncode == 2
    assert len(ask("quarantine", "list")) == 1


def test_status_counts_what_there_is_when_nothing_runs(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    ask("scan", mirror, "--quarantine")
    said = ask("status")[0]
    assert (said["state"], said["photos"], said["held"], said["queued"]) == ("stopped", 2, 3, 0)
    nothing = twinwatch("status", "--state", tmp_path / "nowhere", check=False)
    assert (nothing.returncode, "no index in" in nothing.stdout) == (1, True)


def test_a_damaged_index_is_said_with_the_command_that_mends_it(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    ask("scan", mirror, "--quarantine")
    state = tmp_path / "state"
    (state / "index.db").write_bytes(b"no database" * 1000)
    assert ask("status")[0]["state"] == "stopped"
    broken = twinwatch("quarantine", "list", "--state", state, check=False)
    assert (broken.returncode, "is damaged" in broken.stderr) == (1, True)
    pasted(broken.stderr.split(" (")[0], tmp_path)
    assert {row["action"] for row in ask("scan", mirror)} == {"none", "review"}
    assert len(ask("quarantine", "list")) == 3


def test_a_scan_that_is_told_to_stop_ends_between_two_photos(tmp_path: Path, photo: bytes) -> None:
    root = tmp_path / "mirror"
    root.mkdir()
    for number in range(200):
        (root / f"{number:0200}.jpg").write_bytes(photo)
    command = [sys.executable, "-m", "twinwatch", "scan", str(root), "--quarantine", "--state", str(tmp_path / "state")]
    pipe = subprocess.PIPE
    # What it says is far more than fits the pipe: it cannot end before we have read it.
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, bufsize=1, pipesize=4096) as scan:
        assert scan.stdout is not None
        scan.stdout.readline()
        scan.send_signal(signal.SIGUSR1)  # what `resume` sends
        scan.send_signal(signal.SIGINT)
        _, said = scan.communicate(timeout=60)
    assert (scan.returncode, "Traceback" in said, "stopped: nothing is half done" in said) == (1, False, True)
    place = next(tmp_path.glob(".*quarantine"), tmp_path / "none")
    held = len(list(place.iterdir())) if place.exists() else 0
    assert held + len(list(root.glob("*.jpg"))) == 200


def test_an_answer_that_cannot_be_written_is_said_in_one_line(scanned: Path) -> None:
    command = f"exec {sys.executable} -m twinwatch log --state {scanned}/state"
    for where, code in ((">/dev/full", 1), ("--json >/dev/full", 1), (">&-", 0), ("--json >&-", 0)):
        done = subprocess.run(
            ["sh", "-c", f"{command} {where}"],
            env={**os.environ, "PYTHONPATH": ROOM},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_colours_only_for_those_who_want_them(scanned: Path) -> None:
    command = f"stty cols 50; {sys.executable} -m twinwatch log --state {scanned}/state"
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        done = subprocess.run(
            ["script", "-qec", command, "/dev/null"],
            env={**os.environ, "PYTHONPATH": ROOM, "TERM": "xterm", **extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("\x1b[" in done.stdout) is coloured, extra


def test_a_reader_that_leaves_early_is_no_error(scanned: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "twinwatch", "log", "--state", str(scanned / "state")]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode in (0, -signal.SIGPIPE), done.stderr) == (True, "")


def test_a_configuration_for_which_there_is_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    command = ["prlimit", "--fsize=4096", sys.executable, "-m", "twinwatch", "config", "init", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, f"{file}: File too large; nothing was written" in done.stderr) == (1, True), done.stderr
    assert not file.exists()
    twinwatch("config", "init", file)


def test_a_configuration_that_cannot_be_written_takes_nothing_away_that_was_there(tmp_path: Path) -> None:
    """A link to a device stands for the device, which only root could lose."""
    device, empty = tmp_path / "device", tmp_path / "empty"
    device.symlink_to("/dev/full")
    empty.touch()
    done = twinwatch("config", "init", device, check=False)
    assert (done.returncode, "No space left" in done.stderr, device.is_symlink()) == (1, True, True)
    command = ["prlimit", "--fsize=4096", sys.executable, "-m", "twinwatch", "config", "init", str(empty)]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 1
    assert empty.stat().st_size == 0


def test_doctor_and_config_and_index_answer(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    ask("scan", mirror)
    found = {str(row["check"]): row for row in ask("doctor", mirror)}
    assert {"state folder", "sandbox", "decoders", "inotify"} <= set(found)
    assert (found["decoders"]["ok"], "JPEG" in str(found["decoders"]["found"])) == (True, True)
    file = tmp_path / "config.yaml"
    file.touch()  # as a crash in `config init` leaves it
    twinwatch("config", "init", file)
    assert twinwatch("config", "init", file, check=False).returncode == 2
    file.write_text(file.read_text().replace("radius: 5", "radios: 5"))
    wrong = twinwatch("config", "check", file, check=False)
    assert (wrong.returncode, "did you mean" in wrong.stderr, wrong.stderr.startswith(f"{file}:")) == (78, True, True)
    assert ask("index", "stats")[0]["photo"] == 5
    twinwatch("index", "verify", "--state", tmp_path / "state")
    twinwatch("index", "backup", tmp_path / "copy.db", "--state", tmp_path / "state")
    log = ask("log")
    twinwatch("index", "rebuild", "--state", tmp_path / "state")
    assert ask("log") == log, "the log is taken over"
    assert len([row for row in ask("scan", mirror) if row["action"] != "none"]) == 4


@pytest.mark.parametrize("odd", ["a symlink", "a file", "missing"])
def test_a_quarantine_that_nothing_can_be_moved_to_is_told_before_it_is_needed(
    mirror: Path, tmp_path: Path, ask: Ask, odd: str
) -> None:
    place = tmp_path / "new/held" if odd == "missing" else tmp_path / "held"
    file = tmp_path / "config.yaml"
    file.write_text(f"roots: [{{path: {mirror}, quarantine: {place}}}]\n")
    if odd == "a symlink":
        (tmp_path / "real").mkdir()
        place.symlink_to(tmp_path / "real")
    elif odd == "a file":
        place.touch()
    words = f"{place.parent} is not there" if odd == "missing" else f"it is {odd}"
    checked = twinwatch("config", "check", file).stdout
    assert f"{place}: nothing can be moved there" in checked
    assert words in checked
    (found,) = (row for row in ask("doctor", "--config", file) if str(row["check"]).endswith("quarantine"))
    assert (found["ok"], words in str(found["found"])) == (False, True)
    if odd != "missing":
        place.unlink()
    else:
        assert found["mend"] == f"mkdir -p {place.parent}"
        place.parent.mkdir()
    assert "nothing can be moved" not in twinwatch("config", "check", file).stdout


def test_doctor_counts_no_folders_of_a_root_that_is_polled(mirror: Path, tmp_path: Path, ask: Ask) -> None:
    file = tmp_path / "config.yaml"
    for mode, folders in (("inotify", "1 folders"), ("polling", "0 folders")):
        file.write_text(f"roots: [{{path: {mirror}, mode: {mode}}}]\n")
        found = {str(row["check"]): str(row["found"]) for row in ask("doctor", "--config", file)}
        assert folders in found["inotify"]
        assert ("walked regularly" in found[f"root {mirror}"]) is (mode == "polling")


HEAVY = {"PIL", "numpy", "scipy", "imagehash", "pydantic", "yaml", "sqlalchemy", "alembic", "rich"}


def test_the_daemon_and_help_never_import_a_decoder() -> None:
    code = (
        "import sys, twinwatch.service.daemon, twinwatch.cli, twinwatch.cli.diagnosis;"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_daemon_has_loaded_at_its_start_what_it_may_need_to_move_a_photo() -> None:
    """A package that is upgraded while it runs must not give it a new room beside the old ones."""
    needed = {"twinwatch.quarantine.hold", "twinwatch.quarantine.recover", "twinwatch.content", "blake3"}
    needed |= {"twinwatch.workers.process", "twinwatch.config.changes", "twinwatch.service.told"}
    code = f"import sys, twinwatch.service.daemon; print(sorted({needed!r} - set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_everyday_command_imports_nothing_heavy(mirror: Path, tmp_path: Path) -> None:
    """Neither where the index is begun nor where it is known: each of these would cost half of what a command does."""
    commands = [["scan", str(mirror)]] * 2 + [["status"], ["log"], ["quarantine", "list"], ["index", "stats"]]
    for command in commands:
        started = [sys.executable, "-X", "importtime", "-m", "twinwatch", *command, "--state", str(tmp_path / "new")]
        done = subprocess.run(started, capture_output=True, text=True, check=False)
        told = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
        imported = {name.partition(".")[0] for name in told}
        assert {"sqlite3", "twinwatch"} <= imported, command
        assert sorted(HEAVY & imported) == [], command


def test_a_person_at_a_terminal_sees_how_far_a_scan_is(mirror: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "twinwatch", "scan", "--state", str(tmp_path / "seen"), str(mirror)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as scan:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    assert scan.returncode == 0
    words = shown.decode()
    assert "looking how much there is" in words
    assert re.search(r"of \d+ photos, [\d.]+ a second", words)
    assert re.search(r"\d+(\.\d)?/\d+(\.\d)? (bytes|[kK]i?B)", words)
