"""Records what the real program writes to a disk: every block write and flush, and when it said what was done."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture import processes
from tests.torture.disks import FileSystem, copy_image, make_image, mounted, served
from tests.torture.library import GONE, HELD, HOME, Library

PLUGIN = Path(__file__).with_name("logdisk.py")
RECORD = struct.Struct("<cQI")  # as the plugin writes it


@dataclass(frozen=True, slots=True)
class Step:
    """Something done to one copy; positions are bytes of the log."""

    copy: str
    to: str  # where it is then
    begun: int  # before the program was asked
    said: int  # when it had said that it is done; -1: it never did


@dataclass(slots=True)
class Recording:
    """A disk image before a workload, the log of its writes, and what was said when."""

    start: Path
    log: Path
    library: Library
    options: str
    ready: int = 0  # from here on a cut is fair: what people had put there was durable
    steps: list[Step] = field(default_factory=list)

    def allowed(self, position: int) -> dict[str, set[str]]:
        """Return where each copy may be when the power goes at this position of the log."""
        found = {copy: {HOME} for copy in self.library.groups}
        for step in self.steps:
            if 0 <= step.said <= position:
                found[step.copy] = {step.to}
            elif step.begun <= position:
                found[step.copy].add(step.to)
        return found

    def events(self) -> list[tuple[int, int, int]]:
        """Return the log: for each record the end of it, the offset on disk, and its length (0 for a flush)."""
        found, position = [], 0
        with self.log.open("rb") as file:
            while head := file.read(RECORD.size):
                kind, offset, length = RECORD.unpack(head)
                length = length if kind == b"W" else 0
                position += RECORD.size + length
                file.seek(position)
                found.append((position, offset, length))
        return found


class Recorder:
    """Runs the workload on a logged disk."""

    def __init__(self, folder: Path, system: FileSystem, program: Sequence[object] = processes.PROGRAM) -> None:
        """`program` is what is run as twinwatch; `folder` gets the images and the mount point `m`."""
        self._folder = folder
        self._system = system
        self._program = program

    def record(self, seed: int, pairs: int) -> Recording:
        """Hold, restore and purge on a fresh disk, and return what was written."""
        folder = self._folder
        where = folder / "m"
        where.mkdir(parents=True, exist_ok=True)
        start, live = folder / "start.img", folder / "live.img"
        make_image(start, self._system)
        copy_image(start, live)
        self._log = folder / "writes.log"
        words = ("python", PLUGIN, f"img={live}", f"log={self._log}")
        with served(folder / f"disk-{seed}", *words) as disk, mounted(disk.device, where):
            library = Library(where)
            made = Recording(start, self._log, library, self._system.options)
            self._prepare(library, pairs)
            os.sync()
            made.ready = self._position()
            self._work(made, random.Random(seed))
            os.sync()
        return made

    def _position(self) -> int:
        return self._log.stat().st_size

    def _prepare(self, library: Library, pairs: int) -> None:
        """Make a library whose root and photos are known already, and a copy whose keeper is not there yet."""
        for number in range(pairs):
            library.put_pair(number)
        first = ["scan", "--config", library.config, "--state", library.state]  # moves nothing
        done = processes.run(first, program=self._program)
        assert done.code == 0, done.err
        library.put_pair(pairs * 4, only_copy=True)

    def _work(self, made: Recording, chance: random.Random) -> None:
        library = made.library
        late = list(library.groups)[-1]
        library.put_keeper(late)  # and nobody syncs it: only the program may see to that before it deletes the copy
        self._scan(made)
        held = processes.slots(library)
        back = chance.sample(sorted(set(held) - {late}), k=max(1, len(held) // 3))
        self._each(made, "restore", {copy: held[copy] for copy in back}, HOME)
        away = chance.sample(sorted(set(held) - {late, *back}), k=max(1, len(held) // 3))
        self._each(made, "purge", {copy: held[copy] for copy in (late, *away)}, GONE, "--yes")

    def _scan(self, made: Recording) -> None:
        begun, said = self._position(), {}

        def heard(line: str) -> None:
            row = json.loads(line)
            if row["action"] == "held":
                said[str(Path(row["path"]).relative_to(made.library.root))] = self._position()

        done = processes.scan(made.library, heard=heard, program=self._program)
        assert done.code == 0, done.err
        made.steps += [Step(copy, HELD, begun, said.get(copy, -1)) for copy in made.library.groups]

    def _each(self, made: Recording, act: str, slots: dict[str, str], to: str, *more: str) -> None:
        begun, said = self._position(), {}

        def heard(line: str) -> None:
            row: dict[str, Any] = json.loads(line)
            if row["state"] != "failed":
                said[row["id"]] = self._position()

        done = processes.quarantine(made.library, act, *slots.values(), *more, heard=heard, program=self._program)
        assert done.code == 0, done.err
        made.steps += [Step(copy, to, begun, said.get(slot, -1)) for copy, slot in slots.items()]
