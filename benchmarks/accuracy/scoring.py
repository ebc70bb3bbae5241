"""Runs `twinwatch compare --pairs --json` as a user would, and counts what it would set aside."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.accuracy.recipe import Label, Pair

SET_ASIDE = frozenset({"identical", "same-pixels", "re-encoded"})
_STEP = 250  # pairs between two lines of progress


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a pair. `first` tells whether the pair's first picture was named the original, if any was."""

    pair: Pair
    verdict: str
    first: bool | None
    evidence: dict[str, Any]

    @property
    def set_aside(self) -> bool:
        return self.verdict in SET_ASIDE

    @property
    def wrong(self) -> bool:
        """Tell whether a copy was missed or a look-alike taken."""
        if self.pair.label is Label.POLICY:
            return False
        return self.set_aside is not (self.pair.label is Label.COPY)

    @property
    def score(self) -> float:
        """Return the residual as a multiple of what is allowed: 0 for equal pixels, infinite where refused."""
        if self.verdict in ("identical", "same-pixels"):
            return 0.0
        return float(self.evidence.get("score", math.inf))


@dataclass(slots=True)
class Count:
    """Pairs, and how many of them were set aside."""

    pairs: int = 0
    set_aside: int = 0

    def add(self, set_aside: bool) -> None:
        self.pairs += 1
        self.set_aside += set_aside

    @property
    def share(self) -> float:
        return self.set_aside / self.pairs if self.pairs else math.nan


def ask(command: Sequence[str], pairs: Sequence[Pair], say: Callable[[str], None]) -> list[Answer]:
    """Let the command compare all pairs; raise RuntimeError when it does not answer every one.

    Every second pair is given the other way round, so that the order of the files cannot help.
    """
    turned = [zlib.crc32(pair.b.encode(errors="surrogateescape")) % 2 == 1 for pair in pairs]
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory(prefix="twinwatch-accuracy-") as folder:
        table = Path(folder, "pairs.csv")
        with table.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(("a", "b"))
            writer.writerows((p.b, p.a) if t else (p.a, p.b) for p, t in zip(pairs, turned, strict=True))
        line = [*command, "compare", "--pairs", str(table), "--json"]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, errors="surrogateescape") as running:
            assert running.stdout is not None
            for pair, turn, text in zip(pairs, turned, running.stdout, strict=False):
                answers.append(_answer(pair, turn, json.loads(text)))
                if len(answers) % _STEP == 0:
                    say(f"  {len(answers)} of {len(pairs)} pairs")
    if running.returncode != 0 or len(answers) != len(pairs):
        raise RuntimeError(f"{len(pairs)} pairs went in, {len(answers)} answers came out (exit {running.returncode})")
    return answers


def _answer(pair: Pair, turned: bool, got: dict[str, Any]) -> Answer:
    original = got["original"]
    first = None if original is None else (original == "a") is not turned
    return Answer(pair, got["verdict"], first, got["evidence"])


def count(answers: Iterable[Answer], by: Callable[[Answer], Any]) -> dict[Any, Count]:
    """Count pairs and what was set aside of them, by any key."""
    counts: dict[Any, Count] = defaultdict(Count)
    for answer in answers:
        counts[by(answer)].add(answer.set_aside)
    return dict(counts)


def at_most(found: int, of: int) -> float:
    """Return the upper end of the 95 % confidence interval of a share (Wilson); the lower end is 1 - at_most(rest)."""
    if not of:
        return math.nan
    z = 1.96
    share = found / of
    middle = share + z * z / (2 * of)
    width = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return min(1.0, (middle + width) / (1 + z * z / of))
