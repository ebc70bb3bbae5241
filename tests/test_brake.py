"""The brake at its very edges: one move fewer and it lets go, one more and it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinwatch.brake import Limits, hold_back, missing_too_many

NOW = 1_000_000.0
HOUR = 3600.0


def times(count: int, ago: float = 0.0) -> list[float]:
    return [NOW - ago] * count


def test_the_defaults_are_those_that_the_pages_name() -> None:
    assert Limits() == Limits(500, 60.0, 0.3, 50, 0.3, 3)


@pytest.mark.parametrize(("count", "braked"), [(0, False), (4, False), (5, True), (6, True)])
def test_moves_are_counted_up_to_the_limit(count: int, braked: bool) -> None:
    said = hold_back(times(count), 0, 1000, NOW, Limits(max_moves=5))
    assert bool(said) == braked
    assert braked == said.startswith(f"{count} moves within 60 minutes")


@pytest.mark.parametrize(
    ("ago", "braked"), [(0.0, True), (HOUR - 1, True), (HOUR, True), (HOUR + 1, False), (-HOUR, True)]
)
def test_only_the_window_counts_and_so_does_what_a_clock_put_into_the_future(ago: float, braked: bool) -> None:
    assert bool(hold_back(times(5, ago), 0, 1000, NOW, Limits(max_moves=5))) == braked


def test_the_window_is_as_long_as_the_person_said() -> None:
    limits = Limits(max_moves=1, window_minutes=2)
    assert hold_back(times(1, 120), 0, 1000, NOW, limits) == "1 moves within 2 minutes (brake.max_moves)"
    assert hold_back(times(1, 121), 0, 1000, NOW, limits) == ""


@pytest.mark.parametrize(
    ("moved", "left", "braked"),
    [
        (49, 1, False),  # below `share_from` the share is not looked at
        (50, 116, True),  # 51 of 166 are more than three tenths
        (50, 120, False),  # the 51st of 170 is exactly three tenths: still allowed
        (50, 119, True),  # of 169 it is a little more
        (60, 144, False),
        (60, 143, True),
    ],
)
def test_the_share_of_a_root_counts_what_was_moved_with_what_is_left(moved: int, left: int, braked: bool) -> None:
    said = hold_back(times(moved), moved, left, NOW, Limits())
    assert said == (
        f"{moved} of {moved + left} photos of this root within 60 minutes (brake.max_share)" if braked else ""
    )


@pytest.mark.parametrize(
    ("missing", "known", "too_many"),
    [
        (19, 19, False),
        (20, 20, True),
        (20, 66, True),
        (20, 67, False),
        (30, 100, False),
        (31, 100, True),
        (0, 0, False),
    ],
)
def test_a_handful_may_be_deleted_and_more_than_a_share_may_not(missing: int, known: int, too_many: bool) -> None:
    assert missing_too_many(missing, known, Limits()) is too_many


@given(st.lists(st.floats(0, 2 * NOW), max_size=40), st.integers(0, 40), st.integers(0, 500), st.integers(1, 30))
def test_no_run_of_moves_passes_the_limit(recent: list[float], here: int, photos: int, most: int) -> None:
    """Whatever happened before: as long as moves are made, fewer than the limit lie within the window."""
    limits = Limits(max_moves=most, share_from=5)
    moved = list(recent)
    for number in range(60):
        if hold_back(moved, here + number, photos - number, NOW, limits):
            break
        moved.append(NOW)
    else:
        raise AssertionError("never braked")
    assert sum(1 for at in moved if NOW - at <= HOUR) <= max(most, sum(1 for at in recent if NOW - at <= HOUR))
