"""F17, F18, F20: somebody acts while a photo is read, moved or put back - by name, by content, and in parallel."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from tests.nas import NOW, Nas, start_child
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from twinwatch import syscalls
from twinwatch.errors import TwinwatchError
from twinwatch.quarantine import Slot, purge, recover, restore

SWAPS, EDITS, RUNS = 400_000, 10_000, 1000
PATIENCE = 120.0  # seconds until a process that must end is given up; never a measure of speed
PICTURE, OTHER = b"picture" * 3000, b"another" * 3000

SWAPPER = """
import ctypes, select, sys
libc = ctypes.CDLL(None)
one, other = (name.encode() for name in sys.argv[1:3])
print("ready", flush=True)
sys.stdin.readline()
wanted, done, ended = int(sys.argv[3]), 0, False
while done < wanted or not ended:
    for _ in range(500):  # an even number: each is in its own place at the end
        for _ in range(2):
            done += libc.renameat2(-100, one, -100, other, 2) == 0
    ended = ended or bool(select.select([sys.stdin], [], [], 0)[0])
print(done, flush=True)
"""
SWAPS_FOR_EACH = 40
"""Swaps for each time that we walk, move and put back: so that there is something to be raced with."""

MOST_REFUSED = 100
"""How many times as often we try, where every move was refused so far."""


@contextmanager
def _household(profile: Profile) -> Iterator[Nas]:
    folder = profile.folder / "races"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nas = Nas(folder)
    try:
        yield nas
    finally:
        nas.close()
        shutil.rmtree(folder)


# F17: names that change between two system calls


def swaps(profile: Profile) -> Iterator[Figure]:
    """F17: a folder and a symlink to one outside, or a photo and one, are swapped while all is scanned and moved."""
    for what in ("folder", "photo"):
        with _household(profile) as nas:
            yield _swapped(nas, what, profile.times(SWAPS // 2, quick=2000))


def _swapped(nas: Nas, what: str, rounds: int) -> Figure:
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
    told = False
    while swapper.poll() is None:
        count["rounds"] += 1
        _one_round(nas, move, own, count, broken)
        now = os.stat(outside / "copy.jpg")
        broken["escaped"] += (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) != (
            secret.st_ino,
            secret.st_mtime_ns,
            secret.st_ctime_ns,
        )
        broken["escaped"] += os.listdir(outside) != ["copy.jpg"]
        # On a busy machine each of a few moves may meet the link: until one meets the photo nothing was raced for.
        enough = count["rounds"] >= rounds // SWAPS_FOR_EACH * (1 if count["held"] else MOST_REFUSED)
        if enough and not told:
            told = swapper.stdin.write("enough\n") > 0
            swapper.stdin.flush()
    swapped = int(swapper.communicate()[0])
    for slot in nas.slots():
        with suppress(TwinwatchError):
            restore(slot, nas.index, NOW)
    kept = [path for path in nas.folder.rglob("*.jpg") if not path.is_symlink() and path.read_bytes() == PICTURE]
    broken["lost"] += len({path.stat().st_ino for path in kept}) != 3
    note = f"{count['rounds']:,} walks and moves meanwhile: {count['held']:,} moved, {count['refused']:,} refused"
    case = f"a {what} and a symlink swapped by RENAME_EXCHANGE"
    return Figure("F17", case, swapped if count["held"] else 0, f"{SWAPS // 2:,}", broken, note)


def _one_round(nas: Nas, move: Any, own: int, count: Counter[str], broken: Counter[str]) -> None:
    with suppress(TwinwatchError):
        for folder in nas.root.walk():
            for name in folder.files:
                with suppress(TwinwatchError), nas.root.opened_file(folder.path / name) as (fd, _):
                    broken["escaped"] += str(nas.root.path) not in os.readlink(f"/proc/self/fd/{fd}")
    try:
        with suppress(OSError):
            move = nas.move("in/copy.jpg", "keep/a.jpg")
        nas.forget(nas.root.path / "keep/a.jpg")  # that it was put back: else nothing would be moved any more
        nas.holder.hold(move, nas.root, nas.root)
        count["held"] += 1
    except TwinwatchError:
        count["refused"] += 1
    for slot in nas.slots():
        broken["wrong"] += slot.present and os.stat(slot.photo_path).st_ino != own
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


def edits(profile: Profile) -> Iterator[Figure]:
    """F18: the copy or its keeper is edited, replaced or deleted before each single system call of a move."""
    chance = random.Random(profile.seed)
    wanted = profile.times(EDITS, quick=200)
    broken: Counter[str] = Counter()
    count: Counter[str] = Counter()
    with _household(profile) as nas:
        calls = _calls(nas)
        places = [(what, who, at) for what in _ACTS for who in ("copy", "keeper") for at in range(1, calls + 1)]
        chance.shuffle(places)
        while count["made"] < wanted:
            what, who, at = places[count["made"] % len(places)]
            count["made"] += 1
            _edit_once(nas, what, who, at, count, broken)
    note = f"before each of the {calls} calls of a move; {count['held']:,} moved, {count['refused']:,} refused"
    case = "copy or keeper edited, replaced, deleted in a move"
    made = count["made"] if count["held"] else 0  # where nothing is ever moved, nothing was raced with
    yield Figure("F18", case, made, f"{EDITS:,}", broken, note)


def _calls(nas: Nas) -> int:
    nas.put("keeper.jpg", PICTURE)
    nas.put("copy.jpg", PICTURE)
    move = nas.move("copy.jpg", "keeper.jpg")
    with At(0, lambda: None) as counting:
        nas.holder.hold(move, nas.root, nas.root)
    restore(nas.slot(), nas.index, NOW)
    nas.forget(nas.root.path / "copy.jpg")
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
        broken["wrong"] += held and OTHER in slots
        broken["lost"] += OTHER not in [*tree.values(), *slots]
    if held:
        late = acted and who == "keeper"  # after the last look at it: it is offered back, as any keeper that goes later
        broken["lost"] += not late and PICTURE not in tree.values()
        broken["lost"] += PICTURE not in slots and not (acted and who == "copy")
    elif who == "keeper" or not acted:
        broken["lost"] += tree.get("photos/copy.jpg") != PICTURE


# F20: several processes and a person

PROCESSES = get_context("forkserver")  # each begins with everything imported, which would take most of the time
PROCESSES.set_forkserver_preload(["tests.torture.races"])


def _daemon(folder: Path, state: str, seed: str, steps: int, start: Barrier) -> None:
    """Hold, restore, recover and purge at random, with a state of its own."""
    chance = random.Random(seed)
    nas = Nas(folder, state)
    start.wait()
    for _ in range(steps):
        with suppress(TwinwatchError, FileNotFoundError):
            found = sorted(path.relative_to(nas.root.path) for path in nas.root.path.rglob("*.jpg"))
            files = [str(path) for path in found if ".twinwatch" not in path.parts]
            what = chance.randrange(10)
            if what < 6 and len(files) > 1:
                duplicate, keeper = chance.sample(files, 2)
                nas.forget(nas.root.path / duplicate)
                nas.hold(duplicate, keeper)
            elif what == 8:
                recover(nas.root, nas.index)
            elif what == 9:
                for slot in _proved(nas)[:1]:
                    purge(slot, nas.index, lambda _: [])
            elif slots := nas.slots():
                restore(chance.choice(slots), nas.index, NOW)
    nas.close()


def _proved(nas: Nas) -> list[Slot]:
    """Return what is held for the very same bytes: of two pictures that differ, a purge would take the last of one."""
    slots = nas.slots()
    return [each for each in slots if each.manifest and each.manifest.keeper_digest == each.manifest.photo.digest]


def _person(root: Path, seed: str, steps: int, start: Barrier) -> None:
    """Rename and copy at random."""
    chance = random.Random(seed)
    start.wait()
    for number in range(steps):
        files = [path for path in root.rglob("*.jpg") if ".twinwatch" not in path.parts]
        with suppress(OSError, IndexError):
            path = chance.choice(files)
            if chance.random() < 0.6:
                os.link(path, root / f"person {seed} {number}.jpg")  # a rename that never replaces
                os.unlink(path)
            else:
                (root / f"copied {seed} {number}.jpg").write_bytes(path.read_bytes())


def parallel(profile: Profile) -> Iterator[Figure]:
    """F20: two daemons (two states), a command and a person work on one root at once; nobody deletes a last copy."""
    wanted = profile.times(RUNS, quick=3)
    broken: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for number in range(wanted):
        with _household(profile) as nas:
            _in_parallel(nas, f"{profile.seed} {number}", count, broken)
        if (number + 1) % 50 == 0 or number + 1 == wanted:
            note = f"{count['held']:,} slots at the end of the runs"
            case = "two daemons, a command and a person at once"
            yield Figure("F20", case, number + 1, f"{RUNS:,}", +broken, note)


def _in_parallel(nas: Nas, seed: str, count: Counter[str], broken: Counter[str]) -> None:
    contents = [f"picture {number} of {seed} ".encode() * 200 for number in range(4)]
    for number, content in enumerate(contents):
        for copy in range(3):
            nas.put(f"{copy}/{number}.jpg", content, mtime_ns=10**18 + copy)
    start = PROCESSES.Barrier(4)
    racers = [
        PROCESSES.Process(target=_daemon, args=(nas.folder, f"state{n}", f"{seed} {n}", 12, start)) for n in range(3)
    ]
    racers.append(PROCESSES.Process(target=_person, args=(nas.root.path, seed, 25, start)))
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(PATIENCE)
        broken["crashed"] += racer.exitcode != 0
    recover(nas.root, nas.index)
    left = nas.everything()
    broken["lost"] += any(content not in left for content in contents)
    count["held"] += len(nas.slots())
