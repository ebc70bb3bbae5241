"""Writes the figures into docs/safety.md, from the files of figures beside it; runs a family of faults and records it.

usage: python -m tests.safety_page [FAMILY SCALE SEED]      such as: races 0.01 1, or: state full 1
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[1]
PAGE = HOME / "docs/safety.md"
FILES = (HOME / "docs/safety/figures.json", HOME / "docs/safety/figures-model.json")
BEGIN, END = "<!-- figures:", "<!-- end of figures -->"


def rows() -> list[dict[str, Any]]:
    """Return the figures of all files, by fault, those with a guard taken out last."""
    found = [row for path in FILES if path.exists() for row in json.loads(path.read_text())]
    return sorted(found, key=lambda row: (int(row["fault"][1:]), row.get("control", False), row["case"]))


def table(figures: list[dict[str, Any]]) -> str:
    """Return the table of the page."""
    lines = ["| fault | what was done | times | bad | target | seen | how |", "|---|---|---|---|---|---|---|"]
    for row in figures:
        control = row.get("control", False)
        bad = f"{row['bad']:,}" + (" (a guard was taken out: it must not be 0)" if control else "")
        case = row["case"] + (f"; {row['note']}" if row.get("note") else "")
        seen = f"{row['date']}, {row['commit']}"
        lines.append(
            f"| {row['fault']} | {case} | {row['count']:,} | {bad} | {row['target']} | {seen} | `{row['command']}` |"
        )
    return "\n".join(lines)


def page(text: str, figures: list[dict[str, Any]]) -> str:
    """Return the page with these figures in it."""
    before, _, rest = text.partition(BEGIN)
    mark, _, _ = rest.partition("\n")
    return f"{before}{BEGIN}{mark}\n{table(figures)}\n{END}{text.partition(END)[2]}"


def record(figures: list[dict[str, Any]]) -> None:
    """Put figures in the place of earlier ones of the same fault and case, and write the page anew."""
    known = json.loads(FILES[1].read_text()) if FILES[1].exists() else []
    by_case = {(row["fault"], row["case"]): row for row in [*known, *figures]}
    FILES[1].write_text(json.dumps(list(by_case.values()), indent=1) + "\n")
    write()


def write() -> None:
    """Write the figures that there are into the page."""
    PAGE.write_text(page(PAGE.read_text(), rows()))


def run(family: str, scale: str, seed: str) -> None:
    """Run a family of `tests/torture` and record its figures with this day, commit and command."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HOME, capture_output=True, text=True, check=True)
    command = f"python -m tests.safety_page {family} {scale} {seed}"
    figures = importlib.import_module(f"tests.torture.{family}").run(scale, int(seed))
    for figure in figures:
        figure |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": head.stdout.strip(), "command": command}
        sys.stdout.write(f"{figure['fault']} {figure['case']}: {figure['count']:,} times, {figure['bad']} bad\n")
    record(figures)


if __name__ == "__main__":
    if sys.argv[1:]:
        run(*sys.argv[1:])
    else:
        write()
