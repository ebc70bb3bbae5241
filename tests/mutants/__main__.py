"""Mutation testing of the rooms that could hurt: every small fault put into them must make a test fail.

usage: python -m tests.mutants [--thorough] [--fresh] [--only TEXT] [--sample N] [--list] [--record]

Each mutant is tried by the tests that run its lines, the quickest first, in a forked child over a copy of the package
with that one fault in it. Results are kept in `.mutants/`, so that a second run tries again only what survived, and
whatever was changed. `--thorough` also lets the slow tests (killed at every call, the state machine) have a go at what
the quick ones let live. Exit code 1 when fewer than 95 % of the mutants that are no equivalents were killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.mutants.operators import Mutant, mutants, one_line
from tests.torture.disks import UnavailableError, isolate
from tests.torture.figures import Figure, as_json, record

HOME = Path(__file__).parents[2]
SOURCE = HOME / "daemon"
WORK = HOME / ".mutants"
RESULTS = WORK / "results.json"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")

FILES = (
    "brake.py", "verdict.py", "roots.py", "folders.py", "quarantine/hold.py", "quarantine/restore.py",
    "quarantine/recover.py", "quarantine/slots.py", "quarantine/manifest.py", "quarantine/keepers.py",
    "quarantine/verify.py", "syscalls.py", "photo.py", "settle.py", "reconcile.py", "ingest/survey.py",
    "ingest/orphans.py", "ingest/restraint.py", "ingest/line.py", "ingest/reading.py", "ingest/unseen.py", "locks.py",
)  # fmt: skip
QUICK = (
    "tests/test_brake.py", "tests/test_verdict.py", "tests/test_settle.py", "tests/test_roots.py",
    "tests/test_roots_place.py", "tests/test_quarantine.py", "tests/test_quarantine_companions.py",
    "tests/test_quarantine_groups.py", "tests/test_quarantine_purge.py", "tests/test_quarantine_races.py",
    "tests/test_quarantine_order.py", "tests/test_quarantine_faults.py", "tests/test_quarantine_recover.py",
    "tests/test_quarantine_descriptors.py", "tests/test_quarantine_slots.py", "tests/test_quarantine_verify.py",
    "tests/test_quarantine_details.py", "tests/test_quarantine_numbering.py", "tests/test_quarantine_hidden.py",
    "tests/test_orphans.py", "tests/test_ingest.py", "tests/test_photo.py", "tests/test_syscalls.py",
    "tests/test_survey.py", "tests/test_restraint.py", "tests/test_quarantine_former.py", "tests/test_unseen.py",
    "tests/test_ingest_details.py", "tests/test_locks.py",
)  # fmt: skip
QUICK_ALSO = (
    "tests/test_quarantine_crash.py::test_recovery_believes_nothing_of_a_root_that_lost_its_marker",
    "tests/test_quarantine_crash.py::test_recovery_without_an_index_finds_every_held_photo_again",
    "tests/test_quarantine_crash.py::test_a_photo_put_back_by_hand_and_a_slot_emptied_by_hand_are_understood",
    "tests/test_quarantine_crash.py::test_a_slot_without_manifest_goes_when_it_is_empty_and_stays_when_it_is_not",
    "tests/test_quarantine_crash.py::test_a_file_that_a_power_cut_left_in_both_folders_stays_in_its_old_one",
    "tests/test_quarantine_crash.py::test_a_companion_that_a_power_cut_left_in_both_folders_follows_its_photo",
    "tests/test_quarantine_crash.py::test_a_held_photo_stays_when_another_file_has_its_old_name",
)
SLOW = ("tests/test_quarantine_machine.py", "tests/test_quarantine_crash.py")
TARGET = 0.95
CPU_SECONDS = 240  # of a run of the slow tests, or of all: a mutant that takes more loops
WALL_SECONDS = 3600.0  # the same of one that waits for ever, on a machine that has other work too


def main() -> int:
    """Try every mutant and print what survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="mutation testing")
    parser.add_argument("--thorough", action="store_true", help="let the slow tests try what the quick ones let live")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--only", default="", help="only mutants whose name contains this")
    parser.add_argument("--sample", type=int, metavar="N", help="try only so many, drawn by chance, the same each time")
    parser.add_argument("--list", action="store_true", help="run nothing, print what is known")
    parser.add_argument("--record", action="store_true", help="put what is known of whole rooms among the figures")
    asked = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    (WORK / ".gitignore").write_text("*\n")
    if asked.fresh:
        RESULTS.unlink(missing_ok=True)
    found = [mutant for file in FILES for mutant in mutants(file, (SOURCE / "twinwatch" / file).read_bytes())]
    known: dict[str, str] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    names = _names(found)
    wanted = [name for name in names if asked.only in name]
    if asked.sample is not None:
        wanted = random.Random(asked.sample).sample(wanted, min(asked.sample, len(wanted)))
    if not asked.list:
        _try_all({name: names[name] for name in wanted}, known, asked.thorough)
    if asked.record:
        _record(names, known)
    return _table(names, known)


def equivalents() -> dict[str, str]:
    """Return the mutants that change nothing anyone could see, each with the reason."""
    pairs: dict[str, str] = {}
    for line in EQUIVALENT.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition("  # ")
            pairs[name.strip()] = reason.strip()
    return pairs


def _names(found: Iterable[Mutant]) -> dict[str, Mutant]:
    """Name each mutant; a second one of the same words in the same function gets a number."""
    seen: Counter[str] = Counter()
    names: dict[str, Mutant] = {}
    for mutant in found:
        seen[mutant.key] += 1
        number = "" if seen[mutant.key] == 1 else f" #{seen[mutant.key]}"
        names[mutant.key + number] = mutant
    return names


def _try_all(names: dict[str, Mutant], known: dict[str, str], thorough: bool) -> None:
    lines, seconds = _covering()
    tree = WORK / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(SOURCE / "twinwatch", tree / "twinwatch", ignore=shutil.ignore_patterns("__pycache__"))
    _preload()
    if said := _run([test for test in sorted(seconds, key=lambda test: seconds[test]) if test], tree, CPU_SECONDS):
        raise SystemExit(f"a test fails without any fault put in: {said}")
    done = equivalents()
    for count, (name, mutant) in enumerate(names.items(), 1):
        if name in done or known.get(name, "").startswith("killed"):
            continue
        target = tree / "twinwatch" / mutant.file
        source = (SOURCE / "twinwatch" / mutant.file).read_bytes()
        target.write_bytes(mutant.applied(source))
        try:
            known[name] = _outcome(mutant, lines, seconds, tree, thorough)
        finally:
            target.write_bytes(source)
        RESULTS.write_text(json.dumps(known, indent=1))
        sys.stdout.write(f"{count}/{len(names)} {known[name]}: line {mutant.line} {name}\n")
        sys.stdout.flush()


def _outcome(
    mutant: Mutant, lines: dict[str, dict[int, set[str]]], seconds: dict[str, float], tree: Path, thorough: bool
) -> str:
    of_file = lines.get(mutant.file, {})
    covering = set().union(*(of_file.get(line, set()) for line in range(mutant.line, mutant.last_line + 1)))
    chosen = sorted(covering, key=lambda test: seconds.get(test, 1.0))
    stages = [chosen] if chosen else []
    if not chosen or "" in covering:  # run at import: anything may see it
        stages = [sorted(seconds, key=lambda test: seconds[test])]
    if thorough and mutant.file.startswith("quarantine"):
        stages.append(list(SLOW))
    for stage in stages:
        tests = [test for test in stage if test]
        said = _run(tests, tree, _enough(tests, seconds))
        if said:
            return f"killed ({said})"
    return "survived"


def _enough(tests: list[str], seconds: dict[str, float]) -> int:
    """Return how many seconds of the processor these tests may take: far more than they took without a fault."""
    known = [seconds[test] for test in tests if test in seconds]
    return CPU_SECONDS if len(known) < len(tests) else min(CPU_SECONDS, 20 + round(4 * sum(known)))


def _run(tests: list[str], tree: Path, cpu_seconds: int) -> str:
    """Run tests over the copy in a forked child; return how it ended, or nothing when all passed."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            out = os.open(WORK / "last.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
            with contextlib.suppress(UnavailableError):  # without root nothing is mounted
                isolate()  # what a test has mounted that is ended goes with it
            sys.path.insert(0, str(tree))
            os.environ |= {"PYTHONPATH": str(tree), "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            sys.dont_write_bytecode = True  # it is known by second and size: the next mutant may have those of this one
            import pytest

            plain = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "--timeout=600",
                     "--hypothesis-profile=mutants",
                     "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]  # fmt: skip
            os._exit(int(pytest.main([*plain, *tests])))
        except BaseException:  # noqa: BLE001 - told to the parent
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(99)
    deadline = time.monotonic() + WALL_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _end(pid)
            code = os.waitstatus_to_exitcode(status)
            if code in (5, 99) and not _failures():  # with some, pytest only tripped over what they left behind
                raise SystemExit(
                    f"the tests could not be run (exit {code}):\n{(WORK / 'last.txt').read_text()[-2000:]}"
                )
            return "" if code == 0 else _first_failure() if code > 0 else f"signal {-code}"
        time.sleep(0.05)
    _end(pid)
    os.waitpid(pid, 0)
    return "out of time"


def _end(pid: int) -> None:
    """End what the child may have left running in its own group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _failures() -> list[str]:
    lines = (WORK / "last.txt").read_text(errors="replace").splitlines()
    return [line for line in lines if line.startswith(("FAILED", "ERROR"))]


def _first_failure() -> str:
    failed = _failures()
    return one_line(failed[0].split(" - ")[0].split(" ", 1)[1]) if failed else "a failure"


def _preload() -> None:
    """Import what is slow and no room of ours, once for all children."""
    import hypothesis.stateful  # noqa: F401
    import numpy  # noqa: F401
    import PIL.Image
    import pytest  # noqa: F401

    PIL.Image.init()
    if any(name.partition(".")[0] == "twinwatch" for name in sys.modules):
        raise SystemExit("the package under test is imported already: its copy would not be tested")


def _covering() -> tuple[dict[str, dict[int, set[str]]], dict[str, float]]:
    """Run the quick tests once; return for each file and line the tests that run it, and how long each took."""
    sums = WORK / "covering.json"
    tests = [test for test in (*QUICK, *QUICK_ALSO) if (HOME / test.partition("::")[0]).exists()]
    newest = max(
        path.stat().st_mtime for path in (*HOME.glob("tests/*.py"), *(SOURCE / "twinwatch" / f for f in FILES))
    )
    if not sums.exists() or sums.stat().st_mtime < newest:
        _measure(tests, sums)
    said = json.loads(sums.read_text())
    lines = {file: {int(line): set(names) for line, names in of.items()} for file, of in said["lines"].items()}
    return lines, said["seconds"]


def _measure(tests: list[str], sums: Path) -> None:
    settings, database, times = WORK / "coverage.rc", WORK / "coverage.db", WORK / "times.xml"
    settings.write_text(f"[run]\nsource = twinwatch\ndynamic_context = test_function\ndata_file = {database}\n")
    for old in WORK.glob("coverage.db*"):
        old.unlink()
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest", "-q", "-p",
               "no:cacheprovider", f"--junitxml={times}", *tests]  # fmt: skip
    subprocess.run(command, cwd=HOME, check=True, env={**os.environ, "CI": "1"})
    seconds: Counter[str] = Counter()
    for case in ET.parse(times).iter("testcase"):  # noqa: S314 - our own file
        place = case.attrib["classname"].replace(".", "/")
        seconds[f"{place}.py::{case.attrib['name'].partition('[')[0]}"] += float(case.attrib["time"])  # type: ignore[assignment]
    from coverage import CoverageData

    data = CoverageData(str(database))
    data.read()
    lines: dict[str, dict[int, list[str]]] = {}
    for path in data.measured_files():
        file = path.rpartition("/daemon/twinwatch/")[2]
        if file in FILES:
            contexts = data.contexts_by_lineno(path)
            lines[file] = {line: sorted({_test(name, seconds) for name in names}) for line, names in contexts.items()}
    sums.write_text(json.dumps({"lines": lines, "seconds": seconds}))


def _test(context: str, seconds: Counter[str]) -> str:
    module, _, function = context.rpartition(".")
    name = f"{module.replace('.', '/')}.py::{function}"
    return name if name in seconds else ""


def _table(names: dict[str, Mutant], known: dict[str, str]) -> int:
    equal = equivalents()
    if stale := sorted(equal.keys() - names.keys()):
        sys.stdout.write("".join(f"no such mutant any more: {name}\n" for name in stale))
    worst = 0
    total: Counter[str] = Counter()
    sys.stdout.write(f"{'file':28} mutants equivalent killed survived untried share\n")
    for file in FILES:
        of = [name for name, mutant in names.items() if mutant.file == file]
        count = Counter("equivalent" if name in equal else known.get(name, "untried").split()[0] for name in of)
        total += count
        sys.stdout.write(_row(file, count))
    sys.stdout.write(_row("together", total))
    for name, mutant in names.items():
        if name not in equal and known.get(name) == "survived":
            sys.stdout.write(f"survived: line {mutant.line} {name}\n")
    worst = total["survived"] + total["untried"]
    return int(total["killed"] < TARGET * (total["killed"] + worst))


def _record(names: dict[str, Mutant], known: dict[str, str]) -> None:
    """Put a figure for each room of which every mutant was tried among those of the other faults (F32)."""
    equal = equivalents()
    for file in FILES:
        said = [
            known.get(name, "untried").split()[0] for name, of in names.items() if of.file == file if name not in equal
        ]
        count = Counter(said)
        if count["untried"] or not said:
            continue
        share = count["killed"] / len(said)
        case = f"small faults in the program, found by a test: {file}"
        note = f"{100 * share:.1f} % found"
        record([as_json(
            Figure("F32", case, len(said), f"{100 * TARGET:.0f} %", Counter(missed=int(share < TARGET)), note),
            "python -m tests.mutants --record",
        )])  # fmt: skip


def _row(name: str, count: Counter[str]) -> str:
    tried = count["killed"] + count["survived"]
    share = f"{100 * count['killed'] / tried:.1f} %" if tried else "-"
    figures = [sum(count.values()), *(count[word] for word in ("equivalent", "killed", "survived", "untried"))]
    return f"{name:28} {figures[0]:7} {figures[1]:10} {figures[2]:6} {figures[3]:8} {figures[4]:7} {share}\n"


if __name__ == "__main__":
    sys.exit(main())
