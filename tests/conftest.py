"""What many tests share: a NAS in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nas import Nas


@pytest.fixture
def nas(tmp_path: Path) -> Iterator[Nas]:
    """Set up one root with its index and quarantine."""
    made = Nas(tmp_path)
    yield made
    made.close()
