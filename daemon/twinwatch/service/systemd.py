"""Talks to the service manager (sd_notify(3)): readiness, reload, and a heartbeat that only progress feeds."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time


class Manager:
    """The service manager that started us, or nobody: then every call does nothing."""

    def __init__(self) -> None:
        """Take over $NOTIFY_SOCKET and $WATCHDOG_USEC, so that no child process talks in our name."""
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        period = os.environ.pop("WATCHDOG_USEC", "")
        meant = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every = int(period) / 2_000_000 if period.isdigit() and meant else None
        self._next = 0.0
        self._said = ""

    def ready(self) -> None:
        """Say that the service has started, or has reloaded."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that a reload has begun; the two fields must come in one message."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the service is on its way out."""
        self._send("STOPPING=1")

    def status(self, words: str) -> None:
        """Say in one line how it goes, shown by `systemctl status`."""
        if words != self._said:
            self._said = words
            self._send(f"STATUS={words}")

    def alive(self, now: float) -> None:
        """Feed the watchdog; to be called from the deciding thread only, after it got something done."""
        if self._every is not None and now >= self._next:
            self._next = now + self._every
            self._send("WATCHDOG=1")

    def going_on(self) -> None:
        """Feed the watchdog once more: this process hangs, and another one is about to go on."""
        if self._every is not None:
            self._send("WATCHDOG=1")

    def next_due(self) -> float:
        """Return when `alive` must be called at the latest, on its clock; never, if nobody waits for it."""
        return math.inf if self._every is None else self._next

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.sendto(message.encode(), address)
