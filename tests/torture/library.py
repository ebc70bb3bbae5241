"""A small photo library to be tortured, and its oracle: every file that people put there is there, once, unchanged."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.drawing import scene
from twinwatch.roots import STATE_FOLDER

HOME, HELD, GONE = "home", "held", "gone"
"""Where a file is: in its place, in quarantine, purged."""

_LOOKS = 100  # at a disk on which the daemon moves files

CONFIG = """\
roots: [{{path: {root}}}]
settle: {{quiet_seconds: 0.4, closed_seconds: 0.1, retry_seconds: 0.5, retries: 2}}
quarantine: {{min_free_mib: 0}}
brake: {{max_moves: 100000, max_share: 1.0}}
workers: {{count: 1}}
log: {{level: info, format: plain}}
"""


@functools.cache
def picture(number: int) -> bytes:
    """Return drawn photo `number`, some 6 kB of JPEG."""
    out = io.BytesIO()
    scene(number, (160, 120)).save(out, "JPEG", quality=90)
    return out.getvalue()


@dataclass(slots=True, eq=False)
class Library:
    """One watched folder with its state on the same disk, unless `state` says otherwise."""

    base: Path
    state: Path = Path()
    expected: dict[str, bytes] = field(default_factory=dict)  # path below the root -> bytes
    groups: dict[str, list[str]] = field(default_factory=dict)  # a copy -> itself and its companions

    def __post_init__(self) -> None:
        """Make the folders and the configuration, unless they are there."""
        if self.state == Path():
            self.state = self.base / "state"
        if not self.config.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(parents=True, exist_ok=True)
            self.config.write_text(CONFIG.format(root=json.dumps(str(self.root))))

    @property
    def root(self) -> Path:
        """Return the watched folder."""
        return self.base / "photos"

    @property
    def place(self) -> Path:
        """Return its quarantine."""
        return self.base / ".twinwatch-photos-quarantine"

    @property
    def config(self) -> Path:
        """Return the configuration file."""
        return self.state / "config.yaml"

    def put(self, path: str, content: bytes, *, synced: bool = False) -> None:
        """Let a file arrive as a sync client brings it; a `synced` one is durable when this returns."""
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        temporary = where.with_name(f".syncthing.{where.name}.tmp")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        temporary.rename(where)
        if synced:
            sync_folder(where.parent)
            sync_folder(where.parent.parent)
        self.expected[path] = content

    def put_pair(self, number: int, *, synced: bool = False, only_copy: bool = False) -> str:
        """Put a photo and its copy, every second one with companions; return the path of the copy."""
        keeper, copy = f"2024/IMG_{number:04d}", f"inbox/IMG_{number:04d} (1)"
        content = picture(number % 40) + b"%d" % number  # trailing bytes make many files of few drawings
        group = {f"{copy}.jpg": content}
        if number % 4 == 1:
            group[f"{copy}.jpg.xmp"] = b"<stars of %d>" % number
        if number % 4 == 3:
            group[f"{copy}.mov"] = b"moving %d " % number * 300
        beside = {f"{keeper}.jpg": content, f"{keeper}.mov": group.get(f"{copy}.mov", b"")}
        for path, each in ({} if only_copy else beside).items():
            if each:
                self.put(path, each, synced=synced)
        for path, each in sorted(group.items(), key=lambda item: item[0].endswith(".jpg")):
            self.put(path, each, synced=synced)
        self.groups[f"{copy}.jpg"] = list(group)
        return f"{copy}.jpg"

    def put_keeper(self, copy: str) -> None:
        """Put the keeper of a copy that is there already; nobody syncs it, so a power cut may take it from us all."""
        before = dict(self.expected)
        for path in self.groups[copy]:
            if not path.endswith(".xmp"):
                self.put(path.replace("inbox", "2024").replace(" (1)", ""), self.expected[path])
        self.expected = before

    def look(self) -> Found:
        """Read everything on the disk; what is moved away meanwhile is looked at again."""
        for _ in range(_LOOKS):
            with contextlib.suppress(FileNotFoundError):
                return self._seen()
        return self._seen()

    def _seen(self) -> Found:
        found = Found()
        root, place = os.fspath(self.root), os.fspath(self.place)
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name != STATE_FOLDER]
            below = os.path.relpath(folder, root)
            for name in names:
                found.home[os.path.normpath(os.path.join(below, name))] = _read(os.path.join(folder, name))
        for slot in os.listdir(place) if os.path.isdir(place) else ():
            try:
                below = json.loads(_read(os.path.join(place, slot, "manifest.json")))["folder"]
            except (OSError, ValueError, KeyError):
                below = ""
            for name in os.listdir(os.path.join(place, slot)):
                if "manifest.json" not in name:
                    where = os.path.normpath(os.path.join(below, name))
                    found.held.setdefault(where, []).append(_read(os.path.join(place, slot, name)))
                    found.slots[where] = slot
        return found

    def judge(self, allowed: Mapping[str, set[str]] | None = None, *, settled: bool = True) -> Counter[str]:
        """Count the laws that are broken on the disk as it is.

        `allowed` says where each copy may be (anything, unless told); only a disk that is `settled`, after recovery,
        must have each file exactly once and each group in one place.
        """
        found = self.look()
        broken: Counter[str] = Counter()
        where: dict[str, str] = {}
        for path, content in self.expected.items():
            times = (found.home.get(path) == content) + found.held.get(path, []).count(content)
            where[path] = HOME if found.home.get(path) == content else HELD if times else GONE
            kept = path.endswith(".xmp") or content in found.home.values()  # a sidecar has no keeper: purged is purged
            if not times and not (kept and self._may_be_gone(path, allowed)):
                broken["lost"] += 1
            if times > 1 and settled:
                broken["doubled"] += 1
        for copy, group in self.groups.items():
            if settled and where[copy] != GONE and len({where[path] for path in group}) > 1:
                broken["parted"] += 1
            if settled and allowed is not None and where[copy] not in allowed[copy]:
                broken["untrue"] += 1
        return broken

    def _may_be_gone(self, path: str, allowed: Mapping[str, set[str]] | None) -> bool:
        copy = next((copy for copy, group in self.groups.items() if path in group), None)
        return copy is not None and allowed is not None and GONE in allowed[copy]


@dataclass(slots=True)
class Found:
    """What is on the disk."""

    home: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, list[bytes]] = field(default_factory=dict)  # by the path the manifest gives
    slots: dict[str, str] = field(default_factory=dict)  # that path -> slot


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
