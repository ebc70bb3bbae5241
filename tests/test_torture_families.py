"""The long fault families in small: each must make its fault and find nothing broken."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.torture import names, pictures, races


@pytest.mark.parametrize(("family", "scale"), [(names, "5"), (pictures, "5"), (races, "0.002")])
def test_nothing_is_broken(family: ModuleType, scale: str) -> None:
    figures = family.run(scale, 1)
    assert figures != []
    assert [(figure["case"], figure["broken"]) for figure in figures if not figure["ok"]] == []
