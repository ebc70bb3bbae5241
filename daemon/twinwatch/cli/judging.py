"""compare, check, keep, forget: two files, one file against the index, and what a person decided about content."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import click

from twinwatch.cli import output
from twinwatch.cli.group import FILE, THERE, json_option, state_option
from twinwatch.errors import WorkerError
from twinwatch.photo import ContentDigest, Evidence, FileStat, Photo, PhotoId, RootId, Verdict

if TYPE_CHECKING:
    from twinwatch.workers import Workers


@click.command()
@click.argument("a", type=FILE, required=False)
@click.argument("b", type=FILE, required=False)
@click.option("--pairs", type=FILE, metavar="FILE.csv", help="Table with the columns a and b; every pair is compared.")
@click.option("--base", type=THERE, metavar="DIR", help="Folder the pairs' paths are below.")
@json_option
def compare(a: Path | None, b: Path | None, pairs: Path | None, base: Path | None, as_json: bool) -> None:
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
    undecodable = False
    for name_a, name_b, evidence in _compare_all(listed):
        undecodable = evidence.verdict is Verdict.UNDECODABLE
        if as_json:
            output.json_line({"a": name_a, "b": name_b, **output.evidence_of_pair(evidence)})
        else:
            _show_comparison(name_a, name_b, evidence)
    sys.exit(1 if undecodable and pairs is None else 0)


@click.command(short_help="Say whether a copy of FILE is known.")
@click.argument("file", type=FILE)
@state_option
@json_option
def check(file: Path, state: Path | None, as_json: bool) -> None:
    """Say whether a copy of FILE is already in a watched folder (exit code 0: yes, 1: no, 2: cannot be told).

    FILE may lie anywhere; it is neither indexed nor moved. Look-alikes are shown too, but do not count. A FILE in a
    watched folder is no copy of itself.
    """
    from twinwatch.cli.selection import open_index
    from twinwatch.syscalls import file_stat
    from twinwatch.workers import Workers

    index = open_index(state)
    found = False
    try:
        with Workers(1) as workers, _opened(file) as source:
            reading = workers.read(source.fileno()).result()
            stat = file_stat(os.fstat(source.fileno()))
            photo = Photo(PhotoId(-1), RootId(-1), PurePosixPath(file.name), stat, reading, False, False)
            places = {record.id: Path(record.path) for record in index.roots()}
            for candidate in index.photos.candidates(photo, places, 5, 24):
                path = places[candidate.root] / candidate.path
                evidence = _against(workers, source.fileno(), stat, path)
                if evidence is None or evidence.verdict in (Verdict.DISTINCT, Verdict.UNDECODABLE):
                    continue
                evidence = evidence.named(file.name, path.name)
                found = found or evidence.verdict is not Verdict.LOOK_ALIKE
                if as_json:
                    output.json_line({"path": str(path), **output.evidence_of_pair(evidence)})
                else:
                    _show_comparison(str(file), str(path), evidence)
    finally:
        index.close()
    if not found and not as_json:
        trouble = "" if reading.trouble is None else f" (it cannot be read as a picture: {reading.trouble})"
        click.echo(f"no copy of {output.clean(file)} is known{trouble}")
    sys.exit(0 if found else 1)


@click.command(short_help="Let two copies both stay.")
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@state_option
def keep(a: Path, b: Path, state: Path | None) -> None:
    """Remember that A and B may both stay, wherever they are moved or renamed to."""
    from twinwatch.cli.selection import command, open_index
    from twinwatch.service import told

    digests = [_digest(path) for path in (a, b)]
    if digests[0] == digests[1]:
        raise click.UsageError("A and B are the same bytes; `keep` is for two copies that differ")
    index = open_index(state)
    try:
        index.memory.allow(digests[0], digests[1], time.time())
    finally:
        index.close()
    undo = command(f"forget {told.word(a)}", state)
    click.echo(f"{output.clean(a)} and {output.clean(b)} may both stay; undo: {undo}")


@click.command(short_help="Forget what was decided about a picture.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@state_option
def forget(files: tuple[Path, ...], state: Path | None) -> None:
    """Forget what was decided about the content of FILE: that it may stay, or that it was set aside.

    It is judged again at the next scan or walk.
    """
    from twinwatch.cli.selection import open_index

    index = open_index(state)
    try:
        for file in files:
            digest = _digest(file)
            pairs, removed = index.memory.forget_allowed(digest), index.memory.forget_removed(digest)
            for photo in index.photos.with_digest(digest):
                index.photos.unjudge(photo.id)
            index.commit()
            known = [f"{pairs} times that it may stay"] if pairs else []
            known += ["that it was set aside"] if removed else []
            click.echo(f"{output.clean(file)}: {'forgot ' + ' and '.join(known) if known else 'nothing to forget'}")
    finally:
        index.close()


def _read_pairs(pairs: Path, base: Path) -> Iterator[tuple[str, str, Path, Path]]:
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


def _compare_all(pairs: Iterator[tuple[str, str, Path, Path]]) -> Iterator[tuple[str, str, Evidence]]:
    """Compare pair after pair on all cores, in order, with few files open."""
    from twinwatch.workers import Workers

    cores = os.cpu_count() or 1
    waiting: deque[tuple[str, str, Future[Evidence] | Evidence]] = deque()
    with Workers(cores) as workers:
        for name_a, name_b, a, b in pairs:
            waiting.append((name_a, name_b, _start(workers, a, b)))
            if len(waiting) >= 4 * cores:
                yield _ended(*waiting.popleft())
        while waiting:
            yield _ended(*waiting.popleft())


def _start(workers: Workers, a: Path, b: Path) -> Future[Evidence] | Evidence:
    try:
        with _opened(a) as file_a, _opened(b) as file_b:
            return workers.prove(file_a.fileno(), file_b.fileno())
    except click.UsageError as error:
        return Evidence(Verdict.UNDECODABLE, words=error.message)


def _ended(name_a: str, name_b: str, job: Future[Evidence] | Evidence) -> tuple[str, str, Evidence]:
    if isinstance(job, Evidence):
        return name_a, name_b, job
    try:
        return name_a, name_b, job.result().named(Path(name_a).name, Path(name_b).name)
    except WorkerError as error:
        return name_a, name_b, Evidence(Verdict.UNDECODABLE, words=str(error))


def _against(workers: Workers, fd: int, stat: FileStat, path: Path) -> Evidence | None:
    from twinwatch.syscalls import file_stat

    try:
        with _opened(path) as other:
            if file_stat(os.fstat(other.fileno())).same_inode(stat):
                return None  # the file itself
            return workers.prove(fd, other.fileno()).result()
    except (click.UsageError, WorkerError):
        return None


def _show_comparison(a: str, b: str, evidence: Evidence) -> None:
    click.echo(f"{output.coloured(evidence.verdict)}  {output.clean(a)}  {output.clean(b)}")
    if evidence.words:
        click.echo(f"  {output.clean(evidence.words)}")
    if evidence.original is not None:
        click.echo(f"  the original is {output.clean(a if evidence.original == 'a' else b)}")


def _opened(path: Path) -> BinaryIO:
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


def _digest(path: Path) -> ContentDigest:
    from twinwatch.content import digest_of

    with _opened(path) as file:
        return digest_of(file.fileno())


COMMANDS = (compare, check, keep, forget)
