"""F4 and F32: the least that a disk must keep. Whatever was not synced is there or not, each name by itself.

Journaled file systems keep far more than they promise, so that most of our syncs could go and no power cut on ext4
would show it. Here an act runs once and each change it makes is written down; then every disk that a cut may leave is
made: a name is sure only when its folder was synced after it, a file's bytes only when the file was; a rename into
another folder may be seen in both, and in neither when only the old one was synced. Recovery must put each of them
right; and each sync that is left out of the record must make a disk that it cannot.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import crash_driver as driver
from tests.statements import hear
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from twinwatch import syscalls

ACTS = ("hold", "restore", "purge", "finish", "undo")
DONE = {"hold": "held", "restore": "restored", "purge": "purged", "finish": "held", "undo": "cancelled"}
MOST = 400  # disks looked at for one moment of one record; beyond that a random choice

Tree = dict[int, dict[str, int]]  # folder -> name -> file or folder, all by inode number


@dataclass(frozen=True, slots=True)
class Half:
    """One name that appears in a folder, or goes (`node` is 0)."""

    folder: int
    name: str
    node: int


@dataclass(frozen=True, slots=True)
class Change:
    """What one call changed; two halves for a rename into another folder, the new name first."""

    halves: tuple[Half, ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """A folder or file that was synced; `what` says which."""

    node: int
    what: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction of the index, durable from here on: the number of the copy of the state that has it."""

    copy: int


@dataclass(slots=True)
class Record:
    """All that an act did to the disk, in its order."""

    steps: list[Change | Sync | Commit] = field(default_factory=list)
    start: Tree = field(default_factory=dict)
    written: dict[int, bytes] = field(default_factory=dict)  # files that the act made
    top: int = 0
    said: object = None


class Recorder:
    """Writes down what changes in this process, from now on."""

    def __init__(self, folder: Path) -> None:
        """`folder` has the library; copies of its state go beside it."""
        self.count = 0  # as the driver's faults have it
        self.record = Record(top=folder.stat().st_ino)
        self._state, self._copies = folder / "state", folder.with_name("states")
        self._committed = False
        for here, folders, names in os.walk(folder):
            inside = {name: os.lstat(os.path.join(here, name)).st_ino for name in (*folders, *names)}
            self.record.start[os.stat(here).st_ino] = inside
        self._copy()
        os.mkdir = self._changing(os.mkdir, self._made)
        os.rename = self._renaming(os.rename)
        os.unlink = self._changing(os.unlink, self._gone)
        os.rmdir = self._changing(os.rmdir, self._gone)
        os.fsync = self._syncing(os.fsync)
        os.open = self._opening(os.open)
        syscalls._libc = _Libc(self, syscalls._libc)  # type: ignore[assignment]
        hear(self._commit)

    def end(self) -> Record:
        """Return what was written down."""
        self._settle()
        return self.record

    def renamed(self, from_fd: int, name: bytes, to_fd: int) -> None:
        """Note an exclusive rename of a file that is in its new folder now."""
        node = os.stat(name, dir_fd=to_fd, follow_symlinks=False).st_ino
        text = os.fsdecode(name)
        self._note(Half(os.fstat(to_fd).st_ino, text, node), Half(os.fstat(from_fd).st_ino, text, 0))

    def before(self) -> None:
        """Copy the state when a transaction has ended since the last copy."""
        self._settle()

    def _note(self, *halves: Half) -> None:
        self.record.steps.append(Change(halves))

    def _commit(self, statement: str) -> None:
        if statement == "COMMIT":
            self._settle()
            self._committed = True

    def _settle(self) -> None:
        if self._committed:
            self._committed = False
            self.record.steps.append(Commit(self._copy()))

    def _copy(self) -> int:
        number = len(list(self._copies.iterdir())) if self._copies.exists() else 0
        shutil.copytree(self._state, self._copies / str(number))
        return number

    def _changing(self, call: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def wrapped(path: Any, *rest: Any, dir_fd: int | None = None, **more: Any) -> Any:
            self._settle()
            result = call(path, *rest, dir_fd=dir_fd, **more)
            note(path, dir_fd)
            return result

        return wrapped

    def _made(self, path: Any, dir_fd: int | None) -> None:
        node = os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_ino
        self._note(Half(_folder(path, dir_fd), os.path.basename(os.fspath(path)), node))

    def _gone(self, path: Any, dir_fd: int | None) -> None:
        self._note(Half(_folder(path, dir_fd), os.path.basename(os.fspath(path)), 0))

    def _renaming(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(source: Any, target: Any, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            self._settle()
            call(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            node = os.stat(target, dir_fd=dst_dir_fd, follow_symlinks=False).st_ino
            fd = os.open(target, os.O_RDONLY, dir_fd=dst_dir_fd)
            with open(fd, "rb") as file:
                self.record.written[node] = file.read()
            self._note(_half(dst_dir_fd, target, node), _half(src_dir_fd, source, 0))

        return wrapped

    def _syncing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(fd: int) -> None:
            self._settle()
            call(fd)
            path = os.readlink(f"/proc/self/fd/{fd}")
            inside = path.partition("-quarantine")[2]
            kind = "slot" if inside.count("/") == 1 else "quarantine" if path.endswith("-quarantine") else "folder"
            self.record.steps.append(Sync(os.fstat(fd).st_ino, kind if os.path.isdir(path) else "file"))

        return wrapped

    def _opening(self, call: Callable[..., int]) -> Callable[..., int]:
        def wrapped(path: Any, flags: int, *rest: Any, dir_fd: int | None = None) -> int:
            fd = call(path, flags, *rest, dir_fd=dir_fd)
            if flags & os.O_CREAT:
                self._made(path, dir_fd)
            return fd

        return wrapped


class _Libc:
    def __init__(self, recorder: Recorder, real: ctypes.CDLL) -> None:
        self.syscall = real.syscall
        self._real = real
        self._recorder = recorder

    def renameat2(self, from_fd: int, name: Any, to_fd: int, *rest: Any) -> int:
        self._recorder.before()
        result = int(self._real.renameat2(from_fd, name, to_fd, *rest))
        if result == 0:
            self._recorder.renamed(from_fd, name.value, to_fd)
        return result


def _folder(path: Any, dir_fd: int | None) -> int:
    return os.fstat(dir_fd).st_ino if dir_fd is not None else os.stat(os.path.dirname(os.fspath(path))).st_ino


def _half(folder_fd: int, name: str, node: int) -> Half:
    return Half(os.fstat(folder_fd).st_ino, name, node)


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk that a cut may leave."""

    names: tuple[tuple[int, str, int], ...]  # folder, name, node
    empty: frozenset[int]  # files of the act whose bytes are not there
    state: int  # number of the copy of the state
    ended: bool  # the act had said that it was done

    @property
    def tree(self) -> Tree:
        """Return the folders."""
        tree: Tree = {}
        for folder, name, node in self.names:
            tree.setdefault(folder, {})[name] = node
        return tree


def disks(record: Record, without: int | None, chance: random.Random) -> Iterator[Disk]:
    """Yield every disk that a cut at any moment may leave; the step `without` was never done (a sync or a commit)."""
    seen: set[Disk] = set()
    steps = [step for number, step in enumerate(record.steps) if number != without]
    for end in range(len(steps) + 1):
        past = steps[:end]
        state = next((step.copy for step in reversed(past) if isinstance(step, Commit)), 0)
        options = [_options(past, number) for number, step in enumerate(past) if isinstance(step, Change)]
        files = [node for node in record.written if not any(isinstance(s, Sync) and s.node == node for s in past)]
        choices = [*options, *([frozenset(), frozenset((node,))] for node in files)]
        for chosen in _some_of(choices, chance):
            tree = {folder: dict(inside) for folder, inside in record.start.items()}
            for half in itertools.chain.from_iterable(chosen[: len(options)]):
                inside = tree.setdefault(half.folder, {})
                if half.node:
                    inside[half.name] = half.node
                else:
                    inside.pop(half.name, None)
            names = tuple(
                (folder, name, node) for folder in sorted(tree) for name, node in sorted(tree[folder].items())
            )
            disk = Disk(names, frozenset().union(*chosen[len(options) :]), state, end == len(steps))
            if disk not in seen:
                seen.add(disk)
                yield disk


def _options(past: list[Any], number: int) -> list[tuple[Half, ...]]:
    """Return what may be seen of one change: its halves, as far as its folders were not synced since."""
    halves: tuple[Half, ...] = past[number].halves
    sure = [any(isinstance(s, Sync) and s.node == half.folder for s in past[number:]) for half in halves]
    if len({half.folder for half in halves}) == 1:
        return [halves] if sure[0] else [halves, ()]
    if sure[1]:  # the old name is surely gone; nothing was said of the new one
        return [halves] if sure[0] else [halves, halves[1:]]
    return [halves, halves[:1]] if sure[0] else [halves, halves[:1], ()]


def _some_of(choices: list[Any], chance: random.Random) -> Iterator[tuple[Any, ...]]:
    total = 1
    for options in choices:
        total *= len(options)
    if total <= MOST:
        yield from itertools.product(*choices)
        return
    for _ in range(MOST):
        yield tuple(chance.choice(options) for options in choices)


class Trial:
    """One act, recorded once, on every disk that it may leave."""

    def __init__(self, folder: Path, act: str, seed: int) -> None:
        """`folder` is emptied."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder, self._act, self._seed = folder / "nas", act, seed
        driver.in_child(lambda: driver.prepare(self._folder, act, folder / "index.db"))
        self._morgue = folder / "morgue"  # every file by its inode number, which restoring must find again
        self._morgue.mkdir()
        for here, _, names in os.walk(self._folder):
            for name in names:
                path = Path(here, name)
                if path.parent.name != "state":
                    (self._morgue / str(path.stat().st_ino)).hardlink_to(path)
        answer = driver.in_child(self._perform)
        assert answer[0] == "value", answer
        self.record: Record = answer[1]
        self._judged: dict[Disk, Counter[str]] = {}

    def syncs(self) -> list[tuple[int, str, bool]]:
        """Return the number and name of each step that makes a change of this act durable, and whether it is needed.

        The index is a cache and the manifests say it all, so no commit is, but that of a purge: nothing else tells one
        from a loss. Recovery is done again at each start: only the order counts, which the first of its syncs keeps.
        """
        changed = {half.folder for step in self.record.steps if isinstance(step, Change) for half in step.halves}
        found: list[tuple[int, str, bool]] = []
        for number, step in enumerate(self.record.steps):
            if isinstance(step, Sync) and step.node in changed | self.record.written.keys():
                if self._act not in ("finish", "undo") or not any(needed for _, _, needed in found):
                    found.append((number, f"the fsync of the {step.what}", True))
            elif isinstance(step, Commit):
                found.append((number, "the commit", self._act == "purge"))
        return found

    def broken(self, without: int | None = None, *, until_caught: bool = False) -> tuple[int, Counter[str]]:
        """Judge every disk; return how many there were, and the broken laws."""
        broken: Counter[str] = Counter()
        count = 0
        for disk in disks(self.record, without, random.Random(self._seed)):
            count += 1
            if disk not in self._judged:
                self._judged[disk] = self._judge(disk)
            broken += self._judged[disk]
            if broken and until_caught:
                break
        return count, broken

    def _perform(self) -> Record:
        recorders: list[Recorder] = []

        def recorder() -> Any:
            recorders.append(Recorder(self._folder))
            return recorders[0]

        driver.perform(self._folder, self._act, recorder)
        return recorders[0].end()

    def _judge(self, disk: Disk) -> Counter[str]:
        self._make(disk)
        recovered = driver.in_child(lambda: driver.recover_twice(self._folder))
        if recovered is None or recovered[0] != "value":
            return Counter(unresolved=1)
        try:
            driver.check_after_recovery(self._folder, self._act)
        except AssertionError:
            return Counter(lost=1)
        if disk.ended:
            states = driver.in_child(lambda: driver.look(self._folder))[1][2]
            return +Counter(untrue=int(states != [DONE[self._act]]))
        return Counter()

    def _make(self, disk: Disk) -> None:
        root = self._folder / "photos"
        for inside in self._folder.iterdir():
            if inside != root:
                shutil.rmtree(inside)
        for inside in root.iterdir():
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
        tree = disk.tree
        pending = [(self.record.top, self._folder)]
        while pending:
            node, where = pending.pop()
            for name, below in tree.get(node, {}).items():
                here = where / name
                if where == self._folder and name == "state":
                    continue
                if (self._morgue / str(below)).exists():
                    here.hardlink_to(self._morgue / str(below))
                elif below in self.record.written:
                    here.write_bytes(b"" if below in disk.empty else self.record.written[below])
                elif below in tree or below in self._folders():
                    here.mkdir(exist_ok=True)
                    pending.append((below, here))
                else:
                    here.touch()  # made, and renamed before anything was in it
        shutil.copytree(self._folder.with_name("states") / str(disk.state), self._folder / "state")

    def _folders(self) -> set[int]:
        changed = {half.folder for step in self.record.steps if isinstance(step, Change) for half in step.halves}
        return changed | self.record.start.keys()


def least_disk(profile: Profile, acts: Sequence[str] = ACTS) -> Iterator[Figure]:
    """Yield a figure for each act, and one for each of its syncs left out."""
    for act in acts:
        trial = Trial(profile.folder / "least", act, profile.seed)
        count, broken = trial.broken()
        case = f"every disk that may be left when nothing is kept that was not synced: {act}"
        yield Figure("F4", case, count, "every one", broken)
        if profile.quick:
            continue
        for number, name, needed in trial.syncs():
            count, broken = trial.broken(number, until_caught=needed)
            words = f"the same without step {number + 1} of {act}, {name}"
            yield Figure("F4", words, count, "every one", broken, control=needed)
