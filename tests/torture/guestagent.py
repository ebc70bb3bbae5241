"""Runs inside a virtual machine and does what the host asks for, one JSON line each, until the machine ends.

A request is `{"id": 1, "run": [words], "text": "for its stdin"}`; the answer comes when that has ended: `{"id": 1,
"code": 0, "out": "...", "err": "..."}`. Many may run at once. It is copied into the machine by itself: it needs nothing
but Python's own library.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import threading
import time
from typing import Any

PORT = "/dev/vport*p1"  # the machine's only port to the host


def serve() -> None:
    """Answer requests for ever; raises OSError or ValueError when the machine has no port, or more than one."""
    (path,) = glob.glob(PORT)
    port = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    writing = threading.Lock()

    def answer(request: dict[str, Any]) -> None:
        line = json.dumps({"id": request["id"], **_run(request["run"], request["text"])}).encode() + b"\n"
        with writing:
            while line:
                line = line[os.write(port, line) :]

    waiting = b""
    while True:
        read = os.read(port, 1 << 16)
        if not read:
            time.sleep(0.02)  # the host has not connected yet, and the port tells of that in no other way
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


def _run(words: list[str], text: str) -> dict[str, Any]:
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return {"code": 127, "out": "", "err": str(error)}
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


if __name__ == "__main__":
    serve()
