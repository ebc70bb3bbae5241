"""Was it stored as a JPEG and nothing else? Then storing it again gives the copy's own bytes, and none are decoded.

Only what libjpeg writes by default, Huffman tables of the standard and one scan, can come out so. A strip tells at once
whether it will; everything else goes the long way, which finds the same.
"""

from __future__ import annotations

from twinwatch.imaging.jpeg import Layout, layout, same_picture
from twinwatch.proof.attempts import Attempt
from twinwatch.proof.finishing import stored_jpeg
from twinwatch.proof.ground import Ground
from twinwatch.proof.judge import NOTHING_LEFT
from twinwatch.proof.order import Likely
from twinwatch.proof.picture import INVERSE, JpegTables, Picture, composed

_STRIP = 64  # rows: whole blocks, also of halved chroma
_FLUSHED = 4  # bytes at the end of a strip's scan that the next block would have filled up
_SOF, _SOS = b"\xff\xc0", b"\xff\xda"


def resaved(
    a: Picture, b: Picture, wheres: tuple[Layout | None, Layout | None], transform: int, likely: Likely
) -> Attempt | None:
    """Return the attempt that made one JPEG byte for byte from the other picture; None tells nothing.

    `wheres` are the layouts of the JPEGs among them, `transform` the EXIF orientation that turns upright `a` into
    upright `b`, `likely` tells which is the original. Only that direction is looked at, and no pictures with the same
    tables: those may be equal.
    """
    side = likely(transform)[0]
    source, target, where, turn = (a, b, wheres[1], transform) if side == "a" else (b, a, wheres[0], INVERSE[transform])
    if where is None or target.tables is None or target.tables.subsampling is None or source.tables == target.tables:
        return None
    if source.profile != target.profile or source.header.alpha or source.header.bits > 8:
        return None
    ground = Ground(source.rgb(), composed(source.header.orientation, turn, INVERSE[target.header.orientation]))
    if ground.size != target.size or not _begins(ground, target.tables, target.data, where):
        return None
    again = stored_jpeg(ground.part((0, 0, *ground.size)), target.tables)
    if not same_picture(again, layout(again), target.data, where):
        return None
    return Attempt(side, transform, "same size", NOTHING_LEFT)


def _begins(ground: Ground, tables: JpegTables, data: bytes, where: Layout) -> bool:
    """Tell whether the uppermost strip, stored again with these tables, is what the scan of the JPEG begins with."""
    strip = stored_jpeg(ground.part((0, 0, ground.size[0], min(_STRIP, ground.size[1]))), tables)
    stored = ((strip, layout(strip)), (data, where))
    ours, theirs = ([file[start:end] for start, end in at.coded] for file, at in stored)
    if len(ours) != len(theirs):
        return False
    return all(
        mine[:2] == other[:2] == _SOF or (other.startswith(mine[:-_FLUSHED]) if mine[:2] == _SOS else mine == other)
        for mine, other in zip(ours, theirs, strict=True)
    )
