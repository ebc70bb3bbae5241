"""The units: systemd has nothing to say against them, and what the daemon relies on is in them."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from twinwatch.service.systemd import Manager

UNITS = Path(__file__).parents[1] / "systemd"
SYSTEM, USER = "twinwatch.service", "twinwatch-user.service"
both = pytest.mark.parametrize("unit", [SYSTEM, USER])
needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def parse(unit: str) -> dict[str, list[str]]:
    """Return the values of every `Section.Key`, in their order; a comment is a line of its own."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in (UNITS / unit).read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            found[f"{section}.{key}"].append(value)
    return found


def one(unit: str, key: str) -> str:
    (value,) = parse(unit)[key]
    return value


def analyze(unit: str, folder: Path, arguments: Sequence[str], more: str = "") -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on a copy of the unit whose program exists: verify looks for it."""
    program = folder / "twinwatch"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (UNITS / unit).read_text()
    installed = one(unit, "Service.ExecStart").split()[0]
    (folder / unit).write_text(text.replace(f"ExecStart={installed}", f"ExecStart={program}") + more)
    scope = ["--user"] if unit == USER else []
    return subprocess.run(
        ["systemd-analyze", *scope, *arguments, str(folder / unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder), "SYSTEMD_LOG_LEVEL": "warning"},
    )


@needs_analyze
@both
def test_systemd_has_nothing_to_say(unit: str, tmp_path: Path) -> None:
    done = analyze(unit, tmp_path, ["verify", "--man=no"])
    # The exit status is 0 even for a key that systemd does not know: only silence is consent.
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@needs_analyze
@both
def test_systemd_would_say_if_something_were_wrong(unit: str, tmp_path: Path) -> None:
    done = analyze(unit, tmp_path, ["verify", "--man=no"], more="\n[Service]\nProtectSytem=strict\n")
    assert "ProtectSytem" in done.stdout + done.stderr


@needs_analyze
def test_the_system_unit_is_hardly_exposed(tmp_path: Path) -> None:
    # Threshold is ten times the exposure that is printed.
    done = analyze(SYSTEM, tmp_path, ["security", "--offline=true", "--no-pager", "--threshold=10"])
    assert done.returncode == 0, done.stdout[-300:]


@both
def test_readiness_watchdog_reload_and_restart(unit: str) -> None:
    # notify-reload would be right, but systemd 252 refuses a unit that says so.
    assert one(unit, "Service.Type") == "notify"
    assert one(unit, "Service.NotifyAccess") == "all"
    assert one(unit, "Service.WatchdogSec") == "60s"
    assert one(unit, "Service.ExecReload") == "/bin/kill -HUP $MAINPID"
    assert one(unit, "Service.Restart") == "on-failure"
    assert one(unit, "Service.RestartPreventExitStatus").split() == ["2", "78"]
    assert one(unit, "Service.KillMode") == "mixed"
    assert one(unit, "Service.OOMPolicy") == "continue"


@both
def test_the_program_is_started_with_a_configuration(unit: str) -> None:
    program, *arguments = one(unit, "Service.ExecStart").split()
    assert program.endswith("/bin/twinwatch")
    assert arguments[:2] == ["run", "--config"]


@both
def test_workers_can_lock_themselves_in(unit: str) -> None:
    base, refused, added = parse(unit)["Service.SystemCallFilter"]
    assert base == "@system-service"
    # The workers drop what capabilities they may have: capset is in @privileged, so it has to be added behind it.
    assert refused.startswith("~@privileged ")
    assert {"seccomp", "landlock_create_ruleset", "landlock_restrict_self", "capset"} <= set(added.split())
    # setrlimit is in @resources; @sandbox is unknown to systemd 252.
    assert not {"@resources", "@sandbox"} & {*refused.removeprefix("~").split(), *added.split()}
    assert one(unit, "Service.SystemCallErrorNumber") == "EPERM"
    assert "AF_UNIX" in one(unit, "Service.RestrictAddressFamilies").split()


def test_the_system_unit_writes_to_photos_and_state_only() -> None:
    assert one(SYSTEM, "Service.ProtectSystem") == "strict"
    assert one(SYSTEM, "Service.StateDirectory") == "twinwatch"
    # One entry: two of them are two mounts, and no rename goes from one to the other.
    assert one(SYSTEM, "Service.ReadWritePaths").split() == ["/srv"]
    assert one(SYSTEM, "Service.CapabilityBoundingSet") == ""
    assert one(SYSTEM, "Service.User") == "twinwatch"


def test_the_user_unit_needs_no_namespaces() -> None:
    wants = [key for key in parse(USER) if key.startswith(("Service.Protect", "Service.Private", "Service.ReadWrite"))]
    assert wants == []
    assert "Service.StateDirectory" not in parse(USER)


@both
def test_no_option_is_given_twice_by_mistake(unit: str) -> None:
    twice = {key for key, values in parse(unit).items() if len(values) > 1}
    assert twice <= {"Service.SystemCallFilter"}


def test_the_heartbeat_is_due_after_half_the_time_that_systemd_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a short WatchdogSec an idle daemon may not sleep from one of its rounds to the next."""
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    watched = Manager()
    watched.alive(10.0)
    assert watched.next_due() == 11.5
    watched.alive(11.0)
    assert watched.next_due() == 11.5
    watched.alive(11.5)
    assert watched.next_due() == 13.0
    assert Manager().next_due() == math.inf, "taken over once, and not by children"
