"""log, status, resume, doctor: what was decided and why, how it goes, and what is in the way."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twinwatch.cli import output
from twinwatch.cli.group import FOLDERS, THERE, GivenPath, config_option, json_option, state_option
from twinwatch.errors import IndexUnusableError, TwinwatchError
from twinwatch.photo import Verdict

if TYPE_CHECKING:
    from twinwatch.index import DecisionRow, Index


@click.command(short_help="Show what was decided, when and why.")
@click.argument("place", metavar="[DIR|FILE]", required=False, type=GivenPath(path_type=Path, readable=False))
@click.option("--since", metavar="TIME", help="Only what is newer: 30m, 2h, 3d, 1w, or a date such as 2026-11-20.")
@click.option("--verdict", type=click.Choice([str(verdict) for verdict in Verdict]), help="Only this verdict.")
@click.option("--action", type=click.Choice(["held", "would-hold", "review", "none"]), help="Only this action.")
@click.option("--follow", "-f", is_flag=True, help="Go on showing what is decided, until stopped.")
@state_option
@json_option
def log(
    place: Path | None,
    since: str | None,
    verdict: str | None,
    action: str | None,
    follow: bool,
    state: Path | None,
    as_json: bool,
) -> None:
    """Show what was decided, when and why, oldest first; only of what is in DIR, or of FILE, if it is given."""
    from twinwatch.cli.selection import open_index, same_path
    from twinwatch.cli.selection import since as seconds_since

    below = None if place is None else same_path(place)
    start = seconds_since(since)
    index = open_index(state)
    last = 0
    try:
        while True:
            for number, row in index.memory.log(start, last, verdict):
                last = number
                inside = below is None or any(row.path.is_relative_to(folder) for folder in below)
                if inside and (action is None or row.action == action):
                    _show_decision(row, state, as_json)
            if not follow:
                break
            sys.stdout.flush()
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        index.close()


def _show_decision(row: DecisionRow, state: Path | None, as_json: bool) -> None:
    from twinwatch.cli.selection import completed

    why = completed(row.why, state) if row.why else ""
    if as_json:
        output.json_line(
            {
                "at": row.at,
                "path": str(row.path),
                "verdict": row.verdict,
                "keeper": None if row.keeper is None else str(row.keeper),
                "action": row.action,
                "why": why,
                "slot": row.slot,
                "evidence": output.evidence_json(row.evidence),
            }
        )
        return
    click.echo(f"{output.when(row.at)}  {row.action:10}  {output.coloured(row.verdict)}  {output.clean(row.path)}")
    indent = " " * 21
    if row.keeper is not None:
        click.echo(
            f"{indent}{'keeper' if row.action in ('held', 'would-hold') else 'beside'}: {output.clean(row.keeper)}"
        )
    if row.evidence is not None and row.evidence.words:
        click.echo(f"{indent}evidence: {output.clean(row.evidence.words)}")
    if why:
        click.echo(f"{indent}why: {output.clean(why)}")
    if row.slot is not None and row.action == "held":
        from twinwatch.cli.selection import command

        click.echo(f"{indent}undo: {command(f'quarantine restore {row.slot}', state)}")


@click.command(short_help="Say how the daemon is.")
@state_option
@json_option
def status(state: Path | None, as_json: bool) -> None:
    """Say how the daemon is: level, working, starting, degraded, paused or stopped.

    Level means that every root is watched and reconciled and nothing is queued; working, that something arrived;
    starting, that it is on its way there. Exit code 0 for these three, else 1.
    """
    from twinwatch.cli.selection import has_index, without_index
    from twinwatch.service import state as states

    folder = states.state_folder(state)
    there = has_index(folder)
    said: dict[str, Any] = states.published(folder) or {"photos": 0, "queued": 0, "held": 0, "roots": []}
    if states.running_pid(folder) is None:
        said |= {"state": "stopped", "queued": 0}
        if there:
            said |= _counted(state)
    said.setdefault("state", "starting")
    if as_json:
        output.json_line(said)
    else:
        _show_status(said, state)
        if not there:
            click.echo(f"no index in {output.clean(folder)}: {without_index(folder)}")
    sys.exit(0 if said["state"] in ("level", "working", "starting") else 1)


def _counted(state: Path | None) -> dict[str, Any]:
    """Count what the index has now: a scan, a restore or a purge came after what the daemon said last."""
    from twinwatch.cli.selection import completed, open_index
    from twinwatch.ingest import PAUSED

    try:
        index = open_index(state)
    except IndexUnusableError as error:
        click.echo(f"twinwatch: {output.clean(completed(str(error), state))}", err=True)
        return {}
    try:
        paused = index.memory.setting(PAUSED)
        return {"photos": index.photos.count(), "held": index.journal.count_held(), "paused": paused}
    finally:
        index.close()


def _show_status(said: dict[str, Any], state: Path | None) -> None:
    from twinwatch.cli.selection import command
    from twinwatch.service import told

    click.echo(f"{said['state']}: {said['photos']} photos, {said['queued']} queued, {said['held']} held")
    if said.get("paused"):
        click.echo(f"moving is paused: {output.clean(said['paused'])}\n  go on with: {command('resume', state)}")
    if said.get("resting"):
        click.echo(f"bulk work rests: {output.clean(said['resting'])}")
    if said["state"] == "stopped" and said["roots"]:
        click.echo("when it was last heard of:")
    for root in said["roots"]:
        extra = f", {root['placeholders']} online-only files skipped" if root.get("placeholders") else ""
        click.echo(f"  {output.clean(root['path'])}: {root['state']}, {root['mode']}{extra}")
        for problem in root.get("problems", ()):
            click.echo(f"    {output.clean(problem)}")
        if root["state"] in ("unmarked", "replaced", "emptied"):
            again = command(f"resume --root {told.word(root['path'])}", state)
            click.echo(f"    if it is right: {again}")


@click.command(short_help="Go on moving after the brake stopped it.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=THERE,
    metavar="DIR",
    help="This folder is the right one, although it changed or lost many photos.",
)
@state_option
def resume(roots: tuple[Path, ...], state: Path | None) -> None:
    """Go on moving after the brake stopped it, and look at every root again.

    With --root DIR also use this folder again, which `status` calls unmarked, replaced or emptied.
    """
    from twinwatch.cli.selection import open_index
    from twinwatch.ingest import ACCEPTED
    from twinwatch.ingest import resume as go_on
    from twinwatch.service import state as states

    index = open_index(state)
    try:
        for root in roots:
            _accept(index, root.resolve())
            index.memory.set_setting(f"{ACCEPTED}{root.resolve()}", "yes")
        paused = go_on(index, time.time())
    finally:
        index.close()
    for root in roots:
        click.echo(f"{output.clean(root)} is the right folder")
    click.echo(
        "moving was not paused" if paused is None else f"moving goes on; it was paused by: {output.clean(paused)}"
    )
    pid = states.running_pid(states.state_folder(state))
    if pid is None:
        if roots or paused is not None:
            click.echo("the daemon does not run; it heeds this when it starts, and so does the next scan")
        return
    try:
        os.kill(pid, signal.SIGUSR1)
    except ProcessLookupError:
        pass  # it ended just now, and heeds this when it starts
    except PermissionError as error:
        hint = "run this as the account that twinwatch runs as, else it heeds this at its next walk"
        raise TwinwatchError(f"process {pid} could not be told", hint) from error


def _accept(index: Index, path: Path) -> None:
    from twinwatch.roots import accepted_identity

    known = index.root_at(path)
    if known is None:
        raise click.UsageError(f"{path} is not a watched folder")
    place = None if known.quarantine is None else Path(known.quarantine)
    index.record_root(path, accepted_identity(path, known.identity.marker, reference=known.reference), place)


@click.command(short_help="Look for what is in the way, say how to mend it.")
@FOLDERS
@config_option
@state_option
@json_option
def doctor(folders: tuple[Path, ...], config_file: Path | None, state: Path | None, as_json: bool) -> None:
    """Check limits, mounts, permissions, quarantine places and decoders; say the command that mends what is wrong.

    Looks only; nothing is written. Run it as the account that twinwatch runs as. Exit code 1 when something is wrong.
    """
    from twinwatch.cli import diagnosis
    from twinwatch.cli.selection import configuration
    from twinwatch.service import state as states

    config = configuration(config_file, folders) if folders or config_file else None
    folder = states.state_folder(state or (None if config is None else config.state))
    findings = diagnosis.examine(config, folder)
    for finding in findings:
        if as_json:
            output.json_line({"check": finding.check, "ok": finding.ok, "found": finding.found, "mend": finding.mend})
            continue
        mark = output.painted("ok   ", "green") if finding.ok else output.painted("WRONG", "red")
        click.echo(f"{mark}  {output.clean(finding.check)}: {output.clean(finding.found)}")
        if finding.mend:
            click.echo(f"       mend: {output.clean(finding.mend)}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


COMMANDS = (log, status, resume, doctor)
