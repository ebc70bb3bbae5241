"""`compare --metric`: the numbers of common scripts beside our verdict, through the real command."""

from __future__ import annotations

import json
from pathlib import Path

import imagehash
import pytest
from PIL import Image

from tests.drawing import scene, stamped, stored
from tests.e2e.running import twinwatch
from twinwatch.photo import Metric

NAMES = [str(metric) for metric in Metric]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A photo, a copy of half its size, a turned one, one with a date, another, and a file that is none."""
    photo = scene(5, (640, 480))
    photo.save(tmp_path / "photo.png")
    (tmp_path / "half.jpg").write_bytes(stored(photo.resize((320, 240)), quality=80))
    (tmp_path / "turned.jpg").write_bytes(stored(photo.transpose(Image.Transpose.ROTATE_270), quality=90))
    (tmp_path / "stamped.jpg").write_bytes(stored(stamped(photo), quality=90))
    (tmp_path / "other.jpg").write_bytes(stored(scene(6, (640, 480)), quality=90))
    (tmp_path / "broken.jpg").write_bytes(stored(photo)[:3000])
    return tmp_path


def test_all_metrics_of_a_pair_in_one_line(pictures: Path) -> None:
    done = twinwatch("compare", pictures / "photo.png", pictures / "half.jpg", "--metric", "all", "--json")
    row = json.loads(done.stdout)
    assert (row["verdict"], list(row["metrics"])) == ("re-encoded", NAMES)
    assert all(set(found) == {"value", "rule", "threshold", "alike"} for found in row["metrics"].values())
    with Image.open(pictures / "photo.png") as a, Image.open(pictures / "half.jpg") as b:
        bits = int(imagehash.dhash(a, hash_size=10) - imagehash.dhash(b, hash_size=10))
    expected = {"value": round(1 - bits / 100, 6), "rule": "at least", "threshold": 0.7, "alike": True}
    assert row["metrics"]["difference"] == expected


def test_a_script_s_answer_stands_beside_a_verdict_that_differs(pictures: Path) -> None:
    asked = ("--metric", "mse", "--metric", "perceptual", "--metric", "mse")
    done = twinwatch("compare", pictures / "photo.png", pictures / "stamped.jpg", *asked)
    verdict, *lines = done.stdout.splitlines()
    assert verdict.startswith("look-alike")
    shown = [line.split(maxsplit=2) for line in lines if line.split()[0] in NAMES]
    assert [(line[0], line[2]) for line in shown] == [
        ("perceptual", "alike (alike when at least 0.7)"),
        ("mse", "alike (alike when below 200)"),
    ]
    plain = twinwatch("compare", pictures / "photo.png", pictures / "stamped.jpg")
    assert plain.stdout.splitlines() == [verdict, *lines[: -len(shown)]]


def test_pairs_have_their_metrics_and_a_broken_file_has_none(pictures: Path) -> None:
    names = ["turned.jpg", "other.jpg", "broken.jpg", "gone.jpg"]
    table = pictures / "pairs.csv"
    table.write_text("a,b\n" + "".join(f"photo.png,{name}\n" for name in names))
    done = twinwatch("compare", "--pairs", table, "--base", pictures, "--metric", "mse", "--metric", "ssim", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["b"], row["verdict"]) for row in rows] == list(
        zip(names, ["re-encoded", "distinct", "undecodable", "undecodable"], strict=True)
    )
    turned, other, *bad = [row["metrics"] for row in rows]
    assert (turned["mse"]["alike"], turned["ssim"]["alike"]) == (True, False), "difPy turns; nobody turns for SSIM"
    assert (other["mse"]["alike"], other["ssim"]["alike"]) == (False, False)
    assert bad == [{"mse": None, "ssim": None}] * 2
    one = twinwatch("compare", pictures / "photo.png", pictures / "broken.jpg", "--metric", "mse", check=False)
    assert (one.returncode, one.stdout.splitlines()[-1].split()) == (1, ["mse", "-", "no", "answer"])


def test_an_unknown_metric_is_told_with_the_names_there_are(pictures: Path) -> None:
    done = twinwatch("compare", pictures / "photo.png", pictures / "half.jpg", "--metric", "phash", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'phash' is not one of" in done.stderr
    assert all(f"'{name}'" in done.stderr for name in [*NAMES, "all"])
