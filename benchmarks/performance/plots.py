"""The plots of the page, as SVG: a search and an arrival as the index grows, a walk as the tree grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drawing import OURS, save, side_by_side
from benchmarks.performance.growth import Costs
from benchmarks.performance.search import Times

_PEERS = ("#c2402b", "#8a6d1d", "#5b8c5a", "#777777", "#7a5195")


def search(times: Times, path: Path) -> None:
    """Draw the seconds of a search over the number of photos, a panel for each radius."""
    radii = sorted({radius for _, _, radius in times})
    figure, panels = side_by_side(len(radii), (5.2 * len(radii), 4))
    for axes, radius in zip(panels, radii, strict=True):
        lines: dict[str, dict[int, float]] = {}
        for (program, count, one), seconds in times.items():
            if one == radius:
                lines.setdefault(program, {})[count] = 1000 * seconds
        _draw(axes, lines)
        axes.set_title(f"radius {radius}", fontsize=10)
        axes.set_xlabel("photos in the index")
        axes.set_ylabel("ms of processor for eight orientations")
        axes.set_yscale("log")
    save(figure, path)


def growth(costs: Costs, steps: Sequence[str], walks: Iterable[tuple[int, float, float]], path: Path) -> None:
    """Draw the cost of an arrival by step over the index's size, and of a walk over the tree's size."""
    figure, (left, right) = side_by_side(2, (10.4, 4))
    lines: dict[str, dict[int, float]] = {}
    for name in ("arrival", *steps):
        lines["twinwatch" if name == "arrival" else name] = {
            count: cost for (step, count), cost in costs.items() if step == name
        }
    _draw(left, lines)
    left.set_xlabel("photos in the index")
    left.set_ylabel("ms of processor for one arrival (blue: all)")
    left.set_ylim(bottom=0)
    _draw(
        right,
        {
            "twinwatch": {count: ours for count, _, ours in walks},
            "find -printf": {count: theirs for count, theirs, _ in walks},
        },
    )
    right.set_xlabel("files in the tree")
    right.set_ylabel("us of processor a file, nothing new")
    right.set_ylim(bottom=0)
    save(figure, path)


def _draw(axes: Any, lines: Mapping[str, Mapping[int, float]]) -> None:
    others = iter(_PEERS)
    for name, points in lines.items():
        own = name == "twinwatch"
        colour = OURS if own else next(others)
        axes.plot(
            list(points), list(points.values()), "o-", color=colour, linewidth=2 if own else 1, label=name, markersize=4
        )
    axes.set_xscale("log")
    axes.legend(fontsize=8, frameon=False)
