"""The proof of one pair, cheapest question first; the first that is answered ends it.

Same bytes, same JPEG scans, same structure, near at a glance, same pixels, and last: can one be made from the other?
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from twinwatch.imaging import jpeg
from twinwatch.imaging.fingerprint import fingerprint, oriented
from twinwatch.imaging.source import UnreadableError, chunks, load, named_errors
from twinwatch.photo import Evidence, Header, Side, Verdict
from twinwatch.proof import judge, recreate
from twinwatch.proof.picture import INVERSE, Picture, decode, draft, frames, with_profile
from twinwatch.proof.residual import residual

_GLANCE = 64  # side of the miniatures, pixels
_FAR_BITS = 16  # of 64: unrelated pictures differ in 32, a re-encoded one in 0-6
_FAR_MEAN = 14.0  # grey levels between miniatures
_NEAR_MEAN = 9.0  # a copy's miniature never differs by more
_RIVAL = 1.5  # a second orientation is tried when it is this much worse at most (symmetrical pictures)
_MAX_FRAME_PIXELS = 64_000_000  # of all frames of an animation together: four bytes each, twice
_EXACT = 0.15  # of the allowance: the cause was found, not only approached
_HOPELESS = 3.0  # times the allowance in the windows: the rest of the picture cannot mend it
_MOST_WHOLE = 2  # recipes that make the whole picture
_RIVAL_RECIPE = 1.1  # a second recipe makes the whole when it came this near
_PADDING = b"\0\xff\r\n "  # what some writers leave behind the end of a JPEG
_TURNS = {
    2: "mirrored",
    3: "turned upside down",
    4: "mirrored upside down",
    5: "mirrored and turned by a quarter",
    6: "turned by a quarter",
    7: "mirrored and turned by a quarter",
    8: "turned by a quarter",
}
_DRAWING_BYTES = 5 << 10  # a photograph of 64x64 pixels has more without loss


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One way to make the target, and what it left."""

    side: Side
    transform: int
    how: str
    judgement: judge.Judgement
    informative: bool


def prove(fd_a: int, fd_b: int) -> Evidence:
    """Compare the pictures behind two descriptors; a bad file gives `undecodable`, never an exception."""
    if _same_bytes(fd_a, fd_b):
        return Evidence(Verdict.IDENTICAL, words="the same bytes")
    found: list[tuple[bytes, Header, Image.Image]] = []
    for side, fd in (("a", fd_a), ("b", fd_b)):
        try:
            data = load(fd)
            found.append((data, *draft(data, _GLANCE)))
        except UnreadableError as error:
            return Evidence(Verdict.UNDECODABLE, words=f"{side}: {error}", measures={"side": side})
    return _by_look(*found)


def _by_look(a: tuple[bytes, Header, Image.Image], b: tuple[bytes, Header, Image.Image]) -> Evidence:
    (data_a, head_a, small_a), (data_b, head_b, small_b) = a, b
    # The same scans in other colours are another picture: what they are is written in the metadata as well.
    if _same_scans(data_a, head_a, data_b, head_b) and np.array_equal(np.asarray(small_a), np.asarray(small_b)):
        return _by_tails(data_a, head_a, data_b, head_b)
    bits = _distance_in_bits(small_a, small_b)
    by_transform = _glance(small_a, small_b)
    mean, best = by_transform[0]
    worst = _glance_worst(small_a, small_b, best)
    measures: dict[str, float | int | str] = {"phash_bits": bits, "glance_mean": round(mean, 2), "glance_worst": worst}
    if bits > _FAR_BITS and mean > _FAR_MEAN:
        return Evidence(Verdict.DISTINCT, None, best, "other pictures", measures)
    if why := _unlike(head_a, head_b):
        return Evidence(Verdict.LOOK_ALIKE, None, best, why, measures)
    if mean > _NEAR_MEAN:
        return Evidence(Verdict.LOOK_ALIKE, None, best, "alike in outline, different at a glance", measures)
    try:
        if _frames(head_a) > 1:
            return _by_frames(data_a, data_b, head_a, head_b, measures)
        pair = decode(data_a), decode(data_b)
        rivals = [k for m, k in by_transform[:2] if m <= mean + _RIVAL]
        with named_errors(b""):
            return _by_pixels(*pair, sorted(rivals, key=lambda k: k != 1), measures)
    except UnreadableError as error:
        return Evidence(Verdict.UNDECODABLE, None, best, str(error), measures)


def _by_pixels(a: Picture, b: Picture, transforms: list[int], measures: dict[str, float | int | str]) -> Evidence:
    if a.deep == b.deep and not a.deep and same_pixels(a, b):
        return Evidence(Verdict.SAME_PIXELS, _richer(a.header, b.header), words="equal pixels", measures=measures)
    if why := _only_equal(a, b):
        return Evidence(Verdict.LOOK_ALIKE, words=why, measures=measures)
    tried = _attempts(a, b, transforms)
    if not tried:
        return Evidence(Verdict.LOOK_ALIKE, words="neither can have been made from the other", measures=measures)
    return _told(_decisive(tried, a, b), a, b, measures)


def _attempts(a: Picture, b: Picture, transforms: list[int]) -> list[_Attempt]:
    """Make each from the other in every plausible turn, the likelier direction first, until one comes out exactly."""
    tried: list[_Attempt] = []
    for transform in transforms:
        for side in _likely_original(a, b):
            source, target = (a, b) if side == "a" else (b, a)
            if not _may_be_made(source, target):
                continue
            turn = transform if side == "a" else INVERSE[transform]
            tried.append(_attempt(source, target, turn, side, transform))
            if _is_exact(tried[-1]):
                return tried
    return tried


def _decisive(tried: list[_Attempt], a: Picture, b: Picture) -> _Attempt:
    """Choose the attempt that tells what the two are to each other."""
    if _is_exact(tried[-1]):
        return tried[-1]
    # An original remade from its copy may be equal but for a few tiles, as an edit is: only the other direction, when
    # it is exact, outweighs that.
    for attempt in tried:
        if attempt.judgement.edited:
            return attempt
    proved = [attempt for attempt in tried if attempt.judgement.proved]
    if proved and not _rescaled(a, b):
        return proved[0]  # of equals, the likelier original
    # Of two sizes the one that makes the other better is the original: an enlargement has nothing of its own.
    return min(tried, key=lambda attempt: attempt.judgement.score)


def _is_exact(attempt: _Attempt) -> bool:
    return attempt.judgement.score <= _EXACT and not attempt.judgement.edited


def _rescaled(a: Picture, b: Picture) -> bool:
    return a.header.upright != b.header.upright and a.header.upright != b.header.upright[::-1]


def _attempt(source: Picture, target: Picture, turn: int, side: Side, transform: int) -> _Attempt:
    """Make `target` from `source` turned by `turn` (upright to upright), on every background that matters."""
    backgrounds = (0, 255) if source.see_through() or target.see_through() else (None,)
    worst: _Attempt | None = None
    for background in backgrounds:
        wanted = target.rgb(background)
        ready = oriented(oriented(source.rgb(background), source.header.orientation), turn)
        ready = oriented(ready, INVERSE[target.header.orientation])
        attempt = _made(with_profile(ready, source.profile, target.profile), wanted, target, side, transform)
        if worst is None or attempt.judgement.score > worst.judgement.score:
            worst = attempt
    if worst is None:
        raise ValueError("no background")
    return worst


def _made(ready: Image.Image, wanted: Image.Image, picture: Picture, side: Side, transform: int) -> _Attempt:
    """Search the recipe on a few windows, and only when these come near make the whole."""
    see_through = picture.see_through()
    target = recreate.Target(wanted, picture.tables, None if see_through else picture.palette)
    bounds = _bounds(picture)
    found = recreate.recipes(ready, target)
    best = _glimpse(ready, target, found[0], bounds, side, transform)
    if best.judgement.score > _HOPELESS:
        return best
    nearest = found[0].distance
    whole: _Attempt | None = None
    for recipe in found[:_MOST_WHOLE]:
        if whole is not None and recipe.distance > nearest * _RIVAL_RECIPE:
            break
        left = residual(wanted, recreate.made(ready, target, recipe))
        judgement = judge.judge(left, bounds)
        if recipe.dither is not None:  # the nearest colour of a palette may be another one: it must not hide a tone
            plain = residual(wanted, recreate.made(ready, target, replace(recipe, dither=None)))
            judgement = replace(judgement, score=max(judgement.score, judge.recoloured(plain)))
        if whole is None or judgement.score < whole.judgement.score:
            whole = _Attempt(side, transform, recipe.words, judgement, judge.informative(left))
        if judgement.proved:
            break
    return whole or best


def _glimpse(
    ready: Image.Image,
    target: recreate.Target,
    recipe: recreate.Recipe,
    bounds: judge.Bounds,
    side: Side,
    transform: int,
) -> _Attempt:
    """Judge only the windows; the worst of them stands for the picture."""
    worst: _Attempt | None = None
    for box, window in recreate.made_windows(ready, target, recipe):
        left = residual(target.image.crop(box), window)
        judgement = judge.judge(left, bounds, window=(box[0], box[1]))
        if worst is None or judgement.score > worst.judgement.score:
            worst = _Attempt(side, transform, recipe.words, judgement, informative=True)
    if worst is None:
        raise ValueError("a picture without windows")
    return worst


def _told(best: _Attempt, a: Picture, b: Picture, measures: dict[str, float | int | str]) -> Evidence:
    found = best.judgement
    other = b if best.side == "a" else a
    measures |= {
        "score": found.score,
        "worst_luma": found.worst_luma,
        "worst_chroma": found.worst_chroma,
        "wide": found.wide,
        "tone": found.tone,
        "scaler": best.how,
        "direction": "proved" if found.score <= _EXACT else "likely",
    }
    x, y = found.at
    where = f"differs by up to {found.worst_luma} of 255 in brightness, {found.worst_chroma} in colour, at ({x}, {y})"
    if not best.informative:
        words = f"too flat to prove anything but equal pixels; {where}"
        return Evidence(Verdict.LOOK_ALIKE, None, best.transform, words, measures)
    if not found.proved:
        words = f"neither was made from the other: {where} of {{{'b' if best.side == 'a' else 'a'}}}"
        return Evidence(Verdict.LOOK_ALIKE, None, best.transform, words, measures)
    tables = ", the copy's own JPEG tables" if other.tables else ""
    turned = f", {_TURNS[best.transform]}" if best.transform != 1 else ""
    made = f"{other.size[0]}x{other.size[1]}, {best.how}{tables}{turned}"
    left = where if found.worst_luma or found.worst_chroma else "no difference"
    words = f"made again from {{{best.side}}} ({made}): {left}"
    return Evidence(Verdict.RE_ENCODED, best.side, best.transform, words, measures)


def same_pixels(a: Picture, b: Picture) -> bool:
    """Tell whether both show the same pixels: mode, depth, alpha and profile included, container and metadata not."""
    if a.profile != b.profile or a.header.upright != b.header.upright:
        return False
    modes = {a.image.mode, b.image.mode}
    if len(modes) > 1 and any(mode.startswith(("I", "F", "CMYK")) for mode in modes):
        return False
    mode = a.image.mode if a.image.mode.startswith(("I", "F", "CMYK")) else "RGBA"
    pair = [
        np.asarray(oriented(p.image if p.image.mode == mode else p.image.convert(mode), p.header.orientation))
        for p in (a, b)
    ]
    return np.array_equal(pair[0], pair[1])


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


def _by_frames(
    data_a: bytes, data_b: bytes, head_a: Header, head_b: Header, measures: dict[str, float | int | str]
) -> Evidence:
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


def _same_bytes(fd_a: int, fd_b: int) -> bool:
    if os.fstat(fd_a).st_size != os.fstat(fd_b).st_size:
        return False
    return all(x == y for x, y in zip(chunks(fd_a), chunks(fd_b), strict=True))


def _same_scans(data_a: bytes, head_a: Header, data_b: bytes, head_b: Header) -> bool:
    alike = head_a.orientation == head_b.orientation and head_a.metadata.profile == head_b.metadata.profile
    return alike and jpeg.is_jpeg(data_a) and jpeg.is_jpeg(data_b) and jpeg.same_picture(data_a, data_b)


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


def _bounds(target: Picture) -> judge.Bounds:
    if target.palette is not None and target.header.format == "GIF":
        return judge.PALETTE
    if target.lossless:
        return judge.LOSSLESS
    known = target.tables is not None and target.tables.subsampling is not None
    return judge.KNOWN_TABLES if known else judge.HIDDEN_TABLES


def _likely_original(a: Picture, b: Picture) -> tuple[Side, Side]:
    """Order the directions: more pixels first, then a camera's name, finer quantisation, metadata."""

    def worth(p: Picture) -> tuple[int, bool, float, int]:
        fineness = -p.tables.coarseness if p.tables else 0.0 if p.lossless else -math.inf
        meta = p.header.metadata
        return (p.header.pixels, meta.camera is not None, fineness, meta.richness)

    return ("a", "b") if worth(a) >= worth(b) else ("b", "a")


def _may_be_made(source: Picture, target: Picture) -> bool:
    """Tell whether the target could have been made from the source: not with more depth, nor alpha out of nothing."""
    if target.header.bits > max(8, source.header.bits):
        return False
    if source.see_through() != target.see_through():
        return False
    colour_gained = target.profile is not None and source.profile is None
    return not colour_gained


def _richer(a: Header, b: Header) -> Side | None:
    weights = a.metadata.richness, b.metadata.richness
    return None if weights[0] == weights[1] else "a" if weights[0] > weights[1] else "b"


def _glance(a: Image.Image, b: Image.Image) -> list[tuple[float, int]]:
    """Return (mean difference in grey levels, orientation) of the miniatures, best orientation first."""
    wanted = np.asarray(b.convert("YCbCr")).astype(np.int16)
    return sorted(
        (float(np.abs(np.asarray(oriented(a, k).convert("YCbCr")).astype(np.int16) - wanted).mean()), k)
        for k in range(1, 9)
    )


def _glance_worst(a: Image.Image, b: Image.Image, transform: int) -> int:
    """Return the largest luma difference between the miniatures, in grey levels."""
    ours, theirs = (np.asarray(image.convert("L")).astype(np.int16) for image in (oriented(a, transform), b))
    return int(np.abs(ours - theirs).max())


def _distance_in_bits(a: Image.Image, b: Image.Image) -> int:
    """Return the least pHash distance over the eight orientations."""
    hashes, wanted = fingerprint(a, "").hashes, fingerprint(b, "").hashes[0]
    return min((h ^ wanted).bit_count() for h in hashes)
