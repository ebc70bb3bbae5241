"""The commands: they ask, show and hand on; no decision about a photo is made here.

    group       the command group: options common to all, errors to exit codes, "did you mean"
    output      tables on a terminal, plain lines in a pipe, one JSON object a line
    selection   which photos, slots and times the arguments mean
    watching    run, scan             comparing  compare
    judging     check, keep, forget   holding    quarantine
    telling     log, status, resume, doctor
    keeping     config, index

Heavy rooms are imported by the commands that need them, so that `--help` and shell completion answer at once.
"""

from twinwatch.cli import comparing, holding, judging, keeping, telling, watching
from twinwatch.cli.group import cli

for room in (watching, comparing, judging, telling, holding, keeping):
    for command in room.COMMANDS:
        cli.add_command(command)

__all__ = ["cli"]
