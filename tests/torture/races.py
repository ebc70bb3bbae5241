"""F17, F18, F20: somebody acts while a photo is read, moved or put back - by name, by content, and in parallel."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.nas import NOW, Nas, start_child
from twinwatch import syscalls
from twinwatch.errors import TwinwatchError
from twinwatch.quarantine import recover, restore

SWAPS, EDITS, RUNS = 400_000, 10_000, 1000
PICTURE, OTHER = b"picture" * 3000, b"another" * 3000

SWAPPER = """
import ctypes, sys
libc = ctypes.CDLL(None)
one, other = (name.encode() for name in sys.argv[1:3])
print("ready", flush=True)
sys.stdin.readline()
done = 0
while done < int(sys.argv[3]):  # an even number: each is in its own place at the end. While one is held, it fails
    done += libc.renameat2(-100, one, -100, other, 2) == 0
print(done, flush=True)
"""


def run(scale: str, seed: int) -> list[dict[str, Any]]:
    """Make every race; `scale` is "full" or the share of it, such as "0.001". Returns the figures."""
    share = 1.0 if scale == "full" else float(scale)
    return [*swaps(share), edits(share, seed), parallel(share, seed)]


def _figure(fault: str, case: str, count: int, target: int, broken: Counter[str], note: str) -> dict[str, Any]:
    bad = +broken
    return {
        "fault": fault, "case": case, "count": count, "bad": bad.total(), "broken": dict(bad), "target": f"{target:,}",
        "note": note, "ok": count > 0 and not bad,
    }  # fmt: skip


@contextmanager
def _household() -> Iterator[Nas]:
    shared = Path("/dev/shm")  # noqa: S108 - a fresh folder in it
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        nas = Nas(Path(folder))
        try:
            yield nas
        finally:
            nas.close()


# F17: names that change between two system calls


def swaps(share: float) -> Iterator[dict[str, Any]]:
    """Swap a folder with a symlink to a folder outside, and a photo with one, while all of it is scanned and moved."""
    for what in ("folder", "photo"):
        rounds = max(2000, int(SWAPS * share) // 4 * 2)
        with _household() as nas:
            yield _swapped(nas, what, rounds)


def _swapped(nas: Nas, what: str, rounds: int) -> dict[str, Any]:
    outside = nas.folder / "outside"
    outside.mkdir()
    (outside / "copy.jpg").write_bytes(PICTURE)
    secret = os.stat(outside / "copy.jpg")
    nas.put("keep/a.jpg", PICTURE)
    inside = nas.put("in/copy.jpg", PICTURE)
    own = inside.stat().st_ino
    target, other = (nas.root.path / "in", "trap") if what == "folder" else (inside, "in/trap.jpg")
    trap = nas.root.path / other
    trap.symlink_to(outside if what == "folder" else outside / "copy.jpg")
    move = nas.move("in/copy.jpg", "keep/a.jpg")
    swapper = start_child(SWAPPER, str(target), str(trap), str(rounds))
    assert swapper.stdout is not None
    assert swapper.stdin is not None
    swapper.stdout.readline()
    swapper.stdin.write("go\n")
    swapper.stdin.flush()
    count: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    while swapper.poll() is None:
        _one_round(nas, move, own, count, broken)
        now = os.stat(outside / "copy.jpg")
        broken["outside root"] += (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) != (
            secret.st_ino,
            secret.st_mtime_ns,
            secret.st_ctime_ns,
        )
        broken["outside root"] += os.listdir(outside) != ["copy.jpg"]
    swapped = int(swapper.communicate()[0])
    for slot in nas.slots():
        with suppress(TwinwatchError):
            restore(slot, nas.index, NOW)
    kept = [path for path in nas.folder.rglob("*.jpg") if not path.is_symlink() and path.read_bytes() == PICTURE]
    broken["lost"] += len({path.stat().st_ino for path in kept}) != 3
    note = f"{count['held']} times moved, {count['refused']} times refused, {count['walked']} files seen in walks"
    case = f"a {what} and a symlink swapped by RENAME_EXCHANGE"
    return _figure("F17", case, swapped, SWAPS // 2, broken, note)


def _one_round(nas: Nas, move: Any, own: int, count: Counter[str], broken: Counter[str]) -> None:
    with suppress(TwinwatchError):
        for folder in nas.root.walk():
            count["walked"] += len(folder.files)
            for name in folder.files:
                with suppress(TwinwatchError), nas.root.opened_file(folder.path / name) as (fd, _):
                    broken["outside root"] += str(nas.root.path) not in os.readlink(f"/proc/self/fd/{fd}")
    try:
        with suppress(OSError):
            move = nas.move("in/copy.jpg", "keep/a.jpg")
        nas.holder.hold(move, nas.root, nas.root)
        count["held"] += 1
    except TwinwatchError:
        count["refused"] += 1
    for slot in nas.slots():
        broken["wrong inode"] += slot.present and os.stat(slot.photo_path).st_ino != own
        with suppress(TwinwatchError):
            restore(slot, nas.index, NOW)


# F18: content that changes between two system calls


class At:
    """Lets somebody act just before the wanted system call of ours."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self.at, self.act, self.count = at, act, 0
        self.real = {name: getattr(os, name) for name in ("open", "stat", "fstat", "pread", "fsync", "mkdir", "rename")}
        self.libc = syscalls._libc

    def __enter__(self) -> At:
        for name, call in self.real.items():
            setattr(os, name, self._wrapped(call))
        syscalls._libc = self  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        for name, call in self.real.items():
            setattr(os, name, call)
        syscalls._libc = self.libc

    def syscall(self, *arguments: Any) -> int:
        self._note()
        return int(self.libc.syscall(*arguments))

    def renameat2(self, *arguments: Any) -> int:
        self._note()
        return int(self.libc.renameat2(*arguments))

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            self._note()
            return call(*arguments, **more)

        return wrapped

    def _note(self) -> None:
        self.count += 1
        if self.count == self.at:
            self.at = 0
            self.act()


def edits(share: float, seed: int) -> dict[str, Any]:
    """Edit, replace or delete the copy or its keeper before each single system call of a move."""
    chance = random.Random(seed)
    wanted = max(200, int(EDITS * share))
    broken: Counter[str] = Counter()
    count: Counter[str] = Counter()
    with _household() as nas:
        calls = _calls(nas)
        places = [(what, who, at) for what in _ACTS for who in ("copy", "keeper") for at in range(1, calls + 1)]
        chance.shuffle(places)
        while count["made"] < wanted:
            what, who, at = places[count["made"] % len(places)]
            count["made"] += 1
            _edit_once(nas, what, who, at, count, broken)
    note = f"before each of the {calls} calls of a move; {count['held']} moved, {count['refused']} refused"
    return _figure("F18", "copy or keeper edited, replaced, deleted in a move", count["made"], EDITS, broken, note)


def _calls(nas: Nas) -> int:
    nas.put("keeper.jpg", PICTURE)
    nas.put("copy.jpg", PICTURE)
    move = nas.move("copy.jpg", "keeper.jpg")
    with At(0, lambda: None) as counting:
        nas.holder.hold(move, nas.root, nas.root)
    restore(nas.slot(), nas.index, NOW)
    return counting.count


def _edit(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(OTHER)


def _replace(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(OTHER)
    fresh.rename(path)


_ACTS: dict[str, Callable[[Path], None]] = {"edit": _edit, "replace": _replace, "delete": Path.unlink}


def _edit_once(nas: Nas, what: str, who: str, at: int, count: Counter[str], broken: Counter[str]) -> None:
    for name in ("copy", "keeper"):
        (nas.root.path / f"{name}.jpg").unlink(missing_ok=True)
        nas.put(f"{name}.jpg", PICTURE)
    path = nas.root.path / f"{who}.jpg"
    acted: list[bool] = []

    def act() -> None:
        with suppress(FileNotFoundError):  # it has been moved already
            _ACTS[what](path)
            acted.append(True)

    move = nas.move("copy.jpg", "keeper.jpg")
    try:
        with At(at, act):
            nas.holder.hold(move, nas.root, nas.root)
        held = True
    except TwinwatchError:
        held = False
    count["held" if held else "refused"] += 1
    _look(nas, who, what, held=held, acted=bool(acted), broken=broken)
    recover(nas.root, nas.index)
    for slot in nas.slots():
        for file in slot.photo_path.parent.iterdir():
            file.unlink()
        slot.photo_path.parent.rmdir()
    recover(nas.root, nas.index)


def _look(nas: Nas, who: str, what: str, *, held: bool, acted: bool, broken: Counter[str]) -> None:
    tree, slots = nas.tree(), nas.held()
    if acted and who == "copy" and what != "delete":
        broken["changed file in quarantine"] += held and OTHER in slots
        broken["lost"] += OTHER not in [*tree.values(), *slots]
    if held:
        late = acted and who == "keeper"  # after the last look at it: it is offered back, as any keeper that goes later
        broken["without survivor"] += not late and PICTURE not in tree.values()
        broken["lost"] += PICTURE not in slots and not (acted and who == "copy")
    elif who == "keeper" or not acted:
        broken["lost"] += tree.get("photos/copy.jpg") != PICTURE


# F20: several processes and a person

WORKER = """
import random, sys
from contextlib import suppress
from pathlib import Path
from tests.nas import NOW, Nas
from twinwatch.errors import TwinwatchError
from twinwatch.quarantine import purge, recover, restore
folder, state, seed, steps = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
chance = random.Random(seed)
nas = Nas(folder, state)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(steps):
    with suppress(TwinwatchError, FileNotFoundError):
        found = sorted(path.relative_to(nas.root.path) for path in nas.root.path.rglob("*.jpg"))
        files = [str(path) for path in found if ".twinwatch" not in path.parts]
        what, slots = chance.randrange(10), nas.slots()
        if what < 6 and files:  # true verdicts only: by a false one a purge takes the last of its kind, and rightly so
            one = (nas.root.path / chance.choice(files)).read_bytes()
            alike = [path for path in files if (nas.root.path / path).read_bytes() == one]
            if len(alike) > 1:
                nas.hold(*chance.sample(alike, 2))
        elif what < 8 and slots:
            restore(chance.choice(slots), nas.index, NOW)
        elif what == 8:
            recover(nas.root, nas.index)
        elif what == 9 and slots:
            purge(chance.choice(slots), nas.index, lambda _: [])
nas.close()
"""

PERSON = """
import os, random, sys
from contextlib import suppress
from pathlib import Path
root, seed, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
print("ready", flush=True)
sys.stdin.readline()
for number in range(steps):
    files = [path for path in root.rglob("*.jpg") if ".twinwatch" not in path.parts]
    if not files:
        continue
    with suppress(OSError):
        path = chance.choice(files)
        if chance.random() < 0.6:
            os.link(path, root / f"person {seed} {number}.jpg")  # a rename that never replaces
            os.unlink(path)
        else:
            (root / f"copied {seed} {number}.jpg").write_bytes(path.read_bytes())
"""


def parallel(share: float, seed: int) -> dict[str, Any]:
    """Let two daemons (two states), a command and a person work on one root at once; nobody deletes a last copy."""
    wanted = max(3, int(RUNS * share))
    broken: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for number in range(wanted):
        with _household() as nas:
            _in_parallel(nas, f"{seed} {number}", count, broken)
    note = f"{count['held']} slots at the end of the runs, {count['stopped']} processes ended badly"
    return _figure("F20", "two daemons, a command and a person at once", wanted, RUNS, broken, note)


def _in_parallel(nas: Nas, seed: str, count: Counter[str], broken: Counter[str]) -> None:
    contents = [f"picture {number} of {seed} ".encode() * 200 for number in range(4)]
    for number, content in enumerate(contents):
        for copy in range(3):
            nas.put(f"{copy}/{number}.jpg", content, mtime_ns=10**18 + copy)
    racers = [start_child(WORKER, str(nas.folder), f"state{n}", f"{seed} {n}", "12") for n in range(3)]
    racers.append(start_child(PERSON, str(nas.root.path), seed, "25"))
    for racer in racers:
        assert racer.stdout is not None
        racer.stdout.readline()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        said = racer.communicate(timeout=120)[1]
        count["stopped"] += racer.returncode != 0
        if racer.returncode:
            sys.stderr.write(said)
            broken["ended badly"] += 1
    recover(nas.root, nas.index)
    left = nas.everything()
    broken["lost"] += any(content not in left for content in contents)
    count["held"] += len(nas.slots())
