"""The laws of the model hold whatever is done, and a planner without one of its guards is found out.

`tests/model` has the disk, the daemons and the laws. The short profile is part of `make test`; the nightly one is
`make model`, a random walk of a million decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.model import mover, planner
from tests.model.__main__ import walk
from tests.model.state import Row
from tests.model.world import LAYOUTS, World
from twinwatch import verdict
from twinwatch.brake import Limits
from twinwatch.photo import FileStat, Verdict
from twinwatch.verdict import Policy

numbers = st.integers(0, 63)


class TheModel(RuleBasedStateMachine):
    """Hypothesis looks for the shortest story that breaks a law."""

    @initialize(layout=st.integers(0, LAYOUTS - 1), moves=st.sampled_from([3, 500]), returns=st.integers(0, 3))
    def begin(self, layout: int, moves: int, returns: int) -> None:
        self.world = World(layout, Limits(max_moves=moves, max_returns=returns))
        for each in self.world.planners:
            self.world.restart(each)

    @rule(word=st.sampled_from(sorted(World.ACTS)), a=numbers, b=numbers, c=numbers)
    def act(self, word: str, a: int, b: int, c: int) -> None:
        self.world.act(word, a, b, c)

    @rule(a=numbers, b=numbers)
    def a_copy_syncs_in_and_is_judged(self, a: int, b: int) -> None:
        self.world.act("copy", a, b, a + b)
        for _ in range(2):
            self.world.act("walk", a, 0, 0)
            self.world.act("finish", a, 0, 0)
            self.world.act("wait", 19, 0, 0)
        self.world.act("work", a, b, a)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.come_to_rest()


TheModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTheModel = TheModel.TestCase


@pytest.mark.parametrize("block", range(4))
def test_no_law_is_broken_on_a_random_walk(block: int) -> None:
    total = sum((walk(seed, 120) for seed in range(block * 120, block * 120 + 120)), start=walk(block, 10))
    assert total["held"] > 50, "the walk must come to where it could hurt"
    assert total["planner cases"] > 500


def ignored(*_: Any, **__: Any) -> bool:
    return True


def never(*_: Any, **__: Any) -> bool:
    return False


def nothing_said(*_: Any) -> str:
    return ""


def no_steps(*_: Any) -> Iterator[str]:
    yield "call"


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a changed file counts as unchanged": lambda patch: _both(patch, "unchanged", ignored),
    "one file under two names counts as two, and nobody looks after the keeper": lambda patch: (
        patch.setattr(FileStat, "may_be_same_file", never),
        patch.setattr(mover.Mover, "_keeper_stands", ignored),
    )[0],
    "nobody looks whether the keeper still stands": lambda patch: patch.setattr(mover.Mover, "_keeper_stands", ignored),
    "residents and references may be moved": lambda patch: patch.setattr(planner.Planner, "_may_move", ignored),
    "what only looks alike counts as a copy": lambda patch: (
        patch.setattr(verdict, "COPY_VERDICTS", frozenset(Verdict)),
        patch.setattr(planner, "Policy", lambda: Policy(set_aside=frozenset(Verdict))),
    )[0],
    "there is no brake": lambda patch: patch.setattr(planner, "hold_back", nothing_said),
    "what is in quarantine is walked": lambda patch: patch.setattr(planner, "HIDDEN", "nothing"),
    "nobody is told of a lost keeper": lambda patch: (
        patch.setattr(planner.Planner, "_offer_back", ignored),
        patch.setattr(planner.Planner, "_offer_lost", ignored),
    )[0],
    "a resume blinds the brake after a clock was set back": lambda patch: patch.setattr(
        planner.Planner, "_recent", _blind_recent
    ),
    "recovery looks at nothing": lambda patch: patch.setattr(mover.Mover, "_recover_slot", no_steps),
    "purge asks for no keeper": lambda patch: patch.setattr(mover.Mover, "_has_bytes", ignored),
    "the name is taken without looking": lambda patch: patch.setattr(mover.Mover, "_move", _careless_move),
}


def _blind_recent(self: planner.Planner, now: float) -> list[Row]:
    since = max(now - self.limits.window_minutes * 60, self.index.resumed_at)
    return [row for row in self.index.journal.values() if row.at > since and row.state != "cancelled"]


def _both(patch: pytest.MonkeyPatch, name: str, instead: Callable[..., bool]) -> None:
    patch.setattr(mover, name, instead)
    patch.setattr(planner, name, instead)


def _careless_move(self: mover.Mover, view: Any, folder: str, name: str, to_view: Any, to_folder: str) -> Iterator[str]:
    yield "call"
    self.disk.rename(view, folder, name, to_view, to_folder, name, exclusive=False)


@pytest.mark.parametrize("fault", BROKEN)
def test_without_this_guard_a_law_is_broken(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[fault](monkeypatch)
    with pytest.raises(AssertionError):
        list(map(walk, range(4000), repeat(120)))
