"""When is a residual small enough to call a picture a copy? All thresholds of the proof stand here, with their source.

A re-creation with the right scaler and encoder leaves nothing, and an unknown one leaves ringing and rounding: noise
that is small against the picture's own detail in the same tile and averages out over it. An edit, another tone or a
shift does not. So every tile has its own allowance: a floor, and a share of the detail that is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twinwatch.proof.outliers import missing_contrast, standing_out, strange_colour
from twinwatch.proof.overall import colour_shift, grain, noise, tone_change, vividness, wide
from twinwatch.proof.ranks import percentile
from twinwatch.proof.residual import TILE, Residual, around

_FINE_FLIP = 3.0  # grey levels that two decoders of one JPEG, or encoders with fine steps, differ by in chroma


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a tile may differ: floor + share x the tile's own standard deviation, in grey levels of 255.

    `signed` bounds the mean difference of an 8x8 tile in luma, `chroma` the same in Cb and Cr, `rough` the mean
    absolute difference in luma, `wide` the mean difference over 64x64 pixels in luma and in chroma.
    `grain` is the least correlation of the grain, where the target has half as much as the re-creation or more.
    `tone` bounds how far one curve for the whole picture moves it, luma and chroma: JPEG copies up to 1.4 in both,
    through several generations up to 2.1, other codecs up to 2.6 in chroma (colour matrices differ); brightness +3 %
    5-7, saturation +12 % 1 to 5 in chroma, hue turned by 6 degrees or slightly warmer light 1.8 to 2.6.
    `shift` bounds how far the colours may turn about grey and become warmer or cooler (`overall.colour_shift`).
    Measured on 4,600 copies by 30 programs: up to 0.87 and 0.95, other codecs 0.66 and 0.48, palettes 0.41 and 0.5,
    one 0.99; hue turned by 6 degrees 1.17 and more, warmer light 1.43 and more, through palettes 0.98.
    `vivid` bounds how much paler and how much more vivid the colours may be, as shares of their own spread. Codecs
    drop weak colours and never strengthen them (measured on 620 copies by 15 programs: -0.08 to +0.03, WebP, HEIF and
    AVIF from -0.13, palettes -0.13 to +0.08); saturation +12 % 0.055 to 0.10, a grey version -0.9.
    `flip` is what a tile may move by where most of the picture came out equal, roughness of luma and mean of chroma in
    grey levels: two decoders of one JPEG, or another encoder's rounding of chroma. Everything else there was edited.
    `text` tells whether tiles with letters are weighed against the others: error diffusion tears them all.
    `colour` bounds by how much more a tile with letters or edges may move in colour (`outliers.strange_colour`).
    Measured on 588 copies: JPEGs and lossless ones up to 1.17, palettes up to 0.5; read marks of a chat that turned
    blue 1.6 and more, through palettes 0.86 to 1.8.
    `outlier` bounds by how much more a tile may differ than its like (`outliers.standing_out`).
    Measured on 1,025 copies that were not made exactly: 99 in a hundred up to 2.4, nearest pixels that were rounded
    otherwise up to 3.9, palettes up to 3.6; another digit in a date on a photo 2.5 to 5.5.
    `halved` bounds the same in luma and in colour at a part of the size (`halved.standing_out`). Measured on 1,753 JPEG
    copies that were not made exactly: 99.5 in a hundred up to 1.88, all up to 1.31; another letter in small print 1.9
    to 8, another date on a photo 1.6 to 2.3 in colour.
    `moved` bounds by how many pixels a scaled picture, and parts of it, may lie beside (`moved.beside`). Measured on
    1,574 copies: up to 0.18 and 0.21, without a codec's loss 0.03 and 0.06, by GD's filters, which sample beside, 0.5
    to 0.55 in five.
    `calibrated` bounds are for a codec of middling quality and follow the noise that this file shows everywhere.
    """

    signed: tuple[float, float]
    chroma: tuple[float, float]
    rough: tuple[float, float]
    wide: tuple[float, float]
    grain: float
    tone: tuple[float, float] = (1.5, 2.7)
    shift: tuple[float, float] = (0.95, 1.25)
    vivid: tuple[float, float] = (0.075, 0.045)
    flip: tuple[float, float] = (1.5, _FINE_FLIP)
    calibrated: bool = False
    text: bool = True
    colour: float = 1.35
    outlier: float = 2.45
    halved: tuple[float, float] = (1.9, 1.4)
    moved: tuple[float, float] = (0.21, 0.24)

    def with_step(self, chroma_step: float) -> Bounds:
        """Return the bounds for a JPEG whose chroma DC coefficient is quantised in these steps (eighths of a level)."""
        return replace(self, flip=(self.flip[0], min(_MOST_FLIP, max(self.flip[1], _FLIPPED * chroma_step / TILE))))


LOSSLESS = Bounds(
    signed=(2.0, 0.2), chroma=(3.0, 0.3), rough=(3.0, 0.5), wide=(1.5, 2.5), grain=0.42, moved=(0.1, 0.07)
)
"""PNG, BMP, TIFF: nothing was lost, only the scaler can be unknown; where the picture is flat it must be equal."""

KNOWN_TABLES = Bounds(
    signed=(3.8, 0.2), chroma=(8.5, 0.4), rough=(5.75, 0.47), wide=(2.2, 5.5), grain=0.42, tone=(1.5, 1.5)
)
"""The encoder's tables were in the file (JPEG); earlier generations' and the scaler were not."""

LOOSER_TONE = (1.5, 2.2)
"""The bounds of a JPEG's `tone` where earlier JPEGs were found, or where the source is of a codec that drops weak
colours: each may have moved them the same way."""

CUT_OFF_SHIFT = (0.4, 0.6)
"""The same of colours where an earlier JPEG was found that cuts them off. Measured: seven copies up to 0.1 and 0.15, a
turned hue for which it stood 0.78."""

HIDDEN_TABLES = Bounds(
    signed=(5.0, 0.2),
    chroma=(8.0, 0.5),
    rough=(6.3, 0.55),
    wide=(2.2, 5.0),
    grain=0.16,
    shift=(0.95, 0.95),
    vivid=(0.17, 0.045),
    calibrated=True,
)
"""WebP, HEIF, AVIF, JPEG XL: what their encoder did is not written in the file."""

ODD_SAMPLING = replace(HIDDEN_TABLES, tone=KNOWN_TABLES.tone, shift=KNOWN_TABLES.shift, vivid=KNOWN_TABLES.vivid)
"""A JPEG whose chroma is sampled as Pillow cannot write it (4:4:0, 4:1:1): judged unencoded, but it moves no tone."""

PALETTE = Bounds(
    signed=(2.0, 0.15),
    chroma=(3.5, 0.3),
    rough=(20.0, 0.5),  # error diffusion may chequer a tile with two far colours; its mean stays
    wide=(3.0, 5.0),
    grain=0.0,
    tone=(2.6, 1.9),
    shift=(0.8, 1.1),
    vivid=(0.2, 0.09),
    text=False,
    colour=0.8,
    outlier=3.7,
    halved=(1.45, 0.95),
    moved=(0.21, 0.1),
)
"""256 colours or fewer, known; which of them a pixel was given is not. To these comes what the palette costs in the
same tile (`excuse`). Median cuts darken a picture by 1.5 levels, GD's by 2.5; 109 copies by 10 programs are
tinted by up to 1.8, warmer light and hues turned by 6 degrees by 1.2 to 4."""

_EXCUSED = (1.3, 2.0, 2.0)
"""How often what a palette costs is excused in a tile's mean luma, mean chroma and roughness: programs differ in what
they call the nearest colour, and error diffusion takes others on purpose and is right on average only."""

_PALETTE_WIDE = 15.0
"""Grey levels that 64x64 pixels may move by in luma or chroma when 256 colours replace all: measured up to 11.2."""

_INFORMATIVE_SPREAD = 4.0  # a tile with less luma deviation could belong to any picture
_GRAIN_KEPT = 0.5  # less than half the energy: the encoder smoothed it away, whosever it was
_NO_CORRELATION = 0.05
_EQUAL = 0.05  # grey levels
_MOSTLY_EXACT = 0.5
_STRAY_ON_FLAT = {0.9: 1.7, _MOSTLY_EXACT: 2.95}
_STRAY = {0.995: 1.0, **_STRAY_ON_FLAT}
"""Times what two decoders differ by, by the share of tiles that came out equal, of flat ones and of those with detail:
more in one place is an edit, as what differs everywhere leaves fewer equal. Measured: five savings of other qualities
leave up to 1.6 where all but a hundredth is equal, faint stamps 3.1 and more; where all detail but one tile in two
hundred is, copies leave up to 0.91 that rounding does not explain, an eye that is closed in a small face 1.3."""

_ROUNDED = 0.5  # of the allowance: what a tile counts that rounding explains
_MIDDLING = (1.0, 3.0)  # noise in luma and chroma that the bounds of a codec are for
_TIGHTEST, _LOOSEST = 0.7, 1.5
_FLIPPED = 2.0  # steps of the DC coefficient: another encoder rounds it and its neighbours the other way
_MOST_FLIP = 8.0  # grey levels: chroma at quality 25
_USUAL, _TEXT = 99, 1.7
"""How often what a hundredth of the tiles with contrast lack of it a tile may lack. Measured on 210 copies that came
near by a scaler or an encoder of other software: up to 1.4; another digit in a shrunk page of text 2.9 to 4."""

_SMOOTH, _FEWEST_SMOOTH = 6.0, 64  # luma deviation of smooth ground in grey levels, and tiles of it
_IN_WINDOWS = (1.4, 0.85)
"""What a move of a few windows' tone counts beside the whole picture's, in luma and chroma. Measured: copies move by up
to 0.95 and 2.1 times what is allowed, brightness by 3 % 2.7 and more, white balance 2.9 and more."""

_OUTLIER = 6.2  # times the noise of the file: copies up to 4.1, a page of small text 6, with one other digit 8.7
_FAINT = 0.4  # the same measure, in grey levels: below it nothing stands out


@dataclass(frozen=True, slots=True)
class Judgement:
    """`score` is the worst of all as a multiple of its allowance: a copy up to 1.

    `at` is the worst tile's pixel (x, y), `limit` names what made the score: luma, chroma, detail (of a
    tile), text (of a tile), area (of 64x64 pixels), tone, tint, vividness, grain, place.
    """

    score: float
    limit: str
    at: tuple[int, int]
    worst_luma: float
    worst_chroma: float
    wide: float
    tone: float
    exact: float  # share of the tiles with detail that came out equal
    equal: float  # the same of all tiles
    edited: bool  # most of the picture was made exactly and the rest was not: the mark of a local edit
    stray: float = 0.0  # the worst tile, as a multiple of what decoders and rounding differ in

    @property
    def mostly_exact(self) -> bool:
        """Tell whether most tiles with detail came out equal: this recipe was it, and no other is needed."""
        return self.exact > _MOSTLY_EXACT

    @property
    def proved(self) -> bool:
        """Tell whether no tile exceeds its allowance, and none stands out from an exact re-creation."""
        return self.score <= 1.0 and not self.edited


NOTHING_LEFT = Judgement(0.0, "", (0, 0), 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, False)
"""Every pixel came out equal."""


def judge(
    left: Residual,
    bounds: Bounds,
    window: tuple[int, int] | None = None,
    excuse: NDArray[np.float32] | None = None,
    explained: NDArray[np.bool_] | None = None,
    *,
    scaled: bool = False,
) -> Judgement:
    """Weigh every tile of a residual against its allowance, and the picture as a whole.

    `window` is the corner (x, y) of the part that the residual covers; of a part, only the tiles are weighed. `excuse`,
    shape (rows, columns, 3), is what the target's palette costs in each tile, in grey levels: in mean luma, in mean
    chroma, in the roughness of luma. `explained`, shape (rows, columns), are tiles whose luma differs only
    as the target's own rounding may make it differ. Of a `scaled` picture flat ground comes out equal by any scaler:
    only tiles with detail tell whether it was the right one.
    """
    signed, rough, spread = left.signed, left.rough, left.spread
    luma = np.abs(signed[:, :, 0])
    chroma = left.chroma
    more = np.zeros_like(signed) if excuse is None else excuse * np.array(_EXCUSED, dtype=np.float32)
    parts = {
        "luma": luma / (_allowed(bounds.signed, spread) + more[:, :, 0]),
        "chroma": chroma / (_allowed(bounds.chroma, spread) + more[:, :, 1]),
        "detail": rough / (_allowed(bounds.rough, spread) + more[:, :, 2]),
    }
    if explained is not None:
        for name in ("luma", "detail"):
            parts[name] = np.where(explained, np.minimum(parts[name], _ROUNDED), parts[name])
    loosened = _loosened(left) if bounds.calibrated else (1.0, 1.0)
    for name, part in parts.items():
        parts[name] = part / loosened[name == "chroma"]
    moved, tone = areas(signed), tone_change(left)
    costs = wide(more[:, :, :2])
    scores = {name: float(part.max()) for name, part in parts.items()}
    if window is None:
        scores["area"] = float((moved / (np.array(bounds.wide) * loosened + costs)).max())
        scores["tone"] = tone[0] / bounds.tone[0]
        scores["tint"] = max(tone[1] / bounds.tone[1], shifted(left, bounds.shift))
        scores["vividness"] = too_vivid(left, bounds.vivid)
        scores["grain"] = _strangeness(left, bounds.grain)
        if bounds.calibrated:
            scores["detail"] = max(scores["detail"], _outlier(left))
        if exact_share(left) <= _MOSTLY_EXACT:
            coarse = np.float32((bounds.flip[1] - _FINE_FLIP) / 2)  # what coarse steps of chroma move more
            parts["colour"] = strange_colour(left, more[:, :, 1] + coarse) / bounds.colour
            scores["colour"] = float(parts["colour"].max())
            parts["text"] = standing_out(left, explained) / bounds.outlier
            if bounds.text:
                parts["text"] = np.maximum(parts["text"], missing_contrast(left, _USUAL, explained) / _TEXT)
            scores["text"] = float(parts["text"].max())
    found = summed_up(left, parts, scores, float(moved.max()), max(tone), window or (0, 0))
    stray = _stray(left, bounds, more, explained)
    return replace(found, stray=round(float(stray.max()), 3), edited=_is_edited(left, stray, scaled=scaled))


def summed_up(
    left: Residual,
    parts: dict[str, NDArray[np.float32]],
    scores: dict[str, float],
    wide_move: float,
    tone: float,
    corner: tuple[int, int] = (0, 0),
) -> Judgement:
    """Return the judgement of which the worst of `scores` decides; `parts` are the maps of the tiles' own.

    `corner` (x, y) is where the residual lies in the picture; nothing is called edited here.
    """
    excess = np.maximum.reduce(list(parts.values()))
    row, column = (int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
    scores = {name: np.inf if np.isnan(score) else score for name, score in scores.items()}  # no number is no proof
    limit = max(scores, key=lambda name: scores[name])
    return Judgement(
        score=round(scores[limit], 3),
        limit=limit,
        at=(corner[0] + column * TILE, corner[1] + row * TILE),
        worst_luma=round(float(np.max(left.rough)), 2),
        worst_chroma=round(float(np.abs(left.signed[:, :, 1:]).max()), 2),
        wide=round(wide_move, 2),
        tone=round(tone, 2),
        exact=exact_share(left),
        equal=_equal_share(left),
        edited=False,
    )


def _loosened(left: Residual) -> tuple[float, float]:
    """Return by how much this file's quality loosens or tightens the bounds of its codec, in luma and in chroma.

    Measured, as `noise` tells it: HEIF and AVIF at 60 and WebP at 80 give 0.4 to 1.6 in luma and 1 to 3 in chroma, AVIF
    at 35 1.4 to 2.3 and 3 to 5.7. A local edit does not move it; a shift (3.5 to 10) or a tone (2.4 to 8), which do,
    exceed the loosest bounds as well.
    """
    luma, chroma = (found / middling for found, middling in zip(noise(left), _MIDDLING, strict=True))
    return min(max(luma, _TIGHTEST), _LOOSEST), min(max(chroma, _TIGHTEST), _LOOSEST)


def with_tone(found: Judgement, left: Residual, bounds: Bounds) -> Judgement:
    """Add to the judgement of some windows what the smooth ground in all of them (`left`) tells of the tone.

    Not what is written on it: another scaler gives letters another contrast.
    """
    smooth = left.spread < _SMOOTH
    if int(smooth.sum()) < _FEWEST_SMOOTH:
        return found
    tone = tone_change(replace(left, level=left.level[smooth][:, None], signed=left.signed[smooth][:, None]))
    scores = {"tone": tone[0] / bounds.tone[0] * _IN_WINDOWS[0], "tint": tone[1] / bounds.tone[1] * _IN_WINDOWS[1]}
    limit = max(scores, key=lambda name: scores[name])
    if scores[limit] <= found.score:
        return found
    return replace(found, score=round(scores[limit], 3), limit=limit, tone=round(max(tone), 2))


def recoloured(left: Residual) -> float:
    """Return how far a palette moved the colours, as a share of what 256 colours may; `left` is without it."""
    moved, tone = areas(left.signed), tone_change(left)
    scores = (float(moved.max()) / _PALETTE_WIDE, tone[0] / PALETTE.tone[0], tone[1] / PALETTE.tone[1])
    return round(max(*scores, shifted(left, PALETTE.shift)), 3)


def _stray(
    left: Residual, bounds: Bounds, more: NDArray[np.float32], explained: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """Return by how much more than decoders, rounding and a palette (`more`) differ each tile does: up to 1 they do."""
    luma, chroma = left.rough, left.chroma
    if explained is not None:
        luma = np.where(explained, 0, luma)
    return np.asarray(np.maximum(luma / (bounds.flip[0] + more[:, :, 2]), chroma / (bounds.flip[1] + more[:, :, 1])))


def _is_edited(left: Residual, stray: NDArray[np.float32], *, scaled: bool) -> bool:
    """Tell whether most tiles came out equal and one strays: the mark of a local edit.

    Flat ground comes out equal by any encoder, and a chart or a page is flat for the most part: so it tells of flat
    ground only, and tiles with detail tell of such tiles and those beside them. Any scaler leaves flat ground equal.
    """
    equal, detailed = _is_equal(left), left.spread >= _INFORMATIVE_SPREAD
    if scaled:
        asked = [(detailed, np.ones_like(detailed), _STRAY)]
    else:
        beside = around(np.logical_or, detailed, 1)
        asked = [(detailed, beside, _STRAY), (~beside, ~beside, _STRAY_ON_FLAT)]
    for kind, tiles, strays in asked:
        share = float((equal & kind).sum()) / max(1.0, float(kind.sum()))
        worst = float(stray.max(where=tiles, initial=0))
        if worst > next((most for least, most in strays.items() if share > least), np.inf):
            return True
    return False


def _outlier(left: Residual) -> float:
    """Return how far the worst tile stands out from the noise that a codec left everywhere, as a score."""
    strength = left.rough / (1 + 0.3 * left.spread)
    detailed = strength[left.spread >= _INFORMATIVE_SPREAD]
    usual = percentile(detailed if detailed.size else strength, 99, lower=True)
    worst = float(strength.max())
    return worst / max(usual * _OUTLIER, _FAINT) if worst > _FAINT else 0.0


def _is_equal(left: Residual) -> NDArray[np.bool_]:
    """Tell which tiles came out equal."""
    return np.asarray(np.maximum(left.rough, left.chroma) < _EQUAL)


def _equal_share(left: Residual) -> float:
    return round(float(_is_equal(left).mean()), 6)


def exact_share(left: Residual) -> float:
    """Return the share of the tiles with detail that came out equal."""
    detailed = left.spread >= _INFORMATIVE_SPREAD
    equal = detailed & _is_equal(left)
    return round(float(equal.sum()) / max(1.0, float(detailed.sum())), 3)


def _strangeness(left: Residual, least: float) -> float:
    """Return how far the grain's correlation is below the least that a copy keeps, as a score above 1, or 0."""
    correlation, share = grain(left)
    found = least / max(correlation, _NO_CORRELATION)
    return found if share >= _GRAIN_KEPT and found > 1 else 0.0


def areas(signed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much each 64x64 pixels moved in luma and in chroma, shape (rows, columns, 2)."""
    moved = np.abs(wide(signed))
    return np.stack([moved[:, :, 0], moved[:, :, 1:].max(axis=2)], axis=2)


def shifted(left: Residual, bound: tuple[float, float]) -> float:
    """Return how far all colours turned or became warmer or cooler, as a score (see `Bounds.shift`)."""
    return max(moved / most for moved, most in zip(colour_shift(left), bound, strict=True))


def too_vivid(left: Residual, bound: tuple[float, float]) -> float:
    """Return by how much paler or more vivid the colours are than `bound` allows (see `Bounds.vivid`), as a score."""
    vivid = vividness(left)
    return vivid / bound[1] if vivid > 0 else -vivid / bound[0]


def exceeding(left: Residual, bounds: Bounds) -> NDArray[np.bool_]:
    """Tell which tiles, shape (rows, columns), it matters of whether rounding explains their luma (see `judge`)."""
    luma, rough = np.abs(left.signed[:, :, 0]), left.rough
    beyond = np.maximum(luma / _allowed(bounds.signed, left.spread), rough / _allowed(bounds.rough, left.spread))
    return np.asarray((beyond > _ROUNDED) | (rough > bounds.flip[0]))


def _allowed(bound: tuple[float, float], spread: NDArray[np.float32]) -> NDArray[np.float32]:
    return (bound[0] + bound[1] * spread).astype(np.float32)
