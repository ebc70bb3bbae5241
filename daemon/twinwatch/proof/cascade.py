"""The proof of one pair, cheapest question first; the first that is answered ends it.

Same bytes, same JPEG scans, same structure, near at a glance, same pixels, and last: can one be made from the other?
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from blake3 import blake3

from twinwatch.content import same_bytes
from twinwatch.imaging import jpeg
from twinwatch.imaging.jpeg import is_jpeg
from twinwatch.imaging.source import UnreadableError, load, named_errors, opened
from twinwatch.photo import ContentDigest, Evidence, Header, Side, Verdict
from twinwatch.proof.attempts import Attempt, decisive
from twinwatch.proof.exposure import two_shots
from twinwatch.proof.formerly import formerly
from twinwatch.proof.glance import Glance, glance, glance_at_luma
from twinwatch.proof.nearlossless import near_lossless
from twinwatch.proof.order import Likely, by_detail, likely
from twinwatch.proof.picture import Picture, frames, same_pixels, unloaded
from twinwatch.proof.resaved import resaved
from twinwatch.proof.seen import Seen
from twinwatch.proof.sketch import Look, Sketch

_FAR_BITS = 16  # of 64: unrelated pictures differ in 32, a re-encoded one in 0-6
_FAR_MEAN = 14.0  # grey levels between miniatures
_NEAR_MEAN = 9.0  # a copy's miniature never differs by more
_MAX_FRAME_PIXELS = 64_000_000  # of all frames of an animation together: four bytes each, twice
_PADDING = b"\0\xff\r\n "  # what some writers leave behind the end of a JPEG
_FEW_BYTES = 20  # one byte in so many: what bit rot and a lost block change; another encoding changes nearly all
_TURNS = {
    2: "mirrored",
    3: "turned upside down",
    4: "mirrored upside down",
    5: "mirrored and turned by a quarter",
    6: "turned by a quarter",
    7: "mirrored and turned by a quarter",
    8: "turned by a quarter",
}
_LIMITS = {
    "luma": "a place is lighter or darker",
    "chroma": "a place has another colour",
    "detail": "a place has other detail",
    "colour": "something sharp, as a letter, has another colour",
    "text": "something sharp, as a letter, is another one",
    "area": "an area has another brightness or colour",
    "tone": "it is lighter or darker all over, or has another contrast",
    "tint": "its colours are shifted all over",
    "vividness": "its colours are stronger or paler all over",
    "grain": "its grain is another one, as that of the next shot is",
    "place": "it lies a part of a pixel beside, all over or more and more",
}
"""What exceeded its allowance, for a person; the keys are `Judgement.limit`."""

_ANOTHER_SHOT = "the same scene, but another shot: its grain is another one"
_WORTH_SAYING = 0.01  # share of equal blocks: another codec leaves none equal, and is none the worse for it
_DRAWING_BYTES = 5 << 10  # a photograph of 64x64 pixels has more without loss

Measures = dict[str, float | int | str]

_seen = Seen()
remember = _seen.note
"""Remember how a photo looked when this worker read it."""


@dataclass(frozen=True)
class _File:
    """One side: its bytes, and how it looks."""

    data: bytes
    digest: ContentDigest

    @cached_property
    def look(self) -> Look:
        """How it looked when it was read, or would have looked; raises UnreadableError."""
        known = _seen.look(self.digest)
        if known is None:
            # Of what has no cheap decode the sketch is a full one, which is wanted later.
            known = _seen.draft(self.digest, self.data, None if is_jpeg(self.data) else self.sketch)
        return known or self.sketch

    @cached_property
    def sketch(self) -> Sketch:
        """Its sketch, made when it is first asked for and not known; raises UnreadableError then."""
        return _seen.sketch(self.digest, self.data)

    @property
    def header(self) -> Header:
        return self.look.header

    def full(self) -> Picture:
        """Return the whole, decoded when its pixels are first asked for; raise UnreadableError."""
        sketch: Sketch | None = vars(self).get("sketch")  # not made for this alone
        if sketch is not None and sketch.picture is not None:
            return sketch.picture
        return unloaded(opened(self.data, self.look.where), self.header, self.data)


def prove(fd_a: int, fd_b: int) -> Evidence:
    """Compare the pictures behind two descriptors; a bad file gives `undecodable`, never an exception."""
    if os.fstat(fd_a).st_size == os.fstat(fd_b).st_size and same_bytes(fd_a, fd_b):
        return Evidence(Verdict.IDENTICAL, words="the same bytes")
    files: list[_File] = []
    for side, fd in (("a", fd_a), ("b", fd_b)):
        try:
            data = load(fd)
        except UnreadableError as error:
            return _undecodable(side, error)
        files.append(_File(data, ContentDigest(blake3(data).digest())))
    a, b = files
    for side, file in (("a", a), ("b", b)):
        try:
            _ = file.look
        except UnreadableError as error:
            return _undecodable(side, error)
    return _unless_damaged(_by_look(a, b), a, b)


def _undecodable(side: str, error: UnreadableError) -> Evidence:
    return Evidence(Verdict.UNDECODABLE, words=f"{side}: {error}", measures={"side": side})


def _unless_damaged(evidence: Evidence, a: _File, b: _File) -> Evidence:
    """Refuse two files that are the same but for a few bytes and yet show other pixels: one of them is damaged.

    No encoder makes another file of the very same length and bytes. Which of the two is the good one cannot be told.
    Where all that decides a JPEG's pixels is the same, another turn was written into its metadata.
    """
    if evidence.verdict is not Verdict.RE_ENCODED or len(a.data) != len(b.data) or _same_coded(a, b):
        return evidence
    differing = int(np.count_nonzero(np.frombuffer(a.data, np.uint8) != np.frombuffer(b.data, np.uint8)))
    if differing > len(a.data) // _FEW_BYTES:
        return evidence
    words = f"the same file but for {differing} of {len(a.data)} bytes: one of them is damaged"
    return replace(evidence, verdict=Verdict.LOOK_ALIKE, original=None, words=words)


def _by_look(a: _File, b: _File) -> Evidence:
    try:
        # The same scans in other colours are another picture: what they are is written in the metadata as well.
        if _same_scans(a, b) and np.array_equal(np.asarray(a.sketch.image), np.asarray(b.sketch.image)):
            return _by_tails(a.data, a.header, b.data, b.header)
        seen = _glance(a, b)
    except UnreadableError as error:
        return Evidence(Verdict.UNDECODABLE, words=str(error))
    best = seen.transforms[0]
    measures: Measures = {
        "phash_bits": seen.bits,
        "glance_mean": seen.mean,
        "glance_tile": seen.tile,
        "glance_pixel": seen.pixel,
        "glance_kinship": seen.kinship[0],
    }
    if seen.bits > _FAR_BITS and seen.mean > _FAR_MEAN:
        return Evidence(Verdict.DISTINCT, None, best, "other pictures", measures)
    if why := _unlike(a.header, b.header) or _refused(seen, a.header, b.header):
        return Evidence(Verdict.LOOK_ALIKE, None, best, why, measures)
    try:
        if _frames(a.header) > 1:
            return _by_frames(a.data, b.data, a.header, b.header, measures)
        with named_errors(b""):
            whole = _with_history(a.full(), b.full())
            if whole[0].grey != whole[1].grey and any(picture.coloured() for picture in whole):
                return Evidence(Verdict.LOOK_ALIKE, None, best, "one is grey, the other has colours", measures)
            first = likely(*whole)
            wheres = a.look.where, b.look.where
            if seen.informative and (saved := resaved(*whole, wheres, best, first)) is not None:
                return _told(saved, *whole, measures)
            return _by_pixels(*whole, seen, by_detail(*whole, first), measures)
    except UnreadableError as error:
        return Evidence(Verdict.UNDECODABLE, None, best, str(error), measures)


def _with_history(a: Picture, b: Picture) -> tuple[Picture, Picture]:
    """Return both with the JPEG that a lossless one of them was before, unless it is what the other is stored as."""
    found = []
    for picture, other in ((a, b), (b, a)):
        before = formerly(picture)
        known = before is None or (other.tables is not None and other.tables.tables[0] == before.tables[0])
        found.append(picture if known else replace(picture, formerly=before))
    return found[0], found[1]


def _glance(a: _File, b: _File) -> Glance:
    """Look at the numbers as they are and, where other profiles show them far apart, at the colours that are shown."""
    if told := glance_at_luma(a.look, b.look):
        return told
    seen = glance(a.sketch, b.sketch)
    if a.header.metadata.profile == b.header.metadata.profile or (seen.mean <= _NEAR_MEAN and seen.bits <= _FAR_BITS):
        return seen
    return min(seen, glance(a.sketch.shown(), b.sketch.shown()), key=lambda one: one.mean)


def _refused(seen: Glance, a: Header, b: Header) -> str:
    """Say why a glance is enough to tell that these are no copies, or nothing."""
    if seen.coloured and seen.mean > _NEAR_MEAN:
        return "alike in outline, different at a glance"
    # Other profiles show the same colours by other numbers, and a glance does not convert them.
    if a.metadata.profile == b.metadata.profile and seen.apart:
        return _different(seen.at)
    if seen.two_shots:
        return _ANOTHER_SHOT
    return ""


def _different(at: tuple[int, int]) -> str:
    return f"alike in outline, different at a glance: most at ({at[0]}, {at[1]}) of {{b}}"


def _by_pixels(a: Picture, b: Picture, seen: Glance, first: Likely, measures: Measures) -> Evidence:
    if a.deep == b.deep and not a.deep and same_pixels(a, b):
        return Evidence(Verdict.SAME_PIXELS, _richer(a.header, b.header), words="equal pixels", measures=measures)
    why = _only_equal(a, b)
    if not why and not seen.informative:
        why = "too flat to prove anything but equal pixels"
    if why:
        return Evidence(Verdict.LOOK_ALIKE, None, seen.transforms[0], why, measures)
    if rounded := _by_rounding(a, b, measures):
        return rounded
    if two_shots(a, b, seen.transforms[0]):
        return Evidence(Verdict.LOOK_ALIKE, None, seen.transforms[0], _ANOTHER_SHOT, measures)
    best = decisive(a, b, seen.transforms, first)
    if best is None:
        why = "neither can have been made from the other"
        return Evidence(Verdict.LOOK_ALIKE, None, seen.transforms[0], why, measures)
    return _told(best, a, b, measures)


def _by_rounding(a: Picture, b: Picture, measures: Measures) -> Evidence | None:
    """Look whether one file is the other, rounded by WebP's near-lossless mode; None when it is not.

    Of two that keep all pixels only the smaller file can be.
    """
    side: Side
    for side, source, target in (("a", a, b), ("b", b, a)):
        if not (target.lossless and target.header.format == "WEBP" and source.known_storage):
            continue
        if source.lossless and len(source.data) < len(target.data):
            continue
        stored = ((p.size, p.header.orientation, p.profile, p.see_through()) for p in (source, target))
        if next(stored) != next(stored) or source.see_through():
            continue
        if most := near_lossless(source.rgb(), target.rgb()):
            words = f"rounded by up to {most} of 255, never where smooth"
            words = f"made again from {{{side}}} by WebP's near-lossless mode: {words}"
            return Evidence(Verdict.RE_ENCODED, side, 1, words, measures)
    return None


def _told(best: Attempt, a: Picture, b: Picture, measures: Measures) -> Evidence:
    found = best.judgement
    other = b if best.side == "a" else a
    measures |= {
        "score": found.score,
        "limit": found.limit,
        "exact": found.exact,
        "equal": found.equal,
        "worst_luma": found.worst_luma,
        "worst_chroma": found.worst_chroma,
        "wide": found.wide,
        "tone": found.tone,
        "scaler": best.how,
        "direction": "proved" if best.direction_proved else "likely",
    }
    x, y = found.at
    where = f"worst at ({x}, {y}): {found.worst_luma} of 255 in brightness, {found.worst_chroma} in colour"
    if not best.proved:
        copy = f"{{{'b' if best.side == 'a' else 'a'}}}"
        why = "most of it came out equal, this place did not" if found.edited else _LIMITS.get(found.limit, "")
        words = f"neither was made from the other: {why}; in {copy} {where}"
        return Evidence(Verdict.LOOK_ALIKE, None, best.transform, words, measures)
    tables = ", the copy's own JPEG tables" if other.tables else ""
    tables = ", through the JPEG that the copy was" if other.formerly else tables
    turned = f", {_TURNS[best.transform]}" if best.transform != 1 else ""
    made = f"{other.size[0]}x{other.size[1]}, {best.how}{tables}{turned}"
    alike = f"; {_percent(found.equal)} of the blocks are equal" if found.equal >= _WORTH_SAYING else ""
    left = f"{where}{alike}" if found.equal < 1 else "no difference"
    words = f"made again from {{{best.side}}} ({made}): {left}"
    return Evidence(Verdict.RE_ENCODED, best.side, best.transform, words, measures)


def _percent(share: float) -> str:
    """Write a share that is not the whole, never rounded up to it."""
    return f"{math.floor(share * 10000) / 100:g} %"


def _by_tails(data_a: bytes, head_a: Header, data_b: bytes, head_b: Header) -> Evidence:
    """Compare what lies behind the first picture of two JPEGs that show the same: another picture, a clip.

    The one that has it is the original, whatever else the other tells; where each has its own neither is a copy.
    """
    tail_a, tail_b = (_tail(data) for data in (data_a, data_b))
    if tail_a == tail_b:
        return Evidence(Verdict.SAME_PIXELS, _richer(head_a, head_b), words="the same JPEG scans, other metadata")
    if tail_a and tail_b:
        return Evidence(Verdict.LOOK_ALIKE, words="the same JPEG scans, but something else behind each of them")
    side: Side = "a" if tail_a else "b"
    if _richer(head_a, head_b) not in (side, None):
        return Evidence(Verdict.LOOK_ALIKE, words=f"the same JPEG scans, but only {{{side}}} has something behind them")
    return Evidence(Verdict.SAME_PIXELS, side, words=f"the same JPEG scans, and something behind those of {{{side}}}")


def _tail(data: bytes) -> bytes:
    end = jpeg.layout(data).end
    return b"" if end is None else data[end:].strip(_PADDING)


def _by_frames(data_a: bytes, data_b: bytes, head_a: Header, head_b: Header, measures: Measures) -> Evidence:
    """Compare animations: only when every frame is equal, and shown as long, are they more than look-alikes."""
    if max(head_a.frames * head_a.pixels, head_b.frames * head_b.pixels) > _MAX_FRAME_PIXELS:
        return Evidence(Verdict.LOOK_ALIKE, words="animations too long to compare", measures=measures)
    if max(head_a.bits, head_b.bits) > 8:
        return Evidence(Verdict.LOOK_ALIKE, words="16-bit frames: compared in bytes only", measures=measures)
    if (head_a.orientation, head_a.metadata.profile) != (head_b.orientation, head_b.metadata.profile):
        return Evidence(Verdict.LOOK_ALIKE, words="animations turned or coloured differently", measures=measures)
    pairs = zip(frames(data_a), frames(data_b), strict=True)
    if all(x == y for x, y in pairs):
        return Evidence(Verdict.SAME_PIXELS, _richer(head_a, head_b), words="all frames equal", measures=measures)
    return Evidence(Verdict.LOOK_ALIKE, words="animations whose frames differ", measures=measures)


def _same_scans(a: _File, b: _File) -> bool:
    one, other = a.header, b.header
    if one.orientation != other.orientation or one.metadata.profile != other.metadata.profile:
        return False
    return _same_coded(a, b)


def _same_coded(a: _File, b: _File) -> bool:
    one, other = a.look.where, b.look.where
    return one is not None and other is not None and jpeg.same_picture(a.data, one, b.data, other)


def _unlike(a: Header, b: Header) -> str:
    """Say why two headers cannot be copies of one picture in pixels, or nothing."""
    if "RAW" in (a.format, b.format):
        return "one is a camera raw, seen by its preview: only the same bytes are a copy of it"
    if _frames(a) != _frames(b):
        return f"{_frames(a)} frames and {_frames(b)}"
    if (
        any(p and "-" in p for p in (a.metadata.profile, b.metadata.profile))
        and a.metadata.profile != b.metadata.profile
    ):
        return "the numbers are equal or not, but shown in other colours"
    if (a.mode == "CMYK") != (b.mode == "CMYK"):
        return "one is in print colours"
    return ""


def _frames(header: Header) -> int:
    """Count the frames that are shown: a JPEG's other pictures (MPO) are previews and gain maps."""
    return 1 if header.format == "MPO" else header.frames


def _only_equal(a: Picture, b: Picture) -> str:
    """Say why nothing but equal pixels would prove these two, or nothing."""
    if min(a.header.bits, b.header.bits) > 8 and a.lossless and b.lossless:
        # A re-creation looks at eight bits of them: two exposures of a night sky may differ in the others alone.
        return "16-bit pictures: only equal ones are proved"
    if a.palette and b.palette and a.header.upright == b.header.upright:
        return "two palettes: only equal pixels are proved"  # the palette of one would recolour the other
    if _is_drawing(a) and _is_drawing(b):
        return "drawings of a few bytes: only equal pixels prove"
    return ""


def _is_drawing(picture: Picture) -> bool:
    """Tell a drawing so plain that it is easily made twice: flags of two countries are the same few stripes."""
    return picture.lossless and len(picture.data) < _DRAWING_BYTES


def _richer(a: Header, b: Header) -> Side | None:
    weights = a.metadata.richness, b.metadata.richness
    return None if weights[0] == weights[1] else "a" if weights[0] > weights[1] else "b"
