"""The long fault families in small: each must make its fault and find nothing broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.__main__ import FAMILIES
from tests.torture.profile import Profile


@pytest.mark.parametrize("family", ["names", "mutants", "bombs", "swaps", "edits", "parallel"])
def test_nothing_is_broken(family: str, tmp_path: Path) -> None:
    figures = list(FAMILIES[family](Profile(tmp_path, 1, quick=True)))
    assert figures != []
    assert [figure.line() for figure in figures if not figure.ok] == []
