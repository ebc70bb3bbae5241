"""The commands: they ask, show and hand on; no decision about a photo is made here.

    group       the command group: options common to all, errors to exit codes, "did you mean"
    output      tables on a terminal, plain lines in a pipe, one JSON object a line
    selection   which photos, slots and times the arguments mean
    watching    run, scan             comparing  compare
    judging     check, keep, forget   holding    quarantine
    telling     log, status, resume, doctor
    keeping     config, index

These rooms are imported by who is asked for one of their commands, and the heavy ones by the commands that need them:
a second scan of a library that has not changed takes hardly longer than to start.
"""

from twinwatch.cli.group import cli

__all__ = ["cli"]
