"""A small NAS in a temporary folder for the tests: watched roots, their index and quarantine, files of plain bytes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

from blake3 import blake3

from twinwatch.index import Index, MoveRow, MoveState
from twinwatch.naming import Exclusions
from twinwatch.photo import ContentDigest, Evidence, Photo, PhotoId, Reading, Verdict
from twinwatch.quarantine import Holder, Slot, listing
from twinwatch.roots import STATE_FOLDER, Root, mark, quarantine_place
from twinwatch.syscalls import file_stat
from twinwatch.verdict import Move

NOW = 1_700_000_000.0
PICTURE = b"picture" * 3000  # for what looks at bytes only


class Nas:
    """One state folder and one root; `other_root` makes more of them."""

    def __init__(self, folder: Path, state: str = "state", root: str = "photos") -> None:
        """`state` names the state folder: two processes with two states are two daemons."""
        self.folder = folder
        self.state = folder / state
        self.state.mkdir(exist_ok=True)
        self.index = Index(self.state)
        self.roots: list[Root] = []
        with contextlib.ExitStack() as stack:
            stack.callback(self.index.close)  # of a damaged index, which is begun anew by who has it alone
            self.root = self.other_root(root)
            stack.pop_all()
        self.holder = Holder(self.index, lambda: NOW, min_free_mib=0)

    def other_root(self, name: str, *, quarantine: Path | None = None) -> Root:
        """Make (or find again) a marked and recorded root."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        identity = mark(path)
        place = quarantine or quarantine_place(path, ())
        record = self.index.record_root(path, identity, place)
        root = Root(record.id, path, False, "inotify", Exclusions(), identity, place)
        self.roots.append(root)
        return root

    @property
    def place(self) -> Path:
        """Return the quarantine folder of the first root."""
        place = self.root.quarantine
        assert place is not None
        return place

    def put(self, path: str, content: bytes, root: Root | None = None, mtime_ns: int = 10**18 + 7) -> Path:
        """Write a file below a root."""
        where = (root or self.root).path / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content)
        os.utime(where, ns=(mtime_ns, mtime_ns))
        return where

    def photo(self, path: str, root: Root | None = None) -> Photo:
        """Look at a file the way the line does, without pixels."""
        root = root or self.root
        where = root.path / path
        reading = Reading(digest_of(where), None, None)
        stat = file_stat(os.stat(where, follow_symlinks=False))
        return Photo(PhotoId(1), root.id, PurePosixPath(path), stat, reading, arrived=True, reference=root.reference)

    def move(
        self, duplicate: str, keeper: str, keeper_root: Root | None = None, verdict: Verdict = Verdict.IDENTICAL
    ) -> Move:
        """Return the decision to set one file aside for another."""
        evidence = Evidence(verdict, words="told by the test")
        return Move(self.photo(duplicate), self.photo(keeper, keeper_root), evidence, "the older one")

    def hold(self, duplicate: str, keeper: str, keeper_root: Root | None = None) -> MoveRow:
        """Set one file aside for another, with the same bytes or not."""
        move = self.move(duplicate, keeper, keeper_root)
        if move.duplicate.reading.digest != move.keeper.reading.digest:
            move = self.move(duplicate, keeper, keeper_root, Verdict.RE_ENCODED)
        return self.holder.hold(move, self.root, keeper_root or self.root)

    def forget(self, path: Path) -> None:
        """Forget that a person put these bytes back, as `twinwatch forget` does: they may be set aside again."""
        digest = digest_of(path)
        self.index.memory.forget_allowed(digest)
        self.index.memory.forget_removed(digest)

    def states(self) -> list[MoveState]:
        """Return where every move stands, as the journal has it."""
        return [row.state for row in self.index.journal.rows()]

    def slots(self) -> list[Slot]:
        """Return what is in the first root's quarantine."""
        return listing(self.place)

    def slot(self) -> Slot:
        """Return the only slot."""
        (slot,) = self.slots()
        return slot

    def tree(self) -> dict[str, bytes]:
        """Return every file of the roots by its path, twinwatch's own left out."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for root in self.roots
            for path in sorted(root.path.rglob("*"))
            if path.is_file() and not path.is_symlink() and STATE_FOLDER not in path.parts
        }

    def held(self) -> list[bytes]:
        """Return the bytes of everything in quarantine but the manifests, sorted."""
        return sorted(
            path.read_bytes()
            for root in self.roots
            if root.quarantine is not None
            for path in root.quarantine.rglob("*")
            if path.is_file() and "manifest.json" not in path.name
        )

    def everything(self) -> list[bytes]:
        """Return the bytes of all files in roots and quarantine, sorted: what must never shrink."""
        return sorted([*self.tree().values(), *self.held()])

    def close(self) -> None:
        """Close the index."""
        self.index.close()


def run_child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python source in a fresh interpreter that can import what the tests import."""
    child = start_child(script, *arguments)
    out, err = child.communicate()
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def start_child(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python source in a fresh interpreter that can import what the tests import."""
    paths = os.pathsep.join(path for path in sys.path if path)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env={**os.environ, "PYTHONPATH": paths}
    )


def state(pid: int) -> str:
    """Return a process's state as the kernel writes it: R runs, S waits, Z has ended; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def digest_of(path: Path) -> ContentDigest:
    """Return the content digest of a file."""
    return ContentDigest(blake3(path.read_bytes()).digest())
