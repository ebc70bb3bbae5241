"""The child side: warm up, give up every right, then answer jobs until the daemon closes the line.

Started by `process.Child` as a fresh interpreter, never by a fork of the daemon. A job's exception ends the process:
the daemon takes that as the answer, and the next job gets a clean child.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import gc
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from twinwatch.syscalls import die_with_parent
from twinwatch.workers import sandbox, wire

Job = Callable[..., Mapping[str, Any]]
"""Takes open descriptors, and words where it has any, returns the answer's JSON form."""

MAX_DESCRIPTORS = 2

DISK_TROUBLE = frozenset({errno.EIO, errno.ENXIO, errno.ENODATA, errno.ESTALE, errno.EREMOTEIO, errno.ETIMEDOUT})
"""What a read of a descriptor fails with when disk or server is at fault, not the photo."""

CODECS = ("ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "mac-roman")
"""Python imports a codec at its first use; these occur in metadata."""


def main(argument: str) -> None:
    """Run a worker; `argument` is the JSON object that `process.Child` wrote for it."""
    start = json.loads(argument)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to deal with: it ends us when it is ready
    os.chdir("/")
    gc.disable()  # until all is imported
    limits = sandbox.bound(sandbox.Bounds(start["memory_bytes"], start["descriptors"], start["nice"]))
    jobs = importlib.import_module(start["jobs_module"])
    abilities = warm_up(jobs)
    with socket.socket(fileno=start["socket"]) as line:  # asks the kernel for its kind, so before the enclosure
        die_with_parent(start["parent"])
        layers = {"limits": limits, **sandbox.enclose()}
        line.sendall(wire.encode({"hello": {**abilities, "sandbox": layers}}))
        while answer(line, jobs.JOBS):
            pass


def warm_up(jobs: ModuleType) -> dict[str, Any]:
    """Import and call once whatever opens files or starts threads: after this neither is possible."""
    abilities = dict(jobs.warm())
    for codec in CODECS:
        codecs.lookup(codec)
    gc.freeze()  # all this stays: no use in looking through it for garbage
    gc.enable()
    return abilities


def answer(line: socket.socket, jobs: Mapping[str, Job]) -> bool:
    """Do one job; return False when the daemon has closed the line."""
    packet, descriptors, _, _ = socket.recv_fds(line, wire.MAX_MESSAGE, MAX_DESCRIPTORS)
    if not packet:
        return False
    request = wire.decode(packet)
    with contextlib.ExitStack() as open_files:
        for descriptor in descriptors:
            open_files.callback(os.close, descriptor)
        sandbox.allow_cpu(float(request["seconds"]))
        try:
            reply = {"id": request["id"], "answer": jobs[request["job"]](*descriptors, *request["words"])}
        except MemoryError:
            line.sendall(wire.encode({"id": request["id"], "too_large": True}))
            sys.exit(0)  # what is left of the heap is not worth trusting
        except OSError as error:
            if error.errno not in DISK_TROUBLE:
                raise
            reply = {"id": request["id"], "unreadable": error.strerror or "an error of the disk"}
    line.sendall(wire.encode(reply))
    return True
