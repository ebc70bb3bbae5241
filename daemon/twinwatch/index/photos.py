"""What is known of every photo, and which known photos might be copies of one: a cache that a scan makes again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from twinwatch.index.database import Database
from twinwatch.index.judged import PARTIAL, Judged, is_one_of, lacking, state_of
from twinwatch.index.neighbours import near, signed
from twinwatch.index.packing import captured_number, pack_header, pack_turned, unpack_header, unpack_turned
from twinwatch.matching import MIN_DETAIL, chunks, distance, is_flat, nearest, plausible, taken_apart
from twinwatch.photo import (
    TOP,
    ContentDigest,
    FileStat,
    Fingerprint,
    Header,
    PerceptualHash,
    Photo,
    PhotoId,
    Reading,
    RootId,
    Trouble,
)

_READ = (
    *("digest", "trouble", "phash", "c0", "c1", "turned", "detail", "algorithm_id"),
    *("header_id", "width", "height", "exif_tags", "captured", "c2"),
)
_FILE = ("inode", "size", "mtime_ns", "ctime_ns", "tries", "arrived", "judged")

_FLAT = round(MIN_DETAIL * 1000)

# Every photo goes through most of these.
_SELECT = """
    SELECT photo.id, folder.root_id, folder.path, name, photo.inode, size, mtime_ns, ctime_ns, digest, trouble, arrived,
           phash, turned, detail, algorithm.words, header.words, width, height, exif_tags, captured, root.reference
    FROM photo JOIN folder ON folder.id = photo.folder_id JOIN root ON root.id = folder.root_id
    LEFT JOIN shared AS algorithm ON algorithm.id = algorithm_id LEFT JOIN shared AS header ON header.id = header_id
    WHERE """
_PLACE = "photo.folder_id = (SELECT id FROM folder WHERE root_id = ? AND path = ?) AND name = ?"
_INSERT = f"INSERT INTO photo (folder_id, name, {', '.join(_FILE + _READ)}) VALUES ({', '.join('?' * 23)}) RETURNING id"  # noqa: S608
_UPDATE_READ = f"UPDATE photo SET {', '.join(f'{name} = ?' for name in _READ)} WHERE id = ?"  # noqa: S608
_UPDATE = f"UPDATE photo SET {', '.join(f'{name} = ?' for name in _FILE + _READ)} WHERE id = ?"  # noqa: S608
_JUDGE_ANEW = f"UPDATE photo SET judged = ? WHERE {_PLACE}"  # noqa: S608
_IN_FOLDER = """
    SELECT name, inode, size, mtime_ns, ctime_ns, judged FROM photo
    WHERE folder_id = (SELECT id FROM folder WHERE root_id = ? AND path = ?)"""
# `+photo.id`: not by way of the table's order, a sort of those with this hash is far less.
_BY_HASH = """
    SELECT photo.id, phash, detail, header.words, width, height, captured
    FROM json_each(?1) AS one CROSS JOIN photo INDEXED BY photo_c2
    ON c2 = json_extract(one.value, '$[0]') AND phash = json_extract(one.value, '$[1]')
    JOIN folder ON folder.id = photo.folder_id JOIN shared AS header ON header.id = header_id
    WHERE photo.id != ?2 AND digest != ?3
    AND root_id IN (SELECT value FROM json_each(?4))
    AND (?6 OR captured IS ?5 OR captured IS NULL OR json_extract(header.words, '$[8]') IS NULL)
    ORDER BY captured IS NOT ?5, width * height DESC, +photo.id"""


class Photos:
    """The table of known photos."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def at(self, root_id: RootId, path: PurePosixPath) -> Photo | None:
        """Return the photo known at this place."""
        return next(self._select(_PLACE, *_place(root_id, path)), None)

    def by_id(self, photo_id: PhotoId) -> Photo | None:
        """Return the photo with this number, or None when it is no longer known."""
        return next(self._select("photo.id = ?", photo_id), None)

    def judged(self, photo_id: PhotoId) -> Judged:
        """Tell whether a decision was made about this photo."""
        return state_of(self._judged(photo_id))

    def lacks(self, photo_id: PhotoId) -> int | None:
        """Return the number of the set of roots without which a photo was judged, also if it is to be judged again."""
        judged = self._judged(photo_id)
        state = state_of(judged)
        return judged - state if state in PARTIAL else -1 - judged if judged < 0 else None

    def _judged(self, photo_id: PhotoId) -> int:
        rows = self._database.run("SELECT judged FROM photo WHERE id = ?", (photo_id,))
        return int(rows[0][0]) if rows else 0

    def in_folder(self, root_id: RootId, folder: PurePosixPath, *states: Judged) -> dict[str, FileStat]:
        """Return what is known of the photos of one folder in these states, by file name."""
        rows = self._database.run(_IN_FOLDER, (root_id, path_bytes(folder)))
        return {os.fsdecode(name): _stat(*stat) for name, *stat, judged in rows if state_of(judged) in states}

    def marks(
        self, root_id: RootId, folder: PurePosixPath, states: Collection[Judged]
    ) -> dict[str, tuple[int | None, int, int, int]]:
        """Return `mark` of all photos of one folder by their names, without an inode where they are in no such state.

        The cheapest that tells unchanged files: a mark that does not fit a column is folded and never found equal, nor
        is one without an inode.
        """
        rows = self._database.run(_marks_in(tuple(states)), (root_id, path_bytes(folder)))
        try:
            return {name.decode(): (inode, size, mtime, ctime) for name, inode, size, mtime, ctime in rows}
        except UnicodeDecodeError:  # a name need not be text
            return {os.fsdecode(name): (inode, size, mtime, ctime) for name, inode, size, mtime, ctime in rows}

    def folders(self, root_id: RootId, below: PurePosixPath = TOP) -> Iterator[PurePosixPath]:
        """Yield every folder of a root, from `below` down, in which a photo is known."""
        top = path_bytes(below)
        known = "SELECT path FROM folder WHERE root_id = ? AND EXISTS (SELECT 1 FROM photo WHERE folder_id = folder.id)"
        for (path,) in self._database.run(known, (root_id,)):
            if not top or path == top or path.startswith(top + b"/"):
                yield PurePosixPath(os.fsdecode(path))

    def is_folder(self, root_id: RootId, folder: PurePosixPath) -> bool:
        """Tell whether a photo is or was known in this folder of a root, or below it."""
        name = path_bytes(folder)
        rows = self._database.run(
            "SELECT 1 FROM folder WHERE root_id = ? AND (path = ? OR path > ? AND path < ?) LIMIT 1",
            (root_id, name, name + b"/", name + b"0"),  # of all bytes "0" comes next after "/"
        )
        return bool(rows)

    def count(self, root_id: RootId | None = None) -> int:
        """Count the known photos, of one root or of all; costs the same for any number of them."""
        if root_id is None:
            rows = self._database.run("SELECT sum(photos) FROM root")
        else:
            rows = self._database.run("SELECT photos FROM root WHERE id = ?", (root_id,))
        return (rows[0][0] or 0 if rows else 0) + self._database.added(root_id)

    def same_inode(self, root_id: RootId, stat: FileStat) -> list[Photo]:
        """Return the photos of a root known with this inode, size and modification time: moved, or a hard link."""
        where = "photo.inode = ? AND size = ? AND mtime_ns = ? AND folder.root_id = ?"
        return list(self._select(where, signed(stat.inode), stat.size, signed(stat.mtime_ns), root_id))

    def with_digest(self, digest: ContentDigest) -> list[Photo]:
        """Return the photos known with exactly these bytes."""
        return list(self._select("digest = ?", digest))

    def record(
        self,
        root_id: RootId,
        path: PurePosixPath,
        stat: FileStat,
        reading: Reading,
        *,
        arrived: bool,
        tries: int = 0,
    ) -> Photo:
        """Enter or replace what is known of one file; it is not judged yet."""
        folder_id, reference = self._folder(root_id, path.parent)
        name = os.fsencode(path.name)
        file = (*mark(stat), tries, arrived, Judged.NOT_YET)
        known = self._database.run("SELECT id FROM photo WHERE folder_id = ? AND name = ?", (folder_id, name))
        if known:
            photo_id = known[0][0]
            self._database.write(_UPDATE, (*file, *self._reading(reading), photo_id))
        else:
            photo_id = self._database.write(_INSERT, (folder_id, name, *file, *self._reading(reading)))[0][0]
        self._database.count_added(root_id, 0 if known else 1)
        kept = Reading(reading.digest, reading.header, reading.fingerprint, reading.trouble)
        return Photo(photo_id, root_id, path, _stat(*mark(stat)), kept, arrived, reference)

    def follow(self, photo_id: PhotoId, path: PurePosixPath, stat: FileStat) -> None:
        """Note that a known photo was moved or renamed within its root."""
        rows = self._database.run(
            "SELECT root_id FROM photo JOIN folder ON folder.id = folder_id WHERE photo.id = ?", (photo_id,)
        )
        if not rows:
            return
        root_id = RootId(rows[0][0])
        folder_id, _ = self._folder(root_id, path.parent)
        name = os.fsencode(path.name)
        gone = self._database.write(
            "DELETE FROM photo WHERE folder_id = ? AND name = ? AND id != ? RETURNING id", (folder_id, name, photo_id)
        )
        self._database.write(
            "UPDATE photo SET folder_id = ?, name = ?, ctime_ns = ? WHERE id = ?",
            (folder_id, name, signed(stat.ctime_ns), photo_id),
        )
        self._database.count_added(root_id, -len(gone))

    def set_judged(self, photo_id: PhotoId, judged: Judged = Judged.DONE) -> None:
        """Note that the decision about this photo is made."""
        self._database.write("UPDATE photo SET judged = ? WHERE id = ?", (judged, photo_id))

    def tries(self, root_id: RootId, path: PurePosixPath) -> int:
        """Return how often the file at this place was tried that was truncated, or that no worker could tell of."""
        rows = self._database.run(f"SELECT tries FROM photo WHERE {_PLACE}", _place(root_id, path))  # noqa: S608
        return rows[0][0] if rows else 0

    def forget(self, root_id: RootId, path: PurePosixPath) -> None:
        """Drop what is known of a file that is gone or set aside."""
        gone = self._database.write(f"DELETE FROM photo WHERE {_PLACE} RETURNING id", _place(root_id, path))  # noqa: S608
        self._database.count_added(root_id, -len(gone))

    def stale(self, algorithm: str, after: PhotoId, limit: int) -> list[Photo]:
        """Return the next photos, by number, whose fingerprint another version made."""
        # Headers' words are JSON lists. Where no other version is known, a million rows need not be looked through.
        others = self._database.run("SELECT 1 FROM shared WHERE words != ? AND words NOT LIKE '[%'", (algorithm,))
        if not others:
            return []
        where = "photo.id > ? AND algorithm.words != ? ORDER BY photo.id LIMIT ?"
        return list(self._select(where, after, algorithm, limit))

    def refresh(self, photo_id: PhotoId, reading: Reading) -> None:
        """Replace what was read of a photo whose bytes are the same; whatever was decided about it stands."""
        self._database.write(_UPDATE_READ, (*self._reading(reading), photo_id))

    def set_lacks(self, photo_id: PhotoId, number: int, state: Judged = Judged.PARTLY) -> None:
        """Note that the decision about this photo is made, but for the roots of the set with this number."""
        self._database.write("UPDATE photo SET judged = ? WHERE id = ?", (state + number, photo_id))

    def judge_again(self, numbers: Collection[int], roots: Collection[RootId]) -> int:
        """Make the next reconcile judge again what lacks these sets, without reading it; return how many.

        Only what is in `roots`: elsewhere it cannot be judged now, and lacks them as before.
        """
        known = self._database.write(
            "UPDATE photo SET judged = CASE WHEN judged >= ?1 THEN ?1 ELSE ?2 END - 1 - judged"
            " WHERE judged IN (SELECT value FROM json_each(?3))"
            " AND folder_id IN (SELECT id FROM folder WHERE root_id IN (SELECT value FROM json_each(?4))) RETURNING id",
            (Judged.PARTLY, Judged.PARTLY_OPEN, lacking(numbers), json.dumps(list(roots))),
        )
        return len(known)

    def still_lacked(self, numbers: Collection[int]) -> set[int]:
        """Return those of these sets without which some photo was judged."""
        query = "SELECT DISTINCT judged FROM photo WHERE judged IN (SELECT value FROM json_each(?))"
        return {judged - state_of(judged) for (judged,) in self._database.run(query, (lacking(numbers),))}

    def judge_anew(self, root_id: RootId, wanted: Callable[[PurePosixPath], bool]) -> None:
        """Make the next reconcile judge again what is known at the `wanted` places, without reading it."""
        for folder in self.folders(root_id):
            for name in self.in_folder(root_id, folder, *Judged):
                path = folder / name
                if wanted(path):
                    self._database.write(_JUDGE_ANEW, (Judged.NOT_YET, *_place(root_id, path)))

    def read_again(self, *troubles: Trouble) -> int:
        """Make the next reconcile read again what had one of these troubles, as if it were new; return how many."""
        again = self._database.write(
            "UPDATE photo SET judged = ?, tries = 0 WHERE trouble IN (SELECT value FROM json_each(?)) RETURNING id",
            (Judged.NOT_YET, json.dumps(troubles)),
        )
        return len(again)

    def unjudge(self, photo_id: PhotoId) -> None:
        """Make the next reconcile read and judge this photo again."""
        self._database.write("UPDATE photo SET judged = ?, mtime_ns = -1 WHERE id = ?", (Judged.NOT_YET, photo_id))

    def candidates(
        self,
        newcomer: Photo,
        roots: Collection[RootId],
        radius: int,
        limit: int,
        others: Callable[[], bool] = lambda: True,
    ) -> Iterator[Photo]:
        """Yield the known photos in `roots` that might be copies of `newcomer`, likeliest first.

        Same bytes come first, then by distance of the perceptual hashes in the nearest of eight orientations, exactly
        all within `radius` bits that the pre-filter finds plausible; of equals those of the same moment, then the
        larger (likelier the original). Flat pictures are offered by bytes, and by equal size and hash, only.

        At most `limit` are looked at. Each is fetched when its turn comes; of a burst hundreds are near and few are
        wanted: as soon as `others` says so, those that a camera took at another moment are passed over. What is gone by
        then is, too.
        """
        among = json.dumps(list(roots))
        same = "digest = ? AND photo.id != ? AND folder.root_id IN (SELECT value FROM json_each(?)) LIMIT ?"
        found = list(self._select(same, newcomer.reading.digest, newcomer.id, among, limit))
        yield from found
        print_, looked_at = newcomer.reading.fingerprint, len(found)
        if print_ is None or newcomer.reading.header is None or looked_at == limit:
            return
        for turned, values in _by_distance(print_, self._hashes(print_, radius)):
            wanted = others()
            for photo_id, header in self._ranked(newcomer, values, among, turned=turned, others=wanted):
                if not taken_apart(newcomer.header, header) or (wanted := wanted and others()):
                    yield from self._select("photo.id = ?", photo_id)
                looked_at += 1
                if looked_at == limit:
                    return

    def _hashes(self, print_: Fingerprint, radius: int) -> Iterable[int]:
        """Return the hashes, as they are stored, among which are all known ones within the radius."""
        if is_flat(print_):
            return (signed(print_.hashes[0]),)
        return near(self._database, print_.hashes, radius)

    def _ranked(
        self, newcomer: Photo, values: list[int], among: str, *, turned: bool, others: bool
    ) -> Iterator[tuple[PhotoId, Header]]:
        """Yield the plausible photos that have one of these hashes, likeliest first; with `others` of all moments."""
        print_, header = newcomer.reading.fingerprint, newcomer.header
        if print_ is None:
            return
        captured = captured_number(header.metadata.captured_at)
        places = [(chunks(PerceptualHash(value % (1 << 64)))[2], value) for value in values]
        everyone = others or captured is None or header.metadata.camera is None
        wanted = (json.dumps(places), newcomer.id, newcomer.reading.digest, among, captured or -1, everyone)
        for photo_id, stored, detail, words, width, height, moment in self._database.run(_BY_HASH, wanted):
            other = unpack_header(words, width, height, 0, moment)
            if is_flat(print_) or detail < _FLAT:
                alike = distance(print_.hashes[0], PerceptualHash(stored % (1 << 64))) <= 1
                possible = alike and header.upright == other.upright
            else:
                possible = plausible(header, other, turned=turned)
            if possible:
                yield PhotoId(photo_id), other

    def _select(self, where: str, *values: object) -> Iterator[Photo]:
        return self._database.understood(self._database.run(_SELECT + where, values), _photo)

    def _folder(self, root_id: RootId, folder: PurePosixPath) -> tuple[int, bool]:
        """Return the number of a folder, entering it if it is new, and whether its root is a reference."""
        query = (
            "SELECT folder.id, reference FROM folder JOIN root ON root.id = root_id"
            " WHERE root_id = ? AND folder.path = ?"
        )
        place = (root_id, path_bytes(folder))
        rows = self._database.run(query, place)
        if not rows:
            self._database.write("INSERT INTO folder (root_id, path) VALUES (?, ?)", place)
            rows = self._database.run(query, place)
        return rows[0][0], bool(rows[0][1])

    def _shared(self, words: str) -> int:
        """Return the number of words that many photos have in common, entering them if they are new."""
        rows = self._database.run("SELECT id FROM shared WHERE words = ?", (words,))
        if not rows:
            rows = self._database.write("INSERT INTO shared (words) VALUES (?) RETURNING id", (words,))
        number: int = rows[0][0]
        return number

    def _reading(self, reading: Reading) -> tuple[object, ...]:
        """Return the values of `_READ`."""
        hashed: tuple[object, ...] = (None,) * 6
        about: tuple[object, ...] = (None,) * 5
        high: int | None = None
        print_ = reading.fingerprint
        if print_ is not None:
            low, middle, high = chunks(print_.hashes[0])
            turned, detail = pack_turned(print_.hashes), round(print_.detail * 1000)
            hashed = (signed(print_.hashes[0]), low, middle, turned, detail, self._shared(print_.algorithm))
        if reading.header is not None:
            common, *own = pack_header(reading.header)
            about = (self._shared(common), *own)
        return (reading.digest, reading.trouble, *hashed, *about, high)


@cache
def _marks_in(states: tuple[Judged, ...]) -> str:
    """Return the statement of `marks`: the fewest columns, for each is a twentieth of what a walk costs."""
    among = is_one_of(states)
    return f"""
        SELECT name, CASE WHEN {among} THEN inode END, size, mtime_ns, ctime_ns FROM photo
        WHERE folder_id = (SELECT id FROM folder WHERE root_id = ? AND path = ?)"""  # noqa: S608 - only numbers


def mark(stat: FileStat) -> tuple[int, int, int, int]:
    """Return by what a file is known to be the one that was read, as it is stored."""
    return signed(stat.inode), stat.size, signed(stat.mtime_ns), signed(stat.ctime_ns)


def _by_distance(print_: Fingerprint, stored: Iterable[int]) -> Iterator[tuple[bool, list[int]]]:
    """Group stored hashes by their distance from the nearest orientation, and say whether that is a quarter turn."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for value in stored:
        bits, number = nearest(print_, PerceptualHash(value % (1 << 64)))
        groups.setdefault((bits, number >= 5), []).append(value)
    for (_, turned), values in sorted(groups.items()):
        yield turned, values


def _place(root_id: RootId, path: PurePosixPath) -> tuple[int, bytes, bytes]:
    return root_id, path_bytes(path.parent), os.fsencode(path.name)


def path_bytes(path: PurePosixPath) -> bytes:
    """Return a path beneath a root as the tables have it: the root itself is empty."""
    return b"" if path == TOP else os.fsencode(path)


def _photo(row: tuple[Any, ...]) -> Photo:
    photo_id, root_id, folder, name, inode, size, mtime_ns, ctime_ns, digest, trouble, arrived, *more = row
    phash, turned, detail, algorithm, common, width, height, tags, captured, reference = more
    print_ = None
    if phash is not None:
        hashes = unpack_turned(PerceptualHash(phash % (1 << 64)), turned)
        print_ = Fingerprint(hashes, detail / 1000, algorithm)
    reading = Reading(
        ContentDigest(digest),
        None if common is None else unpack_header(common, width, height, tags, captured),
        print_,
        None if trouble is None else Trouble(trouble),
    )
    path = PurePosixPath(os.fsdecode(folder)) / os.fsdecode(name)
    stat = _stat(inode, size, mtime_ns, ctime_ns)
    return Photo(PhotoId(photo_id), RootId(root_id), path, stat, reading, bool(arrived), bool(reference))


def _stat(inode: int, size: int, mtime_ns: int, ctime_ns: int) -> FileStat:
    # The device is that of the root, checked there; blocks and links are not remembered.
    return FileStat(0, inode % (1 << 64), size, _time(mtime_ns), _time(ctime_ns), 0, 1)


def _time(value: int) -> int:
    """Unfold a time in nanoseconds: what lies before 1901, the earliest that file systems know, is after 2262."""
    return value + (1 << 64) if value < -(1 << 31) * 10**9 else value
