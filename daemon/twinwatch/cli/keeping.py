"""config and index: check, show and write a configuration; look after the database."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import click

from twinwatch.cli import output
from twinwatch.cli.group import FILE, Group, json_option, state_option
from twinwatch.errors import TwinwatchError

_CONFIG = click.argument("file", type=FILE)


@click.group(cls=Group)
def config() -> None:
    """Check, show or write a configuration file."""


@config.command("check", short_help="Report every problem of FILE with its line.")
@_CONFIG
def check_(file: Path) -> None:
    """Check FILE; every problem is one line `file:line:column: key: what is wrong` (exit code 78)."""
    from twinwatch.config import load, unusable

    loaded = load(file)
    count = len(loaded.roots)
    click.echo(f"{output.clean(file)} is right: {count} root{'' if count == 1 else 's'}")
    for root in loaded.roots:
        if not root.path.is_dir():
            click.echo(f"  {output.clean(root.path)} is not there now; it is waited for")
        elif root.quarantine is not None and (why := unusable(root.quarantine)):
            click.echo(f"  {output.clean(root.quarantine)}: nothing can be moved there; {output.clean(why)}")


@config.command("show", short_help="Show what FILE makes, defaults filled in.")
@_CONFIG
def show_(file: Path) -> None:
    """Show the whole configuration that FILE makes, defaults filled in."""
    from twinwatch.config import load
    from twinwatch.config.page import show

    click.echo(show(load(file)), nl=False)


@config.command("init", short_help="Write a configuration, every option explained.")
@click.argument("file", required=False, type=FILE)
def init(file: Path | None) -> None:
    """Write a configuration with every option explained to FILE (never over one), or to standard output."""
    from twinwatch.config.page import example
    from twinwatch.service import told

    if file is None:
        click.echo(example(), nl=False)
        return
    try:
        _write_new(file, example())
    except FileExistsError:
        raise click.UsageError(f"{file} exists; it is not overwritten") from None
    except OSError as error:
        raise TwinwatchError(f"{file}: {error.strerror}; nothing was written") from error
    click.echo(f"wrote {output.clean(file)}: set `roots`, then run: twinwatch config check {told.word(file)}")


def _write_new(file: Path, text: str) -> None:
    """Write a file that is not there, or is empty, as a crash in here leaves it; raise FileExistsError for another."""
    made = not os.path.lexists(file)
    with file.open("ab", buffering=0) as out:
        found = os.fstat(out.fileno())
        if found.st_size:
            raise FileExistsError
        left = text.encode()
        try:
            while left:
                left = left[out.write(left) :]
        except OSError:
            # Half a configuration would stand in the way of the next; a device is not ours to take away.
            if stat.S_ISREG(found.st_mode):
                out.truncate(0)
                if made:
                    file.unlink()
            raise


@click.group(cls=Group)
def index() -> None:
    """Look after the index.

    It is a cache and a log: no photo, and nothing in quarantine, depends on it.
    """


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
    from twinwatch.cli.selection import command, open_index

    opened = open_index(state)
    try:
        wrong = opened.verify()
    finally:
        opened.close()
    for line in wrong:
        click.echo(output.clean(line))
    click.echo("the index is sound" if not wrong else f"put it right with: {command('index rebuild', state)}")
    sys.exit(1 if wrong else 0)


@index.command(short_help="Copy the index, also while the daemon runs.")
@click.argument("target", type=FILE)
@state_option
def backup(target: Path, state: Path | None) -> None:
    """Copy the index to TARGET, also while the daemon runs; an existing file is not overwritten."""
    from twinwatch.cli.selection import open_index

    opened = open_index(state)
    try:
        opened.backup(target)
    except FileExistsError:
        raise click.UsageError(f"{target} exists; it is not overwritten") from None
    except OSError as error:
        raise TwinwatchError(f"{target}: {error.strerror}") from error
    finally:
        opened.close()
    click.echo(f"the index was copied to {output.clean(target)}")


@index.command(short_help="Begin a new index; the old one is kept.")
@state_option
def rebuild(state: Path | None) -> None:
    """Put the index aside and begin a new one; the next scan or start reads every photo again.

    Not while the daemon runs. The old file is kept beside it, and what it remembers besides photos is taken over: the
    log, what a person decided, the roots. What is in quarantine is found again by its manifests.
    """
    from twinwatch.cli.selection import has_index, without_index
    from twinwatch.service import rebuilding
    from twinwatch.service import state as states

    folder = states.state_folder(state)
    if not has_index(folder):
        raise click.UsageError(f"no index in {folder}: {without_index(folder)}")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # `resume` sends it to whoever works with this state
    with states.locked(folder):
        aside, taken = rebuilding.rebuild(folder)
    click.echo(f"a new index was begun; the old one is {output.clean(aside)}")
    if taken.damaged:
        click.echo(f"twinwatch: damaged, and taken over in part: {', '.join(taken.damaged)}", err=True)
    click.echo(f"{taken.rows} entries were taken over: the log, the decisions of people, the moves and the roots")


COMMANDS = (config, index)
