"""How far a scan is, for a person at a terminal: photos, bytes, photos a second, time left. Nobody else pays for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from twinwatch.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from twinwatch.ingest import Survey


class Shown(Protocol):
    """What is told of the progress."""

    def update(self, done: int, now: str) -> None:
        """Say that so many photos are done, and which was the last."""


class _Nowhere:
    def update(self, done: int, now: str) -> None:
        pass


class _Bar:
    def __init__(self, bar: Progress, task: TaskID, surveys: Sequence[Survey], photos: int) -> None:
        self.bar = bar
        self.task = task
        self.surveys = surveys
        self.photos = photos
        self.began = time.monotonic()

    def update(self, done: int, now: str) -> None:
        seconds = max(time.monotonic() - self.began, 1e-3)
        taken = sum(survey.taken_bytes for survey in self.surveys)
        words = f"{done} of {max(self.photos, done)} photos, {done / seconds:.1f} a second"
        self.bar.update(self.task, completed=taken, words=words, now=now)


@contextmanager
def shown(surveys: Sequence[Survey]) -> Iterator[Shown]:
    """Show the progress of these walks on standard error while the block runs, if a person looks at it.

    Then they are walked once beforehand, without reading a picture, to know how much there is.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield _Nowhere()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        BarColumn(bar_width=20),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[now]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=output.on_terminal(),  # else what goes into a pipe would end on the terminal
    )
    with bar:
        task = bar.add_task("", total=None, words="looking how much there is", now="")
        ahead = [survey.ahead() for survey in surveys]
        bar.update(task, total=sum(size for _, size in ahead) or None)
        yield _Bar(bar, task, surveys, sum(count for count, _ in ahead))
