"""The faults of `make torture`, a few of each: the runner says what it made, and that nothing was lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.torture.disks import UnavailableError
from tests.torture.figures import REPOSITORY, Figure, as_json, page
from tests.torture.network import network
from tests.torture.profile import Profile

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def torture(*words: str) -> list[dict[str, Any]]:
    """Run families in a process of their own, as their mounts are; skip what this machine cannot make."""
    command = [sys.executable, "-m", "tests.torture", "--quick", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if skipped := [row for row in rows if "skipped" in row]:
        pytest.skip(f"{skipped[0]['skipped']}: {skipped[0]['why']}")
    assert rows, done.stderr
    assert (done.returncode, [row["case"] for row in rows if not row["ok"]]) == (0, []), done.stderr
    return rows


@as_root
def test_a_power_cut_at_any_moment_loses_nothing_and_undoes_nothing_that_was_said() -> None:
    (row,) = torture("powercut-btrfs")
    assert (row["count"], row["bad"]) == (40, 0)


@as_root
def test_the_power_cut_finds_a_program_that_syncs_nothing() -> None:
    (row,) = torture("powercut-control-btrfs")
    assert row["control"]
    assert row["bad"] > 0


def test_a_disk_that_keeps_only_what_was_synced_loses_nothing() -> None:
    rows = torture("least-disk-hold", "least-disk-purge", "least-disk-finish", "least-disk-undo")
    assert [row["count"] > 10 for row in rows] == [True] * 4


def test_every_call_fails_with_one_errno_after_the_other() -> None:
    (row,) = torture("errnos-finish")
    assert row["count"] >= 2 * 5


@as_root
def test_there_and_back_everything_is_kept_on_every_kind_of_file_system() -> None:
    rows = torture("roundtrips")
    assert {"ext4", "tmpfs"} <= {row["case"].rpartition(": ")[2] for row in rows}


@as_root
def test_killed_before_a_system_call_the_real_program_goes_on_where_it_was() -> None:
    (row,) = torture("kills-restore")
    assert row["count"] == 4


@as_root
def test_a_pulled_disk_loses_nothing() -> None:
    (row,) = torture("disk-F10")
    assert row["count"] == 3


def test_without_a_kernel_to_run_the_network_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match=r"not installed|needs root"):
        next(network(Profile(tmp_path, 1, quick=True)))


def test_a_figure_is_good_only_when_the_fault_was_made() -> None:
    assert Figure("F1", "killed", 5, "all").ok
    assert not Figure("F1", "killed", 0, "all").ok
    assert not Figure("F1", "killed", 5, "all", Counter(lost=1)).ok
    assert Figure("F4", "without an fsync", 5, "all", Counter(lost=1), control=True).ok
    assert not Figure("F4", "without an fsync", 5, "all", control=True).ok


def test_a_fault_made_less_often_than_asked_for_is_not_called_done() -> None:
    few, enough = (as_json(Figure("F1", "killed", count, "1,000"), "make torture") for count in (999, 1000))
    assert "| ok so far |" in page([few])
    assert "| ok |" in page([enough])


def test_the_recorded_figures_and_their_page_are_level() -> None:
    rows = json.loads((REPOSITORY / "docs/safety/figures.json").read_text())
    assert (REPOSITORY / "docs/safety-figures.md").read_text() == page(rows)
    assert rows
    assert all(row["ok"] for row in rows if not row["control"])
