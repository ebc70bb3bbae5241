"""Runs one act of the quarantine again and again, each time with a fault at its next system call, and checks the laws.

usage: crash_driver.py FOLDER ACT FAULT[,FAULT...] [plain] [anew]
ACT    hold, restore, purge, finish, undo (the last two are `recover` after a crash of each kind)
FAULT  before, after: the process is killed there; or an errno's name, raised once, or for ever with a `+` behind it
plain  the file system knows no exclusive rename
anew   it is mounted again before the recovery, and numbers its files anew, as FAT and exFAT do

Each run is a forked child on a fresh small NAS that the parent made. Then another child recovers, twice, and the parent
looks at the disk. Prints how many calls were tried; any broken law ends it with an AssertionError.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.nas import NOW, Nas
from tests.statements import hear
from twinwatch import syscalls
from twinwatch.errors import PhotoError, TwinwatchError
from twinwatch.index import MoveState
from twinwatch.quarantine import listing, purge, recover, restore

STATE = "state"  # below the folder; an absolute path where that is a share, on which an index must not be
PICTURE, CLIP, STARS = b"picture" * 3000, b"moving" * 3000, b"stars"
HOME = {"photos/b/IMG_1.jpg": PICTURE, "photos/b/IMG_1.mov": CLIP, "photos/b/IMG_1.jpg.xmp": STARS}
KEEPER = {"photos/a/IMG_1.jpg": PICTURE, "photos/a/IMG_1.mov": CLIP}
GROUP = sorted(HOME.values())


class Faults:
    """Counts the calls that change something, and lets the wanted one fail."""

    def __init__(self, at: int, fault: str, *, plain: bool) -> None:
        self.at = at
        self.fault = fault.removesuffix("+")
        self.for_ever = fault.endswith("+")
        self.count = 0
        for name in ("mkdir", "rename", "unlink", "rmdir", "fsync"):
            setattr(os, name, self.wrap(getattr(os, name)))
        plainly_open = os.open
        creating = self.wrap(plainly_open)
        os.open = lambda path, flags, *rest, **more: (creating if flags & os.O_CREAT else plainly_open)(
            path, flags, *rest, **more
        )
        syscalls._libc = _Libc(self, syscalls._libc, plain)  # type: ignore[assignment]
        hear(self.commit)

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **more: Any) -> Any:
            code = self.strike()
            if code:
                raise OSError(code, os.strerror(code), "injected")
            result = call(*args, **more)
            self.kill_if("after")
            return result

        return wrapped

    def commit(self, statement: str) -> None:
        if statement == "COMMIT" and self.strike():
            raise sqlite3.OperationalError("disk I/O error")

    def strike(self) -> int:
        self.count += 1
        self.kill_if("before")
        hit = self.count == self.at or (self.for_ever and self.count > self.at)
        return int(getattr(errno, self.fault)) if hit and self.fault.isupper() else 0

    def kill_if(self, when: str) -> None:
        if self.fault == when and self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class _Libc:
    def __init__(self, faults: Faults, real: ctypes.CDLL, plain: bool) -> None:
        self.syscall = real.syscall
        self._real = real
        self._faults = faults
        self._plain = plain

    def renameat2(self, *args: Any) -> int:
        if self._plain:
            ctypes.set_errno(errno.EINVAL)
            return -1
        code = self._faults.strike()
        if code:
            ctypes.set_errno(code)
            return -1
        result = int(self._real.renameat2(*args))
        self._faults.kill_if("after")
        return result


def in_child(work: Callable[[], object]) -> Any:
    """Run `work` in a forked child; return its result, the exception it raised, or None when it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                answer: object = ("value", work())
            except TwinwatchError as error:
                answer = ("refused", isinstance(error, PhotoError), repr(error))
            except BaseException:  # noqa: BLE001 - told to the parent
                answer = ("bug", traceback.format_exc())
            os.write(writing, pickle.dumps(answer))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return pickle.loads(said) if said else None  # noqa: S301 - our own child's words


def prepare(folder: Path, act: str, template: Path) -> None:
    folder.mkdir()
    if template.exists():
        shutil.rmtree(folder / STATE, ignore_errors=True)
        (folder / STATE).mkdir()
        shutil.copy(template, folder / STATE)  # a migration each time would take most of the time
    nas = Nas(folder, STATE)
    if not template.exists():
        nas.index.backup(template)
    for path, content in {**KEEPER, **HOME}.items():
        nas.put(path.removeprefix("photos/"), content)
    if act != "hold":
        slot = nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg").slot
        inside, home = nas.place / slot, nas.root.path / "b"
        if act in ("finish", "undo"):
            nas.index.journal.set_state(slot, MoveState.MOVING)
            (inside / "IMG_1.mov").rename(home / "IMG_1.mov")
        if act == "undo":
            (inside / "IMG_1.jpg").rename(home / "IMG_1.jpg")
    nas.close()


def perform(folder: Path, act: str, faults: Callable[[], Faults]) -> tuple[int, object]:
    nas = Nas(folder, STATE)
    move = nas.move("b/IMG_1.jpg", "a/IMG_1.jpg") if act == "hold" else None
    counting = faults()
    result: object = None
    match act:
        case "hold":
            assert move is not None
            result = nas.holder.hold(move, nas.root, nas.root).state
        case "restore":
            result = restore(nas.slot(), nas.index, NOW)
        case "purge":
            result = purge(nas.slot(), nas.index, lambda _: [])
        case _:
            result = [found.outcome for found in recover(nas.root, nas.index)]
    return counting.count, result


def snapshot(nas: Nas) -> tuple[object, ...]:
    return nas.tree(), nas.held(), [(row.slot, row.state) for row in nas.index.journal.rows()], nas.slots()


def recover_twice(folder: Path) -> list[str]:
    nas = Nas(folder, STATE)
    first = [str(found.outcome) for found in recover(nas.root, nas.index)]
    once = snapshot(nas)
    again = recover(nas.root, nas.index)
    assert again == [], again
    assert snapshot(nas) == once
    nas.close()
    return first


def look(folder: Path) -> tuple[dict[str, bytes], list[bytes], list[str], int]:
    nas = Nas(folder, STATE)
    found = nas.tree(), nas.held(), [str(row.state) for row in nas.index.journal.rows()], len(listing(nas.place))
    nas.close()
    return found


def number_anew(folder: Path) -> None:
    """Let the manifests have other numbers than the files; an empty file of ours has that of the file it is not."""
    nas = Nas(folder, STATE)
    for slot in nas.slots():
        if slot.manifest is not None:
            inside = nas.place / slot.name
            empty = {path.name: path.stat().st_ino for path in inside.iterdir() if path.stat().st_size == 0}
            files = [replace(file, inode=empty.get(file.name, file.inode + 2**60)) for file in slot.manifest.files]
            (inside / "manifest.json").write_bytes(replace(slot.manifest, files=tuple(files)).to_bytes())
    nas.close()


def check_after_recovery(folder: Path, act: str) -> None:
    tree, held, states, slots = look(folder)
    assert {path: tree.get(path) for path in KEEPER} == KEEPER
    home = {path: content for path, content in tree.items() if path not in KEEPER}
    assert "moving" not in states, states
    assert set(states) <= {"held", {"purge": "purged", "restore": "restored"}.get(act, "cancelled")}, states
    if "held" in states:
        assert slots == 1
        assert (home, held) == ({}, GROUP)
    elif act == "purge":
        assert (home, held, slots) == ({}, [], 0), (home.keys(), len(held), slots)
    else:
        assert (home, held, slots) == (HOME, [], 0), (home.keys(), len(held), slots, states)


def check_answer(folder: Path, act: str, answer: Any) -> None:
    """What was said must be true at once, before any recovery."""
    if answer is None:
        return
    assert answer[0] != "bug", answer[1]
    tree, held, states, _ = look(folder)
    # where no exclusive rename is known, a name may be left taken by an empty file
    tree = {path: content for path, content in tree.items() if content}
    if answer[0] == "value":
        done = {"hold": "held", "restore": "restored", "purge": "purged", "finish": "held", "undo": "cancelled"}[act]
        assert states == [done]
        where = {"hold": held, "finish": held, "restore": sorted(tree.values()), "undo": sorted(tree.values())}
        assert all(content in where.get(act, [*GROUP]) for content in GROUP)
    elif act in ("hold", "restore") and answer[1]:  # MoveRefusedError, PhotoChangedError: as it was
        assert (tree, held) == (({**KEEPER, **HOME}, []) if act == "hold" else (KEEPER, GROUP)), answer[2]


def sweep(
    folder: Path,
    act: str,
    fault: str,
    *,
    plain: bool,
    anew: bool = False,
    template: Path | None = None,
    by_hand: Callable[[Path], object] = lambda _: None,
) -> int:
    """Make the fault at every call; `by_hand` does what a person is told to do after recovery, if there is anything."""
    template = template or folder.with_name("index.db")
    at = 0
    while True:
        at += 1
        shutil.rmtree(folder, ignore_errors=True)
        prepare(folder, act, template)
        answer = in_child(lambda at=at: perform(folder, act, lambda: Faults(at, fault, plain=plain)))  # type: ignore[misc]
        try:
            check_answer(folder, act, answer)
            if anew:
                in_child(lambda: number_anew(folder))
            recovered = in_child(lambda: recover_twice(folder))
            assert recovered[0] == "value", recovered
            by_hand(folder)
            check_after_recovery(folder, act)
        except AssertionError:
            sys.stderr.write(f"{act} {fault}, call {at}: {answer}\n")
            raise
        if answer is not None and answer[0] == "value" and answer[1][0] < at:
            return at - 1  # the act has no such call any more


def main() -> None:
    folder, act = Path(sys.argv[1]), sys.argv[2]
    # What a first use imports and builds is so from here on: each child is forked from this, and finds it done.
    prepare(folder, "restore", folder.with_name("index.db"))
    recover_twice(folder)
    for fault in sys.argv[3].split(","):
        calls = sweep(folder, act, fault, plain="plain" in sys.argv[4:], anew="anew" in sys.argv[4:])
        sys.stdout.write(f"{calls}\n")


if __name__ == "__main__":
    main()
