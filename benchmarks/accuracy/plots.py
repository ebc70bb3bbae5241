"""The plots of the page, as SVG: the residual of copies and look-alikes, the families by program, the peers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter

from benchmarks.accuracy.scoring import Count
from benchmarks.drawing import OURS, save, side_by_side

_UNLIKE, _PEER, _BOUND = "#c2402b", "#777777", "#333333"
_CELLS = LinearSegmentedColormap.from_list("recall", ["#e8866b", "#fbe3b0", "#cfe8cf"])
_LEAST_SHOWN = 0.5  # recall of the reddest cell
_LOWEST, _HIGHEST = 0.03, 60.0  # scores beyond are drawn at the edge


def residuals(copies: Mapping[str, Sequence[float]], unlike: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw which share of each kind of copies and look-alikes has a residual up to x; and the ROC that this makes.

    A score of infinity is a pair that was refused before there was a residual.
    """
    figure, (left, right) = side_by_side(2, (11, 5.0))
    for kinds, colour in ((copies, OURS), (unlike, _UNLIKE)):
        for (name, scores), style in zip(kinds.items(), ("-", "--", ":"), strict=False):
            seen = sorted(min(_HIGHEST, max(_LOWEST, score)) for score in scores)
            shares = [(place + 1) / len(seen) for place in range(len(seen))]
            left.step(seen, shares, where="post", color=colour, linestyle=style, label=f"{name} ({len(seen)})")
    left.axvline(1.0, color=_BOUND, linewidth=0.8, linestyle="--")
    left.set_xscale("log")
    left.set_xlabel("residual of the worst tile, as a multiple of what is allowed")
    left.set_ylabel("share of the pairs with that residual or less")
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    left.yaxis.set_major_formatter(FuncFormatter(_percent))
    left.text(1.05, 0.1, "bound", rotation=90, color=_BOUND, va="center")
    left.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=8, frameon=False)
    every = [score for kind in unlike.values() for score in kind]
    for (name, scores), style in zip(copies.items(), ("-", "--", ":"), strict=False):
        bounds = sorted({score for score in [*scores, *every] if math.isfinite(score)})
        taken, found = ([_share(kind, bound) for bound in bounds] for kind in (every, scores))
        right.plot(taken, found, color=OURS, linestyle=style, drawstyle="steps-post", label=name)
        right.plot([_share(every, 1.0)], [_share(scores, 1.0)], "o", color=_BOUND, markersize=4)
    right.set_xscale("symlog", linthresh=0.001)
    right.set_xlim(left=-0.0001)
    right.set_xlabel("share of all look-alikes within a bound (dots: the bound of 1)")
    right.set_ylabel("share of the copies within it")
    right.xaxis.set_major_formatter(FuncFormatter(_percent))
    right.yaxis.set_major_formatter(FuncFormatter(_percent))
    right.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, fontsize=8, frameon=False)
    save(figure, path)


def by_program(
    families: Sequence[str], programs: Sequence[str], counts: Mapping[tuple[str, str], Count], path: Path
) -> None:
    """Draw recall by family and program as a table of coloured cells; a cell without pairs stays white."""
    figure, (axes,) = side_by_side(1, (0.62 * len(programs) + 3.2, 0.36 * len(families) + 1.6))
    grid = [
        [counts[family, program].share if (family, program) in counts else math.nan for program in programs]
        for family in families
    ]
    axes.imshow(grid, cmap=_CELLS, vmin=_LEAST_SHOWN, vmax=1.0, aspect="auto")
    for row, family in enumerate(families):
        for column, program in enumerate(programs):
            one = counts.get((family, program))
            if one:
                axes.text(column, row, f"{one.set_aside}/{one.pairs}", ha="center", va="center", fontsize=6.5)
    axes.set_xticks(range(len(programs)), programs, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(families)), families, fontsize=8)
    for side in axes.spines.values():
        side.set_visible(False)
    save(figure, path)


def peers(panels: Mapping[str, Mapping[str, tuple[float, float]]], ours: str, path: Path) -> None:
    """Draw recall over false alarms, a panel for each kind of pairs: name -> (false alarms, recall) as shares."""
    figure, all_axes = side_by_side(len(panels), (4.6 * len(panels), 4.6))
    for axes, (title, points) in zip(all_axes, panels.items(), strict=True):
        for number, (name, (alarms, found)) in enumerate(points.items()):
            own = name == ours
            colour, size = (OURS, 9) if own else (_PEER, 5)
            axes.plot([alarms], [found], "o", color=colour, markersize=size, label=f"{number}  {name}")
            axes.annotate(str(number), (alarms, found), textcoords="offset points", xytext=(5, 4), fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.set_xscale("symlog", linthresh=0.001)
        axes.set_xlim(-0.0003, 1.5)
        axes.set_ylim(0, 1.06)
        axes.set_xlabel("false alarms: look-alikes called copies")
        axes.set_ylabel("recall: copies found")
        axes.xaxis.set_major_formatter(FuncFormatter(_percent))
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    all_axes[0].legend(loc="lower left", fontsize=7, handlelength=0, markerscale=0, frameon=False)
    save(figure, path)


def _share(scores: Sequence[float], bound: float) -> float:
    return sum(score <= bound for score in scores) / len(scores) if scores else math.nan


def _percent(value: float, _place: object = None) -> str:
    return f"{100 * value:g} %"
