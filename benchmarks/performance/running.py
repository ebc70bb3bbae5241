"""The real daemon as a process, over one root: what arrives is put there by a rename, as sync clients do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.performance.costs import TWINWATCH

SETTLE = 1.0  # seconds that a file renamed into place must stand still: the default
_PATIENCE = 1800.0  # seconds until something that must come is given up
_CONFIG = """\
roots: [{{path: {root}}}]
quarantine: {{min_free_mib: 0}}
brake: {{max_moves: 1000000, max_share: 1.0}}
workers: {{idle_seconds: {idle}}}
quiet: {{on_battery: true}}
"""


class Daemon:
    """`twinwatch run` on one root."""

    def __init__(self, root: Path, state: Path, idle: float = 30.0) -> None:
        """Start it and wait until it says that it is ready; `ready_seconds` is how long that took."""
        self.root, self.state = root, state
        config = state / "config.yaml"
        config.write_text(_CONFIG.format(root=json.dumps(str(root)), idle=idle))
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        address = f"\0twinwatch-bench-{os.getpid()}"
        with (state / "log").open("wb") as log, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(_PATIENCE)
            began = time.monotonic()
            self.process = subprocess.Popen(
                [*TWINWATCH, "run", "--config", config, "--state", state],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment, "NOTIFY_SOCKET": "@" + address[1:]},
            )
            while manager.recv(4096) != b"READY=1":
                pass
            self.ready_seconds = time.monotonic() - began

    def status(self) -> dict[str, object]:
        """Return what it says of itself."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self.state / "status.json").read_bytes()))
        return {}

    def wait_level(self, photos: int | None = None) -> None:
        """Wait until everything is looked at, and until it knows so many photos where a number is given."""

        def level() -> bool:
            status = self.status()
            return status.get("state") == "level" and (photos is None or status.get("photos") == photos)

        until(level, self)

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(_PATIENCE)


@contextlib.contextmanager
def running(root: Path, state: Path, idle: float = 30.0) -> Iterator[Daemon]:
    """Run the daemon for the block."""
    daemon = Daemon(root, state, idle)
    try:
        yield daemon
    finally:
        daemon.stop()


def until(true: Callable[[], bool], daemon: Daemon) -> None:
    """Wait for something; raise RuntimeError when it never comes or the daemon ends."""
    deadline = time.monotonic() + _PATIENCE
    while not true():
        if daemon.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((daemon.state / "log").read_text(errors="replace")[-2000:])
        time.sleep(0.002)
