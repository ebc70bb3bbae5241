"""config and index: check, show and write a configuration; look after the database."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from twinwatch.cli import output
from twinwatch.cli.group import Group, json_option, state_option
from twinwatch.errors import IndexUnusableError

_CONFIG = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group(cls=Group)
def config() -> None:
    """Check, show or write a configuration file."""


@config.command("check")
@_CONFIG
def check_(file: Path) -> None:
    """Check FILE; every problem is one line `file:line:column: key: what is wrong` (exit code 78)."""
    from twinwatch.config import load

    loaded = load(file)
    click.echo(f"{output.clean(file)} is right: {len(loaded.roots)} roots")


@config.command("show")
@_CONFIG
def show_(file: Path) -> None:
    """Show the whole configuration that FILE makes, defaults filled in."""
    from twinwatch.config import load, show

    click.echo(show(load(file)), nl=False)


@config.command("init")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def init(file: Path | None) -> None:
    """Write a configuration with every option explained to FILE (never over one), or to standard output."""
    from twinwatch.config import example

    if file is None:
        click.echo(example(), nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(example())
    except FileExistsError:
        raise click.UsageError(f"{output.clean(file)} exists; it is not overwritten") from None
    except OSError as error:
        raise click.UsageError(f"{output.clean(file)}: {error.strerror}") from error
    click.echo(f"wrote {output.clean(file)}: set `roots`, then run: twinwatch config check {output.clean(file)}")


@click.group(cls=Group)
def index() -> None:
    """Look after the index; no photo and nothing in quarantine depends on it."""


@index.command()
@state_option
@json_option
def stats(state: Path | None, as_json: bool) -> None:
    """Count what the index holds, and its size on disk."""
    from twinwatch.cli.selection import open_index

    opened = open_index(state)
    try:
        found = opened.stats()
    finally:
        opened.close()
    if as_json:
        output.json_line(found)
    else:
        output.table(("what", "count"), found.items(), empty="")


@index.command()
@state_option
def verify(state: Path | None) -> None:
    """Check the database file."""
    from twinwatch.cli.selection import open_index

    opened = open_index(state)
    try:
        wrong = opened.verify()
    finally:
        opened.close()
    for line in wrong:
        click.echo(output.clean(line))
    click.echo("the index is sound" if not wrong else "put it right with: twinwatch index rebuild")
    sys.exit(1 if wrong else 0)


@index.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@state_option
def backup(target: Path, state: Path | None) -> None:
    """Copy the index to TARGET, also while the daemon runs; an existing file is not overwritten."""
    from twinwatch.cli.selection import open_index

    opened = open_index(state)
    try:
        opened.backup(target)
    except FileExistsError:
        raise click.UsageError(f"{output.clean(target)} exists; it is not overwritten") from None
    except OSError as error:
        raise click.UsageError(f"{output.clean(target)}: {error.strerror}") from error
    finally:
        opened.close()
    click.echo(f"the index was copied to {output.clean(target)}")


@index.command()
@state_option
def rebuild(state: Path | None) -> None:
    """Put the index aside and begin a new one; the next scan reads every photo again.

    The old file is kept beside it. What is in quarantine is found again by its manifests at the next start.
    """
    from twinwatch.index import FILE_NAME, Index
    from twinwatch.service import state as states

    folder = states.state_folder(state)
    if not (folder / FILE_NAME).exists():
        raise click.UsageError(f"no index in {output.clean(folder)}")
    with states.locked(folder):
        aside = f"{FILE_NAME}.{time.strftime('%Y%m%d-%H%M%S')}"
        for suffix in ("", "-wal", "-shm"):
            old = folder / f"{FILE_NAME}{suffix}"
            if old.exists():
                old.rename(folder / f"{aside}{suffix}")
        try:
            Index(folder).salvage(folder / aside)
            click.echo("the log, the decisions of people and the roots were taken over")
        except IndexUnusableError as error:
            click.echo(f"twinwatch: nothing could be taken over: {output.clean(error)}", err=True)
    click.echo(f"a new index was begun; the old one is {output.clean(folder / aside)}")


COMMANDS = (config, index)
