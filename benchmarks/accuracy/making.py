"""Carries recipes out. A file is made under another name, then renamed: what is there is whole and is not remade."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from benchmarks.accuracy import chromium_copies, opencv_copies, pillow_copies, scripts
from benchmarks.accuracy.profiles import srgb_profile
from benchmarks.accuracy.programs import Programs
from benchmarks.accuracy.recipe import How, MakingError, Recipe, Source

_PATIENCE = 120.0  # seconds for one command
_ONE_THREAD = {"VIPS_CONCURRENCY": "1", "OMP_NUM_THREADS": "1", "MAGICK_THREAD_LIMIT": "1"}
"""The benchmark already runs a process on every core."""

Wanted = tuple[Recipe, Source, Path]


def make_all(programs: Programs, wanted: Sequence[Wanted]) -> dict[Path, str]:
    """Make every file that is not there yet; return what could not be made and why, by path."""
    trouble: dict[Path, str] = {}
    missing = [(recipe, source, path) for recipe, source, path in wanted if not path.exists()]
    for batch in _batches(missing):
        parts = [(recipe, source, _part(path)) for recipe, source, path in batch]
        failed = _make(programs, parts)
        for (_, _, path), (_, _, part) in zip(batch, parts, strict=True):
            if part in failed:
                trouble[path] = failed[part]
                part.unlink(missing_ok=True)
            elif not part.exists():
                trouble[path] = "the program wrote no file"
            else:
                os.replace(part, path)
    return trouble


def _part(path: Path) -> Path:
    return path.with_name(f".{os.getpid()}-{path.name}")


def _batches(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Yield what one process can make together: all of a script's, all of a source's in the browser."""
    groups: dict[object, list[Wanted]] = {}
    for number, item in enumerate(wanted):
        recipe, source, _ = item
        together = {How.SCRIPT: (recipe.program,), How.CHROMIUM: (recipe.program, source.path)}
        groups.setdefault(together.get(recipe.how, number), []).append(item)
    yield from groups.values()


def _make(programs: Programs, wanted: Sequence[Wanted]) -> dict[Path, str]:
    recipe, source, out = wanted[0]
    if recipe.how is How.SCRIPT:
        return scripts.carry_out(programs, wanted)
    if recipe.how is How.CHROMIUM:
        drawn = [(one, path) for one, _, path in wanted]
        return chromium_copies.carry_out(programs.path("Chromium"), source, drawn)
    try:
        if recipe.how is How.COMMANDS:
            _run(programs, recipe, source, out)
        elif recipe.how is How.OPENCV:
            opencv_copies.carry_out(recipe, source, out)
        elif recipe.how is How.PILLOW:
            pillow_copies.carry_out(recipe, source, out)
        else:
            _chain(programs, recipe, source, out)
    except (MakingError, OSError, ValueError, KeyError) as error:
        return {out: f"{type(error).__name__}: {error}"[:300]}
    return {}


def _run(programs: Programs, recipe: Recipe, source: Source, out: Path) -> None:
    width, height = recipe.size(source.width, source.height)
    with tempfile.TemporaryDirectory(prefix="twinwatch-making-") as folder:
        places = {name: found.path for name, found in programs.found.items()}
        readable = _as_jpeg(source.path, Path(folder, "source.jpg")) if recipe.base == "jpeg" else source.path
        places |= {"src": str(readable), "out": str(out), "tmp": f"{folder}/step", "w": str(width), "h": str(height)}
        places |= {"scale": str(recipe.scale), "srgb": f"{folder}/srgb.icc"}
        Path(places["srgb"]).write_bytes(srgb_profile())
        for line in recipe.job:
            words = [_filled(word, places) for word in shlex.split(line)]
            to = None
            if len(words) > 2 and words[-2] == ">":
                words, to = words[:-2], words[-1]
            _command(words, to)


def _as_jpeg(path: Path, to: Path) -> Path:
    """Return the path, or `to` where a JPEG of it was written for programs that read nothing else."""
    with Image.open(path) as opened:
        if opened.format == "JPEG":
            return path
        opened.convert("RGB").save(to, quality=95, subsampling=0)
    return to


def _filled(word: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _command(words: list[str], to: str | None) -> None:
    with open(to or os.devnull, "wb") as output:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                timeout=_PATIENCE,
                check=False,
                env={**os.environ, **_ONE_THREAD},
            )
        except subprocess.TimeoutExpired as error:
            raise MakingError("took too long") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise MakingError(f"exit code {done.returncode}: {said[-1] if said else ''}")


def _chain(programs: Programs, recipe: Recipe, source: Source, out: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="twinwatch-chain-") as folder:
        for number, step in enumerate(recipe.steps):
            last = number == len(recipe.steps) - 1
            path = out if last else Path(folder, f"{number}{step.suffix}")
            failed = _make(programs, [(step, source, path)])
            if failed:
                raise MakingError(f"step {number + 1} ({step.program} {step.case}): {next(iter(failed.values()))}")
            if not last:
                with Image.open(path) as made:
                    source = Source(path, made.width, made.height, source.name)
