"""Fingerprints that other versions of the libraries made are made again, in the background, once after each upgrade."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Container, Iterator
from concurrent.futures import Future
from importlib.metadata import version

from twinwatch import __version__
from twinwatch.errors import TwinwatchError, WorkerError
from twinwatch.index import Index
from twinwatch.ingest import Belt, Found, Pace
from twinwatch.photo import PhotoId, RootId
from twinwatch.workers import Abilities, Workers

log = logging.getLogger("twinwatch")

SETTING = "fingerprinted_by"
"""Name of the setting that says under which versions every fingerprint was last brought up to date."""

_BATCH = 200


class Refresher:
    """Brings stale fingerprints up to date when nothing else is to do."""

    def __init__(self, index: Index, workers: Workers, belt: Belt, healthy: Container[RootId]) -> None:
        """`healthy` has the roots that can be read now; of another one nothing is made again before the next start."""
        self._healthy = healthy
        self._index = index
        self._workers = workers
        self._belt = belt
        self._versions = " ".join(f"{name} {version(name)}" for name in ("pillow", "imagehash", "numpy"))
        self._versions += f" twinwatch {__version__}"
        self._asked: Future[Abilities] | None = None
        self._done = False
        self._failed = 0

    def failed(self) -> None:
        """Note that a photo could not be read: that is done after the next start, as it may fail each time."""
        self._failed += 1

    def go_on(self) -> None:
        """Begin when the versions changed since the last time, and go on with what has begun; does not wait."""
        if self._done:
            return
        if self._asked is None:
            if self._index.memory.setting(SETTING) == self._versions:
                self._done = True  # no worker is started only to hear that nothing changed
            else:
                with contextlib.suppress(WorkerError):  # no thread to be had: at another time
                    self._asked = self._workers.describe()
        elif self._asked.done():
            self._done = True
            try:
                algorithm = self._asked.result().algorithm
            except TwinwatchError as error:
                log.warning("fingerprints are not brought up to date: %s", error)
            else:
                self._belt.add_bulk(self._stale(algorithm))

    def _stale(self, algorithm: str) -> Iterator[Found | Pace]:
        last, count, left = PhotoId(0), 0, 0
        while batch := self._index.photos.stale(algorithm, last, _BATCH):
            for photo in batch:
                last = photo.id
                if photo.root in self._healthy:
                    count += 1
                    yield Found(photo.root, photo.path, "bulk", again=True)
                else:
                    left += 1
            yield Pace.BREATHE
        yield Pace.WAIT
        if count > self._failed:
            log.info("%d fingerprints of an older version were made again", count - self._failed)
        if not left and not self._failed:
            self._index.memory.set_setting(SETTING, self._versions)
