"""quarantine: list, show, restore, purge, verify what is held."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twinwatch.cli import output
from twinwatch.cli.group import THERE, Group, json_option, state_option
from twinwatch.errors import TwinwatchError
from twinwatch.photo import ContentDigest

if TYPE_CHECKING:
    from twinwatch.index import Index
    from twinwatch.quarantine import Slot

_IDS = click.argument("ids", metavar="[ID]...", nargs=-1)
_PLACE = click.option(
    "--place",
    "places",
    multiple=True,
    type=THERE,
    metavar="DIR",
    help="A quarantine folder that the index does not know (any more).",
)


@click.group(cls=Group)
def quarantine() -> None:
    """See what was set aside, put it back, or delete it for good.

    ID is a slot as `list` shows it, or its beginning or end if that is unique, or the path the photo had.
    """


@quarantine.command("list")
@state_option
@_PLACE
@json_option
def list_(state: Path | None, places: tuple[Path, ...], as_json: bool) -> None:
    """List what is in quarantine, oldest first."""
    with _Quarantine(state, places) as (slots, index):
        rows = [_row(slot, index) for slot in slots]
        if as_json:
            for row in rows:
                output.json_line(row)
            return
        shown = [
            (
                row["id"],
                output.when(row["held_at"]),
                row["verdict"],
                output.size(row["bytes"]),
                row["path"],
                row["keeper"],
            )
            if row["state"] == "held"
            else (row["id"], "", row["state"], "", row["path"] or row["held_as"], row["trouble"])
            for row in rows
        ]
        if output.on_terminal():
            _show_list(shown, state)
        else:
            output.table((), shown, empty="")


def _show_list(rows: Sequence[tuple[Any, ...]], state: Path | None) -> None:
    """Print lines that a terminal of any width leaves whole: an ID is there to be copied."""
    from twinwatch.cli.selection import command

    for slot, held, verdict, size, path, other in rows:
        click.echo("  ".join(part for part in (slot, held, output.coloured(verdict), size) if part))
        click.echo(f"  {output.clean(path)}")
        if other:
            click.echo(f"  {'of ' if held else ''}{output.clean(other)}")
    if rows:
        click.echo(f"{len(rows)} in quarantine; why: {command('quarantine show ID', state)}")
        click.echo(f"put one back: {command('quarantine restore ID', state)}")
    else:
        click.echo("nothing is in quarantine")


@quarantine.command()
@_IDS
@state_option
@_PLACE
@json_option
def show(ids: tuple[str, ...], state: Path | None, places: tuple[Path, ...], as_json: bool) -> None:
    """Explain why photos were set aside, with the evidence."""
    with _Quarantine(state, places) as (slots, index):
        for slot in _chosen(slots, ids):
            if as_json:
                manifest = slot.manifest
                evidence = None if manifest is None else manifest.evidence.to_json()
                output.json_line({**_row(slot, index), "evidence": evidence})
            else:
                _explain(slot, index, state)


@quarantine.command(short_help="Put photos back; nothing is overwritten.")
@_IDS
@click.option("--all", "everything", is_flag=True, help="Everything in quarantine.")
@state_option
@_PLACE
@json_option
def restore(
    ids: tuple[str, ...], everything: bool, state: Path | None, places: tuple[Path, ...], as_json: bool
) -> None:
    """Put photos back where they were; nothing is ever overwritten.

    What was put back stays: twinwatch remembers its content. It works without an index, from the manifests alone.
    """
    from twinwatch import quarantine as held

    with _Quarantine(state, places) as (slots, index):
        wanted = _wanted(slots, ids, everything=everything)
        if not wanted:
            click.echo("nothing to restore", err=True)
        _each(wanted, lambda slot: held.restore(slot, index, time.time()), "restored", state, as_json)


@quarantine.command()
@_IDS
@click.option("--all", "everything", is_flag=True, help="Everything in quarantine.")
@click.option("--older-than", metavar="DAYS", type=click.FloatRange(min=0), help="Of these, what was held so long.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_option
@_PLACE
@json_option
def purge(
    ids: tuple[str, ...],
    everything: bool,
    older_than: float | None,
    yes: bool,
    state: Path | None,
    places: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Delete held photos for good. Only a person does that; each keeper is read in full first.

    Name IDs, or --all of them. It asks, unless --yes is given. A photo whose keeper is gone or changed is not deleted.
    """
    from twinwatch import quarantine as held

    with _Quarantine(state, places) as (slots, index):
        if index is None:
            raise click.UsageError("there is no index: run `twinwatch scan DIR` first, so that keepers can be found")
        known = index
        wanted = _wanted(slots, ids, everything=everything)
        if older_than is not None:
            before = time.time() - older_than * 86400
            wanted = [slot for slot in wanted if slot.manifest is not None and slot.manifest.at <= before]
        if not wanted:
            click.echo("nothing to purge", err=True)
            return
        if not yes:
            click.echo(f"{_amount(wanted)}, will be deleted for good.", err=True)
            _confirm()

        _each(
            wanted, lambda slot: held.purge(slot, known, lambda digest: _known(known, digest)), "purged", state, as_json
        )


@quarantine.command("verify", short_help="Read what is held, and its keepers, again.")
@_IDS
@state_option
@_PLACE
@json_option
def verify_(ids: tuple[str, ...], state: Path | None, places: tuple[Path, ...], as_json: bool) -> None:
    """Read everything held again, or only these: is it what was held, and does its keeper still stand?

    Each finding says what to do. Exit code 1 when there is one.
    """
    from twinwatch.cli.selection import completed
    from twinwatch.quarantine import advice, verify

    to_do = 0
    with _Quarantine(state, places) as (slots, index):
        chosen = _chosen(slots, ids) if ids else slots
        for slot in chosen:
            try:
                found = verify(slot, index, lambda digest: _known(index, digest))
            except OSError as error:
                hint = advice(error, "check the disk")
                raise TwinwatchError(f"slot {slot.name}: {error.strerror or error}", hint) from error
            to_do += not found.ok
            where = None if found.keeper_at is None else str(found.keeper_at)
            mend = completed(found.advice, state)
            if as_json:
                told = {"wrong": list(found.wrong), "keeper": found.keeper, "keeper_at": where, "advice": mend}
                output.json_line({"id": slot.name, "ok": found.ok, **told})
            elif not found.ok:
                words = "; ".join((*found.wrong, mend))
                click.echo(f"{slot.name}: {output.clean(words)}")
        if not as_json:
            click.echo(f"{len(chosen)} looked at, {to_do} with something to do")
        sys.exit(1 if to_do else 0)


def _known(index: Index | None, digest: ContentDigest) -> list[Path]:
    """Return where photos with these bytes are, as the index knows."""
    if index is None:
        return []
    roots = {record.id: Path(record.path) for record in index.roots()}
    return [roots[photo.root] / photo.path for photo in index.photos.with_digest(digest)]


def _amount(slots: Sequence[Slot]) -> str:
    """Say what is held in these slots: photos, what was held beside them, and the bytes of it all."""
    manifests = [slot.manifest for slot in slots if slot.manifest is not None]
    files = [held for manifest in manifests for held in manifest.files]
    beside = len(files) - len(manifests)
    words = output.counted(len(manifests), "photo")
    words += (
        f" with {output.counted(beside, 'file')} beside {'it' if len(manifests) == 1 else 'them'}" if beside else ""
    )
    return f"{words}, {output.size(sum(held.bytes for held in files))}"


def _confirm() -> None:
    try:
        sure = click.confirm("Delete them?", err=True)
    except click.Abort:
        click.echo(err=True)
        sure = False
    if not sure:
        raise TwinwatchError("nothing was deleted", "answer y, or give --yes")


class _Quarantine:
    """Every slot that is known, and the index, if there is one.

    What cannot be read is said at the beginning; the command goes on with the rest, and ends with exit code 1.
    """

    def __init__(self, state: Path | None, places: Sequence[Path]) -> None:
        self._state = state
        self._places = [place.expanduser().absolute() for place in places]
        self._index: Index | None = None
        self._unread = False

    def __enter__(self) -> tuple[list[Slot], Index | None]:
        from twinwatch.cli.selection import all_slots, open_index, places

        try:
            self._index = open_index(self._state)
        except click.UsageError:
            if not self._places:
                raise
        known = set() if self._index is None else places(self._index)
        slots, errors = all_slots(known | set(self._places))
        for error in errors:
            click.echo(f"twinwatch: {output.clean(error)}", err=True)
        self._unread = bool(errors)
        return slots, self._index

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._index is not None:
            self._index.close()
        if self._unread and isinstance(error, click.UsageError):
            raise TwinwatchError(error.format_message())  # it may well be in what cannot be read
        if self._unread and (error is None or (isinstance(error, SystemExit) and not error.code)):
            sys.exit(1)


def _wanted(slots: Sequence[Slot], ids: Sequence[str], *, everything: bool) -> list[Slot]:
    if everything and ids:
        raise click.UsageError("give IDs or --all, not both")
    # Of everything also what cannot be: to pass it over in silence would say that all was done.
    return [slot for slot in slots if slot.present or slot.trouble] if everything else _chosen(slots, ids)


def _chosen(slots: Sequence[Slot], ids: Sequence[str]) -> list[Slot]:
    from twinwatch.cli.selection import chosen

    if not ids:
        raise click.UsageError("which one? give an ID of `twinwatch quarantine list`, or --all where there is one")
    return chosen(slots, ids)


def _each(slots: Sequence[Slot], act: Callable[[Slot], object], word: str, state: Path | None, as_json: bool) -> None:
    from twinwatch.cli.selection import completed

    failed = 0
    for slot in slots:
        try:
            result = act(slot)
        except TwinwatchError as error:
            failed += 1
            why = completed(str(error), state)
            if as_json:
                output.json_line({"id": slot.name, "state": "failed", "why": why})
            click.echo(f"twinwatch: {output.clean(why)}", err=True)
            continue
        if as_json:
            key = "path" if word == "restored" else "bytes"
            output.json_line({"id": slot.name, "state": word, key: result if key == "bytes" else str(result)})
        else:
            click.echo(f"{word} {output.clean(result if word == 'restored' else slot.photo_path.name)}")
    sys.exit(1 if failed else 0)


def _state(slot: Slot, index: Index | None) -> str:
    if slot.present:
        return "held"
    row = None if index is None else index.journal.get(slot.name)
    return "damaged" if slot.manifest is None else ("missing" if row is None or row.state == "held" else str(row.state))


def _row(slot: Slot, index: Index | None) -> dict[str, Any]:
    manifest = slot.manifest
    state = _state(slot, index)
    if manifest is None:
        place = str(slot.place / slot.name)
        empty = dict.fromkeys(("path", "keeper", "verdict", "held_at"))
        return {"id": slot.name, **empty, "held_as": place, "bytes": 0, "state": state, "trouble": slot.trouble}
    return {
        "id": slot.name,
        "path": str(manifest.root / manifest.path),
        "held_as": str(slot.photo_path),
        "keeper": str(manifest.keeper_root / manifest.keeper),
        "verdict": str(manifest.evidence.verdict),
        "held_at": manifest.at,
        "bytes": manifest.photo.bytes,
        "state": state,
        "trouble": slot.trouble,
    }


def _explain(slot: Slot, index: Index | None, state: Path | None) -> None:
    from twinwatch.cli.selection import command

    row = _row(slot, index)
    manifest = slot.manifest
    if manifest is None:
        click.echo(f"{slot.name}: {output.clean(slot.trouble)}\n  its files are in {output.clean(row['held_as'])}")
        return
    evidence = manifest.evidence
    lines = [
        ("photo", row["path"]),
        ("state", f"{row['state']}; set aside {output.when(manifest.at)}"),
        ("held as", row["held_as"]),
        ("keeper", row["keeper"]),
        ("verdict", f"{evidence.verdict}: {evidence.words}"),
        ("why", f"the keeper is {manifest.rule}"),
        ("with it", ", ".join(held.name for held in manifest.files[:-1])),
        ("numbers", ", ".join(f"{key} {value}" for key, value in evidence.measures.items())),
        ("put back", command(f"quarantine restore {slot.name}", state)),
    ]
    click.echo(slot.name)
    for name, value in lines:
        if value:
            click.echo(f"  {name:8}  {output.clean(value)}")


COMMANDS = (quarantine,)
