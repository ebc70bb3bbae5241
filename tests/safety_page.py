"""Writes the figures that `make torture` recorded into docs/safety.md: `python -m tests.safety_page`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HOME = Path(__file__).parents[1]
PAGE = HOME / "docs/safety.md"
FIGURES = HOME / "docs/safety/figures.json"
BEGIN, END = "<!-- figures:", "<!-- end of figures -->"


def rows() -> list[dict[str, Any]]:
    """Return the figures, by fault, those with a guard taken out last."""
    return sorted(
        json.loads(FIGURES.read_text()), key=lambda row: (int(row["fault"][1:]), row.get("control", False), row["case"])
    )


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


def write() -> None:
    """Write the figures that there are into the page."""
    PAGE.write_text(page(PAGE.read_text(), rows()))


if __name__ == "__main__":
    write()
