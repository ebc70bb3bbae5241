"""Figures of the benchmarks' pages as SVG: the same data gives the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

OURS = "#1b6ca8"
"""The colour of twinwatch."""

_HASH_SALT = "twinwatch"
_NO_DATE = {"Date": None, "Creator": None}


def side_by_side(columns: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    """Return a figure of this size (inches) and its axes, side by side."""
    mpl.rcParams["svg.hashsalt"] = _HASH_SALT
    figure, axes = plt.subplots(1, columns, figsize=size, squeeze=False, layout="constrained")
    for one in axes[0]:
        one.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[0])


def save(figure: Any, path: Path) -> None:
    """Write the figure and forget it."""
    figure.savefig(path, format="svg", metadata=_NO_DATE)
    plt.close(figure)
    # matplotlib ends lines with blanks, which the repository does not keep
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))
