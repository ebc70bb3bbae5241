"""Recovery where the configuration names another quarantine by now: the former one is looked into as well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.nas import Nas
from tests.test_quarantine_recover import (
    CANCELLED,
    COPY,
    HELD,
    MOVING,
    here,
    home,
    inside,
    outcomes,
    say,
    with_copy_held,
)
from twinwatch.index import MoveState
from twinwatch.quarantine import recover


@pytest.fixture
def held(nas: Nas) -> Nas:
    return with_copy_held(nas)


def elsewhere(nas: Nas) -> Path:
    """Let the configuration name another quarantine; return the former one."""
    former = nas.place
    nas.root = replace(nas.root, quarantine=nas.folder / "another quarantine")
    return former


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("photo_moved", [False, True])
def test_a_move_that_was_cut_short_is_put_right_in_the_former_quarantine(
    held: Nas, photo_moved: bool, made: bool
) -> None:
    say(held, MOVING)
    if not photo_moved:
        held.slot().photo_path.rename(home(held) / "b.jpg")
    former = elsewhere(held)
    if made:
        held.place.mkdir()
    assert outcomes(held) == [HELD if photo_moved else CANCELLED]
    assert here(held) == ({} if photo_moved else COPY)
    assert len(list(former.iterdir())) == photo_moved


def test_a_restore_that_was_cut_short_is_put_right_in_the_former_quarantine(held: Nas) -> None:
    (inside(held) / "b.jpg.xmp").rename(home(held) / "b.jpg.xmp")
    former = elsewhere(held)
    assert outcomes(held) == [HELD]
    assert (here(held), sorted(path.name for path in former.glob("*/b*"))) == (
        {},
        ["b.jpg", "b.jpg.json", "b.jpg.xmp"],
    )


@pytest.mark.parametrize("state", [MOVING, HELD])
@pytest.mark.parametrize("how", ["not there", "a symlink", "a file"])
def test_a_former_quarantine_that_cannot_be_seen_is_unknown_and_stops_no_root(
    held: Nas, how: str, state: MoveState
) -> None:
    say(held, state)
    former = elsewhere(held)
    away = former.rename(held.folder / "away")
    if how == "a symlink":
        former.symlink_to(away)
    elif how == "a file":
        former.touch()
    found = recover(held.root, held.index)
    assert [(one.outcome, str(former) in one.words) for one in found] == ([(MOVING, True)] if state is MOVING else [])
    assert held.states() == [state]
    if how != "not there":
        former.unlink()
    away.rename(former)
    assert outcomes(held) == ([HELD] if state is MOVING else [])


def test_what_another_root_moved_into_its_quarantine_is_left_alone(held: Nas) -> None:
    say(held, MOVING)
    other = held.other_root("other")
    assert recover(other, held.index) == []
    assert held.states() == [MOVING]
