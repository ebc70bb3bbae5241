"""Which of the stored hashes are near a few others: one statement that reads three covering indexes, then the bits.

The places to look at are made by the statement itself, from the hashes and from what may differ (`matching.flips`):
thousands of numbers made in Python, sorted, and written and read as JSON took as long as looking there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

from twinwatch.index.database import Database
from twinwatch.matching import CHUNK_BITS, flips
from twinwatch.photo import PerceptualHash

_ALL = (1 << 64) - 1
_LOW, _MIDDLE, _ = CHUNK_BITS
_SHIFT = _LOW + _MIDDLE
_BELOW = (1 << _SHIFT) - 1  # the bits that are not of the highest chunk

# SQLite has no exclusive or. What differs goes up from flip to flip, so that a page of the index is done with at once.
_CHUNKS = f"value & {(1 << _LOW) - 1}, value >> {_LOW} & {(1 << _MIDDLE) - 1}, value & ~{_BELOW}"
_OWN = f"own (number, low, middle, high) AS MATERIALIZED (SELECT key, {_CHUNKS} FROM json_each(?))"  # noqa: S608
_FOUND = (
    "c0 = (low | flip) - (low & flip)",
    "c1 = (middle | flip) - (middle & flip)",
    f"phash BETWEEN (high | flip) - (high & flip) AND (high | flip) - (high & flip) + {_BELOW}",
)


def near(database: Database, hashes: Iterable[PerceptualHash], radius: int) -> list[int]:
    """Return the stored hashes, each once and as signed 64 bits, that are within `radius` bits of any of `hashes`."""
    own = sorted(map(signed, set(hashes)))
    rows = database.run(statement(radius), (json.dumps(own),))
    return list({stored for number, stored in rows if ((stored ^ own[number]) & _ALL).bit_count() <= radius})


@cache
def statement(radius: int) -> str:
    """Return the SELECT whose rows are (number in the JSON list of hashes, stored hash), all near ones among them."""
    tables, parts = [_OWN], []
    for place, (differing, condition) in enumerate(zip(flips(radius), _FOUND, strict=True)):
        if differing:
            shift = _SHIFT if place == 2 else 0
            numbers = sorted(signed(flip << shift) for flip in differing)
            tables.append(f"flips_{place} (flip) AS (VALUES {', '.join(f'({number})' for number in numbers)})")
            parts.append(
                f"SELECT number, phash FROM own CROSS JOIN flips_{place} CROSS JOIN photo ON {condition}"  # noqa: S608
            )
    return f"WITH {', '.join(tables)} {' UNION ALL '.join(parts)}"


def signed(value: int) -> int:
    """Fold a number into the signed 64 bits of a column: an inode, a hash, a time after 2262."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
