"""run and scan: the daemon in the foreground, and one pass."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinwatch.cli import output, progress
from twinwatch.cli.group import FOLDERS, config_option, json_option, state_option

if TYPE_CHECKING:
    from twinwatch.ingest import Found, Outcome
    from twinwatch.service.assembly import Assembly


@click.command(short_help="Watch folders and set aside copies that arrive.")
@FOLDERS
@config_option
@state_option
@click.option("--observe", is_flag=True, help="Decide and tell, but move nothing.")
def run(folders: tuple[Path, ...], config_file: Path | None, state: Path | None, observe: bool) -> None:
    """Watch folders and set aside proven copies that arrive, until stopped (Ctrl-C).

    What is in the folders when they are first seen is indexed and reported, never moved: only later arrivals are. The
    log goes to standard error. SIGHUP reads the configuration again.
    """
    from twinwatch.cli.selection import configuration, state_for
    from twinwatch.service import logs
    from twinwatch.service import state as states
    from twinwatch.service.daemon import Daemon
    from twinwatch.service.supervisor import Supervisor

    config = configuration(config_file, folders)
    logs.set_up(config.log.level, config.log.format)
    folder = state_for(config, state)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # `resume` may come before the daemon listens
    with states.locked(folder) as lock:
        daemon = Daemon(folder, lambda: configuration(config_file, folders), observe=observe)
        start = Supervisor(config).run()
        lock.close()  # it is the supervisor's: a daemon that hangs must not keep it
        _heal(folder)
        daemon.run(start)


def _heal(folder: Path) -> None:
    """Begin a new index where the old one is damaged: a service must come up again by itself."""
    import logging

    from twinwatch.service.rebuilding import healed

    done = healed(folder)
    if done is not None:
        aside, taken = done
        words = "the index was damaged: a new one was begun, %d entries were taken over, the old file is %s; %s"
        what = f"not whole: {', '.join(taken.damaged)}" if taken.damaged else "nothing of the log was lost"
        logging.getLogger("twinwatch").error(words, taken.rows, aside, what)


@click.command(short_help="Look at every picture once, report copies.")
@FOLDERS
@config_option
@state_option
@click.option("--quarantine", "move", is_flag=True, help="Set proven copies aside; without it nothing is moved.")
@json_option
def scan(folders: tuple[Path, ...], config_file: Path | None, state: Path | None, move: bool, as_json: bool) -> None:
    """Look at every picture in DIR once and report copies and look-alikes.

    What was read is remembered: a second scan reads only what is new. Give --quarantine to set the proven copies aside.
    """
    from twinwatch.cli.selection import configuration, state_for
    from twinwatch.ingest import PAUSED
    from twinwatch.service import state as states
    from twinwatch.service.assembly import Assembly

    config = configuration(config_file, folders)
    folder = state_for(config, state)
    teller = _Teller(as_json, folder)
    stop = _Stop()
    with (
        states.locked(folder),
        Assembly(
            config,
            folder,
            report=teller.tell,
            failed=teller.failed,
            hold=move,
            move_residents=True,
            whole=not folders,  # who names some looks at these only
        ) as assembly,
    ):
        ok = _pass(assembly, teller, stop, folder)
        paused = assembly.index.memory.setting(PAUSED) if move else None
    if stop.wanted:
        click.echo("stopped: nothing is half done, and what was read is remembered; scan again to go on", err=True)
    if not as_json and (ok or teller.done):
        teller.sum_up(partial(_advice, config_file, folders, folder), moved=move)
        if paused is not None:
            from twinwatch.service import told

            click.echo(f"moving is paused: {output.clean(paused)}\n  go on with: {told.command('resume', folder)}")
    sys.exit(0 if ok and not teller.unjudged and not stop.wanted else 1)


def _advice(config_file: Path | None, folders: tuple[Path, ...], folder: Path) -> tuple[str, str]:
    """Return the commands that set aside what was found, and that list what was set aside."""
    from twinwatch.service import told

    which = [f"--config {told.word(config_file.absolute())}"] if config_file is not None else []
    which += [told.word(root.expanduser().absolute()) for root in folders]
    again = told.command(" ".join(["scan", "--quarantine", *which]), folder)
    return again, told.command("quarantine list", folder)


def _completed(words: str, folder: Path, root: Path | None = None) -> str:
    from twinwatch.service import told

    return output.clean(told.completed(words, folder, root))


class _Stop:
    """Ends a pass between two photos when it is told to; told twice, at once."""

    def __init__(self) -> None:
        self.wanted = False
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # `resume` sends it to whoever works with this state
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        self.wanted = True
        signal.signal(number, signal.SIG_DFL)


def _pass(assembly: Assembly, teller: _Teller, stop: _Stop, folder: Path) -> bool:
    """Walk every root; return whether all of them could be."""
    ok = True
    surveys = []
    for watched in assembly.watched:
        assembly.look(watched)
        if watched.words:
            click.echo(f"twinwatch: {_completed(watched.words, folder, watched.config.path)}", err=True)
            ok = False
            continue
        for recovered in assembly.recover(watched):
            click.echo(f"recovered {recovered.slot}: {recovered.words}", err=True)
        assembly.seen_again()
        survey = assembly.survey(watched)
        survey.again = True
        survey.done = partial(assembly.surveyed, watched)
        surveys.append(survey)
        assembly.belt.add_bulk(survey.files())
    with progress.shown(surveys) as bar:
        while not stop.wanted and assembly.belt.step(0.2):
            bar.update(teller.done, teller.now)
            assembly.index.commit_if_older(0.5)
    for survey in surveys:
        for trouble in survey.troubles:
            click.echo(f"twinwatch: {output.clean(trouble)}", err=True)
        for name in survey.mounts:
            where = output.clean(name)
            click.echo(
                f"twinwatch: {where} is another file system: not entered; give it as a folder of its own", err=True
            )
        if survey.placeholders:
            click.echo(f"{survey.placeholders} online-only files skipped, 0 bytes downloaded", err=True)
        if survey.failure is not None:
            click.echo(f"twinwatch: {_completed(str(survey.failure), folder, survey.root.path)}", err=True)
        teller.pictures += survey.pictures
        teller.taken += survey.taken
        ok = ok and survey.failure is None and not survey.troubles
    return ok


class _Teller:
    """Says what came of each picture: at once in JSON, as lines while it runs otherwise."""

    def __init__(self, as_json: bool, folder: Path) -> None:
        self._as_json = as_json
        self._folder = folder
        self.done = 0
        self.pictures = 0
        self.taken = 0
        self.now = ""
        self._came: dict[Path, str] = {}  # what came of each photo in the end: one may be looked at twice
        self.unjudged = 0

    def tell(self, outcome: Outcome) -> None:
        self.done += 1
        self.now = output.clean(outcome.path.name)
        self._came[outcome.path] = outcome.action
        if outcome.why:
            from twinwatch.service import told

            outcome = outcome._replace(why=told.completed(outcome.why, self._folder))
        if self._as_json:
            output.json_line(
                {
                    "path": str(outcome.path),
                    "verdict": outcome.verdict,
                    "keeper": None if outcome.keeper is None else str(outcome.keeper),
                    "evidence": output.evidence_json(outcome.evidence),
                    "action": outcome.action,
                    "why": outcome.why,
                    "slot": outcome.slot,
                }
            )
        elif outcome.keeper is not None or outcome.why:
            self._line(outcome)

    def failed(self, found: Found, error: Exception) -> None:
        self.done += 1
        self.unjudged += 1
        click.echo(f"twinwatch: {_completed(str(error), self._folder)}", err=True)

    def sum_up(self, advice: Callable[[], tuple[str, str]], *, moved: bool) -> None:
        came = list(self._came.values())
        held, would, review = (came.count(action) for action in ("held", "would-hold", "review"))
        words = [output.counted(self.pictures, "picture"), f"{self.taken} looked at"]
        words += [f"{held} set aside"] if moved else [output.counted(would, "proven copy", "proven copies")]
        words += [f"{would} only reported"] if moved and would else []
        words += [f"{review} for review"]
        words += [f"{self.unjudged} could not be judged"] if self.unjudged else []
        click.echo(", ".join(words) + ("" if moved else "; nothing was moved"))
        if not (would or held):
            return
        again, listing = advice()
        if would and moved:
            click.echo("nothing is moved where the configuration says `observe: true`")
        elif would:
            click.echo(f"set them aside with: {again}")
        if held:
            click.echo(f"see them, and how to put one back: {listing}")

    def _line(self, outcome: Outcome) -> None:
        lines = [f"{output.coloured(outcome.verdict):12}  {output.clean(outcome.path)}"]
        if outcome.keeper is not None:
            lines.append(f"{'of' if outcome.action != 'review' else 'like'} {output.clean(outcome.keeper)}")
        if outcome.evidence is not None and outcome.evidence.words:
            lines.append(output.clean(outcome.evidence.words))
        if outcome.why:
            lines.append(f"{_SAID[outcome.action]}: {output.clean(outcome.why)}")
        click.echo("\n              ".join(lines))


_SAID = {"none": "left alone", "would-hold": "would be set aside", "held": "set aside", "review": "for review"}
"""What was done, as a line for a person says it."""


COMMANDS = (run, scan)
