"""run and scan: the daemon in the foreground, and one pass."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinwatch.cli import output
from twinwatch.cli.group import config_option, json_option, state_option

if TYPE_CHECKING:
    from twinwatch.ingest import Found, Outcome
    from twinwatch.service.assembly import Assembly

_FOLDERS = click.argument("folders", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=Path))


@click.command()
@_FOLDERS
@config_option
@state_option
@click.option("--observe", is_flag=True, help="Decide and tell, but move nothing.")
def run(folders: tuple[Path, ...], config_file: Path | None, state: Path | None, observe: bool) -> None:
    """Watch folders and set aside proven copies that arrive, until stopped (Ctrl-C).

    What is in the folders when they are first seen is indexed and reported, never moved: only later arrivals are. The
    log goes to standard error. SIGHUP reads the configuration again.
    """
    from twinwatch.cli.selection import configuration
    from twinwatch.service import logs
    from twinwatch.service import state as states
    from twinwatch.service.daemon import Daemon

    config = configuration(config_file, folders)
    logs.set_up(config.log.level, config.log.format)
    folder = states.made(states.state_folder(state or config.state))
    with states.locked(folder):
        Daemon(config, folder, lambda: configuration(config_file, folders), observe=observe).run()


@click.command()
@_FOLDERS
@config_option
@state_option
@click.option("--quarantine", "move", is_flag=True, help="Set proven copies aside; without it nothing is moved.")
@json_option
def scan(folders: tuple[Path, ...], config_file: Path | None, state: Path | None, move: bool, as_json: bool) -> None:
    """Look at every picture in DIR once and report copies and look-alikes.

    What was read is remembered: a second scan reads only what is new. Give --quarantine to set the proven copies aside.
    """
    from twinwatch.cli.selection import configuration
    from twinwatch.service import state as states
    from twinwatch.service.assembly import Assembly

    if not folders and config_file is None:
        raise click.UsageError("which folder? give DIR, or --config FILE")
    config = configuration(config_file, folders)
    folder = states.made(states.state_folder(state or config.state))
    teller = _Teller(as_json)
    with (
        states.locked(folder),
        Assembly(config, folder, report=teller.tell, failed=teller.failed, hold=move, move_residents=True) as assembly,
    ):
        ok = _pass(assembly, teller)
    teller.sum_up(moved=move)
    sys.exit(0 if ok else 1)


def _pass(assembly: Assembly, teller: _Teller) -> bool:
    """Walk every root; return whether all of them could be."""
    ok = True
    surveys = []
    for watched in assembly.watched:
        assembly.look(watched)
        if watched.words:
            click.echo(f"twinwatch: {watched.words}", err=True)
            ok = False
            continue
        for recovered in assembly.recover(watched):
            click.echo(f"recovered {recovered.slot}: {recovered.words}", err=True)
        survey = assembly.survey(watched)
        survey.again = True
        surveys.append(survey)
        assembly.belt.add_bulk(survey.files())
    with output.progress() as bar:
        task = bar.add_task("reading", total=None, now="")
        while assembly.belt.step(0.2):
            bar.update(task, completed=teller.done, total=sum(s.taken for s in surveys), now=teller.now)
            assembly.index.commit_if_older(0.5)
    for survey in surveys:
        for trouble in survey.troubles:
            click.echo(f"twinwatch: {trouble}", err=True)
        for name in survey.mounts:
            click.echo(
                f"twinwatch: {name} is another file system: not entered; give it as a folder of its own", err=True
            )
        if survey.placeholders:
            click.echo(f"{survey.placeholders} online-only files skipped, 0 bytes downloaded", err=True)
        if survey.failure is not None:
            click.echo(f"twinwatch: {survey.failure}", err=True)
        teller.pictures += survey.pictures
        ok = ok and survey.failure is None and not survey.troubles
    return ok


class _Teller:
    """Says what came of each picture: at once in JSON, as lines while it runs otherwise."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.done = 0
        self.pictures = 0
        self.now = ""
        self._counts: dict[str, int] = {}

    def tell(self, outcome: Outcome) -> None:
        self.done += 1
        self.now = output.clean(outcome.path.name)
        self._counts[outcome.action] = self._counts.get(outcome.action, 0) + 1
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
        self._counts["failed"] = self._counts.get("failed", 0) + 1
        click.echo(f"twinwatch: {output.clean(error)}", err=True)

    def sum_up(self, *, moved: bool) -> None:
        if self._as_json:
            return
        held, would, review = (self._counts.get(action, 0) for action in ("held", "would-hold", "review"))
        words = [f"{self.pictures} pictures", f"{self.done} looked at"]
        words += [f"{held} set aside"] if moved else [f"{would} proven copies (nothing was moved)"]
        words += [f"{review} for review", f"{self._counts.get('failed', 0)} could not be judged"]
        click.echo(", ".join(words))
        if would:
            click.echo("set them aside with: twinwatch scan --quarantine DIR")
        if held:
            click.echo("see them with: twinwatch quarantine list; put one back with: twinwatch quarantine restore ID")

    def _line(self, outcome: Outcome) -> None:
        click.echo(f"{output.coloured(outcome.verdict):12}  {output.clean(outcome.path)}")
        if outcome.keeper is not None:
            click.echo(f"              {'of' if outcome.action != 'review' else 'like'} {output.clean(outcome.keeper)}")
        if outcome.evidence is not None and outcome.evidence.words:
            click.echo(f"              {output.clean(outcome.evidence.words)}")
        if outcome.why:
            click.echo(f"              {outcome.action}: {output.clean(outcome.why)}")


COMMANDS = (run, scan)
