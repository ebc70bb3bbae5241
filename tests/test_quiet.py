"""When bulk work rests, and that arrivals do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinwatch.config import Quiet
from twinwatch.service.quiet import on_battery, why_rest


@pytest.mark.parametrize(
    ("begin", "end", "hour", "rests"),
    [
        *((22, 7, 23.5, True), (22, 7, 3, True), (22, 7, 7, False), (22, 7, 12, False), (1, 5.5, 5.4, True)),
        *((1, 5.5, 5.5, False), (1, 5.5, 0.5, False), (0, 0, 0, False), (9, 9, 9, False), (22, 24, 23.9, True)),
    ],
)
def test_quiet_hours_may_go_over_midnight(begin: float, end: float, hour: float, rests: bool) -> None:
    why = why_rest(Quiet(begin, end), hour=hour, load=0, battery=False, resting=False)
    assert bool(why) is rests
    if rests:
        assert why.endswith(f"{int(end) % 24:02d}:{30 if end % 1 else 0:02d}")


def test_a_busy_machine_is_left_alone_until_it_has_eased() -> None:
    quiet = Quiet(max_load=1.0)
    states = [(1.1, False, True), (0.9, True, True), (0.7, True, False), (0.9, False, False)]
    for load, resting, rests in states:
        assert bool(why_rest(quiet, hour=0, load=load, battery=False, resting=resting)) is rests
    assert not why_rest(Quiet(), hour=0, load=99, battery=False, resting=False)


def supply(folder: Path, name: str, **said: str) -> None:
    (folder / name).mkdir()
    for key, value in said.items():
        (folder / name / key).write_text(value + "\n")


def test_a_battery_counts_only_where_nothing_else_feeds_the_machine(tmp_path: Path) -> None:
    assert not on_battery(tmp_path / "none")
    supply(tmp_path, "hid", type="Battery", status="Discharging", scope="Device")
    assert not on_battery(tmp_path)
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    assert on_battery(tmp_path)
    supply(tmp_path, "AC", type="Mains", online="0")
    assert on_battery(tmp_path)
    (tmp_path / "AC/online").write_text("1\n")
    assert not on_battery(tmp_path)
    why = why_rest(Quiet(), hour=0, load=0, battery=True, resting=False)
    assert "battery" in why
    assert not why_rest(Quiet(on_battery=True), hour=0, load=0, battery=True, resting=False)
