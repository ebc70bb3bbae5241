"""The real program in real processes: run to its end, beneath another program, and again until all is level."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture.figures import REPOSITORY
from tests.torture.library import Library

PATIENCE = 300.0  # seconds until a process that must end is given up; never a measure of speed
PROGRAM = (sys.executable, "-m", "twinwatch")

CLEAN_ENDS = {0, 1, 78}
"""What the program may end with by itself: done, a failure with a clear line, a configuration that cannot be used."""


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended."""

    code: int  # negative: killed by that signal
    out: str
    err: str

    @property
    def clean(self) -> bool:
        """Tell whether it ended as a program should: with a known code and no traceback."""
        return self.code in CLEAN_ENDS and "Traceback" not in self.err

    def lines(self) -> list[dict[str, Any]]:
        """Return its JSON lines; a last one that was cut short is left out."""
        found = []
        for line in self.out.splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found


def run(
    arguments: Sequence[object],
    *,
    under: Sequence[object] = (),
    program: Sequence[object] = PROGRAM,
    environment: Mapping[str, str] | None = None,
    heard: Callable[[str], None] | None = None,
    text: str | None = None,
) -> Done:
    """Run the program to its end, beneath the command `under`; `heard` gets every line of its output at once."""
    process = subprocess.Popen(
        [str(word) for word in (*under, *program, *arguments)],
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'daemon'}", **(environment or {})},
    )
    if heard is None:
        out, err = process.communicate(text, timeout=PATIENCE)
        return Done(process.returncode, out, err)
    said = []
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        heard(line)
        said.append(line)
    err = process.stderr.read()  # the program says little there: the pipe holds it
    return Done(process.wait(PATIENCE), "".join(said), err)


def scan(library: Library, *more: object, **options: Any) -> Done:
    """Run `twinwatch scan --quarantine --json`."""
    words = ["scan", "--quarantine", "--json", "--config", library.config, "--state", library.state, *more]
    return run(words, **options)


def quarantine(library: Library, act: str, *more: object, **options: Any) -> Done:
    """Run `twinwatch quarantine restore|purge|verify`."""
    return run(["quarantine", act, "--json", "--state", library.state, *more], **options)


def slots(library: Library) -> dict[str, str]:
    """Return what is held: path below the root -> slot."""
    rows = quarantine(library, "list").lines()
    return {str(Path(row["path"]).relative_to(library.root)): row["id"] for row in rows if row["state"] == "held"}
