"""JPEGs by encoders that reckon otherwise than libjpeg: `stored_by/` has one drawing as three of them wrote it.

ImageMagick 6.9 (`convert source.png -quality 80`), Go 1.19 (`image/jpeg`, quality 80) and Rust's image crate (photon
0.3, quality 80) stored `source.png`.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.drawing import scene, stored
from tests.proving import decoded, prove
from twinwatch.photo import Verdict
from twinwatch.proof import encoders
from twinwatch.proof.encoders import Encoder, others
from twinwatch.proof.finishing import encode_jpeg
from twinwatch.proof.picture import JpegTables, tables_of

FOLDER = Path(__file__).with_name("stored_by")
SOURCE = (FOLDER / "source.png").read_bytes()
WORDS = {
    "imagemagick": "stored by a fast cosine transform",
    "go": "stored as Go does",
    "rust": "stored as Rust's image crate does",
}
MOST_APART = {
    "imagemagick": 0.02,
    "go": 0.0,
    "rust": 0.1,
}  # share of the pixels: transforms in floats round some otherwise


def _by(program: str) -> bytes:
    return (FOLDER / f"{program}.jpg").read_bytes()


def _tables(data: bytes) -> JpegTables:
    tables = tables_of(Image.open(io.BytesIO(data)))
    assert tables is not None
    return tables


def _apart(one: Image.Image, other: Image.Image) -> float:
    """Return the share of pixels that differ."""
    return float((np.asarray(one) != np.asarray(other)).any(axis=2).mean())


@pytest.mark.parametrize("program", WORDS)
def test_what_they_write_is_written_again(program: str) -> None:
    tables, theirs = _tables(_by(program)), decoded(_by(program))
    found = {one.words: _apart(encoders.stored(decoded(SOURCE), tables, one), theirs) for one in others(tables)}
    assert min(found, key=lambda words: found[words]) == WORDS[program]
    assert found.pop(WORDS[program]) <= MOST_APART[program]
    assert min([_apart(encode_jpeg(decoded(SOURCE), tables), theirs), *found.values()]) > 0.5


@pytest.mark.parametrize("program", WORDS)
def test_a_copy_by_them_is_exact_and_so_tells_which_was_first(program: str) -> None:
    evidence = prove(SOURCE, _by(program))
    assert (evidence.verdict, evidence.original) == (Verdict.RE_ENCODED, "a"), evidence
    assert WORDS[program] in evidence.words
    assert evidence.measures["direction"] == "proved"
    assert float(evidence.measures["exact"]) >= 0.9


def test_they_are_asked_only_where_they_write_such_files() -> None:
    steps = _tables(_by("go")).tables
    asked = {sampling: [one.words for one in others(JpegTables(steps, sampling))] for sampling in (0, 1, 2, None)}
    fast, go, rust = WORDS.values()
    assert asked == {0: [fast, rust], 1: [fast], 2: [fast, go], None: []}
    assert others(JpegTables(steps[:1], 0)) == [], "grey"
    assert others(JpegTables(steps, 2), (65_490, 16)) == [], "filled up to whole blocks libjpeg would not store it"


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(64, 48), (71, 45)])
def test_without_a_way_of_its_own_it_is_libjpeg_to_the_last_bit(size: tuple[int, int], sampling: int) -> None:
    fast = next(one for one in encoders.others(_tables(_by("imagemagick"))) if one.words == WORDS["imagemagick"])
    plain = Encoder("as libjpeg does", fast.matrix, fast.offset)
    picture, tables = scene(4, size), JpegTables(_tables(_by("go")).tables, sampling)
    assert _apart(encoders.stored(picture, tables, plain), encode_jpeg(picture, tables)) == 0


def test_a_large_picture_is_made_strip_by_strip_and_alike() -> None:
    """Windows of it come out as they do in the whole: rows are taken some hundred at a time."""
    picture, tables = scene(5, (96, 700)), _tables(_by("imagemagick"))
    fast = others(tables)[0]
    whole = encoders.stored(picture, tables, fast)
    part = encoders.stored(picture.crop((0, 224, 96, 560)), tables, fast)
    assert _apart(whole.crop((0, 240, 96, 544)), part.crop((0, 16, 96, 320))) == 0


def test_a_table_without_a_known_sampling_is_refused() -> None:
    with pytest.raises(ValueError, match="sampling"):
        encoders.stored(scene(1, (16, 16)), JpegTables(_tables(_by("go")).tables, None), others(_tables(_by("go")))[0])


@pytest.mark.parametrize("quality", [30, 75])
def test_a_faint_mark_stands_out_of_what_they_stored(quality: int) -> None:
    """Nearly all comes out equal now, and so this place does not; before, half of the picture was as far apart."""
    original = scene(12, (480, 360))
    edited = original.copy()
    ImageDraw.Draw(edited).rectangle(
        (200, 150, 240, 166), fill=tuple(min(255, 9 + level) for level in _level(original))
    )
    tables = _tables(stored(original, quality=quality))
    fast = others(tables)[0]
    shown, marked = (encoders.stored(picture, tables, fast) for picture in (original, edited))
    assert _apart(shown, marked) > 0
    found = _apart(encoders.stored(original, tables, fast), marked)
    assert found < 0.1 < _apart(encode_jpeg(original, tables), marked)


def _level(picture: Image.Image) -> tuple[int, ...]:
    return tuple(np.asarray(picture)[150:166, 200:240].mean(axis=(0, 1)).astype(int).tolist())
