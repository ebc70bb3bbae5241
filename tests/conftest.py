"""What many tests share: a NAS in a temporary folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.nas import PICTURE, Nas

# The same cases on every run where a result decides over a landing; people's runs go on looking for new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("people", deadline=None)
settings.register_profile("mutants", derandomize=True, deadline=None, max_examples=15)
settings.load_profile("ci" if os.environ.get("CI") else "people")


@pytest.fixture
def held(nas: Nas) -> Nas:
    """Set one copy aside in it: `in/b.jpg`, for `keep/a.jpg`."""
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    nas.hold("in/b.jpg", "keep/a.jpg")
    return nas


@pytest.fixture
def nas(tmp_path: Path) -> Iterator[Nas]:
    """Set up one root with its index and quarantine."""
    made = Nas(tmp_path)
    yield made
    made.close()
