"""After an upgrade every fingerprint is made again, once; what could not be read then is read after the next start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from tests.drawing import scene, stored
from tests.hostile_jobs import SLOW
from tests.nas import Nas
from tests.test_ingest import Counting, House, Troubled
from twinwatch.ingest import Belt, Found
from twinwatch.photo import PhotoId
from twinwatch.service.refresh import SETTING, Refresher
from twinwatch.workers import Workers


@pytest.fixture(scope="module")
def workers() -> Iterator[Counting]:
    with Counting(1) as made:
        yield made


@pytest.fixture
def house(nas: Nas, workers: Counting) -> House:
    """Two photos, read by another version."""
    made = House(nas, workers)
    for number in range(2):
        nas.put(f"{number}.jpg", stored(scene(number, (160, 120)), quality=90) + SLOW)
        made.take(f"{number}.jpg")
        photo = nas.index.photos.at(nas.root.id, PurePosixPath(f"{number}.jpg"))
        assert photo is not None
        assert photo.reading.fingerprint is not None
        older = replace(photo.reading.fingerprint, algorithm="older")
        nas.index.photos.refresh(photo.id, replace(photo.reading, fingerprint=older))
    return made


def _start(house: House, workers: Workers) -> None:
    """Let a daemon's refresher do what there is to do after a start."""
    house.line._workers = workers

    def failed(found: Found, _error: Exception) -> None:
        assert found.again
        refresher.failed()

    belt = Belt(house.line, 4, failed=failed)
    refresher = Refresher(house.nas.index, workers, belt, house.line.roots)
    refresher.go_on()
    workers.describe().result()
    for _ in range(2):
        refresher.go_on()
        while belt.step(timeout=60):
            pass


def _stale(house: House, algorithm: str) -> list[str]:
    return [photo.path.name for photo in house.nas.index.photos.stale(algorithm, PhotoId(0), 9)]


def test_they_are_made_again_once(house: House, workers: Counting) -> None:
    workers.reads = 0
    for _ in range(2):
        _start(house, workers)
        assert workers.reads == 2
        assert _stale(house, workers.describe().result().algorithm) == []
        assert house.nas.index.memory.setting(SETTING) is not None


def test_what_no_worker_could_tell_of_is_left_to_the_next_start(house: House, workers: Counting) -> None:
    with Troubled(SLOW) as troubled:
        _start(house, troubled)
        assert troubled.reads == 2, "each once, and not again and again"
    assert house.nas.index.memory.setting(SETTING) is None
    assert _stale(house, workers.describe().result().algorithm) == ["0.jpg", "1.jpg"]
    _start(house, workers)
    assert _stale(house, workers.describe().result().algorithm) == []
    assert house.nas.index.memory.setting(SETTING) is not None
