"""Carries recipes out with a script in another language: one process of a program makes all its files of a source.

A script reads jobs from its standard input, a line each, and answers each with a line: the job's number from 0, a tab,
and what went wrong or nothing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.accuracy.programs import GO_SOURCES, Programs
from benchmarks.accuracy.recipe import How, Recipe, Source

_HERE = Path(__file__).parent
_PATIENCE = 300.0  # seconds for all files of one source; jimp is slow

Job = Mapping[str, object]


def scripted(
    program: str, family: str, case: str, suffix: str = ".jpg", job: Job | None = None, **more: object
) -> Recipe:
    """Return the recipe of a script; a job is one JSON object, to which the script's size and paths are added."""
    return Recipe(family, case, program, How.SCRIPT, suffix, (json.dumps(job or {}),), **more)  # type: ignore[arg-type]


def carry_out(programs: Programs, wanted: Sequence[tuple[Recipe, Source, Path]]) -> dict[Path, str]:
    """Make all files, which are of one program; return what went wrong, by path."""
    program = wanted[0][0].program
    told = _fields if program == "Java" else json.dumps
    said = answers(_command(programs, program), [told(_job(*item)) for item in wanted])
    return {out: error for (_, _, out), error in zip(wanted, said, strict=True) if error}


def answers(command: Sequence[str], jobs: Sequence[str]) -> list[str]:
    """Return what a script says of each job: nothing when it was done, else why not. It may die before it says so."""
    try:
        done = subprocess.run(
            command,
            input="".join(f"{job}\n" for job in jobs).encode(),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return _by_job(error.stdout or b"", len(jobs), "took too long")
    last = done.stderr.decode(errors="replace").strip()[-300:]
    return _by_job(done.stdout, len(jobs), last or f"exit code {done.returncode} before it was made")


def _by_job(output: bytes, count: int, otherwise: str) -> list[str]:
    said = {}
    for line in output.decode(errors="replace").splitlines():
        number, tab, error = line.partition("\t")
        if tab and number.isdecimal():  # what a library prints by the way is none
            said[int(number)] = error
    return [said.get(number, otherwise) for number in range(count)]


def _job(recipe: Recipe, source: Source, out: Path) -> Job:
    width, height = recipe.size(source.width, source.height)
    resize = (width, height) != (source.width, source.height)
    size = {"width": width, "height": height, "resize": resize}
    return {**json.loads(recipe.job[0]), **size, "src": str(source.path), "out": str(out)}


def _fields(job: Job) -> str:
    """Write a job as `name=value` between tabs: Java's library reads no JSON."""
    return "\t".join(f"{name}={value}" for name, value in job.items())


def _command(programs: Programs, program: str) -> list[str]:
    path = programs.path(program)
    if program == "GD":
        return [path, "-d", "memory_limit=-1", str(_HERE / "gd_jobs.php")]
    if program == "Java":
        return [path, "-Djava.awt.headless=true", str(_HERE / "JavaJobs.java")]
    if program == "Go":
        return ["env", "GO111MODULE=off", f"GOPATH={GO_SOURCES}", path, "run", str(_HERE / "go_jobs.go")]
    assert programs.node_folder is not None
    return [path, str(_HERE / "node_jobs.mjs"), program, str(programs.node_folder / "node_modules")]
