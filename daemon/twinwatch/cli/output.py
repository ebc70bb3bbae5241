"""How things are shown: tables and colours on a terminal, plain lines in a pipe, JSON where it is asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

from twinwatch.photo import Evidence, Likenesses, Verdict

COLOURS = {
    Verdict.IDENTICAL: "green",
    Verdict.SAME_PIXELS: "green",
    Verdict.RE_ENCODED: "green",
    Verdict.LOOK_ALIKE: "yellow",
    Verdict.UNDECODABLE: "red",
}


def on_terminal() -> bool:
    """Tell whether a person reads standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


def clean(value: object) -> str:
    """Return text that prints as one line whatever a file name holds: control characters and odd bytes are escaped."""
    text = os.fsencode(str(value)).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def json_line(value: dict[str, Any]) -> None:
    """Print one JSON object; names that are not UTF-8 appear with JSON's \\udcXX escapes and can be read back."""
    click.echo(json.dumps(value, default=str))


def evidence_json(evidence: Evidence | None) -> dict[str, Any] | None:
    """Return evidence as the contract shows it."""
    return None if evidence is None else evidence.to_json()


def evidence_of_pair(evidence: Evidence) -> dict[str, Any]:
    """Return verdict, original and evidence as `compare` and `check` show them: the measures beside the words."""
    words = {"words": evidence.words, "transform": evidence.transform, **evidence.measures}
    return {"verdict": str(evidence.verdict), "original": evidence.original, "evidence": words}


def metrics_json(likenesses: Likenesses) -> dict[str, Any]:
    """Return what the metrics of `compare` say, by name, as the contract shows it; null where one has no answer."""
    return {str(metric): likeness and likeness.to_json() for metric, likeness in likenesses.items()}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows: a table on a terminal, tab-separated lines in a pipe."""
    cells = [["" if cell is None else clean(cell) for cell in row] for row in rows]
    if not on_terminal():
        for row in cells:
            click.echo("\t".join(row))
        return
    if not cells:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in cells:
        shown.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console().print(shown)


def coloured(verdict: str) -> str:
    """Return a verdict in its colour, on a terminal."""
    return painted(verdict, COLOURS.get(Verdict(verdict)))


def painted(text: str, colour: str | None) -> str:
    """Return text in a colour, on a terminal that shows colours to a person who wants them (no-color.org)."""
    wanted = on_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return click.style(text, fg=colour) if colour and wanted else text


def when(at: float) -> str:
    """Return a time as a person reads it, in local time."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def size(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
