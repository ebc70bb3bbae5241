"""The benchmark behind `make accuracy`: it builds cases of a drawn photo, scores them and tells all on its page."""

from __future__ import annotations

import itertools
import random
import re
import sys
from pathlib import Path

import pytest
from benchmarks.accuracy import build, edits, families, kitchen, making, page, photos, pillow_copies, scoring, scripts
from benchmarks.accuracy.programs import MODULES, NODE_PACKAGES, PROGRAMS, Found, Programs, look
from benchmarks.accuracy.recipe import Label, Pair, Source
from PIL import Image, ImageEnhance

from tests.drawing import scene

COMMAND = (sys.executable, "-m", "twinwatch")
ONLY = ("Pillow", "byte copy")
SCRIPTED = ("GD", "Java", "Go", *NODE_PACKAGES)

STAND_IN = """#!{python}
import json, shutil, sys
open({started!r}, "a").write("once\\n")
for number, line in enumerate(sys.stdin):
    fields = line.strip().split("\\t")
    job = json.loads(line) if line.startswith("{{") else dict(field.split("=", 1) for field in fields)
    if int(job["width"]) > 480:
        print(f"{{number}}\\ttoo wide")
        continue
    shutil.copyfile(job["src"], job["out"])
    print("by the way\\tof no interest")
    print(f"{{number}}\\t")
"""
"""Stands in for a program with a script: for every job that is not wider it copies the source."""


@pytest.fixture
def programs() -> Programs:
    """Return what is installed when nothing but Pillow is."""
    return Programs({name: Found(name, "", "1") for name in ONLY}, {}, None)


@pytest.fixture
def photo(tmp_path: Path) -> Source:
    """Draw a photo into a folder of its own."""
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "beach.jpg"
    scene(3, (480, 420)).save(path, quality=94)
    return Source(path, 480, 420, "beach")


def test_cases_of_a_photo_are_built_once_and_judged(programs: Programs, photo: Source, tmp_path: Path) -> None:
    known = [
        recipe for recipe in kitchen.recipes(programs) if recipe.case in ("q90", "lanczos0.5", "topng", "telegram")
    ]
    known += [recipe for recipe in pillow_copies.recipes() if recipe.case in ("other-name", "kept6")]
    built = build.of_photo(programs, known, photo, tmp_path / "cases", (1, 0, 1))
    assert built.trouble == []
    made = {Path(pair.b): Path(pair.b).stat().st_mtime_ns for pair in built.pairs}
    again = build.of_photo(programs, known, photo, tmp_path / "cases", (1, 0, 1))
    assert again.pairs == built.pairs
    assert {path: path.stat().st_mtime_ns for path in made} == made
    copies = [pair for pair in built.pairs if pair.label is Label.COPY and pair.program in ONLY]
    unlike = [pair for pair in built.pairs if pair.label is Label.NOT_COPY][::9]
    answers = scoring.ask(COMMAND, copies + unlike, lambda _: None)
    assert {answer.pair.case for answer in answers if answer.wrong} == set()
    assert {answer.first for answer in answers if answer.verdict == "re-encoded"} == {True}


def test_an_answer_is_turned_back_when_the_pair_was_given_the_other_way_round(photo: Source, tmp_path: Path) -> None:
    pairs = []
    for number in range(6):  # of six names, some are given first and some second
        path = tmp_path / f"copy-{number}.jpg"
        with Image.open(photo.path) as picture:
            picture.save(path, quality=60 + number)
        pairs.append(Pair(str(photo.path), str(path), Label.COPY, "x", f"{number}", "Pillow", "beach"))
    answers = scoring.ask(COMMAND, pairs, lambda _: None)
    assert [(answer.verdict, answer.first) for answer in answers] == [("re-encoded", True)] * 6


def test_what_is_missed_or_taken_stands_on_the_page() -> None:
    def answer(label: Label, verdict: str, family: str, score: float) -> scoring.Answer:
        pair = Pair("a", "b", label, family, f"case of {family}", "Pillow", "beach")
        return scoring.Answer(pair, verdict, None, {"score": score})

    answers = [
        answer(Label.COPY, "re-encoded", families.RESIZE, 0.2),
        answer(Label.COPY, "look-alike", families.RESIZE, 3.25),
        answer(Label.NOT_COPY, "re-encoded", "tone", 0.75),
        answer(Label.NOT_COPY, "look-alike", "tone", 4.5),
        answer(Label.POLICY, "look-alike", edits.MIRRORED, 1.0),
    ]
    run = page.Run(
        answers, {"pHash <= 4": [True] * 5}, {"Pillow": "1"}, {"gm": "apt install gm"}, [], [], "make accuracy"
    )
    text = page.page(run, "accuracy")
    assert f"| {families.RESIZE} | 2 | 1 | 50.0 % |" in text
    assert f"| {families.RESIZE} | Pillow | case of {families.RESIZE} | 1 of 2 | look-alike | 3.25 |" in text
    assert "| tone | Pillow | case of tone | beach | 0.75 |" in text
    assert "| pHash <= 4 | 100.0 % | 100.0 % |" in text
    assert "gm (`apt install gm`)" in text


def test_every_edit_can_be_seen_and_leaves_the_photo_alone() -> None:
    picture = scene(5, (480, 420))
    before = picture.tobytes()
    for name, edit in itertools.chain.from_iterable(group.items() for group in edits.EDITS.values()):
        first, second = edit(picture, random.Random(1))
        assert edits.visible(first or picture, second), name
    assert picture.tobytes() == before
    assert not edits.visible(picture, ImageEnhance.Brightness(picture).enhance(1.004))


def test_photos_are_drawn_by_seed_and_drawings_left_out(tmp_path: Path) -> None:
    for number in range(4):
        scene(number, (500 + 100 * number, 450)).save(tmp_path / f"{number}.jpg")
    Image.new("RGB", (800, 800), "navy").save(tmp_path / "flat.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    chosen = [photos.choose([tmp_path], 3, 10.0, seed) for seed in (1, 1, 2, 3, 4)]
    assert chosen[0] == chosen[1]
    assert {len(one) for one in chosen} == {3}
    assert len({tuple(photo.name for photo in one) for one in chosen}) > 1
    assert {photo.path.name for one in chosen for photo in one} <= {"0.jpg", "1.jpg", "2.jpg", "3.jpg"}


def test_no_false_alarm_in_few_pairs_says_little() -> None:
    assert scoring.at_most(0, 10) == pytest.approx(0.2775, abs=0.001)  # Wilson, 95 %
    assert scoring.at_most(0, 1000) == pytest.approx(0.0038, abs=0.0001)
    assert scoring.at_most(10, 10) == 1.0


@pytest.mark.parametrize("program", SCRIPTED)
def test_one_process_makes_all_files_of_a_script(program: str, photo: Source, tmp_path: Path) -> None:
    started, stand_in = tmp_path / "started", tmp_path / "program"
    stand_in.write_text(STAND_IN.format(python=sys.executable, started=str(started)))
    stand_in.chmod(0o755)
    programs = Programs({program: Found(program, str(stand_in), "1")}, {}, tmp_path)
    known = kitchen.recipes(programs)
    wanted = [(recipe, photo, tmp_path / f"{number}{recipe.suffix}") for number, recipe in enumerate(known)]
    trouble = making.make_all(programs, wanted)
    larger = {path for recipe, _, path in wanted if recipe.scale > 1}
    assert trouble == dict.fromkeys(larger, "too wide")
    assert {path for _, _, path in wanted if path.exists()} == {path for _, _, path in wanted} - larger
    assert started.read_text() == "once\n"


def test_a_job_that_a_script_died_of_is_told_from_those_that_were_done() -> None:
    script = "print('0\\t'); print('1\\tno picture', flush=True); import sys; sys.exit('out of memory')"
    assert scripts.answers([sys.executable, "-c", script], ["a", "b", "c"]) == ["", "no picture", "out of memory"]


def test_every_recipe_has_a_name_of_its_own() -> None:
    names = [*(program.name for program in PROGRAMS), *MODULES, *NODE_PACKAGES, *ONLY]
    known = kitchen.recipes(Programs({name: Found(name, "", "1") for name in names}, {}, None))
    cases = [(recipe.program, recipe.case, recipe.family) for recipe in known]
    assert len(set(cases)) == len(cases)
    assert {recipe.program for recipe in known} >= set(SCRIPTED)


def test_a_program_that_is_missing_is_named_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    manifest = tmp_path / "node_modules" / "pica" / "package.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"name": "pica", "version": "1.2.3"}')
    missing = look(tmp_path).missing
    assert missing["GD"] == "apt install php-cli php-gd"
    assert missing["pica"] == "apt install nodejs npm; npm install pica @napi-rs/canvas"
    canvas = tmp_path / "node_modules" / "@napi-rs" / "canvas" / "package.json"
    canvas.parent.mkdir(parents=True)
    canvas.write_text('{"version": "4.5.6"}')
    assert look(tmp_path).found["pica"].version == "1.2.3 with 4.5.6"


def test_make_installs_every_package_of_nodes_in_one_version() -> None:
    line = re.search(r"^NODE_PACKAGES := (.*)$", (Path(__file__).parents[1] / "Makefile").read_text(), re.MULTILINE)
    assert line is not None
    named = [package.rsplit("@", 1) for package in line[1].split()]
    assert {name for name, _ in named} == set(itertools.chain.from_iterable(NODE_PACKAGES.values()))
    assert all(version[0].isdecimal() for _, version in named)
