"""check, keep, forget: one file against the index, and what a person decided about content."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from twinwatch.cli import output
from twinwatch.cli.comparing import opened, show_comparison
from twinwatch.cli.group import FILE, json_option, state_option
from twinwatch.errors import WorkerError
from twinwatch.photo import ContentDigest, Evidence, FileStat, Photo, PhotoId, RootId, Verdict

if TYPE_CHECKING:
    from twinwatch.workers import Workers


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
        with Workers(1) as workers, opened(file) as source:
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
                    show_comparison(str(file), str(path), evidence)
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
        aside = index.journal.held_of(*digests)  # looked for afterwards: no later move is made
    finally:
        index.close()
    undo = command(f"forget {told.word(a)}", state)
    click.echo(f"{output.clean(a)} and {output.clean(b)} may both stay; undo: {undo}")
    for row in aside:
        back = command(f"quarantine restore {row.slot}", state)
        click.echo(f"{output.clean(row.root_path / row.path)} was set aside before that; put it back: {back}")


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


def _against(workers: Workers, fd: int, stat: FileStat, path: Path) -> Evidence | None:
    from twinwatch.syscalls import file_stat

    try:
        with opened(path) as other:
            if file_stat(os.fstat(other.fileno())).same_inode(stat):
                return None  # the file itself
            return workers.prove(fd, other.fileno()).result()
    except (click.UsageError, WorkerError):
        return None


def _digest(path: Path) -> ContentDigest:
    from twinwatch.content import digest_of

    with opened(path) as file:
        return digest_of(file.fileno())


COMMANDS = (check, keep, forget)
