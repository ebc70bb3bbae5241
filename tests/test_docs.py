"""What the pages say is so: commands, options, links, the example configuration and the units."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from twinwatch.cli import cli
from twinwatch.cli.group import ROOMS
from twinwatch.config.page import example
from twinwatch.photo import Verdict

HERE = Path(__file__).resolve().parent.parent
PAGES = sorted([*HERE.glob("*.md"), *HERE.glob("docs/**/*.md")])
UNITS = sorted(HERE.glob("systemd/*.service"))
README = (HERE / "README.md").read_text()
COMMANDS_PAGE = (HERE / "docs" / "commands.md").read_text()


def commands(group: click.Group = cli, *before: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that does something, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, *before, name)
        else:
            yield (*before, name), command


def code(text: str) -> list[str]:
    """Return what a page shows as code, line by line."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [line for block in blocks for line in block.splitlines()] + inline


def told(text: str) -> Iterator[str]:
    """Yield the twinwatch command lines of a page, without comments, redirections and what follows."""
    for line in code(text):
        found = re.match(r"(?:sudo )?(?:\S*/)?twinwatch (?=[a-z])(.*)", line.strip())
        if found:
            yield re.split(r"\s+#|\s[|>]\s|;", found[1])[0].strip()


def parsed(line: str) -> None:
    """Let click parse a command line without running it; raise UsageError when it would not."""
    words = shlex.split(line)
    command: click.Command = cli
    path = ["twinwatch"]
    while isinstance(command, click.Group) and words:
        path.append(words[0])
        found = command.get_command(click.Context(command), words.pop(0))
        if found is None:
            raise click.UsageError(f"no command {' '.join(path)}")
        command = found
    if not isinstance(command, click.Group):
        command.make_context(" ".join(path), words, resilient_parsing=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HERE)))
def test_every_relative_link_exists(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("words", "command"), list(commands()), ids=[" ".join(words) for words, _ in commands()])
def test_every_command_and_option_is_in_the_pages(words: tuple[str, ...], command: click.Command) -> None:
    shown = code(README) + code(COMMANDS_PAGE)
    named = {word for line in shown for word in line.split()}
    options = {max(option.opts, key=len) for option in command.params if isinstance(option, click.Option)}
    assert {words[-1], *options} - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HERE)))
def test_the_commands_in_the_pages_parse(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("DIR", "ROOT"):
        (tmp_path / folder).mkdir()
    for line in told(page.read_text()):
        if line.split()[0] != "COMMAND":
            try:
                parsed(line)
            except click.MissingParameter:
                pass  # the name of a command, told without its arguments
            except click.UsageError as error:
                pytest.fail(f"{page.name}: twinwatch {line}: {error.format_message()}")


def test_every_command_is_where_the_table_of_them_says() -> None:
    rooms = {room: import_module(f"twinwatch.cli.{room}") for room in ROOMS.values()}
    assert {command.name: room for room, module in rooms.items() for command in module.COMMANDS} == ROOMS


def test_help_is_short_and_has_no_sentence_cut_off() -> None:
    for words, command in commands():
        assert not command.get_short_help_str(limit=60).endswith("..."), words
        assert (command.help or "?")[0].isupper(), words


def test_the_example_is_what_config_init_writes() -> None:
    assert (HERE / "config.example.yaml").read_text() == example()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_start_a_command_line_that_exists(unit: Path) -> None:
    start = re.search(r"^ExecStart=\S+/twinwatch (.*)$", unit.read_text(), re.MULTILINE)
    assert start
    parsed(start[1])
    assert f"{unit.name}" in README


def test_verdicts_and_exit_codes_are_told() -> None:
    assert [str(verdict) for verdict in Verdict if f"`{verdict}`" not in COMMANDS_PAGE] == []
    assert all(re.search(rf"^\| {code} \|", COMMANDS_PAGE, re.MULTILINE) for code in (0, 1, 2, 78))
