"""The figures of the fault tests: one value for each, a JSON file of the last of each, and the page made of it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
FIGURES = REPOSITORY / "docs/safety/figures.json"
PAGE = REPOSITORY / "docs/safety-figures.md"

LAWS = {
    "lost": "a file that a person put there is neither in its place nor in quarantine",
    "doubled": "it is in both",
    "parted": "a photo and its companions are not in one place",
    "untrue": "what was said to be done is not, or a change was called no change",
    "unresolved": "a restart did not bring index and disk level",
    "crashed": "the program ended with something else than a clear line, or never answered",
    "wrong": "what was not proved, or changed since, was called a copy or stayed in quarantine",
    "escaped": "something outside the watched folder was reached, or a worker did what it may not",
    "missed": "a file that came, or a name that a disk allows, was passed over",
    "stuck": "what is held could not be put back",
    "grown": "memory, descriptors or a log grew",
}
"""What a fault test counts; all must be 0."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What came of one kind of fault."""

    fault: str  # its number in the list of faults: F4
    case: str  # what was done to what
    count: int  # how often the fault was made
    target: str  # how often it is to be made
    broken: Counter[str] = field(default_factory=Counter)  # law -> how often
    note: str = ""
    control: bool = False  # a guard was taken out of the program: the test must find that

    @property
    def bad(self) -> int:
        """Return how often a law was broken."""
        return self.broken.total()

    @property
    def ok(self) -> bool:
        """Tell whether this is as it must be; a test that made no fault has shown nothing."""
        return self.count > 0 and (self.bad > 0) == self.control

    def line(self) -> str:
        """Return the line for a terminal."""
        broken = ", ".join(f"{count} {law}" for law, count in sorted(self.broken.items()) if count) or "0 bad"
        verdict = ("caught" if self.bad else "NOT CAUGHT") if self.control else ("ok" if self.ok else "BROKEN")
        note = f" ({self.note})" if self.note else ""
        return f"{self.fault:4} {self.case}: {self.count:,} times, {broken}: {verdict}{note}"


def as_json(figure: Figure, command: str) -> dict[str, Any]:
    """Return a figure with when and of which commit it is."""
    head = ["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"]
    return {
        "fault": figure.fault,
        "case": figure.case,
        "count": figure.count,
        "bad": figure.bad,
        "broken": dict(figure.broken),
        "target": figure.target,
        "note": figure.note,
        "control": figure.control,
        "ok": figure.ok,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip(),
        "command": command,
    }


def record(figures: Iterable[dict[str, Any]]) -> None:
    """Put figures in the place of earlier ones of the same fault and case, and write the page anew."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else []
    rows = {(row["fault"], row["case"]): row for row in known}
    rows.update({(row["fault"], row["case"]): row for row in figures})
    ordered = sorted(rows.values(), key=lambda row: (int(row["fault"].removeprefix("F")), row["control"], row["case"]))
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(ordered, indent=1) + "\n")
    PAGE.write_text(page(ordered))


def page(rows: Iterable[dict[str, Any]]) -> str:
    """Return the page that a person reads."""
    lines = [
        "# What came of the faults that were made",
        "",
        "Written by `make torture ARGS=--record` from `docs/safety/figures.json`; do not edit. Each row is the last",
        "run of one fault on the real program: how often it was made, and how often one of these laws was broken",
        "after the program had been started again:",
        "",
        *(f"- *{law}*: {words}" for law, words in LAWS.items()),
        "",
        "*ok so far* is what was made less often than it is to be. A **control** has a guard taken out of the program",
        "on purpose: there the number must not be 0.",
        "",
        "| fault | what was done | times | bad | target | | when, commit | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        broken = ", ".join(f"{count} {law}" for law, count in row["broken"].items() if count)
        bad = f"{row['bad']:,}" + (f" ({broken})" if broken else "")
        good = "ok" if row["count"] >= _asked(row["target"]) else "ok so far"
        word = ("caught" if row["ok"] else "not caught") if row["control"] else (good if row["ok"] else "**broken**")
        case = ("**control**: " if row["control"] else "") + row["case"] + (f"; {row['note']}" if row["note"] else "")
        lines.append(
            f"| {row['fault']} | {case} | {row['count']:,} | {bad} | {row['target']} | {word} "
            f"| {row['date']}, {row['commit']} | `{row['command']}` |"
        )
    return "\n".join(lines) + "\n"


def _asked(target: str) -> int:
    """Return how often a fault is to be made, where that is a number."""
    digits = target.replace(",", "")
    return int(digits) if digits.isdecimal() else 0
