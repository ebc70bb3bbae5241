"""What docs/safety.md says is so: places and tests exist, each invariant has a row, the figures are the files'."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.safety_page import HOME, PAGE, page, rows

ROW = re.compile(r"^\| (I\d+) \| (.+?) \| `([^`]+)::([^`]+)` \| `([^`]+)::([^`]+)` \|$", re.MULTILINE)
TABLE = ROW.findall(PAGE.read_text())


def names(file: Path) -> set[str]:
    """Return what a file defines: `function`, `Class`, `Class.method`."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef):
            found |= {node.name} | {
                f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)
            }
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def test_every_invariant_has_a_row() -> None:
    assert {number for number, *_ in TABLE} == {f"I{number}" for number in range(1, 31)}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_the_place_and_the_test_exist(row: tuple[str, ...]) -> None:
    _, _, file, place, test_file, test = row
    assert place in names(HOME / "daemon/twinwatch" / file)
    assert test in names(HOME / "tests" / test_file)


def test_every_fault_has_been_made() -> None:
    asked = {f"F{number}" for number in range(1, 33)} - {"F26"}  # a web page, of which there is none
    assert {row["fault"] for row in rows()} == asked


def test_the_figures_are_those_of_the_files() -> None:
    assert page(PAGE.read_text(), rows()) == PAGE.read_text(), "run: python -m tests.safety_page"


def test_every_figure_is_one_that_was_seen() -> None:
    for row in rows():
        assert row["count"] > 0, row
        assert row["command"].startswith(("make ", "python -m ")), row
        assert (row["bad"] > 0) == row.get("control", False), row
