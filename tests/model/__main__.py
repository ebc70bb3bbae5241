"""A long random walk over the model: as many planner decisions as are asked for, each checked by every law.

usage: python -m tests.model [--cases N] [--seed S] [--steps N]

Prints what was done and how often. A broken law ends it with the seed of that household and the acts that led there.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from tests.model.world import LAYOUTS, World
from twinwatch.brake import Limits

WEIGHTS = {
    "arrive": 4, "copy": 14, "link": 2, "edit": 3, "rename": 4, "exchange": 1, "delete": 3, "unmount": 1, "restore": 3,
    "purge": 2, "keep_both": 1, "resume": 1, "clock": 1, "ask_to_move": 1, "walk": 8, "wait": 10, "work": 24,
    "finish": 10, "crash": 3, "come_back": 6, "lose_index": 1,
}  # fmt: skip


def main() -> int:
    """Walk until enough decisions were taken."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--steps", type=int, default=120)
    asked = parser.parse_args()
    total: Counter[str] = Counter()
    seed = asked.seed
    while total["planner cases"] < asked.cases:
        total += walk(seed, asked.steps)
        total["households"] += 1
        seed += 1
    for word, count in sorted(total.items()):
        sys.stdout.write(f"{word:28} {count:10}\n")
    sys.stdout.write(f"seeds {asked.seed} to {seed - 1}: no law was broken\n")
    return 0


def walk(seed: int, steps: int) -> Counter[str]:
    """Let one household live; raise AssertionError, with its story, when a law is broken."""
    chance = random.Random(seed)
    world = World(seed % LAYOUTS, Limits(max_moves=chance.choice([3, 500]), max_returns=chance.choice([0, 1, 3])))
    words, weights = list(WEIGHTS), list(WEIGHTS.values())
    story: list[tuple[str, int, int, int]] = []
    try:
        for planner in world.planners:
            world.restart(planner)
        for _ in range(steps):
            (word,) = chance.choices(words, weights)
            story.append((word, chance.randrange(64), chance.randrange(64), chance.randrange(64)))
            world.act(*story[-1])
        world.come_to_rest()
    except Exception:
        sys.stderr.write(f"seed {seed}, layout {seed % LAYOUTS}:\n" + "".join(f"  {act}\n" for act in story))
        raise
    return world.counts + Counter({"planner cases": world.cases})


if __name__ == "__main__":
    sys.exit(main())
