"""Folders come and go at random: in the end exactly those that are there are watched, each by its present name."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from twinwatch.watcher import Watcher

SOON = 60.0


def folders(root: Path) -> set[bytes]:
    return {os.path.relpath(os.fsencode(place), os.fsencode(root)) for place, _, _ in os.walk(root)}


@pytest.mark.parametrize("seed", range(12))
def test_the_watches_are_the_folders(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    with Watcher(lambda: None) as watcher:
        watcher.add(root, "inotify")
        for step in range(300):
            disturb(dice, root, outside, step)
        watched = watcher._roots[os.fsencode(root)]
        assert watched is not None

        def differs() -> tuple[set[bytes], set[bytes]]:
            with watched.tree._lock:
                known = {path or b"." for path in watched.tree._descriptors}
            there = folders(root)
            return there - known, known - there

        deadline = time.monotonic() + SOON
        while differs() != (set(), set()):
            assert time.monotonic() < deadline, differs()
            time.sleep(0.02)
        health = watcher.health()[os.fsencode(root)]
        assert (health.state, health.overflows, health.repairs) == ("watching", 0, 0)
        # And each of them hears: a file in every folder, by the folder's present name.
        watcher.take()
        wanted = set()
        for place in folders(root):
            path = os.path.normpath(os.path.join(place, b"probe.jpg"))
            Path(os.fsdecode(os.path.join(os.fsencode(root), path))).write_bytes(b"x")
            wanted.add(path)
        heard: set[bytes] = set()
        while not wanted <= heard:
            assert time.monotonic() < deadline, wanted - heard
            heard |= {hint.path for hint in watcher.take() if hint.kind == "closed"}
            time.sleep(0.01)
        assert heard == wanted
        # The books are clean: nothing is remembered of what has gone.
        tree = watched.tree
        with tree._lock:
            assert len(tree._watches) == len(tree._descriptors)
            assert {os.path.join(parent, name) for parent, names in tree._children.items() for name in names} == {
                path for path in tree._descriptors if path
            }


def disturb(dice: random.Random, root: Path, outside: Path, step: int) -> None:
    """Make, move, move in, move out or delete a folder, with all below it."""
    inside = [Path(place) for place, _, _ in os.walk(root)]
    place = dice.choice(inside)
    match dice.choice(["make", "make", "make", "deep", "move", "move", "out", "in", "delete", "swap"]):
        case "make":
            (place / f"d{step}").mkdir()
        case "deep":
            (place / f"d{step}" / "x" / "y").mkdir(parents=True)
        case "move":
            target = dice.choice(inside) / dice.choice([f"m{step}", "m"])
            if place != root and not target.exists() and place not in (target, *target.parents):
                place.rename(target)
        case "out" if place != root:
            place.rename(outside / f"o{step}")
        case "in":
            waiting = sorted(outside.iterdir())
            if waiting:
                dice.choice(waiting).rename(place / f"i{step}")
        case "delete" if place != root:
            shutil.rmtree(place)
        case "swap" if place != root:
            place.rename(outside / "swap")
            place.mkdir()
            (outside / "swap").rename(place / f"s{step}")
