"""Runs twinwatch with one of its fsyncs left out: the broken control of the power-cut test.

usage: python -m tests.torture.unsynced SITE ARGUMENT...
SITE   all, sqlite, none, or a place in the program as `site` names it. With TORTURE_SITES=FILE the places that the
       program passes are appended to that file.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

from twinwatch.__main__ import main
from twinwatch.index import database

PACKAGE = os.sep + "twinwatch" + os.sep
CHAIN = 3  # functions of ours that name a place


def site(frame: FrameType | None, fd: int) -> str:
    """Name the place that syncs: its callers in the program, and which folder or file it is."""
    names: list[str] = []
    while frame is not None and len(names) < CHAIN:
        if PACKAGE in frame.f_code.co_filename:
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    path = os.readlink(f"/proc/self/fd/{fd}")
    inside = path.partition("-quarantine")[2]
    what = "slot" if inside.count("/") == 1 else "place" if path.endswith("-quarantine") else "folder"
    return f"{' < '.join(names)}: {what if os.path.isdir(path) else 'file'}"


def leave_out(wanted: str) -> None:
    """Make the fsyncs of one place do nothing."""
    plainly, told = os.fsync, os.environ.get("TORTURE_SITES")

    def fsync(fd: int) -> None:
        here = site(sys._getframe(1), fd)
        if told:
            with open(told, "a") as file:
                file.write(here + "\n")
        if wanted not in (here, "all"):
            plainly(fd)

    os.fsync = fsync  # type: ignore[assignment]
    if wanted in ("sqlite", "all"):
        database.PRAGMAS = (*database.PRAGMAS, "synchronous=OFF")  # type: ignore[assignment]


if __name__ == "__main__":
    leave_out(sys.argv.pop(1))
    main()
