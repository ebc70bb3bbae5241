"""F15, F16: pictures damaged at random, and bombs, through the real sandboxed workers: no bad decode is ever a copy."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from PIL import Image

from tests.drawing import scene, stored
from twinwatch.errors import WorkerError
from twinwatch.photo import COPY_VERDICTS, Evidence, Reading, Trouble, Verdict
from twinwatch.workers import WorkerLimits, Workers

MUTANTS = 100_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")
MOST_MEMORY_GROWN = 20 << 20  # bytes, of the process that only hands descriptors on


def run(scale: str, seed: int) -> list[dict[str, Any]]:
    """Damage a drawn picture of each format `scale` times ("full", or a number), and let every bomb come."""
    rounds = MUTANTS if scale == "full" else int(scale)
    with Workers(2, WorkerLimits(seconds=10)) as workers:
        return [*(damaged(workers, format_, rounds, seed) for format_ in FORMATS), bombs(workers)]


def damaged(workers: Workers, format_: str, rounds: int, seed: int) -> dict[str, Any]:
    """Read each damaged picture, and prove it against the whole one."""
    chance = random.Random(f"{seed} {format_}")
    picture = scene(seed, (96, 72))
    whole = stored(picture, format_)
    count: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    original = _descriptor(whole)
    try:
        waiting: list[tuple[int, Future[Reading], Future[Evidence]]] = []
        for _ in range(rounds):
            fd = _descriptor(_spoilt(whole, chance))
            waiting.append((fd, workers.read(fd), workers.prove(fd, original)))
            if len(waiting) >= 16:
                _answered(*waiting.pop(0), count, broken)
        for each in waiting:
            _answered(*each, count, broken)
    finally:
        os.close(original)
    note = (
        f"{count['read']} read as pictures, {count['copy']} proved to be copies, {count['worker ended']} workers ended"
    )
    return _figure("F15", f"{format_} damaged at random", rounds, f"{MUTANTS:,}", broken, note)


def _answered(
    fd: int, reading: Future[Reading], proof: Future[Evidence], count: Counter[str], broken: Counter[str]
) -> None:
    try:
        trouble = _trouble(reading)
        count["read"] += trouble is None
        count["worker ended"] += trouble in (Trouble.CRASHED, Trouble.TIMED_OUT)
        try:
            verdict = proof.result(120).verdict
        except WorkerError:
            verdict = Verdict.UNDECODABLE
        copy = verdict in COPY_VERDICTS
        count["copy"] += copy
        broken["a bad decode called a copy"] += copy and trouble is not None
    except TimeoutError:
        broken["no answer"] += 1
    finally:
        os.close(fd)


def _trouble(reading: Future[Reading]) -> Trouble | None:
    try:
        return reading.result(120).trouble
    except WorkerError as error:
        return Trouble(error.trouble) if error.trouble is not None else Trouble.CRASHED


def _spoilt(whole: bytes, chance: random.Random) -> bytes:
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
    return bytes(data)


def bombs(workers: Workers) -> dict[str, Any]:
    """Let every bomb come to a worker; the process that only hands descriptors on must not grow."""
    broken: Counter[str] = Counter()
    count = 0
    made = list(_bombs())
    before = _resident()
    for data in made:
        fd = _descriptor(data)
        try:
            trouble = _trouble(workers.read(fd))
        finally:
            os.close(fd)
        count += 1
        broken["taken for a picture"] += trouble is None
    broken["memory of the daemon's side"] += _resident() - before > MOST_MEMORY_GROWN
    return _figure("F16", "bombs: sizes, frames, chunks", count, "100 %", broken, "all refused")


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


def _descriptor(data: bytes) -> int:
    fd = os.memfd_create("picture")
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    reading = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    return reading


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _figure(fault: str, case: str, count: int, target: str, broken: Counter[str], note: str) -> dict[str, Any]:
    bad = +broken
    return {
        "fault": fault, "case": case, "count": count, "bad": bad.total(), "broken": dict(bad), "target": target,
        "note": note, "ok": count > 0 and not bad,
    }  # fmt: skip
