"""Which of the stored hashes are near a few others: one statement that reads three covering indexes, then the bits.

The places to look at are made by the statement itself, from the hashes and from what may differ (`matching.flips`):
thousands of numbers made in Python, sorted, and written and read as JSON took as long as looking there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

from twinwatch.index.database import Database
from twinwatch.matching import chunks, flips
from twinwatch.photo import PerceptualHash

_ALL = (1 << 64) - 1
_OWN = (
    "own (number, c0, c1, c2) AS MATERIALIZED (SELECT key, json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
    " json_extract(value, '$[2]') FROM json_each(?))"
)


def near(database: Database, hashes: Iterable[PerceptualHash], radius: int) -> list[int]:
    """Return the stored hashes, each once and as signed 64 bits, that are within `radius` bits of any of `hashes`."""
    all_ = sorted(set(hashes))
    own = list(map(signed, all_))
    rows = database.run(statement(radius), (json.dumps(list(map(chunks, all_))),))
    # A burst has the same few hashes hundreds of times.
    return list({stored for number, stored in set(rows) if ((stored ^ own[number]) & _ALL).bit_count() <= radius})


@cache
def statement(radius: int) -> str:
    """Return the SELECT whose rows are (number in the JSON list of chunks, stored hash), all near ones among them."""
    tables, parts = [_OWN], []
    for place, differing in enumerate(flips(radius)):
        if differing:
            tables.append(f"flips_{place} (flip) AS (VALUES {', '.join(f'({flip})' for flip in differing)})")
            # SQLite has no exclusive or. All hashes for one flip, then the next, which is larger: those of one picture
            # differ in the lowest bits of a chunk, so that one page of an index has the places of several.
            parts.append(
                f"SELECT number, phash FROM flips_{place} CROSS JOIN own CROSS JOIN photo"  # noqa: S608
                f" ON photo.c{place} = (own.c{place} | flip) - (own.c{place} & flip)"
            )
    return f"WITH {', '.join(tables)} {' UNION ALL '.join(parts)}"


def signed(value: int) -> int:
    """Fold a number into the signed 64 bits of a column: an inode, a hash, a time after 2262."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
