"""The command group: common options, our errors as exit codes, and "did you mean".

Exit codes: 0 done, 1 failed, 2 usage, 78 configuration (EX_CONFIG of sysexits.h).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

from twinwatch import __version__
from twinwatch.cli import output
from twinwatch.errors import ConfigError, TwinwatchError

EX_CONFIG = 78

F = TypeVar("F", bound=Callable[..., Any])


class GivenPath(click.Path):
    """A path that was really given: an empty one, of a script's unset variable, must not mean the folder we are in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail on an empty one."""
        if not os.fspath(value):
            self.fail("is empty; name a file or folder", param, ctx)
        return super().convert(value, param, ctx)


# Whether something can be read is said by those who read it, with what to do about it.
FILE = GivenPath(path_type=Path, dir_okay=False, readable=False)
FOLDER = GivenPath(path_type=Path, file_okay=False, readable=False)
THERE = GivenPath(path_type=Path, file_okay=False, readable=False, exists=True)

FOLDERS = click.argument("folders", metavar="[DIR]...", nargs=-1, type=FOLDER)


class Group(click.Group):
    """A group that knows what was probably meant, and turns our errors into one clear line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; raise UsageError with the nearest names."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # for a slip only

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 3, 0.5)
            if not near or "Did you mean" in error.message:
                raise
            meant = " or ".join(repr(name) for name in near)
            raise click.UsageError(f"{error.message} Did you mean {meant}?", ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with the exit code of the contract."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(output.clean(problem), err=True)
            ctx.exit(EX_CONFIG)
        except TwinwatchError as error:
            click.echo(f"twinwatch: {output.clean(_completed(str(error), ctx))}", err=True)
            ctx.exit(1)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            said = "\n".join(output.clean(line) for line in _completed(error.format_message(), ctx).split("\n"))
            raise click.UsageError(said, error.ctx) from error
        except BrokenPipeError:
            # The reader of our pipe has had enough (`| head`): not an error.
            _drop_output()
            ctx.exit(0)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            click.echo(f"twinwatch: {error.strerror}: free some on the disk that this writes to", err=True)
            _drop_output()
            ctx.exit(1)


class Commands(Group):
    """All commands; each room is imported when a command of it is asked for, as none is another's to wait for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in their order."""
        return sorted(ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None when there is none of this name."""
        if cmd_name in ROOMS and cmd_name not in self.commands:
            for command in import_module(f"twinwatch.cli.{ROOMS[cmd_name]}").COMMANDS:
                self.add_command(command)
        return self.commands.get(cmd_name)


ROOMS = {
    **dict.fromkeys(("run", "scan"), "watching"),
    **dict.fromkeys(("check", "keep", "forget"), "judging"),
    **dict.fromkeys(("log", "status", "resume", "doctor"), "telling"),
    **dict.fromkeys(("config", "index"), "keeping"),
    "compare": "comparing",
    "quarantine": "holding",
}
"""In which room of `cli` each command is."""


def _drop_output() -> None:
    """Let go what could not be written, so that the interpreter does not try again as it ends (exit code 120)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _completed(text: str, ctx: click.Context) -> str:
    from twinwatch.service import state as states
    from twinwatch.service import told

    return told.completed(text, states.state_folder(ctx.meta.get(_STATE)))


_STATE = "twinwatch.state"
"""Where a command's `--state` is kept for the messages of its errors."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="twinwatch")
def cli() -> None:
    """Watch synced photo folders and set aside the copies that sync makes.

    A photo is moved only when it is proved to be a copy, never deleted, and put back by one command.

    \b
    Look first, move nothing:   twinwatch scan DIR
    Then watch:                 twinwatch run DIR
    What was set aside:         twinwatch quarantine list
    Put it back:                twinwatch quarantine restore ID

    Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration; `check` and `status` answer with 0 and 1.
    """


def _keep_state(ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    ctx.meta[_STATE] = value
    return value


def state_option(command: F) -> F:
    """Add `--state DIR`, given to the command as a folder that exists."""
    return click.option(
        "--state",
        type=FOLDER,
        metavar="DIR",
        callback=_keep_state,
        help="State folder (index, lock); else $STATE_DIRECTORY, else ~/.local/state/twinwatch.",
    )(command)


def json_option(command: F) -> F:
    """Add `--json`: one JSON object a line."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")(command)


def config_option(command: F) -> F:
    """Add `--config FILE`."""
    return click.option(
        "--config",
        "config_file",
        type=FILE,
        metavar="FILE",
        help="Configuration file; `twinwatch config init` writes one with every option explained.",
    )(command)
