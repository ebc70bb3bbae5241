"""What each part of the benchmark found, kept as JSON in the work folder: parts may be run one at a time."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.performance.figures import Figure
from benchmarks.performance.growth import Costs
from benchmarks.performance.search import Times


@dataclass(slots=True)
class Result:
    """The figures of one part, and the points of its plot."""

    figures: list[Figure] = field(default_factory=list)
    times: Times = field(default_factory=dict)
    costs: Costs = field(default_factory=dict)
    walks: list[tuple[int, float, float]] = field(default_factory=list)

    def save(self, folder: Path, part: str) -> None:
        """Keep it."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {
            "figures": [asdict(figure) for figure in self.figures],
            "times": [[*key, value] for key, value in self.times.items()],
            "costs": [[*key, value] for key, value in self.costs.items()],
            "walks": self.walks,
        }
        (folder / f"{part}.json").write_text(json.dumps(kept, indent=1))


def load(folder: Path, part: str) -> Result | None:
    """Return what a part found when it was last run, or None."""
    kept = folder / f"{part}.json"
    if not kept.exists():
        return None
    said = json.loads(kept.read_text())
    return Result(
        [Figure(**figure) for figure in said["figures"]],
        {(program, count, radius): value for program, count, radius, value in said["times"]},
        {(step, count): value for step, count, value in said["costs"]},
        [(count, theirs, ours) for count, theirs, ours in said["walks"]],
    )
