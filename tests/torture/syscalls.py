"""F1, F3, F25: the real program is killed, or told that it failed, at each system call that changes something."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.torture import processes
from tests.torture.disks import require
from tests.torture.figures import Figure
from tests.torture.library import GONE, HELD, HOME, Library
from tests.torture.processes import Done
from tests.torture.profile import Profile
from tests.torture.recovery import judge_recovered
from tests.torture.stage import GROUNDS, Ground, Stage
from twinwatch.config import load
from twinwatch.index import Index, MoveState

CHANGING = (
    "rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,"
    "fsync,fdatasync,pwrite64,write,ftruncate,truncate,chmod,fchmod,fchmodat,openat"
)
"""What is looked at; of openat only what creates, of write only what goes to the library's disk or state."""

ERRNOS = [
    "EIO",
    "ENOSPC",
    "EDQUOT",
    "EROFS",
    "EACCES",
    "EPERM",
    "EXDEV",
    "ENOENT",
    "EBUSY",
    "EMFILE",
    "ENOMEM",
    "ESTALE",
    "EINTR",
]

ONCE_ONLY = {"openat", "write"}
"""Failing for ever they would fail Python's own imports and pipes as well, which no disk does."""

MISSING_CALLS = {"EINTR"}
"""Not raised for ever: Python asks the kernel again, as it must, until the kernel does it."""

_LINE = re.compile(r"^(\w+)\((.*)$")


@dataclass(frozen=True, slots=True)
class Call:
    """One changing system call of a run, the `number`th of its name."""

    name: str
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something the program is asked to do, from a saved moment on."""

    name: str  # recover: from a hold that was cut short; migrate: make an index and bring it to today's schema
    start: str  # the moment
    words: tuple[str, ...]
    began: str  # where every copy is then
    done: str  # and where it is when the act has been done


ACTS = (
    Act("hold", "read", ("scan", "--quarantine"), HOME, HELD),
    Act("restore", "held", ("quarantine", "restore", "--all"), HELD, HOME),
    Act("purge", "held", ("quarantine", "purge", "--all", "--yes"), HELD, GONE),
    Act("recover", "moving", ("scan", "--quarantine"), HOME, HELD),
    Act("migrate", "new", ("scan", "--quarantine"), HOME, HELD),
)


class Sweep:
    """Runs acts again and again, each time with a fault at another call."""

    def __init__(self, folder: Path, ground: Ground = GROUNDS["ext4"]) -> None:
        """`folder` is emptied; raises UnavailableError where strace or the file system is missing."""
        require("strace")
        shutil.rmtree(folder, ignore_errors=True)
        self.stage = Stage(folder, ground)
        self._trace = folder / "trace"
        self._prepare()

    def calls(self, act: Act) -> list[Call]:
        """Return every call of an act that changes something."""
        done = self._play(act)
        assert done.code == 0, done.err
        return [call for call in counted(self._trace) if self._changes(call.name, call.text)]

    def killed(self, act: Act, call: Call) -> Counter[str] | None:
        """Kill the act just before a call, start the program again, and judge; None when it never came so far."""
        done = self._play(act, call, "signal=KILL")
        if done.code >= 0:
            return None
        with self.stage.opened() as library:
            broken = library.judge(self._allowed(library, act, done), settled=False)
            again = processes.scan(library)
            broken["crashed"] += not again.clean or again.code != 0
            broken += self._settled(library, self._allowed(library, act, done, again))
        return +broken

    def left(self, act: Act, call: Call) -> Counter[str]:
        """Kill the act just before a call and judge what it left, as if nothing put that right."""
        self._play(act, call, "signal=KILL")
        with self.stage.opened() as library, contextlib.closing(Index(library.state)) as index:
            moving = index.journal.rows(MoveState.MOVING)
            return +(library.judge() + Counter(unresolved=len(moving)))

    def failed(self, act: Act, call: Call, error: str, *, for_ever: bool) -> Counter[str]:
        """Let a call fail, and all later ones of its name if `for_ever`; judge what was said and what is there."""
        when = f"{call.number}+" if for_ever else str(call.number)
        done = self._play(act, call, f"error={error}", when)
        with self.stage.opened() as library:
            broken = Counter(crashed=int(not done.clean))
            if not done.clean:
                sys.stderr.write(done.err[-2000:])
            allowed = self._allowed(library, act, done)
            broken += library.judge(allowed, settled=False)
            broken += self._settled(library, allowed)
        return +broken

    def _play(self, act: Act, call: Call | None = None, fault: str = "", when: str = "") -> Done:
        self.stage.load(act.start)
        under: list[object] = ["strace", "-qq", "-y", "-s", "0", "-o", self._trace, "-e", f"trace={CHANGING}"]
        if call is not None:
            under += ["-e", f"inject={call.name}:{fault}:when={when or call.number}"]
        with self.stage.opened() as library:
            more = ["--config", library.config] if act.words[0] == "scan" else []
            words = [*act.words, "--json", *more, "--state", library.state]
            return processes.run(words, under=under)

    def _settled(self, library: Library, allowed: Mapping[str, set[str]]) -> Counter[str]:
        return judge_recovered(library, load(library.config, []), allowed)

    def _allowed(self, library: Library, act: Act, *said: Done) -> dict[str, set[str]]:
        """Return where each copy may be after an act that was not finished, given what it said."""
        allowed = {copy: {act.began, act.done} for copy in library.groups}
        for done in said:
            for copy, place in told(library, done).items():
                allowed[copy] = {place}
        return allowed

    def _prepare(self) -> None:
        stage = self.stage
        with stage.opened() as library:
            for number in (1, 2):
                library.put_pair(number)
        stage.save("new")
        with stage.opened() as library:
            done = processes.run(["scan", "--config", library.config, "--state", library.state])
            assert done.code == 0, done.err
        stage.save("read")
        hold = ACTS[0]
        last = [call for call in self.calls(hold) if call.name.startswith("rename")][-1]
        self._play(hold, last, "signal=KILL")  # before the photo itself was moved, after its companion was
        stage.save("moving")
        stage.load("read")
        with stage.opened() as library:
            assert processes.scan(library).code == 0
            assert set(processes.slots(library)) == set(library.groups)
        stage.save("held")

    def _changes(self, name: str, text: str) -> bool:
        if name == "openat":
            return "O_CREAT" in text
        if name == "write":
            return os.fspath(self.stage.library.base.parent) in text
        return True


def counted(trace: Path) -> list[Call]:
    """Return the calls that strace wrote down, each with its number among those of its name."""
    counts: Counter[str] = Counter()
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is not None:
            name, text = match.groups()
            counts[name] += 1
            found.append(Call(name, counts[name], text))
    return found


def told(library: Library, done: Done) -> dict[str, str]:
    """Return what a run said of each copy: where it is now."""
    known = {str(library.root / copy): copy for copy in library.groups}
    where: dict[str, str] = {}
    rows = done.lines()
    for row in rows:
        if row.get("action") == "held" and row["path"] in known:
            where[known[row["path"]]] = HELD
        if row.get("state") == "restored" and row["path"] in known:
            where[known[row["path"]]] = HOME
    if done.code == 0 and any(row.get("state") == "purged" for row in rows):
        where = dict.fromkeys(library.groups, GONE)
    return where


def kills(profile: Profile, acts: Sequence[Act] = ACTS) -> Iterator[Figure]:
    """F1 and F25: SIGKILL before each changing call of each act, then the real program again."""
    sweep = Sweep(profile.folder / "kills")
    for act in acts:
        calls = some(sweep.calls(act), profile, quick=4)
        yield kill_figure(sweep, act, calls, "F25" if act.start == "new" else "F1", "ext4")


def kills_control(profile: Profile) -> Iterator[Figure]:
    """Kill a hold without starting the program again: the test must see what that leaves."""
    sweep = Sweep(profile.folder / "kills")
    calls = [call for call in sweep.calls(ACTS[0]) if call.name in ("renameat2", "renameat", "fsync", "mkdirat")]
    broken: Counter[str] = Counter()
    for call in calls:
        broken += sweep.left(ACTS[0], call)
    yield Figure("F1", "SIGKILL in hold, never started again", len(calls), "these calls", broken, control=True)


def kill_figure(sweep: Sweep, act: Act, calls: Sequence[Call], fault: str, where: str) -> Figure:
    broken: Counter[str] = Counter()
    times = 0
    for call in calls:
        found = sweep.killed(act, call)
        if found is None:
            continue
        times += 1
        broken += found
        if found:
            sys.stderr.write(f"{act.name}, killed before {call}: {dict(found)}\n")
    case = f"SIGKILL before each changing system call: {act.name}, {where}"
    target = "every call" if fault != "F24" else "a sample"
    return Figure(fault, case, times, target, broken, f"{len(calls)} calls")


def errors(profile: Profile) -> Iterator[Figure]:
    """F3: each changing call of the program's own fails with each errno, once and for ever; SQLite's with some."""
    sweep = Sweep(profile.folder / "errors")
    for act in ACTS:
        calls = sweep.calls(act)
        grid = [
            (call, error, for_ever)
            for call in calls
            for error in (ERRNOS if "index.db" not in call.text else ["EIO", "ENOSPC"])
            for for_ever in (False, True)
            if not (for_ever and (call.name in ONCE_ONLY or error in MISSING_CALLS))
        ]
        chosen = some(grid, profile, quick=6)
        broken: Counter[str] = Counter()
        for call, error, for_ever in chosen:
            found = sweep.failed(act, call, error, for_ever=for_ever)
            broken += found
            if found:
                sys.stderr.write(f"{act.name}, {error} {for_ever=} at {call}: {dict(found)}\n")
        case = f"an errno from a changing system call, once or for ever: {act.name}"
        yield Figure("F3", case, len(chosen), f"the grid of {len(grid):,}", broken)


T = TypeVar("T")


def some(everything: list[T], profile: Profile, full: int | None = None, *, quick: int) -> list[T]:
    """Return all of them, or a sample: of `full` at most, of the profile's share, or of `quick`."""
    wanted = quick if profile.quick else max(quick, round((full or len(everything)) * profile.share))
    if wanted >= len(everything):
        return everything
    chosen = random.Random(profile.seed).sample(range(len(everything)), wanted)
    return [everything[number] for number in sorted(chosen)]
