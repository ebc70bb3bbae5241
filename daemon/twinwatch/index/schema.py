"""The tables. Every change here needs a migration beside it (`migrations/versions`), which a test compares.

Paths are bytes (BLOB): a file name need not be text. Times are seconds since the epoch, UTC. The tables `photo`,
`folder`, `shared` and `root` are a cache that a scan makes again; `move`, `decision`, `allowed` and `removed` are
memory worth a backup, yet no photo and no way to restore is lost with them: the manifests in quarantine are enough.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = "0002"
"""The newest migration; a test keeps it equal to alembic's head."""

metadata = MetaData()

_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER PRIMARY KEY by itself

root = Table(
    "root",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("path", LargeBinary, nullable=False, unique=True),
    Column("marker", Text, nullable=False),
    Column("fsid", Text, nullable=False),  # text: an unsigned 64-bit number does not fit a signed column
    Column("inode", Text, nullable=False),
    Column("reference", Boolean, nullable=False),
    Column("quarantine", LargeBinary),
    Column("level_at", Float),  # when index and disk were first level; later files are arrivals
    Column("photos", BigInteger, nullable=False, server_default="0"),  # how many are known: counting reads an index
)

folder = Table(
    "folder",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("root_id", _Id, ForeignKey("root.id"), nullable=False),
    Column("path", LargeBinary, nullable=False),  # relative to the root, b"" for the root itself
    UniqueConstraint("root_id", "path", name="folder_place"),
)

shared = Table(
    "shared",  # texts that many photos have in common
    metadata,
    Column("id", _Id, primary_key=True),
    Column("words", Text, nullable=False),
    UniqueConstraint("words", name="shared_words"),
)

photo = Table(
    "photo",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("folder_id", _Id, ForeignKey("folder.id"), nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("inode", BigInteger, nullable=False),  # as signed 64 bits
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("ctime_ns", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("trouble", Text),
    Column("tries", Integer, nullable=False),  # of a file that was truncated, or whose worker was killed
    Column("arrived", Boolean, nullable=False),
    Column("judged", Integer, nullable=False),  # photos.Judged
    Column("phash", BigInteger),  # as signed 64 bits
    Column("c0", Integer),  # its two lower chunks; the third is its upper bits
    Column("c1", Integer),
    Column("turned", LargeBinary),  # the other seven orientations' hashes, as `packing` has them
    Column("detail", Integer),  # thousandths
    Column("algorithm_id", _Id, ForeignKey("shared.id")),
    Column("header_id", _Id, ForeignKey("shared.id")),  # what many headers have in common, as `packing` has it
    Column("width", Integer),
    Column("height", Integer),
    Column("exif_tags", Integer),
    Column("captured", BigInteger),  # YYYYMMDDhhmmss
    UniqueConstraint("folder_id", "name", name="photo_name"),
    Index("photo_digest", "digest"),
    Index("photo_inode", "inode"),
    # A search reads hashes from these alone: the table's pages would each be a seek of the disk.
    Index("photo_phash", "phash"),
    Index("photo_c0", "c0", "phash"),
    Index("photo_c1", "c1", "phash"),
)

move = Table(
    "move",
    metadata,
    Column("slot", Text, primary_key=True),
    Column("root_path", LargeBinary, nullable=False),
    Column("place", LargeBinary, nullable=False),  # the quarantine folder that has the slot
    Column("path", LargeBinary, nullable=False),  # where the photo was, relative to the root
    Column("keeper_root", LargeBinary, nullable=False),
    Column("keeper", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("keeper_digest", LargeBinary, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("state", Text, nullable=False),
    Index("move_state", "state"),
    Index("move_at", "at"),
    Index("move_digest", "digest"),
    Index("move_keeper_digest", "keeper_digest"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Float, nullable=False),
    Column("path", LargeBinary, nullable=False),  # absolute
    Column("verdict", Text, nullable=False),
    Column("keeper", LargeBinary),  # absolute
    Column("action", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("slot", Text),
    Column("evidence", Text, nullable=False),  # JSON
    Index("decision_at", "at"),
)

allowed = Table(
    "allowed",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # the smaller of the two
    Column("other", LargeBinary, primary_key=True),
    Column("at", Float, nullable=False),
)

removed = Table(
    "removed",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("slot", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("returns", Integer, nullable=False),  # how often the same content came back after it was set aside
)

setting = Table(
    "setting",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
