"""Writes docs/accuracy.md: how it was measured, recall by family, what was missed, false alarms, the peers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.accuracy import corpus
from benchmarks.accuracy import families as f
from benchmarks.accuracy.peers import PEERS, version
from benchmarks.accuracy.recipe import Label
from benchmarks.accuracy.scoring import Answer, Count, at_most, count

OURS = "twinwatch"
MADE, PHOTOS, DRAWINGS = "made here", "of real photos", "of real drawings"
_DRAWINGS = ("flags", "emoji-google")  # sources of the corpus that are no photos
_NEAREST = 15  # look-alikes shown that came nearest to the bound


@dataclass(slots=True)
class Run:
    """Everything the page tells about one run."""

    answers: list[Answer]
    peers: Mapping[str, list[bool]]  # in the order of `answers`
    programs: Mapping[str, str]  # versions
    missing: Mapping[str, str]  # how to install
    trouble: Sequence[tuple[str, str, str]]
    photos: Sequence[tuple[str, int, int]]
    settings: str  # the command that repeats it
    about: Sequence[str] = field(default_factory=list)  # sentences about where the pictures are from

    def of(self, *labels: Label) -> list[Answer]:
        """Return the answers to the pairs of these labels."""
        return [answer for answer in self.answers if answer.pair.label in labels]


def page(run: Run, plots: str) -> str:
    """Return the page; `plots` is the folder of the plots, as a relative link."""
    sections = (
        _how(run),
        _recall(run, plots),
        _missed(run),
        _alarms(run, plots),
        _peers(run, plots),
        _policy(run),
        _programs(run),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a Markdown table; the first column is text, what looks like a number is set to the right."""
    body = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    right = [
        bool(body) and all(row[i][:1].isdigit() or row[i] in ("-", "") for row in body) for i in range(len(columns))
    ]
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join('---:' if to_right else '---' for to_right in right)}|"
    for row in body:
        yield f"| {' | '.join(row)} |"
    yield ""


def share(one: Count) -> str:
    """Return a share in per cent; 100 only when nothing is missing."""
    if not one.pairs:
        return "-"
    value = 100 * one.share
    return f"{math.floor(value * 10) / 10 if value < 100 else value:.1f} %"


def _how(run: Run) -> Iterator[str]:
    copies, unlike, policy = (len(run.of(label)) for label in Label)
    sources = "".join(f"- {sentence}\n" for sentence in run.about)
    yield f"""# How accurate is it?

*Written by `make accuracy`; do not edit. It says what twinwatch calls a copy and what not, on pairs that were made for
it and on real ones, and what other programs say of the same pairs in the same run.*

## How it was measured
- {len(run.answers)} pairs: **{copies} copies**, **{unlike} look-alikes**, {policy} for which either answer is right.
- {len(run.photos)} photos, {_sizes(run.photos)}. From each, copies were made by every program listed at the end,
  and look-alikes by editing it and saving the result in three ways: plainly, re-encoded by another program, resized by
  a third.
{sources}- twinwatch was run as users run it: `twinwatch compare --pairs FILE.csv --json`, the original first in half
  of the pairs and second in the other. *Set aside* means: the verdict is `identical`, `same-pixels` or `re-encoded`.
- To repeat it: `{run.settings}`. The same seed and programs give the same pairs.
"""


def _sizes(photos: Sequence[tuple[str, int, int]]) -> str:
    areas = sorted((width * height, width, height) for _, width, height in photos)
    if not areas:
        return "of no size"
    return f"{areas[0][1]}x{areas[0][2]} to {areas[-1][1]}x{areas[-1][2]} pixels"


def _recall(run: Run, plots: str) -> Iterator[str]:
    copies = run.of(Label.COPY)
    total = count(copies, lambda answer: answer.pair.family)
    cells = count(copies, lambda answer: (answer.pair.family, answer.pair.program))
    yield """## Copies found, by family
*Found*: set aside; *at least*: the lower end of the 95 % confidence interval. First what the design demands:
"""
    rows = []
    for required in f.REQUIRED:
        parts = [total[name] for name in required.families if name in total]
        one = Count(sum(part.pairs for part in parts), sum(part.set_aside for part in parts))
        if one.pairs:
            met = "yes" if one.share >= required.share else "**no**"
            rows.append((required.words, *_found(one), f"{100 * required.share:g} %", met))
    yield from table(("what was done", "pairs", "found", "share", "at least", "required", "met"), rows)
    yield "The same in detail:\n"
    yield from table(
        ("family", "pairs", "found", "share", "at least"), [(name, *_found(total[name])) for name in _in_order(total)]
    )
    yield f"""`{f.RESIZE_TINY}` is anything whose shorter side is shorter than that: little is left to prove it by.
Drawings of a few bytes, as flags are, are proved by equal pixels only: those of two countries may differ by little.

The same, by the program that made the copy (found/pairs):

![Copies found by family and program]({plots}/programs.svg)
"""
    programs = count(copies, lambda answer: answer.pair.program)
    worst_first = sorted(programs.items(), key=lambda item: item[1].share)
    yield from table(
        ("program", "pairs", "found", "share", "families with misses"),
        [(name, one.pairs, one.set_aside, share(one), _weak(name, cells)) for name, one in worst_first],
    )
    yield f"**Which is the original?** {_directions(copies)}\n"


def _found(one: Count) -> tuple[int, int, str, str]:
    least = 1 - at_most(one.pairs - one.set_aside, one.pairs)
    return one.pairs, one.set_aside, share(one), f"{100 * least:.1f} %"


def _weak(program: str, cells: Mapping[tuple[str, str], Count]) -> str:
    return ", ".join(
        f"{family} {one.set_aside}/{one.pairs}"
        for (family, name), one in sorted(cells.items())
        if name == program and one.set_aside < one.pairs
    )


def _directions(copies: Sequence[Answer]) -> str:
    known = [answer for answer in copies if answer.verdict == "re-encoded" and kind_of(answer) == MADE]
    named = [answer for answer in known if answer.first is not None]
    right = sum(bool(answer.first) for answer in named)
    return (
        f"Of {len(known)} made copies judged `re-encoded`, the right picture was named the original in {right}, "
        f"the copy in {len(named) - right}, and neither in {len(known) - len(named)}."
    )


def _missed(run: Run) -> Iterator[str]:
    copies = run.of(Label.COPY)
    missed = [answer for answer in copies if answer.wrong]
    yield "## Copies missed, by case"
    if not missed:
        yield "None.\n"
        return
    yield "A missed copy stays where it is, and is shown for review when it looks alike; nothing is lost.\n"
    cases = count(copies, _case)
    groups: dict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    for answer in missed:
        groups[_case(answer)].append(answer)
    rows = []
    for case in sorted(groups, key=lambda case: (_place(case[0]), case)):
        worst = max(groups[case], key=lambda answer: answer.score)
        rows.append((*case, f"{len(groups[case])} of {cases[case].pairs}", worst.verdict, _number(worst.score)))
    yield from table(("family", "program", "case", "missed", "verdict", "residual"), rows)


def _case(answer: Answer) -> tuple[str, str, str]:
    return answer.pair.family, answer.pair.program, answer.pair.case


def _number(score: float) -> str:
    return f"{score:.2f}" if math.isfinite(score) else "-"


def _alarms(run: Run, plots: str) -> Iterator[str]:
    unlike = run.of(Label.NOT_COPY)
    sources = count(unlike, lambda answer: answer.pair.family)
    yield """## Look-alikes taken for copies, by source
*At most* is the upper end of the 95 % confidence interval: what so many pairs can say.
"""
    rows = []
    for name, one in sorted(sources.items()):
        rows.append((name, one.pairs, one.set_aside, share(one), f"{100 * at_most(one.set_aside, one.pairs):.2f} %"))
    yield from table(("source", "pairs", "set aside", "share", "at most"), rows)
    taken = [answer for answer in unlike if answer.wrong]
    columns = ("source", "saved by", "case", "picture", "residual")
    if taken:
        yield "Every one of them:\n"
        yield from table(columns, (_told(answer) for answer in sorted(taken, key=_by_score)))
    yield f"""![Residual of copies and look-alikes]({plots}/residual.svg)

Left: how large the residual of the worst tile is, as a multiple of what is allowed there. Right: what any other bound
would give. Pairs that were refused earlier have no residual and are beyond the right edge; equal pixels are at the
left one. Some pairs within the bound are refused for another reason: most of a picture was made exactly, the rest not.
"""
    near = sorted((answer for answer in unlike if not answer.wrong and math.isfinite(answer.score)), key=_by_score)
    if near:
        yield f"The {min(_NEAREST, len(near))} look-alikes that came nearest and were told apart:\n"
        yield from table(columns, (_told(answer) for answer in near[:_NEAREST]))


def _by_score(answer: Answer) -> float:
    return answer.score


def _told(answer: Answer) -> tuple[str, str, str, str, str]:
    pair = answer.pair
    return pair.family, pair.program, pair.case, pair.source, _number(answer.score)


def _peers(run: Run, plots: str) -> Iterator[str]:
    judged = {OURS: [answer.set_aside for answer in run.answers], **run.peers}
    yield f"""## Beside its peers, on the same pairs
Their thresholds are those their users have. Recall and false alarms each stand for themselves: a program that finds
much and takes many look-alikes with it is not half good. The look-alikes are hard ones on purpose: edits of the same
photo, and real pictures that were chosen because their pHash is near. Among any two photos of a library, hashes err far
less often; these figures say what happens when pictures do look alike.

![Recall and false alarms of twinwatch and its peers]({plots}/peers.svg)
"""
    columns = [(label, kind) for label in (Label.COPY, Label.NOT_COPY) for kind in kinds(run)]
    sizes = [_judged(run, judged[OURS], label, kind).pairs for label, kind in columns]
    heads = [
        f"{'copies found' if label is Label.COPY else 'look-alikes taken'}, {kind} ({size})"
        for (label, kind), size in zip(columns, sizes, strict=True)
    ]
    rows = [[name, *(share(_judged(run, said, *column)) for column in columns)] for name, said in judged.items()]
    yield from table(("program", *heads), rows)
    ran = [(peer.name, peer.what, f"{peer.package} {version(peer.package)}") for peer in PEERS if peer.name in judged]
    yield from table(("rule", "what was run", "version"), ran)
    chosen = [name for name in _SHOWN if name in judged]
    yield "Copies found, by family:\n"
    yield from table(("family", *chosen), _by_family(run, judged, chosen, Label.COPY))
    yield "Look-alikes taken, by source:\n"
    yield from table(("source", *chosen), _by_family(run, judged, chosen, Label.NOT_COPY))
    yield """imagededup was not run, as it needs PyTorch; its PHash is imagehash's `phash` (both of a 32x32 DCT), shown
at its default of 10. difPy's own comparison subtracts unsigned bytes, which wrap around; MSE < 200 does not. What a
peer cannot read, as JPEG XL, it does not find.
"""


_SHOWN = (
    OURS,
    "difPy, similar",
    "MSE < 200 at 50x50",
    "equal pHash and size",
    "pHash <= 4",
    "dHash <= 4",
    "czkawka <= 5",
)


def kinds(run: Run) -> list[str]:
    """Return the kinds of pairs there are."""
    there = {kind_of(answer) for answer in run.answers}
    return [kind for kind in (MADE, PHOTOS, DRAWINGS) if kind in there]


def kind_of(answer: Answer) -> str:
    """Return whether a pair was made for this, or is of real photos or drawings."""
    if not answer.pair.family.startswith(corpus.REAL):
        return MADE
    return DRAWINGS if answer.pair.family.removeprefix(corpus.REAL) in _DRAWINGS else PHOTOS


def _judged(run: Run, said: Sequence[bool], label: Label, of: str) -> Count:
    """Count what was said of the pairs of one label and of one kind or family."""
    one = Count()
    for answer, alike in zip(run.answers, said, strict=True):
        if answer.pair.label is label and of in (kind_of(answer), answer.pair.family):
            one.add(alike)
    return one


def _by_family(
    run: Run, judged: Mapping[str, Sequence[bool]], chosen: Sequence[str], label: Label
) -> Iterator[list[str]]:
    for family in _in_order(count(run.of(label), lambda answer: answer.pair.family)):
        yield [family, *(share(_judged(run, judged[name], label, family)) for name in chosen)]


def _policy(run: Run) -> Iterator[str]:
    policy = run.of(Label.POLICY)
    if not policy:
        return
    yield """## Where either answer is right
A slight blur, a crop of up to 2 %, a profile dropped, and mirrored copies: `re-encoded`, and sent to review by default.
"""
    verdicts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for answer in policy:
        verdicts[answer.pair.family, answer.pair.case.split(" ")[0]][answer.verdict] += 1
    rows = [
        (*name, ", ".join(f"{verdict} {n}" for verdict, n in sorted(told.items())))
        for name, told in sorted(verdicts.items())
    ]
    yield from table(("family", "case", "verdicts"), rows)


def _programs(run: Run) -> Iterator[str]:
    yield "## Programs that made the copies"
    yield from table(("program", "version"), sorted((name, told) for name, told in run.programs.items() if told))
    yield """GD is what WordPress and other sites in PHP use, Skia what Chromium, Android and Flutter draw with (npm's
`@napi-rs/canvas`), pica what galleries in browsers resize with, photon Rust's `image` crate.
"""
    if run.missing:
        missing = "; ".join(f"{name} (`{how}`)" for name, how in sorted(run.missing.items()))
        yield f"Not installed, and so not measured: {missing}.\n"
    if run.trouble:
        yield "What these programs could not make:\n"
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for program, case, why in run.trouble:
            groups[program, case].append(why)
        rows = [(program, case, len(why), _plainly(why[0])) for (program, case), why in sorted(groups.items())]
        yield from table(("program", "case", "times", "it said"), rows)


def _plainly(why: str) -> str:
    """Return an error without the paths of the machine that ran it."""
    return " ".join("FILE" if "/" in word else word for word in why.split())[:120].replace("`", "'")


def _in_order(names: Mapping[str, Count]) -> list[str]:
    return sorted(names, key=_place)


def _place(family: str) -> tuple[int, str]:
    return (f.ORDER.index(family) if family in f.ORDER else len(f.ORDER), family)


def families_in_order(answers: Sequence[Answer]) -> list[str]:
    """Return the families of these pairs in the page's order."""
    return _in_order(count(answers, lambda answer: answer.pair.family))


def points(run: Run) -> dict[str, dict[str, tuple[float, float]]]:
    """Return (false alarms, recall) of twinwatch and every peer, as shares, for each kind of pairs."""
    judged = {OURS: [answer.set_aside for answer in run.answers], **run.peers}
    return {
        f"pairs {kind}": {
            name: (_judged(run, said, Label.NOT_COPY, kind).share, _judged(run, said, Label.COPY, kind).share)
            for name, said in judged.items()
        }
        for kind in kinds(run)
    }


def scores(run: Run, label: Label, name: str) -> dict[str, list[float]]:
    """Return the residuals of the pairs of one label, by kind; `name` is what these pairs are called."""
    return {
        f"{name} {kind}": [answer.score for answer in run.of(label) if kind_of(answer) == kind]
        for kind in kinds(run)
        if any(kind_of(answer) == kind for answer in run.of(label))
    }
