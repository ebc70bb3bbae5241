"""F5-F11 on one command: the disk fails, fills, turns read-only, is pulled, unmounted or hangs while it works."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.torture import processes
from tests.torture.disks import BTRFS, EXT4, XFS, Disk, FileSystem, UnavailableError, require, run, unmount
from tests.torture.figures import Figure
from tests.torture.library import Library
from tests.torture.processes import Done
from tests.torture.profile import Profile
from tests.torture.recovery import judge_recovered
from tests.torture.stage import Ground, Stage
from tests.torture.syscalls import ACTS, Act, told
from twinwatch.config import load

PAIRS = 4
PATIENCE = 120.0  # seconds until a process that must end is given up
BLOCK = 4096  # bytes in which tmpfs gives room
FROZEN = 2.0  # seconds that a disk hangs
BOUND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--")
"""Before a command: root, but bound by the modes of files and folders as anybody is."""


@dataclass(slots=True)
class Scene:
    """One act on a disk that is going to fail."""

    library: Library
    disk: Disk
    chance: random.Random
    switch: Path  # nbdkit fails every request it is told to while this file exists


Strike = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the disk: before the act begins, or at a moment while it works."""

    number: str
    name: str
    target: str
    before: Strike | None = None
    during: Strike | None = None
    nbdkit: tuple[str, ...] = ()  # its filter and parameters
    system: FileSystem = EXT4
    cramped: bool = False  # the state lies on a disk of its own, which is full
    under: tuple[str, ...] = ()  # what the program is run by


def _switch_on(scene: Scene) -> None:
    scene.switch.touch()


def _pull(scene: Scene) -> None:
    scene.disk.pull()


def _read_only(scene: Scene) -> None:
    for _ in range(200):  # refused while a file is open for writing
        command = ["mount", "-o", "remount,ro", str(scene.library.base)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return


def _unmount(scene: Scene) -> None:
    run("umount", "-l", scene.library.base)


def _freeze(scene: Scene) -> None:
    run("fsfreeze", "-f", scene.library.base)
    time.sleep(FROZEN)  # how long the disk hangs is what is tried
    run("fsfreeze", "-u", scene.library.base)


def _fill(scene: Scene) -> None:
    """Leave room for a few blocks, or for none."""
    left = scene.chance.choice((0, 0, 4, 8, 16, 40)) << 10
    free = os.statvfs(scene.library.base)
    with (scene.library.base / "filler").open("wb") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - left))
    with (scene.library.base / "more").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while left == 0 and file.write(bytes(1024)):
            pass


def _fill_inodes(scene: Scene) -> None:
    left = scene.chance.randint(0, 3)
    for number in range(max(0, os.statvfs(scene.library.base).f_ffree - left)):
        try:
            (scene.library.base / f"filler{number}").touch()
        except OSError:
            return


def _limit(scene: Scene) -> None:
    """Set a quota that what is there has used up already, or nearly."""
    base = scene.library.base
    run("btrfs", "quota", "enable", base)
    run("btrfs", "quota", "rescan", "-w", base)
    used = int(run("btrfs", "qgroup", "show", "--raw", base).splitlines()[-1].split()[2 - 1])
    run("btrfs", "qgroup", "limit", str(used + (scene.chance.choice((0, 16, 64)) << 10)), "0/5", base)


def _make_immutable(scene: Scene) -> None:
    """Set +i on a file or folder of those that the act needs."""
    library = scene.library
    found = [path for path in (library.place, *library.place.rglob("*"), *library.root.rglob("*")) if path.exists()]
    run("chattr", "+i", scene.chance.choice([path for path in found if not path.is_symlink()]))


def _forbid(scene: Scene) -> None:
    """Take every right to a file or folder of those that the act needs; what has moved meanwhile keeps its own."""
    library = scene.library
    found = [library.root, library.place, *library.place.rglob("*"), *library.root.rglob("*")]
    with contextlib.suppress(FileNotFoundError):
        scene.chance.choice(found).chmod(0)


def _writes_fail(rate: str) -> tuple[str, ...]:
    return ("--filter=error", "error=EIO", f"error-pwrite-rate={rate}")


def _reads_fail(rate: str) -> tuple[str, ...]:
    return ("--filter=error", "error=EIO", f"error-pread-rate={rate}")


FAULTS = (
    *(
        Fault("F5", f"every write gives EIO from a moment on, {system.name}", "200", None, _switch_on,
              _writes_fail("100%"), system) for system in (EXT4, XFS, BTRFS)
    ),
    Fault("F5", "every third write gives EIO", "200", None, _switch_on, _writes_fail("30%")),
    Fault("F5", "every tenth read gives EIO", "200", _switch_on, None, _reads_fail("10%")),
    Fault("F5", "every read gives EIO from a moment on", "200", None, _switch_on, _reads_fail("100%")),
    Fault("F6", "the photo disk is full", "200", _fill),
    Fault("F6", "the photo disk has no inodes left", "200", _fill_inodes,
          system=FileSystem("ext4", 64, (*EXT4.make, "-N", "128"))),
    Fault("F6", "the quota is used up, btrfs", "200", _limit, system=BTRFS),
    Fault("F6", "the disk of the state is full, apart from the photos'", "200", cramped=True),
    Fault("F7", "the disk turns read-only", "100", None, _read_only),
    Fault("F7", "a file or folder is immutable (chattr +i)", "100", _make_immutable),
    Fault("F7", "the rights to a file or folder are lost", "100", None, _forbid, under=BOUND),
    Fault("F8", "the disk is unmounted lazily while a command works", "200", None, _unmount),
    Fault("F10", "the disk is pulled", "100", None, _pull),
    Fault("F11", "the disk hangs for two seconds (fsfreeze)", "100", None, _freeze),
)  # fmt: skip


class FaultyStage(Stage):
    """A stage whose disk is served by nbdkit while an act works, and is plain again when it is judged."""

    def play(self, act: Act, fault: Fault, chance: random.Random) -> Done:
        """Let an act meet a fault."""
        self.load(act.start)
        folder = self._folder / f"disk-{time.monotonic_ns()}"
        switch = folder.with_suffix(".switch")
        filters = [word for word in fault.nbdkit if word.startswith("--")]
        words = [word for word in fault.nbdkit if not word.startswith("--")]
        if words:
            words.append(f"error-file={switch}")
        disk = Disk(folder, [*filters, "file", self._image, *words])
        try:
            self._mount(disk.device)
            try:
                with _cramped(self.library.state, chance) if fault.cramped else contextlib.nullcontext():
                    return _play(Scene(self.library, disk, chance, switch), act, fault)
            finally:
                switch.unlink(missing_ok=True)
                unmount(self._where)
        finally:
            disk.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _mount(self, device: Path) -> None:
        """Mount a disk past the page cache, which may keep a failed write to itself, so that fsync says it is done."""
        loop = run("losetup", "-f", "--show", "--direct-io=on", device).strip()
        try:
            options = self._ground.system.options
            run("mount", *(["-o", options] if options else []), loop, self._where)
        finally:
            run("losetup", "-d", loop)  # when it is unmounted

    def judge(self, act: Act, done: Done) -> Counter[str]:
        """Judge the disk as it is found when the fault is over."""
        broken = Counter(crashed=int(not done.clean))
        if not done.clean:
            sys.stderr.write(done.err[-3000:])
        with self.opened() as library:
            subprocess.run(["chattr", "-R", "-i", library.base], capture_output=True, check=False)
            run("chmod", "-R", "u+rwX", library.base)
            for filler in library.base.glob("filler*"):
                filler.unlink()
            (library.base / "more").unlink(missing_ok=True)
            if self._ground.system is BTRFS:
                subprocess.run(["btrfs", "quota", "disable", library.base], capture_output=True, check=False)
            allowed = {copy: {act.began, act.done} for copy in library.groups}
            for copy, place in told(library, done).items():
                allowed[copy] = {place}
            broken += library.judge(allowed, settled=False)
            broken += judge_recovered(library, load(library.config, []), allowed)
        return +broken


@contextlib.contextmanager
def _cramped(state: Path, chance: random.Random) -> Iterator[None]:
    """Put the state on a small disk of its own with room for a few more pages, or for none."""
    saved = state.with_name("state.before")
    shutil.rmtree(saved, ignore_errors=True)
    shutil.copytree(state, saved)
    used = sum(-(-path.stat().st_size // BLOCK) for path in saved.rglob("*") if path.is_file())
    room = used + chance.choice((0, 1, 2, 4, 8, 12, 16, 24, 32))
    run("mount", "-t", "tmpfs", "-o", f"size={room * BLOCK}", "tmpfs", state)
    try:
        shutil.copytree(saved, state, dirs_exist_ok=True)
        yield
    finally:
        after = state.with_name("state.after")
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(state, after)
        unmount(state)
        shutil.copytree(after, state, dirs_exist_ok=True)


def _play(scene: Scene, act: Act, fault: Fault) -> Done:
    library = scene.library
    if fault.before is not None:
        fault.before(scene)
    striker = None
    ended = threading.Event()
    if fault.during is not None:
        striker = threading.Thread(target=_strike_in_time, args=(scene, fault.during, ended))
        striker.start()
    try:
        more = ["--config", library.config] if act.words[0] == "scan" else []
        return processes.run([*act.words, "--json", *more, "--state", library.state], under=fault.under)
    finally:
        ended.set()
        if striker is not None:
            striker.join(PATIENCE)


def _strike_in_time(scene: Scene, strike: Strike, ended: threading.Event) -> None:
    """Wait until some of the act is done, by looking at the disk, then let the fault happen."""
    library = scene.library
    wanted = scene.chance.randint(0, PAIRS)
    with contextlib.suppress(OSError):
        start = _progress(library)
        while not ended.is_set() and abs(_progress(library) - start) < wanted:
            ended.wait(0.0005)
    strike(scene)


def _progress(library: Library) -> int:
    """Count what changes as an act goes on: slots in quarantine, and copies in their place."""
    slots = len(os.listdir(library.place)) if library.place.is_dir() else 0
    return slots - len(os.listdir(library.root / "inbox"))


def disk_faults(profile: Profile, only: str = "") -> Iterator[Figure]:
    """Yield a figure for each fault, or for those of this number or name."""
    require("nbdkit", "nbdfuse")
    chance = random.Random(profile.seed)
    for fault in FAULTS:
        if only and only not in (fault.number, fault.name):
            continue
        try:
            require(fault.system.make[0])
        except UnavailableError:
            continue
        stage = _prepared(profile.folder / "faulty", fault.system)
        times = profile.times(int(fault.target), quick=3)
        broken: Counter[str] = Counter()
        met = 0
        for number in range(times):
            act = ACTS[number % 3]
            done = stage.play(act, fault, chance)
            met += told(stage.library, done).keys() != stage.library.groups.keys()
            found = stage.judge(act, done)
            broken += found
            if found:
                sys.stderr.write(f"{fault.name}, {act.name}, {number}: {dict(found)}\n")
        yield Figure(
            fault.number,
            f"{fault.name}: hold, restore, purge",
            times,
            fault.target,
            broken,
            f"{met} acts could not be finished",
        )


def _prepared(folder: Path, system: FileSystem) -> FaultyStage:
    shutil.rmtree(folder, ignore_errors=True)
    stage = FaultyStage(folder, Ground(system.name, system))
    with stage.opened() as library:
        for number in range(PAIRS):
            library.put_pair(number)
        assert processes.run(["scan", "--config", library.config, "--state", library.state]).code == 0
    stage.save("read")
    with stage.opened() as library:
        assert processes.scan(library).code == 0
    stage.save("held")
    return stage
