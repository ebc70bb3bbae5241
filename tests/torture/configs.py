"""F25: `config init` is killed, or told that it failed, at each call that changes something; then it is asked again."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.torture import processes
from tests.torture.disks import require
from tests.torture.figures import Figure
from tests.torture.processes import Done
from tests.torture.profile import Profile
from tests.torture.syscalls import CHANGING, ERRNOS, MISSING_CALLS, ONCE_ONLY, Call, counted
from twinwatch.config.page import example


class Save:
    """A folder in which a configuration is saved again and again."""

    def __init__(self, folder: Path) -> None:
        """`folder` is emptied; raises UnavailableError where strace is missing."""
        require("strace", root=False)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._file = folder / "configuration" / "config.yaml"
        self._trace = folder / "trace"

    def calls(self) -> list[Call]:
        """Return every call of a save that changes something."""
        done = self._saved()
        assert done.code == 0, done.err
        where = str(self._file.parent)
        found = counted(self._trace)
        return [call for call in found if where in call.text and (call.name != "openat" or "O_CREAT" in call.text)]

    def killed(self, call: Call) -> Counter[str]:
        """Kill it just before a call, ask again, and judge."""
        done = self._saved(call, "signal=KILL")
        assert done.code < 0, done
        again = self._asked()
        return +Counter(crashed=int(not again.clean or again.code != 0), lost=int(not self._is_whole()))

    def failed(self, call: Call, error: str, *, for_ever: bool) -> Counter[str]:
        """Let a call fail, and all later ones of its name if `for_ever`; judge what was said and what is there."""
        done = self._saved(call, f"error={error}", f"{call.number}+" if for_ever else str(call.number))
        broken = Counter(crashed=int(not done.clean), untrue=int((done.code == 0) != self._is_whole()))
        return +(broken + Counter(unresolved=int(self._file.exists() and not self._is_whole())))

    def _saved(self, call: Call | None = None, fault: str = "", when: str = "") -> Done:
        shutil.rmtree(self._file.parent, ignore_errors=True)
        self._file.parent.mkdir()
        under: list[object] = ["strace", "-qq", "-y", "-s", "0", "-o", self._trace, "-e", f"trace={CHANGING}"]
        if call is not None:
            under += ["-e", f"inject={call.name}:{fault}:when={when or call.number}"]
        return self._asked(*under)

    def _asked(self, *under: object) -> Done:
        return processes.run(["config", "init", self._file], under=under)

    def _is_whole(self) -> bool:
        return self._file.exists() and self._file.read_text() == example()


def saves(profile: Profile) -> Iterator[Figure]:
    """Yield what came of kills, and of errnos."""
    save = Save(profile.folder / "save")
    calls = save.calls()
    broken: Counter[str] = Counter()
    for call in calls:
        broken += save.killed(call)
    case = "SIGKILL before each changing call of `config init`, which is asked again"
    yield Figure("F25", case, len(calls), "every call", broken)
    grid = [
        (call, error, for_ever)
        for call in calls
        for error in ERRNOS
        for for_ever in (False, True)
        if not (for_ever and (call.name in ONCE_ONLY or error in MISSING_CALLS))
    ]
    broken = Counter()
    for call, error, for_ever in grid:
        broken += save.failed(call, error, for_ever=for_ever)
    yield Figure("F25", "an errno from a changing call of `config init`", len(grid), "all of it", broken)
