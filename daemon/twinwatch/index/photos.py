"""What is known of every photo, and which known photos might be copies of one: a cache that a scan makes again."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple
from enum import IntEnum
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update

from twinwatch.index.database import Database
from twinwatch.index.schema import photo, root
from twinwatch.matching import chunks, distance, is_flat, nearest, plausible, probes
from twinwatch.photo import (
    TOP,
    ContentDigest,
    FileStat,
    Fingerprint,
    Header,
    Metadata,
    PerceptualHash,
    Photo,
    PhotoId,
    Reading,
    RootId,
    Trouble,
)

_TURNED = struct.Struct(">7Q")
_MANY = 5_000
"""A hash that more photos share than this (blank frames) says nothing: the nearest so many are looked at."""

_SELECT = select(photo, root.c.reference).join(root, photo.c.root_id == root.c.id)


class Judged(IntEnum):
    """Whether a decision was made about a photo."""

    NOT_YET = 0
    DONE = 1
    OPEN = 2  # it has a copy or look-alike that was only reported: `scan` looks again, the daemon does not


class Photos:
    """The table of known photos."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connection

    def at(self, root_id: RootId, path: PurePosixPath) -> Photo | None:
        """Return the photo known at this place."""
        row = self._connection.execute(_SELECT.where(_place(root_id, path))).first()
        return None if row is None else _photo(row)

    def by_id(self, photo_id: PhotoId) -> Photo | None:
        """Return the photo with this number, or None when it is no longer known."""
        row = self._connection.execute(_SELECT.where(photo.c.id == photo_id)).first()
        return None if row is None else _photo(row)

    def judged(self, photo_id: PhotoId) -> Judged:
        """Tell whether a decision was made about this photo."""
        return Judged(self._connection.scalar(select(photo.c.judged).where(photo.c.id == photo_id)) or 0)

    def in_folder(self, root_id: RootId, folder: PurePosixPath, *states: Judged) -> dict[str, FileStat]:
        """Return what is known of the photos of one folder in these states, by file name."""
        rows = self._connection.execute(
            select(photo.c.name, photo.c.inode, photo.c.size, photo.c.mtime_ns, photo.c.ctime_ns).where(
                photo.c.root_id == root_id, photo.c.folder == _bytes(folder), photo.c.judged.in_(states)
            )
        )
        return {os.fsdecode(row.name): _stat(row) for row in rows}

    def folders(self, root_id: RootId, below: PurePosixPath = TOP) -> Iterator[PurePosixPath]:
        """Yield every folder of a root, from `below` down, in which a photo is known."""
        top = _bytes(below)
        rows = self._connection.execute(select(photo.c.folder).where(photo.c.root_id == root_id).distinct()).all()
        for row in rows:
            if not top or row.folder == top or row.folder.startswith(top + b"/"):
                yield PurePosixPath(os.fsdecode(row.folder))

    def count(self, root_id: RootId | None = None) -> int:
        """Count the known photos, of one root or of all."""
        query = select(func.count()).select_from(photo)
        return self._connection.scalar(query if root_id is None else query.where(photo.c.root_id == root_id)) or 0

    def same_inode(self, root_id: RootId, stat: FileStat) -> list[Photo]:
        """Return the photos of a root known with this inode, size and modification time: moved, or a hard link."""
        return self._rows(
            photo.c.root_id == root_id,
            photo.c.inode == _signed(stat.inode),
            photo.c.size == stat.size,
            photo.c.mtime_ns == _signed(stat.mtime_ns),
        )

    def with_digest(self, digest: ContentDigest) -> list[Photo]:
        """Return the photos known with exactly these bytes."""
        return self._rows(photo.c.digest == digest)

    def record(
        self,
        root_id: RootId,
        path: PurePosixPath,
        stat: FileStat,
        reading: Reading,
        *,
        arrived: bool,
        now: float,
        tries: int = 0,
    ) -> Photo:
        """Enter or replace what is known of one file; it is not judged yet."""
        values = {
            "inode": _signed(stat.inode),
            "size": stat.size,
            "mtime_ns": _signed(stat.mtime_ns),
            "ctime_ns": _signed(stat.ctime_ns),
            "tries": tries,
            "arrived": arrived,
            "judged": Judged.NOT_YET,
            **_reading_columns(reading),
        }
        known = self._connection.execute(select(photo.c.id).where(_place(root_id, path))).first()
        if known is None:
            where = {"root_id": root_id, "folder": _bytes(path.parent), "name": _bytes(PurePosixPath(path.name))}
            statement = insert(photo).values(**where, first_seen=now, **values).returning(photo.c.id)
            photo_id = self._connection.execute(statement).scalar_one()
        else:
            photo_id = known.id
            self._connection.execute(update(photo).where(photo.c.id == photo_id).values(**values))
        self._database.wrote()
        recorded = self.by_id(photo_id)
        if recorded is None:
            raise AssertionError("a row just written is there")
        return recorded

    def follow(self, photo_id: PhotoId, path: PurePosixPath, stat: FileStat) -> None:
        """Note that a known photo was moved or renamed within its root."""
        self._connection.execute(delete(photo).where(_same_place_as(photo_id, path)))
        self._connection.execute(
            update(photo)
            .where(photo.c.id == photo_id)
            .values(folder=_bytes(path.parent), name=_bytes(PurePosixPath(path.name)), ctime_ns=_signed(stat.ctime_ns))
        )
        self._database.wrote()

    def set_judged(self, photo_id: PhotoId, judged: Judged = Judged.DONE) -> None:
        """Note that the decision about this photo is made."""
        self._connection.execute(update(photo).where(photo.c.id == photo_id).values(judged=judged))
        self._database.wrote()

    def tries(self, root_id: RootId, path: PurePosixPath) -> int:
        """Return how often the truncated file at this place was tried."""
        return self._connection.scalar(select(photo.c.tries).where(_place(root_id, path))) or 0

    def forget(self, root_id: RootId, path: PurePosixPath) -> None:
        """Drop what is known of a file that is gone or set aside."""
        self._connection.execute(delete(photo).where(_place(root_id, path)))
        self._database.wrote()

    def stale(self, algorithm: str, after: PhotoId, limit: int) -> list[Photo]:
        """Return the next photos, by number, whose fingerprint another version made."""
        other = _SELECT.where(photo.c.id > after, photo.c.algorithm.is_not(None), photo.c.algorithm != algorithm)
        return [_photo(row) for row in self._connection.execute(other.order_by(photo.c.id).limit(limit))]

    def refresh(self, photo_id: PhotoId, reading: Reading) -> None:
        """Replace what was read of a photo whose bytes are the same; whatever was decided about it stands."""
        self._connection.execute(update(photo).where(photo.c.id == photo_id).values(**_reading_columns(reading)))
        self._database.wrote()

    def unjudge(self, photo_id: PhotoId) -> None:
        """Make the next reconcile read and judge this photo again."""
        self._connection.execute(update(photo).where(photo.c.id == photo_id).values(judged=Judged.NOT_YET, mtime_ns=-1))
        self._database.wrote()

    def candidates(self, newcomer: Photo, roots: Collection[RootId], radius: int, limit: int) -> list[Photo]:
        """Return the known photos in `roots` that might be copies of `newcomer`, likeliest first.

        Same bytes come first, then by distance of the perceptual hashes in the nearest of eight orientations, exactly
        all within `radius` bits that the pre-filter finds plausible. Flat pictures are offered by bytes, and by equal
        size and hash, only.
        """
        others = [photo.c.root_id.in_(list(roots)), photo.c.id != newcomer.id]
        print_ = newcomer.reading.fingerprint
        same = photo.c.digest == newcomer.reading.digest
        identical = self._rows(*others, same, limit=limit)
        if print_ is None or newcomer.reading.header is None or len(identical) == limit:
            return identical
        if is_flat(print_):
            near = and_(photo.c.phash == _signed(print_.hashes[0]), photo.c.detail.is_not(None))
        else:
            near = _near(print_, radius)
        found = [*identical, *self._rows(*others, photo.c.digest != newcomer.reading.digest, near, limit=_MANY)]
        ranked = [
            (rank, candidate)
            for candidate in found
            if (rank := _rank(newcomer, print_, newcomer.reading.header, candidate, radius)) is not None
        ]
        ranked.sort(key=lambda entry: (entry[0], entry[1].id))
        return [candidate for _, candidate in ranked[:limit]]

    def _rows(self, *where: Any, limit: int | None = None) -> list[Photo]:
        return [_photo(row) for row in self._connection.execute(_SELECT.where(*where).limit(limit))]


def _near(print_: Fingerprint, radius: int) -> Any:
    columns = (photo.c.c0, photo.c.c1, photo.c.c2)
    values = probes(set(print_.hashes), radius)
    return or_(*(column.in_(sorted(near)) for column, near in zip(columns, values, strict=True)))


def _rank(
    newcomer: Photo, print_: Fingerprint, header: Header, candidate: Photo, radius: int
) -> tuple[int, ...] | None:
    if candidate.reading.digest == newcomer.reading.digest:
        return (0,)
    other, other_header = candidate.reading.fingerprint, candidate.reading.header
    if other is None or other_header is None:
        return None
    if is_flat(print_) or is_flat(other):
        same_size = header.upright == other_header.upright
        return (1, 0) if same_size and distance(print_.hashes[0], other.hashes[0]) <= 1 else None
    bits, number = nearest(print_, other.hashes[0])
    if bits > radius or not plausible(header, other_header, turned=number >= 5):
        return None
    same_moment = header.metadata.captured_at is not None and (
        header.metadata.captured_at == other_header.metadata.captured_at
    )
    return (1, bits, 0 if same_moment else 1, -other_header.pixels)  # of equals the larger: likelier the original


def _place(root_id: RootId, path: PurePosixPath) -> Any:
    return and_(
        photo.c.root_id == root_id,
        photo.c.folder == _bytes(path.parent),
        photo.c.name == _bytes(PurePosixPath(path.name)),
    )


def _same_place_as(photo_id: PhotoId, path: PurePosixPath) -> Any:
    own_root = select(photo.c.root_id).where(photo.c.id == photo_id).scalar_subquery()
    return and_(
        photo.c.root_id == own_root,
        photo.c.folder == _bytes(path.parent),
        photo.c.name == _bytes(PurePosixPath(path.name)),
        photo.c.id != photo_id,
    )


def _bytes(path: PurePosixPath) -> bytes:
    return b"" if path == TOP else os.fsencode(path)


def _reading_columns(reading: Reading) -> dict[str, Any]:
    columns: dict[str, Any] = dict.fromkeys(("phash", "c0", "c1", "c2", "turned", "detail", "algorithm", "header"))
    columns |= {"digest": reading.digest, "trouble": reading.trouble}
    if reading.header is not None:
        columns["header"] = _pack_header(reading.header)
    print_ = reading.fingerprint
    if print_ is not None:
        low, middle, high = chunks(print_.hashes[0])
        columns |= {"phash": _signed(print_.hashes[0]), "c0": low, "c1": middle, "c2": high}
        columns |= {"turned": _TURNED.pack(*print_.hashes[1:]), "detail": print_.detail}
        columns["algorithm"] = print_.algorithm
    return columns


def _pack_header(header: Header) -> str:
    return json.dumps(astuple(header), separators=(",", ":"))


def _unpack_header(packed: str) -> Header:
    fields = json.loads(packed)
    fields[-1] = Metadata(*fields[-1])
    return Header(*fields)


def _photo(row: Row[Any]) -> Photo:
    print_ = None
    if row.phash is not None:
        first = PerceptualHash(row.phash % (1 << 64))
        turned: Sequence[int] = _TURNED.unpack(row.turned)
        print_ = Fingerprint((first, *map(PerceptualHash, turned)), row.detail, row.algorithm)
    reading = Reading(
        ContentDigest(row.digest),
        None if row.header is None else _unpack_header(row.header),
        print_,
        None if row.trouble is None else Trouble(row.trouble),
    )
    path = PurePosixPath(os.fsdecode(row.folder)) / os.fsdecode(row.name)
    return Photo(PhotoId(row.id), RootId(row.root_id), path, _stat(row), reading, row.arrived, row.reference)


def _stat(row: Any) -> FileStat:
    # The device is that of the root, checked there; blocks and links are not remembered.
    return FileStat(0, row.inode % (1 << 64), row.size, _time(row.mtime_ns), _time(row.ctime_ns), 0, 1)


def _signed(value: int) -> int:
    """Fold a number into the signed 64 bits of a column: an inode, a hash, a time after 2262."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _time(value: int) -> int:
    """Unfold a time in nanoseconds: what lies before 1901, the earliest that file systems know, is after 2262."""
    return value + (1 << 64) if value < -(1 << 31) * 10**9 else value
