"""Configuration: the example is the truth, everything wrong is said at once with its line, nothing else is raised."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinwatch.brake import Limits
from twinwatch.config import (
    Config,
    Log,
    Match,
    Quarantine,
    Reconcile,
    RootConfig,
    Workers,
    defaults,
    load,
    with_state,
)
from twinwatch.config.changes import diff, needs_restart
from twinwatch.config.page import example, show
from twinwatch.config.values import BOUNDS
from twinwatch.errors import ConfigError
from twinwatch.photo import COPY_VERDICTS, Verdict
from twinwatch.settle import Settling
from twinwatch.verdict import Policy

EXAMPLE = Path(__file__).parents[1] / "config.example.yaml"
A_ROOT = "roots: [{path: /srv/a}]\n"


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "c.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def problems(folder: Path, text: str | bytes, roots: tuple[Path, ...] = ()) -> list[str]:
    """Load this text and return its problems, without the file's name."""
    file = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(file, roots)
    assert all(line.startswith((f"{file}:", "command line:")) for line in caught.value.problems)
    return [line.removeprefix(f"{file}:") for line in caught.value.problems]


def options(section: Any, key: str = "") -> set[str]:
    """Return the key of every option."""
    found = set()
    for field in dataclasses.fields(section):
        here, value = f"{key}{field.name}", getattr(section, field.name)
        if here == "roots":
            found |= options(RootConfig(Path("/x")), "roots.0.")
        else:
            found |= options(value, here + ".") if dataclasses.is_dataclass(value) else {here}
    return found


def keys(value: Any, key: str = "") -> set[str]:
    """Return the key of every leaf of plain YAML."""
    if isinstance(value, dict):
        return set().union(*(keys(part, f"{key}{name}.") for name, part in value.items()))
    if key == "roots.":
        return keys(value[0], "roots.0.")
    return {key.removesuffix(".")}


# --- the example ---------------------------------------------------------------------------------------------------


def test_the_example_names_every_option_and_equals_the_defaults() -> None:
    assert keys(yaml.safe_load(EXAMPLE.read_text())) == options(Config())
    loaded = load(EXAMPLE)
    assert loaded == Config(roots=(RootConfig(Path("/srv/photos")),))


def test_the_example_in_the_repository_is_the_one_that_init_writes() -> None:
    assert EXAMPLE.read_text() == example()


def test_every_option_of_the_example_has_a_comment_above_it() -> None:
    lines = example().splitlines()
    for above, line in pairwise(lines):
        if line and not line.lstrip().startswith("#"):
            assert above.lstrip().startswith("#"), line


def test_the_alternatives_of_the_example_are_allowed(tmp_path: Path) -> None:
    text = example()
    for name in ("quarantine", "state"):
        text = text.replace(f"{name}: null", "").replace(f"# {name}: /", f"{name}: /")
    config = load(write(tmp_path, text))
    assert config.roots[0].quarantine == Path("/srv/.twinwatch-photos")
    assert config.state == Path("/var/lib/twinwatch")


def test_every_number_has_bounds_and_a_default_within() -> None:
    config = Config()
    numbers = set()
    for key in options(config):
        value: Any = config
        for name in key.split(".") if not key.startswith("roots") else ():
            value = getattr(value, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers.add(key)
            low, high = BOUNDS[key]
            assert low <= value <= high, key
    assert numbers == set(BOUNDS)


# --- what is right -------------------------------------------------------------------------------------------------


def test_what_is_said_is_taken_and_the_rest_is_default(tmp_path: Path) -> None:
    config = load(
        write(
            tmp_path,
            "roots:\n- {path: /srv/a/, mode: polling, exclude: ['*.gif']}\n- {path: ~/p, reference: true}\n"
            "exclude: [Screenshots/]\nsettle: {quiet_seconds: 2}\npolicy: {set_aside: [identical], keep: [age, name]}\n"
            "brake:\n  # everything below is commented out\nlog: {level: debug}\n",
        )
    )
    assert config == Config(
        roots=(
            RootConfig(Path("/srv/a"), mode="polling", exclude=("*.gif",)),
            RootConfig(Path.home() / "p", reference=True),
        ),
        exclude=("Screenshots/",),
        settle=Settling(quiet_seconds=2),
        policy=Policy(set_aside=frozenset({Verdict.IDENTICAL}), keep=("age", "name")),
        log=Log(level="debug"),
    )
    assert config.excluded(config.roots[0]) == ("Screenshots/", "*.gif")


def test_nothing_may_be_set_aside_if_the_person_says_so(tmp_path: Path) -> None:
    assert load(write(tmp_path, A_ROOT + "policy: {set_aside: []}")).policy.set_aside == frozenset()


def test_folders_of_the_command_line_replace_those_of_the_file_but_keep_their_settings(tmp_path: Path) -> None:
    file = write(tmp_path, "roots: [{path: /srv/a, reference: true}, {path: /srv/b}]\nobserve: true")
    config = load(file, [Path("/srv/a"), Path("/srv/c")])
    assert config.roots == (RootConfig(Path("/srv/a"), reference=True), RootConfig(Path("/srv/c")))
    assert config.observe


def test_an_empty_file_is_enough_with_folders_on_the_command_line(tmp_path: Path) -> None:
    assert load(write(tmp_path, "# nothing yet\n"), [Path("/srv/a")]) == defaults([Path("/srv/a")])


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert load(write(tmp_path, b"\xef\xbb\xbf" + A_ROOT.encode())).roots == (RootConfig(Path("/srv/a")),)


def test_workers_are_few_unless_told() -> None:
    assert [Workers().processes(cores) for cores in (0, 1, 2, 16)] == [1, 1, 2, 2]
    assert Workers(count=5).processes(2) == 5


# --- what is wrong -------------------------------------------------------------------------------------------------


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "roots:\n  - path: /srv/a\n    mode: poling\n    reference: maybe\n  - {path: photos}\n  - {observe: true}\n"
        "  - path: /srv/a/b\nmach: {radius: 3}\nmatch: {radius: 99}\nobserve: 1\nobserve: true\n",
    )
    assert found == [
        "3:11: roots.0.mode: must be one of auto, inotify, polling, not 'poling'; did you mean \"polling\"?",
        "4:16: roots.0.reference: must be true or false, not 'maybe'",
        "5:12: roots.1.path: must be an absolute path without `..`, not 'photos'",
        "6:5: roots.2.path: is missing",
        "7:11: roots.3.path: /srv/a/b is inside /srv/a, which is watched with all below it; name one of them",
        '8:1: mach: is no option; did you mean "match"?',
        "9:17: match.radius: must be a whole number from 0 to 8, not '99'",
        "10:10: observe: must be true or false, not '1'",
        "11:1: observe: is given twice; keep one",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: roots: the file is empty; name at least one folder to watch"),
        ("# only words\n", "1:1: roots: the file is empty"),
        ("observe: true", "1:1: roots: name at least one folder"),
        ("roots: []", "1:8: roots: name at least one folder"),
        ("roots:\nobserve: true", "1:7: roots: name at least one folder"),
        ("- path: /srv/a", "1:1: must be a mapping of options (roots, observe,"),
        ("just words", "1:1: must be a mapping of options"),
        ("roots: /srv/a", "1:8: roots: must be a list of folders"),
        ("roots: [/srv/a]", "1:9: roots.0: must be a mapping of options (path,"),
        ("roots: [null]", "1:9: roots.0: must be a mapping of options"),
        ("roots: [{path: null}]", "1:16: roots.0.path: must be an absolute path, not nothing"),
        ("roots: [{path: /}]", "1:16: roots.0.path: / cannot be watched as a whole"),
        ("roots: [{path: //}]", "1:16: roots.0.path: / cannot be watched as a whole"),
        ("roots: [{path: /a/../b}]", "1:16: roots.0.path: must be an absolute path without `..`"),
        ("roots: [{path: ~no-such-user-here/x}]", "1:16: roots.0.path: the home folder in"),
        ("roots: [{path: /a, recursive: true}]", "1:20: roots.0.recursive: is no option; folders are always watched"),
        ("roots: [{path: /a}, {path: /a/}]", "1:28: roots.1.path: /a is the same folder as /a"),
        ("roots: [{path: /a/b}, {path: /a}]", "1:30: roots.1.path: /a/b is inside /a"),
        ("roots: [{path: /a, exclude: ['x/y']}]", "1:30: roots.0.exclude.0: must be a pattern of one name"),
        ("roots: [{path: /a, exclude: ['/']}]", "1:30: roots.0.exclude.0: must be a pattern of one name"),
        ("roots: [{path: /a, exclude: '*.png'}]", "1:29: roots.0.exclude: must be a list"),
        ("roots: [{path: /a, quarantine: /a}]", "1:32: roots.0.quarantine: /a contains the root /a"),
        (
            "roots: [{path: /a, quarantine: /a/q}]",
            "1:32: roots.0.quarantine: /a/q would be watched itself; choose /a/.twin",
        ),
        ("roots: [{path: /a/b, quarantine: /a}]", "1:34: roots.0.quarantine: /a contains the root /a/b"),
        (
            "roots: [{path: /a}, {path: /b, quarantine: /a/q}]",
            "1:44: roots.1.quarantine: /a/q is inside another root, /a",
        ),
        ("roots: [{path: /a, reference: true, quarantine: /q}]", "1:49: roots.0.quarantine: a reference root is never"),
        (A_ROOT + "state: /srv/a/.state", "2:8: state: /srv/a/.state is inside the root /srv/a"),
        (A_ROOT + "state: /srv", "2:8: state: /srv contains the root /srv/a"),
        (A_ROOT + "settle: [1]", "2:9: settle: must be a mapping of options (quiet_seconds,"),
        (A_ROOT + "settle: {quiet_seconds: '5'}", "2:25: settle.quiet_seconds: must be a number from 0 to 3600"),
        (A_ROOT + "settle: {quiet_seconds: true}", "2:25: settle.quiet_seconds: must be a number"),
        (A_ROOT + "settle: {quiet_seconds: .nan}", "2:25: settle.quiet_seconds: must be a number"),
        (A_ROOT + "settle: {quiet_seconds: -1}", "2:25: settle.quiet_seconds: must be a number"),
        (A_ROOT + "settle: {retries: 1.5}", "2:19: settle.retries: must be a whole number"),
        (A_ROOT + "settle: {retries: }", "2:18: settle.retries: must be a whole number from 0 to 20, not nothing"),
        (
            A_ROOT + "policy: {set_aside: [look-alike]}",
            "2:22: policy.set_aside.0: must be one of identical, same-pixels",
        ),
        (A_ROOT + "policy: {set_aside: }", "2:20: policy.set_aside: must be a list"),
        (A_ROOT + "policy: {keep: []}", "2:16: policy.keep: must name at least one rule"),
        (A_ROOT + "policy: {keep: [age, age]}", "2:22: policy.keep.1: age is given twice"),
        (
            A_ROOT + "quarantine: {purge_after_days: 30}",
            "2:14: quarantine.purge_after_days: is no option; nothing is ever",
        ),
        (A_ROOT + "log: {level: loud}", "2:14: log.level: must be one of debug, info, warning, error"),
        (A_ROOT + "log: &a {level: info}\nmatch: *a", "3:8: this is not YAML: anchors and aliases"),
        (A_ROOT + "5: x", "2:1: 5: is no option; there are roots,"),
        (A_ROOT + "? [a]\n: x", "2:3: a list: is no option"),
        (A_ROOT + "state: !!python/name:os.system x", "2:8: state: must be an absolute path without"),
        (A_ROOT + "state: 2024-13-45", "2:8: state: must be an absolute path without"),
        (A_ROOT + "---\n" + A_ROOT, "2:1: this is not YAML: expected a single document"),
        ("roots: [", "1:9: this is not YAML: while parsing a flow node"),
        ("roots:\n\t- path: /srv/a", "2:1: this is not YAML: "),
        ("roots: 'a", "1:10: this is not YAML: "),
        ("observe: true\nroots: \x07", "2:8: this is not YAML: the character U+0007 is not allowed"),
        ("[" * 5000, "1:1: this is nested too deeply"),
        (b"observe: true\n# caf\xe9\n", "2:6: this is not UTF-8 text"),
    ],
)
def test_a_problem_has_its_line_and_says_what_is_allowed(tmp_path: Path, text: str | bytes, expected: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(expected)


def test_a_quarantine_hidden_inside_its_own_root_or_outside_is_fine(tmp_path: Path) -> None:
    text = "roots: [{path: /a, quarantine: /a/.twinwatch-q}, {path: /b, quarantine: /q}]"
    assert load(write(tmp_path, text)).roots[1].quarantine == Path("/q")


def test_links_do_not_hide_that_two_roots_are_one(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to("photos")
    found = problems(tmp_path, f"roots: [{{path: {tmp_path}/photos}}, {{path: {tmp_path}/link}}]")
    assert "is the same folder as" in found[0]


def test_a_missing_folder_and_a_missing_file_are_told_plainly(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert caught.value.problems[0].startswith(f"{path}: cannot be read: {reason}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_told_plainly(tmp_path: Path) -> None:
    file = write(tmp_path, A_ROOT)
    file.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load(file)


def test_a_wrong_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    assert problems(tmp_path, b"#" * (1 << 21)) == [" is larger than 1 MiB, so it is no configuration"]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ([], "command line: name at least one folder to watch"),
        (["/a", "/a/b"], "command line: /a/b is inside /a"),
        (["/"], "command line: / cannot be watched"),
    ],
)
def test_folders_of_the_command_line_are_checked_too(folders: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        defaults([Path(folder) for folder in folders])
    assert caught.value.problems[0].startswith(expected)


def test_a_state_folder_found_later_is_checked_too() -> None:
    config = defaults([Path("/srv/a")])
    assert with_state(config, Path("/var/lib/x")).state == Path("/var/lib/x")
    with pytest.raises(ConfigError, match="state folder: /srv/a/x is inside the root /srv/a"):
        with_state(config, Path("/srv/a/x"))


# --- any file, any configuration -----------------------------------------------------------------------------------

SIGNS = (
    "- ",
    ": ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!int ",
    "? ",
    "'",
    '"',
    "|",
    "\t",
    "<<",
    "é",
    "\x85",
)
VALUES = ("null", "5", "1.5", "true", "2024-13-45", "/srv/a")
words = st.sampled_from([*sorted(options(Config())), "roots", "path", "settle", "log", *VALUES, *SIGNS])
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)


@relaxed
@given(st.one_of(st.binary(max_size=200), st.lists(words, max_size=30).map(lambda parts: "".join(parts).encode())))
def test_any_file_is_a_configuration_or_a_list_of_problems(tmp_path: Path, data: bytes) -> None:
    file = write(tmp_path, data)
    try:
        config = load(file)
    except ConfigError as error:
        found = error.problems
    else:
        found = []
        assert config.roots
    assert all(line.startswith(f"{file}:") for line in found)


def number(key: str) -> st.SearchStrategy[Any]:
    low, high = BOUNDS[key]
    name, _, field = key.partition(".")
    if isinstance(getattr(getattr(Config(), name), field), int):
        return st.integers(int(low), int(high))
    return st.floats(low, high)


def section(cls: type, name: str) -> st.SearchStrategy[Any]:
    numbers = {key.partition(".")[2]: number(key) for key in BOUNDS if key.startswith(f"{name}.")}
    return st.builds(cls, **numbers)


patterns = st.text(min_size=1, max_size=10).filter(lambda text: "/" not in text).map(lambda text: text + "/")
exclusions = st.lists(patterns, max_size=3, unique=True).map(tuple)
switches = st.booleans()
configs = st.builds(
    Config,
    roots=st.lists(
        st.builds(
            RootConfig,
            path=st.binary(min_size=1, max_size=20)
            .filter(lambda name: not {b"/"[0], 0} & set(name) and name not in (b".", b".."))
            .map(lambda name: Path("/no-such-place") / os.fsdecode(name)),
            observe=switches,
            reference=switches,
            mode=st.sampled_from(["auto", "inotify", "polling"]),
            exclude=exclusions,
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda root: root.path,
    ).map(tuple),
    observe=switches,
    exclude=exclusions,
    settle=section(Settling, "settle"),
    reconcile=section(Reconcile, "reconcile"),
    match=section(Match, "match"),
    policy=st.builds(
        Policy,
        set_aside=st.frozensets(st.sampled_from(sorted(COPY_VERDICTS))),
        rotated=st.sampled_from(["hold", "review"]),
        mirrored=st.sampled_from(["hold", "review"]),
        keep=st.permutations(Policy().keep).map(lambda rules: tuple(rules[:3])),
    ),
    brake=section(Limits, "brake"),
    workers=section(Workers, "workers"),
    quarantine=section(Quarantine, "quarantine"),
    log=st.builds(Log, level=st.sampled_from(["debug", "error"]), format=st.sampled_from(["auto", "plain", "json"])),
    state=st.none() | st.just(Path("/var/lib/twinwatch")),
)


@relaxed
@given(configs)
def test_what_show_writes_load_reads_back(tmp_path: Path, config: Config) -> None:
    assert load(write(tmp_path, show(config))) == config


@given(configs, configs)
def test_changes_are_found_both_ways_and_only_then(a: Config, b: Config) -> None:
    assert diff(a, a) == []
    assert bool(diff(a, b)) == bool(diff(b, a))
    assert set(needs_restart(a, b)) <= set(diff(a, b))
    moved = dataclasses.replace(a, roots=tuple(reversed(a.roots)))
    assert diff(a, moved) == []


def test_changes_are_sentences() -> None:
    old = Config(roots=(RootConfig(Path("/a")), RootConfig(Path("/b"))))
    new = Config(
        roots=(RootConfig(Path("/a"), mode="polling", observe=True), RootConfig(Path("/c"), reference=True)),
        match=Match(radius=6),
        exclude=("*.png",),
        state=Path("/s"),
    )
    assert diff(old, new) == [
        "exclude was [] and is now [*.png]",
        "match.radius was 5 and is now 6",
        "state was not set and is now /s",
        "root /a: observe was false and is now true",
        "root /a: mode was auto and is now polling",
        "root /b is no longer watched",
        "root /c is watched from now on as a reference",
    ]
    assert needs_restart(old, new) == ["state was not set and is now /s"]


def test_what_is_read_once_is_said_to_wait_for_a_restart() -> None:
    new = Config(workers=Workers(nice=5), log=Log(level="debug", format="json"), quarantine=Quarantine(min_free_mib=1))
    assert needs_restart(Config(), new) == [
        "workers.nice was 10 and is now 5",
        "log.format was auto and is now json",
    ]


def test_importing_the_room_loads_neither_pydantic_nor_yaml() -> None:
    code = "import sys, twinwatch.config; sys.exit('pydantic' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
