"""What a worker read is compared as it was read: most look-alikes end there, and a glance would say the same."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import pytest
from PIL import Image

from tests.drawing import descriptor, edited, scene, shifted, stored
from twinwatch import imaging
from twinwatch.photo import COPY_VERDICTS, ContentDigest, Evidence, Verdict
from twinwatch.proof import cascade, prove, seen
from twinwatch.proof.seen import Seen
from twinwatch.workers import tasks

SIZE = (1280, 960)
BURST = [stored(shifted(scene(3, SIZE, frame=number), 3 * number), quality=88) for number in range(3)]
TRIPOD = [stored(scene(3, SIZE, grain=16, frame=number), quality=88) for number in range(2)]


def as_if_decoded(format_: str, **options: object) -> bytes:
    with Image.open(io.BytesIO(BURST[0])) as picture:
        return stored(picture.convert("RGB"), format_, **options)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(BURST[0])) as picture:
        return stored(picture.transpose(Image.Transpose.ROTATE_90), quality=80, exif=exif)


def small() -> bytes:
    with Image.open(io.BytesIO(BURST[0])) as picture:
        return stored(picture.resize((640, 480), Image.Resampling.LANCZOS), quality=85)


COPIES: dict[str, Callable[[], bytes]] = {
    "again": lambda: as_if_decoded("JPEG", quality=70),
    "half": small,
    "turned": turned,
    "png": lambda: as_if_decoded("PNG"),
    "webp": lambda: as_if_decoded("WEBP", quality=80),
    "gif": lambda: as_if_decoded("GIF"),
}


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Seen:
    fresh = Seen()
    monkeypatch.setattr(cascade, "_seen", fresh)
    return fresh


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hears of everything that a proof decodes."""
    heard: list[str] = []

    def hearing(name: str, make: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def heard_of(data: bytes) -> object:
            heard.append(name)
            return make(data)

        return heard_of

    for name in ("sketch", "draft"):
        monkeypatch.setattr(seen, name, hearing(name, getattr(seen, name)))
    return heard


def read(data: bytes, memory: Seen) -> imaging.Draft:
    noted: list[imaging.Draft] = []

    def note(digest: ContentDigest, draft: imaging.Draft) -> None:
        memory.note(digest, draft)
        noted.append(draft)

    with descriptor(data) as fd:
        reading = imaging.read(fd, note)
    assert reading.trouble is None
    return noted[0]


def proved(a: bytes, b: bytes) -> Evidence:
    with descriptor(a) as fd_a, descriptor(b) as fd_b:
        return prove(fd_a, fd_b)


@pytest.mark.parametrize("pair", [BURST[:2], BURST[::2], TRIPOD], ids=["next", "after it", "tripod"])
def test_of_look_alikes_that_were_read_nothing_is_decoded_again(
    memory: Seen, decoded: list[str], pair: list[bytes]
) -> None:
    for data in pair:
        read(data, memory)
    told = proved(*pair)
    assert told.verdict is Verdict.LOOK_ALIKE
    assert decoded == []
    assert ("another shot" in told.words) == (pair is TRIPOD)


def test_what_was_not_read_is_looked_at_as_it_would_be_and_remembered(memory: Seen, decoded: list[str]) -> None:
    read(BURST[0], memory)
    assert proved(BURST[0], BURST[1]).verdict is Verdict.LOOK_ALIKE
    assert decoded == ["draft"]
    assert proved(BURST[1], BURST[2]).verdict is Verdict.LOOK_ALIKE
    assert decoded == ["draft"] * 2


def test_a_sketch_is_made_only_where_luma_does_not_tell(memory: Seen, decoded: list[str]) -> None:
    assert proved(BURST[0], COPIES["again"]()).verdict is Verdict.RE_ENCODED
    assert "sketch" not in decoded
    assert proved(BURST[0], COPIES["gif"]()).verdict is Verdict.RE_ENCODED
    assert decoded[-2:] == ["sketch", "sketch"]


@pytest.mark.parametrize("kind", sorted(COPIES))
@pytest.mark.parametrize("which", [(True, True), (True, False), (False, True)], ids=["both", "one", "other"])
def test_a_copy_is_found_whatever_was_read_before(memory: Seen, kind: str, which: tuple[bool, bool]) -> None:
    copy = COPIES[kind]()
    for data, was_read in zip((BURST[0], copy), which, strict=True):
        if was_read:
            read(data, memory)
    told = proved(BURST[0], copy)
    assert told.verdict in COPY_VERDICTS, told.words
    assert told.original == (None if kind == "png" else "a")


def test_what_was_read_says_what_a_glance_says(memory: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [*BURST, *TRIPOD, stored(edited(scene(3, SIZE), 0.02)), stored(scene(4, SIZE)), COPIES["half"]()]
    for data in pictures:
        read(data, memory)
    with_memory = [proved(a, b) for a, b in itertools.combinations(pictures, 2)]
    for (a, b), told in zip(itertools.combinations(pictures, 2), with_memory, strict=True):
        monkeypatch.setattr(cascade, "_seen", Seen())
        without = proved(a, b)
        assert (told.verdict, told.original) == (without.verdict, without.original)
        tiles = [float(evidence.measures.get("glance_tile", 0)) for evidence in (told, without)]
        assert tiles[0] == pytest.approx(tiles[1], rel=0.1, abs=0.2)


def test_what_hides_colours_is_not_remembered_as_it_was_read(memory: Seen, decoded: list[str]) -> None:
    see_through = scene(3, SIZE).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(SIZE))
    one, other = (stored(picture, "PNG") for picture in (see_through, shifted(see_through, 9)))
    for data in (one, other):
        read(data, memory)
    assert proved(one, other).verdict is Verdict.LOOK_ALIKE
    assert decoded == ["sketch", "sketch"]


def test_a_file_that_cannot_be_decoded_is_named(memory: Seen) -> None:
    read(BURST[0], memory)
    told = proved(BURST[0], BURST[1][:-5000])
    assert told.verdict is Verdict.UNDECODABLE
    assert told.measures["side"] == "b"
    assert proved(BURST[1][:-5000], BURST[0]).measures["side"] == "a"


def test_the_draft_is_half_a_thousand_pixels_along_and_says_what_it_shows(memory: Seen) -> None:
    for data, size, extent in (
        (BURST[0], (640, 480), (640, 480)),
        (stored(scene(1, (1001, 751))), (501, 376), (500.5, 375.5)),
        (stored(scene(1, (1922, 1442)), "PNG"), (481, 361), (480.5, 360.5)),
        (stored(scene(1, (300, 200))), (300, 200), (300, 200)),
    ):
        draft = read(data, memory)
        assert draft.luma.size == size
        assert draft.extent == pytest.approx(extent)
        assert draft.luma.mode == "L"
        assert (draft.coarseness == 0) == (draft.header.format == "PNG")


def test_a_draft_knows_how_coarsely_it_was_stored(memory: Seen) -> None:
    picture = scene(1, (300, 200))
    for data, least, most in (
        (stored(picture, quality=75), 28, 30),
        (stored(picture, "WEBP", lossless=True), 0, 0),
        (stored(picture, "TIFF"), 0, 0),
    ):
        coarseness = read(data, memory).coarseness
        assert coarseness is not None
        assert least <= coarseness <= most
    for data in (stored(picture, "WEBP", quality=90), stored(picture.quantize(64), "PNG")):
        assert read(data, memory).coarseness is None


def numbered(number: int) -> bytes:
    return BURST[2] + b"\0" * number  # what is behind a JPEG's end makes another file of it


def known(data: bytes, decoded: list[str]) -> bool:
    before = len(decoded)
    proved(BURST[0], data)
    return len(decoded) == before


def test_what_was_compared_is_kept_longer_than_what_was_read(memory: Seen, decoded: list[str]) -> None:
    for data in (BURST[0], BURST[1]):
        read(data, memory)
    assert known(BURST[1], decoded)
    for number in range(60):
        read(numbered(number), memory)
    assert known(BURST[1], decoded)
    assert known(numbered(59), decoded)
    assert not known(numbered(0), decoded)
    for number in range(60):
        assert proved(BURST[0], numbered(number)).verdict is Verdict.LOOK_ALIKE
    assert not known(BURST[1], decoded), "so many are not kept"


def test_a_lane_expects_no_more_than_its_child_remembers() -> None:
    """Of phone photos, which take 500x375 pixels each."""
    draft = 500 * 375 + 3 * 420 * 315
    assert min(seen._READ, seen._READ_BYTES // (500 * 375 + 3 * 420**2)) >= tasks._READ
    assert min(seen._COMPARED, seen._COMPARED_BYTES // draft) >= tasks._COMPARED


def test_the_same_bytes_are_sketched_once(memory: Seen, decoded: list[str]) -> None:
    digest = ContentDigest(b"1" * 32)
    first = memory.sketch(digest, BURST[0])
    assert memory.sketch(digest, BURST[0]) is first
    assert memory.sketch(ContentDigest(b"2" * 32), BURST[1]) is not first
    assert decoded == ["sketch", "sketch"]


def test_few_sketches_are_kept_and_those_used_last(memory: Seen) -> None:
    def sketch(number: int, data: bytes = BURST[2]) -> object:
        return memory.sketch(ContentDigest(number.to_bytes(32, "big")), data)

    first, second = sketch(100, BURST[0]), sketch(101, BURST[1])
    for number in range(48):
        sketch(number)
        assert sketch(100, BURST[0]) is first
    assert sketch(101, BURST[1]) is not second


def test_no_full_decode_is_kept(memory: Seen) -> None:
    digest, grey = ContentDigest(b"1" * 32), stored(scene(3, SIZE).convert("L"), "PNG")
    first = memory.sketch(digest, grey)
    assert first.picture is not None
    assert memory.sketch(digest, grey) is not first


def test_no_file_is_kept_with_its_sketch(memory: Seen) -> None:
    large = BURST[0] + b"\0" * (20 << 20)
    assert memory.sketch(ContentDigest(b"1" * 32), large).weight < len(large) // 10


def test_fewer_sketches_are_kept_where_they_are_large(memory: Seen) -> None:
    square = stored(scene(1, (1919, 1919), grain=0), quality=50)  # a decoder may only halve it
    digests = [ContentDigest(bytes([number]) * 32) for number in range(12)]
    first = memory.sketch(digests[0], square)
    assert memory.sketch(digests[0], square) is first
    for digest in digests[1:]:
        memory.sketch(digest, square)
    assert memory.sketch(digests[0], square) is not first
