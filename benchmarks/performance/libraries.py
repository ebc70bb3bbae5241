"""An index of any number of photos that were never taken, and a folder tree that an index knows by heart."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

from twinwatch.imaging import algorithm
from twinwatch.index import FILE_NAME, Index
from twinwatch.index.packing import expected, pack_header, pack_turned
from twinwatch.matching import chunks
from twinwatch.photo import (
    ContentDigest,
    FileStat,
    Fingerprint,
    Header,
    Identity,
    Metadata,
    PerceptualHash,
    Photo,
    PhotoId,
    Reading,
    RootId,
)
from twinwatch.roots import mark
from twinwatch.syscalls import file_stat

ALGORITHM = algorithm()  # or the daemon would make them all again
PER_FOLDER = 100
_INSERT = f"INSERT INTO photo VALUES ({', '.join('?' * 24)})"  # noqa: S608 - only marks
_CAMERAS = ("HUAWEI VOG-L29", "Apple iPhone 12 Pro", "samsung SM-G991B")
_OTHER_BITS = 3  # by which the hash of a turned picture differs from what the first lets expect: measured on photos


def name_of(number: int) -> PurePosixPath:
    """Return where the photo of this number lies, as cameras and sync clients name them."""
    at = number // PER_FOLDER
    folder = f"DCIM/{2000 + at // 120:04d}/{at // 10 % 12 + 1:02d}-{at % 10}"
    return (
        PurePosixPath(folder)
        / f"IMG_{2000 + at // 120:04d}{at // 10 % 12 + 1:02d}{number % 28 + 1:02d}_{number:07d}.jpg"
    )


def reading(source: random.Random, number: int) -> Reading:
    """Return what might have been read of a photo, square, so that any turn of it is plausible; its hash is random."""
    first = PerceptualHash(source.getrandbits(64))
    turned = (expected(first, k) ^ sum({1 << source.randrange(64) for _ in range(_OTHER_BITS)}) for k in range(2, 9))
    moment = (
        f"2024:05:{number // 86400 % 28 + 1:02d} {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    )
    meta = Metadata(
        source.randint(30, 60), source.random() < 0.6, moment, source.choice(_CAMERAS), source.random() < 0.3
    )
    header = Header("JPEG", 3456, 3456, source.choice((1, 1, 1, 6, 8)), "RGB", 8, False, 1, meta)
    hashes = (first, *map(PerceptualHash, turned))
    print_ = Fingerprint(hashes, round(source.uniform(20, 70), 3), ALGORITHM)
    return Reading(ContentDigest(source.randbytes(32)), header, print_)


def made(state: Path, count: int, *, equal: int = 0) -> Index:
    """Return an index of `count` photos, made unless it is there, `equal` of them of one and the same hash.

    The rows are written past `Photos.record`, which takes five times as long, and are what it would have written.
    """
    whole = state / "whole"
    if not whole.exists() or whole.read_text() != ALGORITHM:
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        index = Index(state)
        root = index.record_root(Path("/srv/photos"), Identity("marker", 1, 2), Path("/srv/held"))
        index.set_level(root.id, 1.0)
        index.close()
        with closing(sqlite3.connect(state / FILE_NAME)) as database, database:
            database.execute("PRAGMA cache_size = -200000")
            database.executemany(_INSERT, _rows(database, count, equal))
            database.execute("UPDATE root SET photos = ?", (count,))
        whole.write_text(ALGORITHM)
    return Index(state)


def _rows(database: sqlite3.Connection, count: int, equal: int) -> Iterator[tuple[object, ...]]:
    source = random.Random(count)
    shared: dict[str, int] = {}

    def number_of(words: str) -> int:
        if words not in shared:
            shared[words] = len(shared) + 1
            database.execute("INSERT INTO shared VALUES (?, ?)", (shared[words], words))
        return shared[words]

    blank = reading(source, 0)
    for number in range(count):
        told = reading(source, number)
        header, print_ = (blank if number >= count - equal else told).header, told.fingerprint
        print_ = blank.fingerprint if number >= count - equal else print_
        assert header is not None
        assert print_ is not None
        path = name_of(number)
        folder = number // PER_FOLDER + 1
        if number % PER_FOLDER == 0:
            database.execute("INSERT INTO folder VALUES (?, 1, ?)", (folder, os.fsencode(path.parent)))
        first = print_.hashes[0]
        low, middle, high = chunks(first)
        common, *own = pack_header(header)
        yield (
            *(number + 1, folder, os.fsencode(path.name), 10_000_000 + number, 3_000_000 + source.randrange(3_000_000)),
            *(*_times(number), told.digest, None, 1, False, 1),
            *((first + (1 << 63)) % (1 << 64) - (1 << 63), low, middle),
            *(pack_turned(print_.hashes), round(print_.detail * 1000), number_of(print_.algorithm)),
            *(number_of(common), *own, high),
        )


def tree(root: Path, count: int) -> None:
    """Make `count` small files that are named as photos, unless they are there."""
    for number in range(count):
        path = root / name_of(number)
        if number % PER_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            if len(os.listdir(path.parent)) == PER_FOLDER:
                continue
        if not path.exists():
            path.write_bytes(b"%d" % number)


def known_by_heart(state: Path, root: Path) -> None:
    """Let the index of `state` know every file beneath `root`, as if it had been read and judged."""
    state.mkdir(parents=True, exist_ok=True)
    index = Index(state)
    record = index.record_root(root, mark(root), root.parent / f".twinwatch-{root.name}-quarantine")
    index.set_level(record.id, 1.0)
    source = random.Random(1)
    for number, (path, stat) in enumerate(_files(root)):
        photo = index.photos.record(record.id, path, stat, reading(source, number), arrived=False)
        index.photos.set_judged(photo.id)
    index.memory.set_setting("fingerprinted_by", None)
    index.commit()
    index.close()


def newcomers(count: int, seed: int) -> Iterator[Photo]:
    """Yield photos that are not in an index, as `candidates` takes them."""
    source = random.Random(seed)
    for number in range(count):
        yield _new(number, reading(source, number))


def copies(photos: Iterable[Photo], seed: int) -> Iterator[Photo]:
    """Yield a newcomer for each photo: turned any way, with up to nine bits of its hash changed."""
    source = random.Random(seed)
    for number, photo in enumerate(photos):
        told = reading(source, number)
        print_ = photo.reading.fingerprint
        assert print_ is not None
        first = print_.hashes[number % 8] ^ sum({1 << source.randrange(64) for _ in range(number % 10)})
        turned = (expected(PerceptualHash(first), k) for k in range(2, 9))
        hashes = (PerceptualHash(first), *map(PerceptualHash, turned))
        yield _new(number, Reading(told.digest, told.header, Fingerprint(hashes, print_.detail, ALGORITHM)))


def bytes_a_photo(state: Path, count: int) -> float:
    """Return the size of the index file, per photo, once its write-ahead log is taken in."""
    import sqlite3

    with closing(sqlite3.connect(state / FILE_NAME)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (state / FILE_NAME).stat().st_size / count


def _new(number: int, told: Reading) -> Photo:
    stat = FileStat(0, 1, 4_000_000, *_times(number), 8, 1)
    return Photo(PhotoId(-1), RootId(1), PurePosixPath(f"new/{number}.jpg"), stat, told, True, False)


def _times(number: int) -> tuple[int, int]:
    at = 1_700_000_000_123_456_789 + number * 37_000_000_000
    return at, at + 100_000_000


def _files(root: Path) -> Iterator[tuple[PurePosixPath, FileStat]]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            yield PurePosixPath(path.relative_to(root)), file_stat(path.lstat())
