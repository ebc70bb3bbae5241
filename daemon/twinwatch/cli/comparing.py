"""compare: what two pictures are to each other, and what the comparators of common scripts would have said."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from twinwatch.cli import output
from twinwatch.cli.group import FILE, THERE, json_option
from twinwatch.errors import WorkerError
from twinwatch.photo import Evidence, Likenesses, Metric, Verdict

if TYPE_CHECKING:
    from concurrent.futures import Future

    from twinwatch.workers import Workers

_ALL = "all"


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two files that are compared: their names as given, and what is or will be known of them."""

    a: str
    b: str
    proof: Future[Evidence] | Evidence
    likenesses: Future[Likenesses] | None = None


@click.command()
@click.argument("a", type=FILE, required=False)
@click.argument("b", type=FILE, required=False)
@click.option("--pairs", type=FILE, metavar="FILE.csv", help="Table with the columns a and b; every pair is compared.")
@click.option("--base", type=THERE, metavar="DIR", help="Folder the pairs' paths are below.")
@click.option(
    "--metric",
    "metrics",
    type=click.Choice([*map(str, Metric), _ALL]),
    multiple=True,
    metavar="NAME",
    help=f"Show also what this comparator of common scripts says: {', '.join(Metric)} or {_ALL}; may be repeated.",
)
@json_option
def compare(
    a: Path | None, b: Path | None, pairs: Path | None, base: Path | None, metrics: tuple[str, ...], as_json: bool
) -> None:
    """Say what two pictures are to each other, and why.

    Nothing is indexed or moved. The verdict is one of identical, same-pixels, re-encoded, look-alike, distinct and
    undecodable; `original` is the one from which the other can be made. Exit code 1 when one of the two files cannot be
    read as a picture; with --pairs that is only said in its line.
    """
    if pairs is not None and a is None:
        listed = _read_pairs(pairs, base or Path())
    elif a is not None and b is not None and pairs is None and base is None:
        listed = iter([(str(a), str(b), a, b)])
    else:
        raise click.UsageError("give two files, or --pairs FILE.csv; --base goes with --pairs")
    wanted = tuple(metric for metric in Metric if metric in metrics or _ALL in metrics)
    undecodable = False
    for name_a, name_b, evidence, likenesses in _compare_all(listed, wanted):
        undecodable = evidence.verdict is Verdict.UNDECODABLE
        if as_json:
            told = {"metrics": output.metrics_json(likenesses)} if wanted else {}
            output.json_line({"a": name_a, "b": name_b, **output.evidence_of_pair(evidence), **told})
        else:
            show_comparison(name_a, name_b, evidence)
            _show_metrics(likenesses)
    sys.exit(1 if undecodable and pairs is None else 0)


def _read_pairs(pairs: Path, base: Path) -> Iterator[tuple[str, str, Path, Path]]:
    import csv

    # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
    try:
        with pairs.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file)
            if not {"a", "b"} <= set(reader.fieldnames or ()):
                raise click.UsageError(f"{pairs}: the first line must name the columns a and b")
            for row in reader:
                if not row["a"] or not row["b"]:
                    raise click.UsageError(f"{pairs}: line {reader.line_num}: a and b must both be given")
                yield row["a"], row["b"], base / row["a"], base / row["b"]
    except OSError as error:
        raise click.UsageError(f"{pairs}: {error.strerror}") from error
    except csv.Error as error:
        raise click.UsageError(f"{pairs}: line {reader.line_num + 1}: {error}") from error


def _compare_all(
    pairs: Iterator[tuple[str, str, Path, Path]], metrics: tuple[Metric, ...]
) -> Iterator[tuple[str, str, Evidence, Likenesses]]:
    """Compare pair after pair on all cores, in order, with few files open."""
    from twinwatch.workers import Workers

    cores = os.cpu_count() or 1
    waiting: deque[_Pair] = deque()
    with Workers(cores) as workers:
        for name_a, name_b, a, b in pairs:
            waiting.append(_start(workers, name_a, name_b, a, b, metrics))
            if len(waiting) >= 4 * cores:
                yield _ended(waiting.popleft(), metrics)
        while waiting:
            yield _ended(waiting.popleft(), metrics)


def _start(workers: Workers, name_a: str, name_b: str, a: Path, b: Path, metrics: tuple[Metric, ...]) -> _Pair:
    try:
        with opened(a) as file_a, opened(b) as file_b:
            pair = file_a.fileno(), file_b.fileno()
            proof = workers.prove(*pair)
            return _Pair(name_a, name_b, proof, workers.measure(*pair, metrics) if metrics else None)
    except click.UsageError as error:
        return _Pair(name_a, name_b, Evidence(Verdict.UNDECODABLE, words=error.message))


def _ended(pair: _Pair, metrics: tuple[Metric, ...]) -> tuple[str, str, Evidence, Likenesses]:
    try:
        proof = pair.proof if isinstance(pair.proof, Evidence) else pair.proof.result()
        evidence = proof.named(Path(pair.a).name, Path(pair.b).name)
    except WorkerError as error:
        evidence = Evidence(Verdict.UNDECODABLE, words=str(error))
    likenesses: Likenesses = dict.fromkeys(metrics)
    try:
        if pair.likenesses is not None:
            likenesses = pair.likenesses.result()
    except WorkerError:
        pass  # a file at which the worker died has no answers; that it did is told with the verdict
    return pair.a, pair.b, evidence, likenesses


def show_comparison(a: str, b: str, evidence: Evidence) -> None:
    """Print what two files are to each other, for people."""
    click.echo(f"{output.coloured(evidence.verdict)}  {output.clean(a)}  {output.clean(b)}")
    if evidence.words:
        click.echo(f"  {output.clean(evidence.words)}")
    if evidence.original is not None:
        click.echo(f"  the original is {output.clean(a if evidence.original == 'a' else b)}")


def _show_metrics(likenesses: Likenesses) -> None:
    for metric, likeness in likenesses.items():
        if likeness is None:
            click.echo(f"  {metric:<12}         -  no answer")
        else:
            found = "alike" if likeness.alike else "not alike"
            when = f"alike when {likeness.rule} {likeness.threshold:g}"
            click.echo(f"  {metric:<12}{likeness.value:>10g}  {found} ({when})")


def opened(path: Path) -> BinaryIO:
    """Open a regular file for reading, never waiting on a FIFO; raise UsageError."""
    from twinwatch.syscalls import is_regular

    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in a name of a table
        raise click.UsageError(f"{path}: {error}") from error
    file = open(fd, "rb")  # noqa: SIM115 - the caller's `with` closes it
    if not is_regular(os.fstat(fd)):
        file.close()
        raise click.UsageError(f"{path} is no regular file")
    return file


COMMANDS = (compare,)
