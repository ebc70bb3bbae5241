"""What is stored of a photo comes back bit by bit, and an index of the first schema keeps everything it knew."""

from __future__ import annotations

import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from tests.drawing import scene as drawn
from tests.migrating import migrate
from twinwatch.imaging.fingerprint import fingerprint
from twinwatch.index import Index, Judged
from twinwatch.index.neighbours import signed
from twinwatch.index.packing import pack_header, pack_turned, unpack_header, unpack_turned
from twinwatch.matching import chunks
from twinwatch.photo import Fingerprint, Header, Metadata, PerceptualHash, PhotoId, Reading, RootId

hashes = st.integers(0, (1 << 64) - 1).map(PerceptualHash)
moments = st.none() | st.text(max_size=20) | st.datetimes().map(lambda at: at.strftime("%Y:%m:%d %H:%M:%S"))
metadata = st.builds(Metadata, st.integers(0, 99), st.booleans(), moments, st.none() | st.text(max_size=20))
headers = st.builds(
    Header,
    *(st.sampled_from(["JPEG", "PNG"]), st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 8)),
    *(st.just("RGB"), st.just(8), st.booleans(), st.integers(1, 99), metadata),
)


@given(st.lists(hashes, min_size=8, max_size=8))
def test_any_eight_hashes_are_packed_and_unpacked(eight: list[PerceptualHash]) -> None:
    assert unpack_turned(eight[0], pack_turned(tuple(eight))) == tuple(eight)


def test_the_hashes_of_a_picture_are_stored_in_less_than_their_size() -> None:
    for seed in range(20):
        made = fingerprint(drawn(seed), "test")
        packed = pack_turned(made.hashes)
        assert unpack_turned(made.hashes[0], packed) == made.hashes
        assert len(packed) < 40  # of 56


@given(headers)
def test_a_header_is_packed_and_unpacked(header: Header) -> None:
    assert unpack_header(*pack_header(header)) == header


def test_an_index_of_the_first_schema_keeps_its_photos(tmp_path: Path) -> None:
    made = [fingerprint(drawn(seed), f"algorithm {seed % 2}") for seed in range(3)]
    header = Header("JPEG", 400, 300, 6, "RGB", 8, False, 1, Metadata(7, True, "2024:05:17 10:11:12", "Phone", True))
    _first_schema(tmp_path, made, header)
    index = Index(tmp_path)
    assert index.verify() == []
    assert (index.photos.count(), index.photos.count(RootId(1)), index.photos.count(RootId(2))) == (4, 3, 1)
    for number, print_ in enumerate(made, 1):
        photo = index.photos.by_id(PhotoId(number))
        assert photo is not None
        assert photo.path == PurePosixPath(f"f/{number}.jpg")
        assert photo.reading == Reading(photo.reading.digest, header, print_)
        assert photo.reading.digest == bytes([number]) * 32
        assert (photo.arrived, photo.reference, photo.stat.inode) == (number == 2, False, number)
        assert index.photos.judged(photo.id) is Judged(number % 3)
        assert index.photos.at(RootId(1), photo.path) == photo
    unread = index.photos.by_id(PhotoId(4))
    assert unread is not None
    assert (unread.root, unread.reading.header, unread.reading.trouble) == (2, None, "broken")
    assert [photo.id for photo in index.photos.stale("algorithm 0", PhotoId(0), 9)] == [2]
    for print_ in made:
        rows = index._database.run("SELECT c0, c1, c2 FROM photo WHERE phash = ?", (signed(print_.hashes[0]),))
        assert rows == [chunks(print_.hashes[0])]
    index.close()


def _first_schema(folder: Path, made: list[Fingerprint], header: Header) -> None:
    migrate(folder / "index.db", "0001")
    meta = header.metadata
    packed = json.dumps(
        [
            *("JPEG", header.width, header.height, header.orientation, "RGB", 8, False, 1),
            [meta.exif_tags, meta.gps, meta.captured_at, meta.camera, meta.xmp, None, False, False],
        ]
    )
    with closing(sqlite3.connect(folder / "index.db")) as database, database:
        for root in (1, 2):
            database.execute("INSERT INTO root VALUES (?, ?, 'm', '1', '2', 0, X'2F71', 1.0)", (root, b"/%d" % root))
        row = "INSERT INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        for number, print_ in enumerate(made, 1):
            first = print_.hashes[0]
            database.execute(
                row,
                (
                    *(number, 1, b"f", b"%d.jpg" % number, number, 5, 6, 7, bytes([number]) * 32),
                    *(
                        (first + (1 << 63)) % (1 << 64) - (1 << 63),
                        first & 0x1FFFFF,
                        first >> 21 & 0x1FFFFF,
                        first >> 42,
                    ),
                    *(struct.pack(">7Q", *print_.hashes[1:]), print_.detail, print_.algorithm, packed, None),
                    *(1, number == 2, number % 3, 1.0),
                ),
            )
        database.execute(row, (4, 2, b"", b"x.jpg", 9, 5, 6, 7, b"d" * 32, *[None] * 8, "broken", 1, 0, 1, 1.0))
