"""Labelled real pictures, when they are there: positives.csv, negatives.csv, and groups that hardneg.py draws.

Two CSV files with the columns a, b (below their own folder), relation and source; a script that writes labels.csv with
group and file. They lie in `corpus/` and `tools/` of a folder `shared` beside the project, or where --corpus says.
"""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy.recipe import Label, Pair

BESIDE = Path(__file__).resolve().parents[3] / "shared"
_PHOTOS = ("drewnoakes", "brighton-drone", "immich/albums", "codec-corpus", "deb-wallpapers")
_PATIENCE = 900.0  # seconds for hardneg.py
REAL = "real pictures: "
DRAWN = "hardneg: "


def photo_folders(shared: Path) -> list[Path]:
    """Return the folders of the corpus that hold photos, as far as they are there."""
    return [folder for name in _PHOTOS if (folder := shared / "corpus" / name).is_dir()]


def real_pairs(shared: Path) -> list[Pair]:
    """Return the pairs of the two tables; `source` is where the pictures are from."""
    pairs = []
    for name, label in (("positives.csv", Label.COPY), ("negatives.csv", Label.NOT_COPY)):
        table = shared / "corpus" / name
        if not table.is_file():
            continue
        with table.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                if row["a"] != "a":  # a header line repeated where tables were joined
                    a, b = (str(table.parent / row[side]) for side in ("a", "b"))
                    family = REAL + row["source"]
                    pairs.append(Pair(a, b, label, family, row["relation"], "unknown", row["source"]))
    return pairs


def drawn_groups(shared: Path, photos: Sequence[Path], folder: Path, seeds: Sequence[int]) -> list[Pair]:
    """Return the pairs of the groups that hardneg.py draws with these seeds: all within a group are different."""
    script = shared / "tools" / "hardneg.py"
    if not script.is_file():
        return []
    pairs = []
    for seed in seeds:
        place = folder / f"hardneg-{seed}-{len(photos)}"
        labels = place / "labels.csv"
        if not labels.is_file():
            place.mkdir(parents=True, exist_ok=True)
            listed = place / "photos.txt"
            listed.write_text("".join(f"{photo}\n" for photo in photos))
            command = [sys.executable, str(script), str(listed), str(place), str(seed)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=_PATIENCE)
        with labels.open(newline="") as file:
            rows = list(csv.DictReader(file))
        groups: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            groups.setdefault(row["group"], []).append(row)
        for group in groups.values():
            for first, second in itertools.combinations(group, 2):
                family = DRAWN + first["kind"]
                pairs.append(
                    Pair(first["file"], second["file"], Label.NOT_COPY, family, f"seed {seed}", "Pillow", "hardneg")
                )
    return pairs
