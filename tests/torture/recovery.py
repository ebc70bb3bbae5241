"""Starts again as the program does, and judges what is there then; in this process, for it is done a million times."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping

from tests.torture.library import Library
from twinwatch.config import Config
from twinwatch.errors import TwinwatchError
from twinwatch.index import MoveState
from twinwatch.service.assembly import Assembly


def judge_recovered(library: Library, config: Config, allowed: Mapping[str, set[str]]) -> Counter[str]:
    """Recover the root, twice, and count the broken laws: the second time there must be nothing left to do."""
    broken: Counter[str] = Counter()
    try:
        with Assembly(config, library.state, report=_ignore, failed=_ignore) as assembly:
            (watched,) = assembly.watched
            assembly.look(watched)
            assembly.recover(watched)
            level = not watched.words and not assembly.recover(watched) and not assembly.index.verify()
            broken["unresolved"] += not level or bool(assembly.index.journal.rows(MoveState.MOVING))
            rows = [row for row in assembly.index.journal.rows() if row.root_path == library.root]
    except TwinwatchError as error:
        sys.stderr.write(f"{error}\n")
        return Counter(unresolved=1)
    broken += library.judge(allowed)
    found = library.look()
    for copy in library.groups:
        said = Counter(row.state for row in rows if str(row.path) == copy)
        gone = said[MoveState.PURGED] + said[MoveState.MISSING]
        here = copy in found.held or copy in found.home
        broken["untrue"] += said[MoveState.HELD] != (copy in found.held) or (gone == 0) != here
    return +broken


def _ignore(*_: object) -> None:
    return None
