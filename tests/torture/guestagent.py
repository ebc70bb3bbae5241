"""Runs inside a virtual machine and does what the host asks for, one JSON line each, until the machine ends.

A request is `{"id": 1, "run": [words], "text": "for its stdin"}`; the answer comes when that has ended: `{"id": 1,
"code": 0, "out": "...", "err": "..."}`. Many may run at once. Requests come in pieces of PIECE bytes, and each piece is
answered too, by an answer with the number TAKEN: the port is a terminal, which stops for good when it is given more
than the 4 KiB that it can hold. The file is copied into the machine by itself: it needs only Python's own library.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import tty
from typing import Any

PORT = "/dev/ttyS0"  # the machine's only port to the host
PIECE = 1024  # bytes
TAKEN, READY = -1, 0  # numbers of answers: to a piece, and to nothing when the machine is up
NOTHING: dict[str, Any] = {"code": 0, "out": "", "err": ""}


def serve() -> None:
    """Say that the machine is up, and answer requests for ever; raises OSError when it has no port."""
    port = os.open(PORT, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    tty.setraw(port)
    writing = threading.Lock()

    def say(answer: dict[str, Any]) -> None:
        line = json.dumps(answer).encode() + b"\n"
        with writing:
            while line:
                line = line[os.write(port, line) :]

    def answer(request: dict[str, Any]) -> None:
        say({"id": request["id"], **_run(request["run"], request["text"])})

    say({"id": READY, **NOTHING})
    waiting, taken = b"", 0
    while True:
        read = os.read(port, PIECE)
        taken += len(read)
        if taken >= PIECE:
            taken -= PIECE
            say({"id": TAKEN, **NOTHING})
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
