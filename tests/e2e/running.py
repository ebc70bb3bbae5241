"""The real daemon in a real process: start it, wait for what it says, stop it, kill it. Nothing is replaced."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinwatch.service.state import published

PATIENCE = 90.0  # seconds until something that must come is given up; never a measure of speed

CONFIG = """\
roots: [{{path: {root}}}]
settle: {{quiet_seconds: 0.4, closed_seconds: 0.1, retry_seconds: 0.5, retries: 2}}
quarantine: {{min_free_mib: 0}}
quiet: {{on_battery: true}}
log: {{level: info, format: plain}}
"""


def twinwatch(*arguments: object, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [sys.executable, "-m", "twinwatch", *map(os.fspath, map(str, arguments))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def until(wanted: Callable[[], bool], what: Callable[[], str] | str, patience: float = PATIENCE) -> None:
    """Look again and again until something is so, and rest as long as a look takes; fail when it never is."""
    deadline = time.monotonic() + patience
    while True:
        begun = time.monotonic()
        if wanted():
            return
        if begun > deadline:
            raise AssertionError(what if isinstance(what, str) else what())
        time.sleep(max(0.02, time.monotonic() - begun))  # a command in a process of its own takes what it looks at


def without_rights_of_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is started from here on obey the modes of files: root does not, unless it gives up that right."""
    if os.geteuid() != 0:
        return
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    humble = folder / "python"
    humble.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-dac_override,-dac_read_search {sys.executable} "$@"\n')
    humble.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(humble))


class Daemon:
    """`twinwatch run` on one root."""

    def __init__(self, root: Path, state: Path, config: str = CONFIG, patience: float = PATIENCE) -> None:
        self.root, self.state, self.patience = root, state, patience
        self.config = state.parent / "config.yaml"
        self.config.write_text(config.format(root=json.dumps(str(root))))
        self.log = state.parent / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Daemon:
        """Start it and wait until it tells its service manager (us) that it is ready."""
        address = str(self.state.parent / "notify")
        with self.log.open("ab") as log, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(self.patience)
            self.process = subprocess.Popen(
                [sys.executable, "-m", "twinwatch", "run", "--config", self.config, "--state", self.state],
                stderr=log,
                stdout=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "NOTIFY_SOCKET": address},
            )
            try:
                while manager.recv(4096) != b"READY=1":
                    pass
            except TimeoutError:
                raise AssertionError(f"never ready\n{self.tail()}") from None
        os.unlink(address)
        return self

    @property
    def pid(self) -> int:
        """The process that watches: the one child of what was started, its supervisor."""
        assert self.process is not None
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def signal(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def hup(self) -> None:
        """Ask it to read its configuration again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        assert self.signal(signal.SIGTERM) == 0, self.tail()

    def kill(self) -> None:
        assert self.signal(signal.SIGKILL) == -signal.SIGKILL

    def end(self) -> None:
        """Make sure that nothing is left running."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def status(self) -> dict[str, Any]:
        done = twinwatch("status", "--state", self.state, "--json", check=False)
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def wait_for(self, *states: str) -> dict[str, Any]:
        """Wait until the daemon says that it is in one of these states; the command is asked once its file says so."""
        seen: dict[str, Any] = {}

        def there() -> bool:
            nonlocal seen
            assert self.process is not None
            assert self.process.poll() is None, self.tail()
            if (published(self.state) or {}).get("state") not in states:
                return False  # to ask a process each time would take the daemon's time
            seen = self.status()
            return seen["state"] in states

        until(there, lambda: f"never {states}: {seen}\n{self.tail()}", self.patience)
        return seen

    def wait_held(self, count: int) -> None:
        """Wait until the daemon says that it holds so many; asks its status file, which costs no process each time."""
        until(lambda: (published(self.state) or {}).get("held") == count, self.tail, self.patience)

    def wait_settled(self, state: str = "level") -> dict[str, Any]:
        """Wait until it is level (or in another state) and was not merely level before it heard of the last change.

        A picture of our own, written last, must be known: events come in order, so all before it were heard.
        """
        canary = self.root / f"canary-{time.time_ns()}.jpg"
        canary.write_bytes(b"no picture at all")
        until(
            lambda: str(canary) in self.log.read_text(errors="replace"), lambda: f"{canary} is not told\n{self.tail()}"
        )
        until(lambda: str(canary) in self.logged_paths(), lambda: f"{canary} was never judged\n{self.tail()}")
        status = self.wait_for(state)
        canary.unlink()
        return status

    def logged_paths(self) -> set[str]:
        done = twinwatch("log", "--state", self.state, "--json")
        return {json.loads(line)["path"] for line in done.stdout.splitlines()}

    def held(self) -> list[dict[str, Any]]:
        """List what is held; a slot whose photo is on its way at this moment is not yet among it."""
        done = twinwatch("quarantine", "list", "--state", self.state, "--json")
        return [row for row in map(json.loads, done.stdout.splitlines()) if row["state"] == "held"]

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]
