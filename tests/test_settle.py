"""Settle, brake and reconcile by their laws: nothing is read too early, nothing waits for ever, mass stops."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from twinwatch.brake import Limits, hold_back, missing_too_many
from twinwatch.photo import FileStat
from twinwatch.reconcile import drift, unchanged
from twinwatch.settle import Hint, Settler, Settling

stats = st.builds(
    FileStat,
    st.just(1),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.just(8),
    st.just(1),
)
hints: st.SearchStrategy[Hint] = st.sampled_from(["changed", "closed", "polled"])
history = st.lists(st.tuples(st.floats(0.01, 30), stats, hints), min_size=1, max_size=12)


@given(history, st.lists(st.floats(0.01, 5), max_size=30))
def test_a_file_is_due_after_its_quiet_time_and_never_before(
    events: list[tuple[float, FileStat, Hint]], looks: list[float]
) -> None:
    settling = Settling()
    settler: Settler[str] = Settler(settling)
    now = changed_at = 0.0
    stat = events[0][1]
    given_out = 0
    for pause, seen, hint in events:
        now += pause
        if seen != stat or settler.next_due() is None:
            changed_at = now
        stat = seen
        settler.saw("a", stat, now, hint)
        for step in looks:
            now += step
            for key in settler.due(now):
                if settler.look(key, stat, now):
                    given_out += 1
                    assert now >= changed_at + settling.closed_seconds
    end = settler.next_due()
    if end is not None:
        assert settler.due(end - 0.001) == []
        assert settler.due(end) == ["a"]
        assert settler.look("a", stat, end)
        given_out += 1
    assert (len(settler), settler.next_due()) == (0, None)
    assert 1 <= given_out <= len(events)  # always once changes end, and at most once for each


def test_a_file_that_changes_silently_starts_its_quiet_time_again() -> None:
    settler: Settler[str] = Settler(Settling(quiet_seconds=5))
    before = FileStat(1, 1, 10, 0, 0, 8, 1)
    settler.saw("a", before, 0.0, "changed")
    assert not settler.look("a", replace(before, size=11), 5.0)
    assert settler.due(9.9) == []
    assert settler.due(10.0) == ["a"]
    assert settler.look("a", replace(before, size=11), 10.0)


def test_a_modification_time_in_the_future_holds_nothing_up() -> None:
    settler: Settler[str] = Settler(Settling())
    stat = FileStat(1, 1, 10, 1 << 62, 1 << 62, 8, 1)
    settler.saw("a", stat, 0.0, "changed")
    assert settler.due(5.0) == ["a"]
    assert settler.look("a", stat, 5.0)


def test_what_waits_longest_comes_first_and_the_gone_wait_no_more() -> None:
    settler: Settler[str] = Settler(Settling())
    stat = FileStat(1, 1, 10, 0, 0, 8, 1)
    for number, name in enumerate("cab"):
        settler.saw(name, stat, float(number), "changed")
    settler.forget("a")
    settler.forget("never seen")
    assert settler.due(100.0) == ["c", "b"]


def test_a_file_that_waits_is_known_under_any_name() -> None:
    settler: Settler[str] = Settler(Settling())
    stat = FileStat(1, 7, 100, 10, 10, 8, 1)
    renamed, other = replace(stat, ctime_ns=11), replace(stat, size=101)
    assert not settler.awaits(stat)
    settler.saw("old name", stat, 0.0, "closed")
    settler.saw("new name", renamed, 0.0, "closed")
    assert (settler.awaits(stat), settler.awaits(renamed), settler.awaits(other)) == (True, True, False)
    settler.forget("old name")
    assert settler.awaits(stat)
    settler.saw("new name", other, 1.0, "changed")
    assert (settler.awaits(stat), settler.awaits(other)) == (False, True)
    assert settler.look("new name", other, 9.0)
    assert not settler.awaits(other)


def test_retries_double_and_end() -> None:
    settling = Settling(retry_seconds=30, retries=4)
    settler: Settler[str] = Settler(settling)
    stat = FileStat(1, 1, 10, 0, 0, 8, 1)
    waits = []
    now, tries = 0.0, 0
    while settler.retry("a", stat, now, tries):
        due = settler.next_due()
        assert due is not None
        waits.append(due - now)
        now, tries = due, tries + 1
        assert settler.look("a", stat, now)
    assert waits == [30, 60, 120, 240]
    assert len(settler) == 0


def test_what_is_due_stays_due_until_it_was_looked_at() -> None:
    settler: Settler[str] = Settler(Settling())
    stat = FileStat(1, 1, 10, 0, 0, 8, 1)
    settler.saw("a", stat, 0.0, "changed")
    settler.saw("b", stat, 1.0, "changed")
    assert settler.due(6.0) == settler.due(6.0) == ["a", "b"]
    assert settler.look("b", stat, 6.0)
    assert (settler.due(7.0), settler.next_due()) == (["a"], 5.0)


def test_what_waits_for_a_retry_is_counted_by_itself() -> None:
    settler: Settler[str] = Settler(Settling())
    stat = FileStat(1, 1, 10, 0, 0, 8, 1)
    settler.saw("new", stat, 0.0, "changed")
    assert settler.retry("cut off", stat, 0.0, 0)
    assert settler.retry("short", stat, 0.0, 2)
    assert (len(settler), settler.retrying) == (1, 2)
    settler.saw("short", stat, 1.0, "changed")  # still one that was cut off before
    assert (len(settler), settler.retrying) == (1, 2)
    settler.forget("short")
    assert (len(settler), settler.retrying) == (1, 1)
    assert settler.look("cut off", stat, 30.0)
    assert (len(settler), settler.retrying) == (1, 0)
    assert settler.look("new", stat, 30.0)
    assert (len(settler), settler.retrying) == (0, 0)


def test_a_file_that_changes_while_it_waits_for_a_retry_is_read_soon_after() -> None:
    settler: Settler[str] = Settler(Settling(quiet_seconds=5, retry_seconds=30))
    stat = FileStat(1, 1, 10, 0, 0, 8, 1)
    assert settler.retry("a", stat, 0.0, 3)
    assert settler.next_due() == 240.0
    assert not settler.look("a", replace(stat, size=11), 240.0)
    assert settler.next_due() == 245.0


def test_a_truncated_file_is_tried_for_half_an_hour() -> None:
    settler: Settler[str] = Settler(Settling())
    stat = FileStat(1, 1, 10, 0, 0, 8, 1)
    now, tries = 0.0, 0
    while settler.retry("a", stat, now, tries):
        now, tries = settler.next_due() or now, tries + 1
        assert settler.look("a", stat, now)
    assert (tries, now) == (6, 30 * (2**6 - 1))


def test_a_file_that_is_written_for_hours_leaves_little_behind_and_no_other_out_of_its_turn() -> None:
    settler: Settler[str] = Settler(Settling())
    stat = FileStat(1, 1, 10, 0, 0, 8, 1)
    chance = random.Random(1)
    turns = {f"{number}": chance.uniform(0, 100_000) for number in range(300)}
    for name, at in turns.items():
        settler.saw(name, stat, at, "closed")
    for number in range(20_000):
        settler.saw("long", stat, 200_000.0 + number, "changed")
        assert len(settler._order) <= 2 * len(settler) + 1001
    for name in sorted(turns, key=lambda name: turns[name]):
        due = settler.next_due()
        assert due == turns[name] + 1.0
        assert settler.due(due) == [name]
        assert settler.look(name, stat, due)
    assert settler.next_due() == 200_000.0 + 19_999 + 5.0


# --- brake ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 10_000), max_size=60), st.integers(0, 60), st.integers(0, 300), st.floats(0, 10_000))
def test_the_brake_only_tightens_with_more_moves(times: list[float], here: int, photos: int, now: float) -> None:
    limits = Limits(max_moves=20, share_from=10)
    if hold_back(times, here, photos, now, limits):
        assert hold_back([*times, now], here, photos, now, limits)
    inside = sum(1 for at in times if now - at <= 3600)
    assert bool(hold_back(times, 0, photos, now, limits)) == (inside >= 20)


def test_the_brake_counts_the_share_of_a_root_as_it_was_before() -> None:
    limits = Limits()
    assert hold_back([], 49, 1, 0, limits) == ""  # few moves may be any share
    assert hold_back([], 50, 1000, 0, limits) == ""
    assert "brake.max_share" in hold_back([], 50, 50, 0, limits)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_root_is_emptied_only_when_many_and_a_large_share_are_gone(missing: int, known: int) -> None:
    assume(missing <= known)
    assert missing_too_many(missing, known, Limits()) == (missing >= 20 and missing > 0.3 * known)


# --- reconcile -----------------------------------------------------------------------------------------------------

folders = st.dictionaries(st.text(max_size=3), stats, max_size=8)


@given(folders, folders)
def test_applying_the_drift_leaves_none(known: dict[str, FileStat], found: dict[str, FileStat]) -> None:
    change = drift(known, found)
    level = {name: stat for name, stat in known.items() if name not in change.vanished}
    level |= {name: found[name] for name in (*change.arrived, *change.changed)}
    again = drift(level, found)
    assert (again.arrived, again.changed, again.vanished) == ((), (), ())
    assert level.keys() == found.keys()
    assert not set(change.arrived) & set(change.changed)


@given(stats, stats)
def test_a_file_is_unchanged_only_with_the_same_inode_size_and_both_times(a: FileStat, b: FileStat) -> None:
    assert unchanged(a, b) == (a == b)
    assert unchanged(a, replace(a, device=9, links=3))
