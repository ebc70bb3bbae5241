"""F24 and F21: the same on every kind of file system: there and back with everything kept, and killed on the way."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.nas import NOW, Nas
from tests.torture.disks import UnavailableError
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from tests.torture.stage import GROUNDS, Ground, Stage
from tests.torture.syscalls import ACTS, Sweep, kill_figure, some
from twinwatch.errors import MoveRefusedError
from twinwatch.index import Index
from twinwatch.quarantine import Holder, recover, restore

NO_XATTRS = (errno.ENOTSUP, errno.EPERM, errno.ENOSYS)
KILLS = 24  # of each act on each file system


class NasOn(Nas):
    """A NAS whose photos are on one disk and whose state is on another."""

    def __init__(self, disk: Path, state: Path) -> None:
        """Make both, or find them again."""
        self.folder, self.state = disk, state
        self.index = Index(state)
        self.roots = []
        self.root = self.other_root("photos")
        self.holder = Holder(self.index, lambda: NOW, min_free_mib=0)


def round_trips(profile: Profile) -> Iterator[Figure]:
    """F21: hold and restore, with everything that a file carries, a taken name and a missing folder."""
    for ground in GROUNDS.values():
        try:
            stage = _stage(profile, ground)
        except UnavailableError as error:
            sys.stderr.write(f"{ground.name}: {error}\n")
            continue
        with stage.opened() as library:
            nas = NasOn(library.base, library.state)
            times = profile.times(1200, quick=6)
            broken = Counter[str]()
            for number in range(times):
                broken += round_trip(nas, number, random.Random(profile.seed + number))
            nas.close()
            yield Figure("F21", f"hold, restore, all kept, nothing overwritten: {ground.name}", times, "1,200", broken)


def matrix(profile: Profile) -> Iterator[Figure]:
    """F24: SIGKILL at a sample of the changing system calls of hold, restore and purge."""
    for ground in GROUNDS.values():
        if ground.name == "ext4" or not ground.keeps:
            continue  # the first has every call in a test of its own, the second nothing after a restart
        try:
            sweep = Sweep(profile.folder / "matrix", ground)
        except UnavailableError as error:
            sys.stderr.write(f"{ground.name}: {error}\n")
            continue
        for act in ACTS[:3]:
            calls = some(sweep.calls(act), profile, KILLS if not profile.quick else 1, quick=1)
            yield kill_figure(sweep, act, calls, "F24", ground.name)


def _stage(profile: Profile, ground: Ground) -> Stage:
    folder = profile.folder / "ground"
    shutil.rmtree(folder, ignore_errors=True)
    return Stage(folder, ground)


def round_trip(nas: Nas, number: int, chance: random.Random) -> Counter[str]:
    """Hold one copy and put it back, a name taken or a folder gone meanwhile; return the broken laws."""
    return there_and_back(nas, number, lay_out(nas, number, chance))


def lay_out(nas: Nas, number: int, chance: random.Random) -> bytes:
    """Put a keeper and a copy there, with everything that a file carries; return their content."""
    content = chance.randbytes(chance.randint(1, 30_000))
    nas.put(f"a/{number}.jpg", content)
    copy = nas.put(f"b/{number}/{number} (1).jpg", content, mtime_ns=chance.randint(10**18, 2 * 10**18))
    with contextlib.suppress(OSError):
        copy.chmod(chance.choice((0o600, 0o644, 0o664, 0o444)))
    with contextlib.suppress(OSError):
        os.chown(copy, chance.choice((0, 1000)), 100)
    try:
        os.setxattr(copy, "user.rating", b"%d" % number)
    except OSError as error:
        if error.errno not in NO_XATTRS:
            raise
    return content


def there_and_back(nas: Nas, number: int, content: bytes) -> Counter[str]:
    """Hold and restore what was laid out."""
    keeper, copy = (nas.root.path / name for name in (f"a/{number}.jpg", f"b/{number}/{number} (1).jpg"))
    before = _all_of(copy)
    nas.hold(f"b/{number}/{number} (1).jpg", f"a/{number}.jpg")
    broken: Counter[str] = Counter()
    if number % 3 == 1:
        copy.write_bytes(b"somebody else's")
        try:
            restore(nas.slot(), nas.index, NOW)
            broken["lost"] += 1
        except MoveRefusedError:
            pass
        broken["lost"] += copy.read_bytes() != b"somebody else's"
        copy.unlink()
    if number % 3 == 2:
        copy.parent.rmdir()
    restore(nas.slot(), nas.index, NOW)
    broken["lost"] += not copy.exists() or copy.read_bytes() != content
    broken["untrue"] += _all_of(copy) != before
    broken["unresolved"] += bool(nas.slots()) or bool(recover(nas.root, nas.index))
    copy.unlink()
    copy.parent.rmdir()
    keeper.unlink()
    return +broken


def _all_of(path: Path) -> tuple[object, ...]:
    found = path.stat()
    attributes: list[tuple[str, bytes]] = []
    with contextlib.suppress(OSError):
        attributes = [(name, os.getxattr(path, name)) for name in sorted(os.listxattr(path))]
    return found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid, found.st_gid, attributes
