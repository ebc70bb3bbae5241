"""Writing to the index takes turns: a command is not kept waiting by a daemon that has a lot to write."""

from __future__ import annotations

import fcntl
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.running import until
from tests.nas import start_child
from twinwatch.index import Index
from twinwatch.index.database import PRAGMAS, TURN

_BUSY = """
import sys
from pathlib import Path
from twinwatch.index import DecisionRow, Index

index = Index(Path(sys.argv[1]))
while True:
    for number in range(10_000):
        index.memory.audit(DecisionRow(number, Path("/x"), "distinct", None, "none", "", None, None))
    index.commit()
    if not sys.stdin.closed:
        print("works", flush=True)
        sys.stdin.close()
"""


def test_who_waits_to_write_is_next_however_much_another_process_has_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It commits and begins anew at once, so that the file is free for some millionths of a second at a time."""
    monkeypatch.setattr("twinwatch.index.database.PRAGMAS", (*PRAGMAS, "busy_timeout=2000"))
    busy = start_child(_BUSY, str(tmp_path))
    try:
        assert busy.stdout is not None
        assert busy.stdout.readline() == "works\n"
        with closing(Index(tmp_path)) as index:
            for number in range(15):
                written = index.stats()["decision"]
                index.memory.set_setting("paused", str(number))
                until(lambda: index.stats()["decision"] > written, "nobody else writes")  # noqa: B023 - called at once
            assert index.memory.setting("paused") == "14"
        assert busy.poll() is None
    finally:
        busy.kill()
        busy.communicate()


def test_who_was_stopped_while_it_waited_keeps_nobody_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinwatch.index.database._TURN_PATIENCE", 0.05)
    with closing(Index(tmp_path)) as index, open(tmp_path / TURN, "rb") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        index.memory.set_setting("paused", "yes")
        assert index.memory.setting("paused") == "yes"


def test_where_turns_cannot_be_taken_the_index_is_written_all_the_same(tmp_path: Path) -> None:
    (tmp_path / TURN).mkdir()
    with closing(Index(tmp_path)) as index:
        index.memory.set_setting("paused", "yes")
        assert index.memory.setting("paused") == "yes"
