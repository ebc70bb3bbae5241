"""Builds the cases: photos in, files and a table of labelled pairs out. What was built before is not built again."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from PIL import Image

from benchmarks.accuracy import families, kitchen
from benchmarks.accuracy.bases import base, copy_of
from benchmarks.accuracy.edits import EDITS, MIRRORED, Edit, visible
from benchmarks.accuracy.making import Wanted, make_all
from benchmarks.accuracy.programs import Programs
from benchmarks.accuracy.recipe import How, Label, MakingError, Pair, Recipe, Source, key
from benchmarks.accuracy.subtle import SUBTLE, seen_at

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """The pairs of one or more photos, and what could not be made: (program, case, why)."""

    pairs: list[Pair] = field(default_factory=list)
    trouble: list[tuple[str, str, str]] = field(default_factory=list)


def build(
    programs: Programs, photos: Sequence[Source], folder: Path, seed: int, thin: int, jobs: int, say: Said
) -> Built:
    """Build the cases of every photo on `jobs` processes, each photo taking every `thin`-th recipe."""
    known = kitchen.recipes(programs)
    built = Built()
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {
            pool.submit(of_photo, programs, known, photo, folder / photo.name, (seed, number, thin)): photo
            for number, photo in enumerate(photos)
        }
        for done, job in enumerate(as_completed(waiting), 1):
            one = job.result()
            built.pairs.extend(one.pairs)
            built.trouble.extend(one.trouble)
            say(f"  {done} of {len(waiting)} photos: {waiting[job].name}, {len(one.pairs)} pairs")
    built.pairs.sort(key=lambda pair: (pair.source, pair.label, pair.family, pair.program, pair.case))
    return built


def of_photo(programs: Programs, known: list[Recipe], photo: Source, folder: Path, draw: tuple[int, int, int]) -> Built:
    """Build one photo's copies and look-alikes. `draw` is the seed, the photo's number, and how thinly to draw."""
    seed, number, thin = draw
    folder.mkdir(parents=True, exist_ok=True)
    photo = Source(copy_of(photo.path, folder), photo.width, photo.height, photo.name)
    rng = random.Random(f"{seed} {photo.name}")
    copies = [*known, *kitchen.chains(known, rng)]
    copies = [recipe for place, recipe in enumerate(copies) if (place + number) % thin == 0]
    built = _copies(programs, copies, photo, folder)
    unlike = _look_alikes(programs, known, photo, folder, rng, thin)
    return Built(built.pairs + unlike.pairs, built.trouble + unlike.trouble)


def _copies(programs: Programs, copies: list[Recipe], photo: Source, folder: Path) -> Built:
    built = Built()
    wanted: list[Wanted] = []
    for recipe in copies:
        try:
            source = base(recipe.base, photo, folder)
        except MakingError as error:
            built.trouble.append((recipe.program, recipe.case, str(error)))
            continue
        wanted.append((recipe, source, folder / _file_name(programs, recipe, source, _told_by(source))))
    failed = make_all(programs, wanted)
    for recipe, source, path in wanted:
        if path in failed:
            built.trouble.append((recipe.program, recipe.case, failed[path]))
        else:
            built.pairs.append(_pair(source, path, recipe, photo.name))
    return built


def _pair(source: Source, path: Path, recipe: Recipe, photo: str) -> Pair:
    shorter = min(recipe.size(source.width, source.height))
    family, label = recipe.family, recipe.label
    if recipe.how is How.CHAIN:
        with Image.open(path) as made:
            shorter = min(made.size)
    if shorter < families.SMALLEST and label is Label.COPY:
        family = families.RESIZE_TINY
    return Pair(str(source.path), str(path), label, family, recipe.case, recipe.program, photo)


def _told_by(source: Source) -> str:
    """Return what tells one source file's copies from another's in the cache."""
    return f"{source.path.name} {source.path.stat().st_size}"


def _file_name(programs: Programs, recipe: Recipe, source: Source, about: str) -> str:
    versions = [programs.found[name].version for name in sorted(recipe.programs()) if name in programs.found]
    return f"{recipe.program}-{_word(recipe.case)}-{key(recipe, about, *versions)}{recipe.suffix}"


def _word(case: str) -> str:
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in case)[:60]


def _look_alikes(
    programs: Programs, known: list[Recipe], photo: Source, folder: Path, rng: random.Random, thin: int
) -> Built:
    built = Built()
    wanted: list[tuple[Wanted, str, str, Path]] = []
    with Image.open(photo.path) as opened:
        picture = opened.convert("RGB")
    for family, edits in (EDITS | SUBTLE).items():
        for name, edit in edits.items():
            drawn = random.Random(f"{rng.random()} {name}")
            savers = kitchen.losing(known, drawn) if family in SUBTLE else kitchen.savers(known, drawn)
            token = drawn.random()
            if thin > 1 and token > 1 / thin:
                continue
            before, after = _edited(edit, picture, drawn, folder / f"edit-{name}-{key(token)}")
            with Image.open(after) as made:
                source = Source(after, made.width, made.height, photo.name)
            for saver in _showing(savers, before or photo.path, source, subtle=family in SUBTLE):
                path = folder / f"not-{name}-{_file_name(programs, saver, source, f'{token}')}"
                wanted.append(((saver, source, path), family, name, before or photo.path))
    failed = make_all(programs, [item for item, *_ in wanted])
    for (saver, _, path), family, name, before in wanted:
        if path in failed:
            built.trouble.append((saver.program, f"{name} {saver.case}", failed[path]))
        else:
            case = f"{name} {saver.case}"
            label = Label.POLICY if family == MIRRORED else Label.NOT_COPY
            built.pairs.append(Pair(str(before), str(path), label, family, case, saver.program, photo.name))
    return built


def _showing(savers: list[Recipe], before: Path, edited: Source, *, subtle: bool) -> list[Recipe]:
    """Return the savers in whose files the edit can be seen: grey of a grey picture is none."""
    with Image.open(before) as first, Image.open(edited.path) as second:
        if not subtle:
            return savers if visible(first, second) else []
        return [one for one in savers if seen_at(one.size(edited.width, edited.height), first, second)]


def _edited(edit: Edit, picture: Image.Image, rng: random.Random, start: Path) -> tuple[Path | None, Path]:
    """Carry an edit out unless its files are there; return the paths of before (if any) and after."""
    before, after = start.with_name(f"{start.name}-before.jpg"), start.with_name(f"{start.name}-after.png")
    if not after.exists():
        first, second = edit(picture, rng)
        for image, path in ((first, before), (second, after)):
            if image is not None:
                part = path.with_name(f".{os.getpid()}-{path.name}")
                image.save(part, quality=93, compress_level=1)  # each format takes the one it knows
                os.replace(part, path)
    return (before if before.exists() else None), after


def write_pairs(pairs: Iterable[Pair], path: Path) -> None:
    """Write the table of pairs that `twinwatch compare --pairs` reads."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(Pair)])
        writer.writeheader()
        writer.writerows(asdict(pair) for pair in pairs)
