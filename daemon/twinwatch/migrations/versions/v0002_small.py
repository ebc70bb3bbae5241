"""Less for each photo: folders, algorithms and what headers share are stored once; searches read indexes only."""

import json
import re
import struct
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_CAPTURED = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)


def upgrade() -> None:
    """Make the new tables, copy every photo, drop the old one."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "folder",
        sa.Column("id", big, nullable=False),
        sa.Column("root_id", big, nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["root_id"], ["root.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("root_id", "path", name="folder_place"),
    )
    op.create_table(
        "shared",
        sa.Column("id", big, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("words", name="shared_words"),
    )
    for index in ("photo_c0", "photo_c1", "photo_c2", "photo_digest", "photo_inode"):
        op.drop_index(index, "photo")
    op.rename_table("photo", "photo_0001")
    op.create_table(
        "photo",
        sa.Column("id", big, nullable=False),
        sa.Column("folder_id", big, nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("ctime_ns", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("arrived", sa.Boolean(), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("c0", sa.Integer(), nullable=True),
        sa.Column("c1", sa.Integer(), nullable=True),
        sa.Column("turned", sa.LargeBinary(), nullable=True),
        sa.Column("detail", sa.Integer(), nullable=True),
        sa.Column("algorithm_id", big, nullable=True),
        sa.Column("header_id", big, nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("exif_tags", sa.Integer(), nullable=True),
        sa.Column("captured", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"]),
        sa.ForeignKeyConstraint(["algorithm_id"], ["shared.id"]),
        sa.ForeignKeyConstraint(["header_id"], ["shared.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("folder_id", "name", name="photo_name"),
    )
    with op.batch_alter_table("root") as root:
        root.add_column(sa.Column("photos", sa.BigInteger(), nullable=False, server_default="0"))
    connection = op.get_bind()
    connection.exec_driver_sql("INSERT INTO folder (root_id, path) SELECT DISTINCT root_id, folder FROM photo_0001")
    connection.exec_driver_sql(
        "UPDATE root SET photos = (SELECT count(*) FROM photo_0001 WHERE photo_0001.root_id = root.id)"
    )
    _copy(connection)
    op.drop_table("photo_0001")
    op.create_index("photo_digest", "photo", ["digest"], unique=False)
    op.create_index("photo_inode", "photo", ["inode"], unique=False)
    op.create_index("photo_phash", "photo", ["phash"], unique=False)
    op.create_index("photo_c0", "photo", ["c0", "phash"], unique=False)
    op.create_index("photo_c1", "photo", ["c1", "phash"], unique=False)
    op.create_index("move_at", "move", ["at"], unique=False)
    op.create_index("move_digest", "move", ["digest"], unique=False)


def _copy(connection: sa.Connection) -> None:
    shared: dict[str, int] = {}

    def number(words: str) -> int:
        if words not in shared:
            shared[words] = len(shared) + 1
            connection.exec_driver_sql("INSERT INTO shared (id, words) VALUES (?, ?)", (shared[words], words))
        return shared[words]

    last = 0
    while rows := connection.exec_driver_sql(
        "SELECT photo_0001.id, folder.id, name, inode, size, mtime_ns, ctime_ns, digest, trouble, tries, arrived,"
        " judged, phash, c0, c1, turned, detail, algorithm, header FROM photo_0001 JOIN folder"
        " ON folder.root_id = photo_0001.root_id AND folder.path = photo_0001.folder"
        " WHERE photo_0001.id > ? ORDER BY photo_0001.id LIMIT 2000",
        (last,),
    ).all():
        last = rows[-1][0]
        copied = []
        for row in rows:
            *plain, phash, c0, c1, turned, detail, algorithm, header = row
            mark = None if phash is None else (phash, c0, c1, _turned(phash % (1 << 64), turned), round(detail * 1000))
            copied.append(
                (
                    *plain,
                    *(mark or (None,) * 5),
                    None if algorithm is None else number(algorithm),
                    *_header(header, number),
                )
            )
        connection.exec_driver_sql(f"INSERT INTO photo VALUES ({', '.join('?' * 23)})", copied)  # noqa: S608


def _header(packed: str | None, number: Callable[[str], int]) -> tuple[int | None, ...]:
    if packed is None:
        return (None,) * 5
    fields = json.loads(packed)
    form, width, height, *rest, meta = fields
    tags, gps, captured, *others = meta
    regular = _CAPTURED.fullmatch(captured) if captured else None
    words = json.dumps([form, *rest, gps, None if regular else captured, *others], separators=(",", ":"))
    return (number(words), width, height, tags, int("".join(regular.groups())) if regular else None)


def _turned(first: int, packed: bytes) -> bytes:
    """Pack as `index.packing.pack_turned` of this version did."""
    places = bytearray()
    for orientation, value in enumerate(struct.unpack(">7Q", packed), 2):
        differs = value ^ _guess(first, orientation)
        places.append(differs.bit_count())
        places.extend(bit for bit in range(64) if differs >> bit & 1)
    return packed if len(places) >= len(packed) else bytes(places)


def _guess(first: int, orientation: int) -> int:
    across, down, transposed = orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7), orientation >= 5
    value = 0
    for row in range(8):
        for column in range(8):
            where = (column, row) if transposed else (row, column)
            bit = first >> (63 - 8 * where[0] - where[1]) & 1
            # The signs are those of the picture before it is transposed.
            odd = (across and where[1] % 2) ^ (down and where[0] % 2)
            value |= (bit ^ odd) << (63 - 8 * row - column)
    return value
