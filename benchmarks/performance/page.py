"""Writes docs/performance.md: every figure with its bar, the plots, the machine, and what profiles showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.performance.figures import Figure, number
from benchmarks.performance.results import Result
from benchmarks.performance.search import Times


@dataclass(slots=True)
class Run:
    """Everything the page tells about one run."""

    settings: str  # the command that repeats it
    machine: list[str]
    left_out: list[str] = field(default_factory=list)  # what was not measured, and why
    found: Result = field(default_factory=Result)

    @property
    def figures(self) -> list[Figure]:
        """Return the figures of all parts."""
        return self.found.figures

    def take(self, part: Result) -> None:
        """Add what one part found."""
        self.found.figures += part.figures
        self.found.times |= part.times
        self.found.costs |= part.costs
        self.found.walks += part.walks


def page(run: Run, plots: str, profiles: str) -> str:
    """Return the page; `plots` is the folder of the plots as a relative link, `profiles` the part written by hand."""
    made = (*_head(run), *_bars(run), *_searches(run.found.times, plots), *_growth(run.found, plots))
    return "\n".join([*made, profiles.strip(), ""])


def _head(run: Run) -> Iterator[str]:
    yield f"""# What does it cost?

*Written by `make bench`; do not edit, but for the profiles at the end. Ratios hold from machine to machine,
milliseconds do not. Costs are processor time unless they say otherwise; what is compared ran in turns; medians.*

- To repeat it: `{run.settings}`."""
    yield from (f"- {line}." for line in run.machine)
    yield from (f"- Left out: {line}." for line in run.left_out)
    yield ""


def _bars(run: Run) -> Iterator[str]:
    met = [figure.met for figure in run.figures if figure.met is not None]
    yield f"## Figures and their bars\n\n{sum(met)} of {len(met)} bars are met.\n"
    yield "| work | what | measured | bar | met | |"
    yield "|---|---|---:|---:|---|---|"
    for figure in run.figures:
        bar = "" if figure.bar is None else f"{figure.rule} {figure.bar:g}"
        said = {None: "", True: "yes", False: "**no**"}[figure.met]
        value = f"{number(figure.value)} {figure.unit}"
        yield f"| {figure.work} | {figure.what} | {value} | {bar} | {said} | {figure.note} |"
    yield ""


def _searches(times: Times, plots: str) -> Iterator[str]:
    if not times:
        return
    yield f"""## Searches

Milliseconds of processor for one newcomer in all eight orientations. Every program found exactly what brute force did.

![A search as the index grows]({plots}/search.svg)
"""
    yield from _table(times)


def _table(times: Mapping[tuple[str, int, int], float]) -> Iterator[str]:
    programs: Sequence[str] = list(dict.fromkeys(program for program, _, _ in times))
    yield f"| photos | radius | {' | '.join(programs)} |"
    yield f"|---:|---:|{'---:|' * len(programs)}"
    for count, radius in sorted({(count, radius) for _, count, radius in times}):
        cells = [times.get((program, count, radius)) for program in programs]
        shown = " | ".join("-" if cell is None else number(1000 * cell) for cell in cells)
        yield f"| {count:,} | {radius} | {shown} |"
    yield ""


def _growth(found: Result, plots: str) -> Iterator[str]:
    if not (found.costs and found.walks):
        return
    yield f"""## Growth

![An arrival as the index grows, a walk as the tree grows]({plots}/growth.svg)
"""
