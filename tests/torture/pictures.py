"""F15, F16: pictures damaged at random, and bombs, through the real sandboxed workers: no bad decode is ever a copy."""

from __future__ import annotations

import io
import os
import random
import struct
import sys
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from PIL import Image

from tests.drawing import scene, stored
from tests.torture.disks import UnavailableError
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from twinwatch.errors import WorkerError
from twinwatch.photo import COPY_VERDICTS, Evidence, Reading, Trouble
from twinwatch.workers import WorkerLimits, Workers

MUTANTS = 100_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")
COMPARED = 20  # one of so many that still are pictures is compared too; all that are none are
WORKERS = 8  # most of the time of a small picture is the way to its worker and back
ON_THE_WAY = 64  # mutants at once
SAMPLES = "TWINWATCH_SAMPLES"
MOST_MEMORY_GROWN = 20 << 20  # bytes, of the process that only hands descriptors on
PATIENCE = 120.0  # seconds until an answer that must come is given up; a worker is ended after 10


def mutants(profile: Profile, formats: Sequence[str] = FORMATS) -> Iterator[Figure]:
    """F15: a drawn picture of each format is damaged at random, read, and proved against the whole one."""
    rounds = profile.times(MUTANTS, quick=10)
    with Workers(WORKERS, WorkerLimits(seconds=10)) as workers:
        for format_ in formats:
            yield _Mutants(workers, format_, profile.seed).make(rounds)


class _Mutants:
    """The mutants of one picture on their way through the workers."""

    def __init__(self, workers: Workers, format_: str, seed: int) -> None:
        self._workers, self._format = workers, format_
        self._chance = random.Random(f"{seed} {format_}")
        self._whole = stored(scene(seed, (64, 48)), format_)
        self._count: Counter[str] = Counter()
        self._broken: Counter[str] = Counter()

    def make(self, rounds: int) -> Figure:
        """Damage the picture so often."""
        count = self._count
        original = descriptor(self._whole)
        reading: deque[tuple[int, Future[Reading]]] = deque()
        proving: deque[tuple[int, Trouble | None, Future[Evidence]]] = deque()
        try:
            for _ in range(rounds):
                fd = descriptor(_spoilt(self._whole, self._format, self._chance))
                reading.append((fd, self._workers.read(fd)))
                if len(reading) >= ON_THE_WAY:
                    self._was_read(*reading.popleft(), original, proving)
                if len(proving) >= ON_THE_WAY:
                    self._was_proved(*proving.popleft())
            for fd, answer in reading:
                self._was_read(fd, answer, original, proving)
            for fd, trouble, evidence in proving:
                self._was_proved(fd, trouble, evidence)
        finally:
            os.close(original)
        note = f"{count['read']:,} read as pictures, {count['proof']:,} compared with the whole one: {count['copy']:,} "
        note += f"of them copies, {count['worker ended']:,} workers ended"
        return Figure("F15", f"{self._format} damaged at random", rounds, f"{MUTANTS:,}", self._broken, note)

    def _was_read(self, fd: int, answer: Future[Reading], original: int, proving: deque[Any]) -> None:
        try:
            trouble = _trouble(answer)
        except TimeoutError:
            self._broken["crashed"] += 1
            os.close(fd)
            return
        self._count["read"] += trouble is None
        self._count["worker ended"] += trouble in (Trouble.CRASHED, Trouble.TIMED_OUT)
        if trouble is None and self._count["read"] % COMPARED:
            os.close(fd)
        else:
            self._count["proof"] += 1
            proving.append((fd, trouble, self._workers.prove(fd, original)))

    def _was_proved(self, fd: int, trouble: Trouble | None, evidence: Future[Evidence]) -> None:
        try:
            copy = evidence.result(PATIENCE).verdict in COPY_VERDICTS
        except WorkerError:
            copy = False
        except TimeoutError:
            copy = False
            self._broken["crashed"] += 1
        finally:
            os.close(fd)
        self._count["copy"] += copy
        self._broken["wrong"] += copy and trouble is not None


def _trouble(reading: Future[Reading]) -> Trouble | None:
    try:
        return reading.result(PATIENCE).trouble
    except WorkerError as error:
        return Trouble(error.trouble) if error.trouble is not None else Trouble.CRASHED


def _spoilt(whole: bytes, format_: str, chance: random.Random) -> bytes:
    """Damage a picture; every second PNG gets the sums that its chunks must have, so that its decoder is reached."""
    data = bytearray(whole)
    what = chance.randrange(5)
    if what == 0:
        del data[chance.randrange(len(data)) :]
    elif what == 1:
        start = chance.randrange(len(data))
        data[start : start + chance.randrange(64)] = chance.randbytes(chance.randrange(64))
    elif what == 2:  # a number of the header made huge, or nothing
        start = chance.randrange(min(len(data), 200))
        data[start : start + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
    for _ in range(chance.choice([1, 1, 2, 8])):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return _with_sums(bytes(data)) if format_ == "PNG" and chance.random() < 0.5 else bytes(data)


def _with_sums(png: bytes) -> bytes:
    """Give every chunk that can be found its right checksum."""
    data, at = bytearray(png), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if at + 12 + length > len(data):
            break
        end = at + 8 + length
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def samples(_: Profile) -> Iterator[Figure]:
    """F15: the pictures that Pillow is tested with, many of which once broke a decoder, each against its own near twin.

    The twin is the same file and one byte more: what has trouble is never a copy of it, and nothing stands still.
    """
    where = os.environ.get(SAMPLES, "")
    files = sorted(path for path in Path(where).rglob("*") if path.is_file()) if where else []
    if not files:
        raise UnavailableError(
            f"${SAMPLES} names no folder of broken pictures, such as Tests/images of Pillow's source"
        )
    count: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    with Workers(1, WorkerLimits(seconds=10)) as workers:
        for path in files:
            data = path.read_bytes()
            fd, twin = descriptor(data), descriptor(data + b"\0")
            try:
                trouble = _trouble(workers.read(fd))
                count[trouble or "read"] += 1
                copy = workers.prove(fd, twin).result(PATIENCE).verdict in COPY_VERDICTS
                broken["wrong"] += copy and trouble is not None
            except WorkerError:
                pass
            except TimeoutError:
                broken["crashed"] += 1
                sys.stderr.write(f"{path}: no answer\n")
            finally:
                os.close(fd)
                os.close(twin)
    note = ", ".join(f"{number:,} {word}" for word, number in count.most_common())
    yield Figure("F15", "the pictures that Pillow is tested with", len(files), "54", broken, note)


def bombs(_: Profile) -> Iterator[Figure]:
    """F16: every bomb comes to a worker; the process that only hands descriptors on must not grow."""
    broken: Counter[str] = Counter()
    made = list(_bombs())
    with Workers(1, WorkerLimits(seconds=10)) as workers:
        before = _resident()
        for data in made:
            fd = descriptor(data)
            try:
                broken["wrong"] += _trouble(workers.read(fd)) is None
            finally:
                os.close(fd)
        broken["grown"] += _resident() - before > MOST_MEMORY_GROWN
    yield Figure("F16", "bombs: sizes, frames, chunks", len(made), "100 %", broken, "all refused")


def _bombs() -> Iterator[bytes]:
    for side in (30_000, 65_000, 2**31 - 1):
        yield _png(side, side, zlib.compress(bytes(1000)))
        yield _png(side, 1, zlib.compress(bytes(1000)))
        yield b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    yield _png(40_000, 40_000, zlib.compress(bytes(40_000_000)))
    for side in (30_000, 65_000):
        gif = bytearray(stored(Image.new("L", (8, 8)), "GIF"))
        gif[6:10] = struct.pack("<HH", side, side)
        yield bytes(gif)
        jpeg = bytearray(stored(Image.new("RGB", (16, 16)), "JPEG"))
        start = jpeg.index(b"\xff\xc0") + 5
        jpeg[start : start + 4] = struct.pack(">HH", side, side)
        yield bytes(jpeg)
        tiff = bytearray(stored(Image.new("L", (16, 16)), "TIFF"))
        for tag in (256, 257):
            at = (
                tiff.index(struct.pack("<HH", tag, 4))
                if struct.pack("<HH", tag, 4) in tiff
                else tiff.index(struct.pack("<HH", tag, 3))
            )
            tiff[at : at + 12] = struct.pack("<HHII", tag, 4, 1, side)
        yield bytes(tiff)
    frames = io.BytesIO()
    small = [Image.new("P", (4, 4), number % 2) for number in range(40_000)]
    small[0].save(frames, "GIF", save_all=True, append_images=small[1:])
    data = bytearray(frames.getvalue())
    data[6:10] = struct.pack("<HH", 30_000, 30_000)
    yield bytes(data)


def _png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    text = b"".join(chunk(b"tEXt", b"word\0%d" % number) for number in range(10_000 if width == 40_000 else 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + text + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def descriptor(data: bytes) -> int:
    """Return a descriptor to read these bytes by, as of a file that is nowhere."""
    fd = os.memfd_create("picture")
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    reading = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    return reading


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
