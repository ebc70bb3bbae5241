"""The chunks of a hash are mixed: a picture's orientations lie side by side. The third has a column of its own."""

import sqlite3

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Cut every hash anew: the indexes are made again afterwards, which is quicker than following each row."""
    for index in ("photo_phash", "photo_c0", "photo_c1"):
        op.drop_index(index, "photo")
    op.add_column("photo", sa.Column("c2", sa.Integer(), nullable=True))
    connection = op.get_bind()
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("an index is SQLite's")
    columns = _columns()
    for place, (shift, bits) in enumerate(((0, 21), (21, 21), (42, 22))):
        mixed = [column >> shift & (1 << bits) - 1 for column in columns]
        driver.create_function(f"chunk_{place}", 1, _Chunk(mixed), deterministic=True)
    connection.exec_driver_sql(
        "UPDATE photo SET c0 = chunk_0(phash), c1 = chunk_1(phash), c2 = chunk_2(phash) WHERE phash IS NOT NULL"
    )
    for name in ("c0", "c1", "c2"):
        op.create_index(f"photo_{name}", "photo", [name, "phash"], unique=False)


class _Chunk:
    """Cuts one chunk out of a hash as `matching.chunks` of this version did."""

    def __init__(self, columns: list[int]) -> None:
        self._tables = []
        for at in range(0, 64, 8):
            table = [0]
            for column in columns[at : at + 8]:
                table.extend([known ^ column for known in table])
            self._tables.append(table)

    def __call__(self, phash: int) -> int:
        found = 0
        for table, byte in zip(self._tables, phash.to_bytes(8, "little", signed=True), strict=True):
            found ^= table[byte]
        return found


def _columns() -> list[int]:
    """Return what each bit of a hash, lowest first, is mixed to: all chunks in one number."""
    even, across, down, both = (
        [63 - 8 * y - x for y in range(row, 8, 2) for x in range(column, 8, 2)]
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1))
    )
    found = [0] * 64
    for shift, bits, groups in (
        (0, 21, ((even, False), (across[:5], True))),
        (21, 21, ((across[5:], True), (down[:10], True))),
        (42, 22, ((down[10:], True), (both, True))),
    ):
        upper, lowest = shift + bits, shift
        for group, alone in groups:
            last = group[-1] if alone else None
            for bit in group:
                if bit != last:
                    upper -= 1
                    found[bit] |= 1 << upper
                    if last is not None:
                        found[last] |= 1 << upper
            if last is not None:
                found[last] |= 1 << lowest
                lowest += 1
    return found
