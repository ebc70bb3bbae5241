"""The tables. Every change here needs a migration beside it (`migrations/versions`), which a test compares.

Paths are bytes (BLOB): a file name need not be text. Times are seconds since the epoch, UTC. The tables `photo`,
`folder`, `shared`, `resident` and `root` are a cache that a scan makes again; `move`, `decision`, `allowed` and
`removed` are memory worth a backup, yet no photo and no way to restore is lost with them: the manifests are enough.
"""

from __future__ import annotations

VERSION = "0004"
"""The newest migration; a test keeps it equal to alembic's head."""

STATEMENTS = (
    """
    CREATE TABLE root (
        id INTEGER NOT NULL PRIMARY KEY,
        path BLOB NOT NULL UNIQUE,
        marker TEXT NOT NULL,
        fsid TEXT NOT NULL, -- text: an unsigned 64-bit number does not fit a signed column
        inode TEXT NOT NULL,
        reference BOOLEAN NOT NULL,
        quarantine BLOB,
        level_at FLOAT, -- when index and disk were first level; later files are arrivals
        photos BIGINT DEFAULT '0' NOT NULL -- how many are known: counting reads an index
    )""",
    """
    CREATE TABLE folder (
        id INTEGER NOT NULL PRIMARY KEY,
        root_id INTEGER NOT NULL REFERENCES root (id),
        path BLOB NOT NULL, -- relative to the root, empty for the root itself
        CONSTRAINT folder_place UNIQUE (root_id, path)
    )""",
    """
    CREATE TABLE resident ( -- what was there before its root was level, and could not be looked at then
        root_id INTEGER NOT NULL REFERENCES root (id),
        path BLOB NOT NULL, -- of a file, or of a folder and all that is in it; relative to the root
        folder BOOLEAN NOT NULL,
        PRIMARY KEY (root_id, path)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE shared ( -- texts that many photos have in common
        id INTEGER NOT NULL PRIMARY KEY,
        words TEXT NOT NULL,
        CONSTRAINT shared_words UNIQUE (words)
    )""",
    """
    CREATE TABLE photo (
        id INTEGER NOT NULL PRIMARY KEY,
        folder_id INTEGER NOT NULL REFERENCES folder (id),
        name BLOB NOT NULL,
        inode BIGINT NOT NULL, -- as signed 64 bits
        size BIGINT NOT NULL,
        mtime_ns BIGINT NOT NULL,
        ctime_ns BIGINT NOT NULL,
        digest BLOB NOT NULL,
        trouble TEXT,
        tries INTEGER NOT NULL, -- of a file that was truncated, or that no worker could tell of
        arrived BOOLEAN NOT NULL,
        judged INTEGER NOT NULL, -- judged.Judged, plus what it lacks; -1 and less: judged again, and what it lacked
        phash BIGINT, -- as signed 64 bits
        c0 INTEGER, -- its chunks, as `matching` cuts it; the third is the last column
        c1 INTEGER,
        turned BLOB, -- the other seven orientations' hashes, as `packing` has them
        detail INTEGER, -- thousandths
        algorithm_id INTEGER REFERENCES shared (id),
        header_id INTEGER REFERENCES shared (id), -- what many headers have in common, as `packing` has it
        width INTEGER,
        height INTEGER,
        exif_tags INTEGER,
        captured BIGINT, -- YYYYMMDDhhmmss
        c2 INTEGER,
        CONSTRAINT photo_name UNIQUE (folder_id, name)
    )""",
    "CREATE INDEX photo_digest ON photo (digest)",
    "CREATE INDEX photo_inode ON photo (inode)",
    # A search reads hashes from these alone: the table's pages would each be a seek of the disk.
    "CREATE INDEX photo_c0 ON photo (c0, phash)",
    "CREATE INDEX photo_c1 ON photo (c1, phash)",
    "CREATE INDEX photo_c2 ON photo (c2, phash)",
    """
    CREATE TABLE move (
        slot TEXT NOT NULL PRIMARY KEY,
        root_path BLOB NOT NULL,
        place BLOB NOT NULL, -- the quarantine folder that has the slot
        path BLOB NOT NULL, -- where the photo was, relative to the root
        keeper_root BLOB NOT NULL,
        keeper BLOB NOT NULL,
        digest BLOB NOT NULL,
        keeper_digest BLOB NOT NULL,
        verdict TEXT NOT NULL,
        bytes BIGINT NOT NULL,
        at FLOAT NOT NULL,
        state TEXT NOT NULL -- memory.MoveState
    )""",
    "CREATE INDEX move_state ON move (state)",
    "CREATE INDEX move_at ON move (at)",
    "CREATE INDEX move_digest ON move (digest)",
    "CREATE INDEX move_keeper_digest ON move (keeper_digest)",
    """
    CREATE TABLE decision (
        id INTEGER NOT NULL PRIMARY KEY,
        at FLOAT NOT NULL,
        path BLOB NOT NULL, -- absolute
        verdict TEXT NOT NULL,
        keeper BLOB, -- absolute
        action TEXT NOT NULL,
        why TEXT NOT NULL,
        slot TEXT,
        evidence TEXT NOT NULL -- JSON
    )""",
    "CREATE INDEX decision_at ON decision (at)",
    """
    CREATE TABLE allowed (
        digest BLOB NOT NULL, -- the smaller of the two
        other BLOB NOT NULL,
        at FLOAT NOT NULL,
        PRIMARY KEY (digest, other)
    )""",
    """
    CREATE TABLE removed (
        digest BLOB NOT NULL PRIMARY KEY,
        slot TEXT NOT NULL,
        at FLOAT NOT NULL,
        returns INTEGER NOT NULL -- how often the same content came back after it was set aside
    )""",
    """
    CREATE TABLE setting (
        "key" TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    )""",
    # As alembic makes it, which brings older databases over.
    """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL,
        CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )""",
)
"""What makes a new index, in this order."""
