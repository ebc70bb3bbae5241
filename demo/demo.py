"""`make run` without DIR: draws a small mirror, starts the real daemon on it, and lets copies and look-alikes sync in.

Everything shown is what the daemon did: this only writes files and asks `twinwatch log` and `status`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo.scenes import as_photo, copies, look_alikes, scene

PHOTOS = 8
PATIENCE = 60.0  # seconds; a decision takes one or two


def main() -> int:
    """Run the demonstration; return the exit code."""
    home = Path(tempfile.mkdtemp(prefix="twinwatch-demo-"))
    mirror, state = home / "mirror", home / "state"
    (mirror / "2024").mkdir(parents=True)
    say(f"Drawing {PHOTOS} photos into a mirror of your phone: {mirror}/2024")
    with ProcessPoolExecutor() as pool:
        photos = list(pool.map(_draw, range(PHOTOS)))
    for number, photo in enumerate(photos):
        (mirror / "2024" / f"IMG_{number:04d}.jpg").write_bytes(photo)
    say("Starting the daemon on it: what is there at first is indexed, never moved.")
    with (home / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(_command("run", mirror, "--state", state), stderr=log, stdout=log)
    try:
        _wait_until_level(daemon, state, home)
        right = _let_arrive(mirror, state, photos)
        _show_the_way_back(state)
    except TimeoutError as error:
        say(f"stopped: {error}; its log is {home}/daemon.log")
        return 1
    except KeyboardInterrupt:
        say(f"stopped; everything is in {home}")
        return 1
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
    say(f"All of it is still there to look at: {home}")
    say(f"On your own photos: make run DIR=/path/to/mirror     (first without moving: {_shown()} scan /path/to/mirror)")
    return 0 if right else 1


def say(text: str) -> None:
    """Print a line for the person."""
    print(text, flush=True)


def _draw(number: int) -> bytes:
    return as_photo(scene(number, 1200, 900), number)


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "twinwatch", *map(str, arguments)]


def _shown() -> str:
    return os.path.relpath(Path(sys.executable).with_name("twinwatch"))


def _ask(*arguments: object) -> list[dict[str, Any]]:
    done = subprocess.run(_command(*arguments, "--json"), capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _wait_until_level(daemon: subprocess.Popen[bytes], state: Path, home: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while _ask("status", "--state", state)[0]["state"] != "level":
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"the daemon did not get level: {(home / 'daemon.log').read_text()}")
        time.sleep(0.1)
    say("It is level: every folder watched, every photo known.\n")


def _let_arrive(mirror: Path, state: Path, photos: list[bytes]) -> bool:
    """Let copies and look-alikes arrive one by one; return whether each was treated as it should be."""
    arrived = mirror / "Camera Uploads"
    arrived.mkdir()
    right = True
    for title, make, is_copy in (("COPIES sync in:", copies, True), ("LOOK-ALIKES sync in:", look_alikes, False)):
        say(title)
        for number, photo in enumerate(photos):
            kind, (ending, content) = list(make(photo).items())[number % len(make(photo))]
            name = f"IMG_{number:04d}{ending}"
            temporary = arrived / f".syncthing.{name}.tmp"
            temporary.write_bytes(content)
            temporary.rename(arrived / name)
            row = _decision(state, arrived / name)
            right = right and (row["action"] == "held") == is_copy
            _show(kind, name, row)
        say("")
    return right


def _decision(state: Path, path: Path) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        rows = [row for row in _ask("log", path, "--state", state) if row["path"] == str(path)]
        if rows:
            return rows[-1]
        time.sleep(0.1)
    raise TimeoutError(f"nothing was decided about {path}")


def _show(kind: str, name: str, row: dict[str, Any]) -> None:
    what = "set aside" if row["action"] == "held" else "left alone"
    say(f"  {kind:34} {name:24} -> {what:10} {row['verdict']}")
    say(f"       {(row['evidence'] or {}).get('words') or 'nothing like it is known'}")


def _show_the_way_back(state: Path) -> None:
    held = _ask("quarantine", "list", "--state", state)
    say(f"{len(held)} photos are in quarantine, each beside a manifest.json that explains it. One is put back:")
    say(f"  $ {_shown()} quarantine restore {held[0]['id']} --state {state}")
    done = subprocess.run(
        _command("quarantine", "restore", held[0]["id"], "--state", state), capture_output=True, text=True, check=False
    )
    say(f"  {done.stdout.strip() or done.stderr.strip()}")
    say("\nTry these:")
    for command in ("quarantine list", "log", f"quarantine show {held[1]['id']}", "quarantine restore --all"):
        say(f"  {_shown()} {command} --state {state}")
    say("")


if __name__ == "__main__":
    sys.exit(main())
