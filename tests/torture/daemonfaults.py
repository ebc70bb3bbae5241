"""F8-F11 on the daemon: its disk is unmounted, swapped for another, pulled or frozen, and comes back, many times."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.e2e.running import Daemon, until
from tests.torture.disks import EXT4, Disk, copy_image, make_image, require, run, unmount
from tests.torture.figures import Figure
from tests.torture.library import CONFIG, HELD, HOME, Library, picture
from tests.torture.profile import Profile
from tests.torture.recovery import judge_recovered
from twinwatch.config import load
from twinwatch.index import Index
from twinwatch.service.state import published

HANGING = 35.0  # seconds that a disk hangs: longer than a disk takes to wake up, or a kernel to reset it
UNKNOWN = ("missing", "unmarked", "replaced", "unreadable")
"""What a root is when its disk is not there: never empty, and nothing of it deleted."""


class Plug:
    """A daemon that watches two disks, one of which comes and goes."""

    def __init__(self, folder: Path, seed: int) -> None:
        """`folder` is emptied."""
        require("nbdkit", "nbdfuse", "mount", "fsfreeze")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder
        self.chance = random.Random(seed)
        self.image, self.where, self.aside = folder / "image", folder / "disk", folder / "aside"
        self.where.mkdir()
        self.aside.mkdir()
        make_image(self.image, EXT4)
        self._disk: Disk | None = None
        self.plug()
        self.library = Library(self.where, folder / "state" / "of")
        self.other = Library(folder / "other", folder / "state" / "of-other")
        self._number = 0
        for _ in range(4):
            self._pair(self.library)
            self._pair(self.other)
        both = f"roots: [{{{{path: {{root}}}}}}, {{{{path: {json.dumps(str(self.other.root))}}}}}]"
        config = CONFIG.replace("roots: [{{path: {root}}}]", both)
        assert config != CONFIG
        config += f"hang_seconds: {HANGING / 7}\n"
        self.daemon = Daemon(self.library.root, self.library.state, config)
        self.waiting: dict[Library, set[str]] = {self.library: set(), self.other: set()}
        self.broken: Counter[str] = Counter()
        self.residents = set(self.library.groups), set(self.other.groups)

    def plug(self, image: Path | None = None, where: Path | None = None) -> None:
        """Plug a disk in and mount it."""
        self._disk = Disk(self.folder / f"nbd-{time.monotonic_ns()}", ["file", image or self.image])
        run("mount", "-o", "loop", self._disk.device, where or self.where)

    def unplug(self, where: Path | None = None) -> None:
        """Unmount properly, which needs that nobody has anything open on it, and unplug."""
        unmount(where or self.where)
        assert self._disk is not None
        self._disk.close()

    def pull(self) -> None:
        """Pull the disk out while it is in use."""
        assert self._disk is not None
        self._disk.pull()
        run("umount", "-l", self.where)
        self._disk.close()

    @contextlib.contextmanager
    def hung(self, *, writes_only: bool) -> Iterator[None]:
        """Let the disk hang for a while."""
        assert self._disk is not None
        if writes_only:
            run("fsfreeze", "-f", self.where)
        else:
            self._disk.hang()
        try:
            yield
        finally:
            if writes_only:
                run("fsfreeze", "-u", self.where)
            else:
                self._disk.answer()

    def _pair(self, library: Library) -> str:
        self._number += 1
        return library.put_pair(self._number, synced=True)

    def arrive(self, library: Library, pairs: int = 1) -> None:
        """Let pairs arrive whose copies must be held in the end."""
        self.waiting[library].update(self._pair(library) for _ in range(pairs))

    def state_of_root(self) -> str:
        """Return what the daemon says of the disk that comes and goes."""
        return str(next(root["state"] for root in self._status()["roots"] if root["path"] == str(self.library.root)))

    def wait_unknown(self) -> str:
        """Wait until the daemon has noticed, and look that it believes nothing to be deleted."""
        before = self.known()
        until(lambda: self.state_of_root() in UNKNOWN, lambda: f"not noticed: {self._status()}\n{self.daemon.tail()}")
        self.broken["untrue"] += self.known() < before
        return self.state_of_root()

    def known(self) -> int:
        """Count the photos that the daemon knows of the disk that comes and goes."""
        index = Index(self.library.state)
        record = index.root_at(self.library.root)
        count = 0 if record is None else index.photos.count(record.id)
        index.close()
        return count

    def wait_held(self, library: Library | None = None) -> None:
        """Wait until every copy that arrived is held."""
        for each in [library] if library else [self.library, self.other]:
            wanted = self.waiting[each]
            until(
                lambda each=each, wanted=wanted: wanted <= each.look().held.keys(),  # type: ignore[misc]
                lambda each=each, wanted=wanted: (  # type: ignore[misc]
                    f"not held: {wanted - each.look().held.keys()}\n{self.daemon.tail()}"
                ),
            )

    def judge(self) -> Counter[str]:
        """Stop the daemon and judge both disks."""
        self.daemon.stop()
        if "Traceback" in self.daemon.log.read_text(errors="replace"):
            sys.stderr.write(self.daemon.tail())
            self.broken["crashed"] += 1
        for library, residents in zip((self.library, self.other), self.residents, strict=True):
            allowed = {copy: {HOME} if copy in residents else {HELD} for copy in library.groups}
            self.broken += library.judge(allowed)
        allowed = {copy: {HOME} if copy in self.residents[0] else {HELD} for copy in self.library.groups}
        (self.library.state / "one.yaml").write_text(CONFIG.format(root=json.dumps(str(self.library.root))))
        self.broken += judge_recovered(self.library, load(self.library.state / "one.yaml", []), allowed)
        return +self.broken

    def close(self) -> None:
        """Leave nothing running or mounted."""
        self.daemon.end()
        self.unplug()

    def _status(self) -> dict[str, Any]:
        return published(self.library.state) or {"roots": [{"path": str(self.library.root), "state": "?"}]}


def unmounted(plug: Plug) -> None:
    """F8: unmounted at any moment; photos come to the disk while it is away."""
    plug.arrive(plug.library, plug.chance.randint(0, 2))
    time.sleep(plug.chance.uniform(0, 1.5))  # the moment is what is tried
    plug.unplug()
    plug.wait_unknown()
    plug.plug(where=plug.aside)
    away, plug.library.base = plug.library.base, plug.aside
    plug.arrive(plug.library)
    plug.library.base = away
    plug.unplug(plug.aside)
    plug.plug()
    plug.wait_held()


def pulled(plug: Plug) -> None:
    """F10: pulled out at any moment while photos arrive."""
    plug.arrive(plug.library, plug.chance.randint(1, 3))
    time.sleep(plug.chance.uniform(0, 1.5))  # the moment is what is tried
    plug.pull()
    plug.wait_unknown()
    plug.plug()
    plug.wait_held()


def swapped(plug: Plug) -> None:
    """F9: in its place come an empty folder, an empty disk, another library's, and one with a copied marker."""
    kind = plug.chance.choice(("empty folder", "empty disk", "other library", "copied marker", "bind mount"))
    plug.unplug()
    content = picture(3)
    if kind == "empty folder":
        photos = plug.where / "photos"
        photos.mkdir(exist_ok=True)
        _twins(photos, content)
        state = plug.wait_unknown()
        plug.broken["lost"] += sorted(path.name for path in photos.rglob("*.jpg")) != ["a (1).jpg", "a.jpg"]
        shutil.rmtree(photos)
    else:
        foreign = plug.folder / "foreign"
        make_image(foreign, EXT4)
        plug.plug(foreign)
        photos = plug.where / "photos"
        photos.mkdir()
        if kind in ("other library", "copied marker"):
            marker = json.loads(_marker(plug))
            (photos / ".twinwatch").mkdir()
            if kind == "other library":
                marker["id"] = "another"
            (photos / ".twinwatch/root.json").write_text(json.dumps(marker))
        if kind == "bind mount":
            run("mount", "--bind", plug.other.root, photos)
        else:
            _twins(photos, content)
        state = plug.wait_unknown()
        if kind == "bind mount":
            run("umount", photos)
        else:
            left = sorted(path.name for path in photos.rglob("*.jpg"))
            plug.broken["lost"] += left != ["a (1).jpg", "a.jpg"]
        plug.unplug()
    assert state in UNKNOWN
    plug.plug()
    plug.arrive(plug.library)
    plug.wait_held()


def hanging(plug: Plug) -> None:
    """F11: it hangs, or its writes do, with photos to be moved on it or without; those on the other disk are moved."""
    if plug.chance.random() < 0.5:
        plug.arrive(plug.library)
        time.sleep(plug.chance.uniform(0, 1))  # the moment is what is tried
    else:
        plug.wait_held()
    with plug.hung(writes_only=plug.chance.random() < 0.5):
        plug.arrive(plug.other)
        plug.wait_held(plug.other)
        time.sleep(HANGING)  # how long the disk hangs is what is tried
    plug.wait_held()


def _twins(photos: Path, content: bytes) -> None:
    (photos / "a.jpg").write_bytes(content)
    (photos / "a (1).jpg").write_bytes(content)


def _marker(plug: Plug) -> bytes:
    copy = plug.folder / "of-marker"
    copy_image(plug.image, copy)
    run("mount", "-o", "loop", copy, plug.aside)
    try:
        return (plug.aside / "photos/.twinwatch/root.json").read_bytes()
    finally:
        unmount(plug.aside)


CASES: dict[str, tuple[Callable[[Plug], None], str, str, str]] = {
    "daemon-F8": (unmounted, "F8", "the daemon's disk is unmounted, gets new photos elsewhere, and comes back", "200"),
    "daemon-F9": (swapped, "F9", "another disk, an empty folder or a bind mount in its place for a while", "100"),
    "daemon-F10": (pulled, "F10", "the daemon's disk is pulled and plugged in again", "100"),
    "daemon-F11": (
        hanging,
        "F11",
        f"the daemon's disk, or only its writes, hang for {HANGING:.0f} s; photos on another are moved meanwhile",
        "20",
    ),
}
EACH = 20  # cycles of one daemon; then it is stopped, judged, and a new one begins
EACH_HANGING = 3  # the same of a disk that hangs: each time it is left alone for longer


def daemon_faults(profile: Profile, name: str) -> Iterator[Figure]:
    """Yield the figure of one case, so far, after each daemon."""
    act, number, words, target = CASES[name]
    wanted = profile.times(int(target), quick=2)
    broken: Counter[str] = Counter()
    each = EACH_HANGING if act is hanging else EACH
    for done in range(0, wanted, each):
        batch = min(each, wanted - done)
        plug = Plug(profile.folder / name, profile.seed + done)
        try:
            plug.daemon.start().wait_for("level")
            for _ in range(batch):
                act(plug)
            broken += plug.judge()
        finally:
            plug.close()
        yield Figure(number, words, done + batch, target, broken)
