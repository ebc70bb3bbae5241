"""What several end-to-end tests share: a daemon on an empty mirror, ended whatever becomes of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "mirror").mkdir()
    running = Daemon(tmp_path / "mirror", tmp_path / "state")
    yield running
    running.end()
