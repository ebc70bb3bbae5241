"""The nodes of a YAML file become a Config; whatever is wrong becomes a line: where, what, and what is allowed.

The dataclasses say which options there are and of which type; pydantic decides whether a single value is of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, cast, get_args, get_origin, get_type_hints

import yaml
from pydantic import Field as Bound
from pydantic import Strict, TypeAdapter, ValidationError

from twinwatch.config import placement
from twinwatch.config.placement import Place
from twinwatch.config.source import is_null, parse, scalar
from twinwatch.config.values import BOUNDS, Config, RootConfig
from twinwatch.errors import ConfigError
from twinwatch.photo import COPY_VERDICTS, Verdict


def check(data: bytes, file: str, *, needs_roots: bool) -> Config:
    """Return the Config that these bytes say; raise ConfigError with all their problems, in the order of the file."""
    node = parse(data, file)
    if node is not None and is_null(node):
        node = None
    reader = _Reader()
    config = Config() if node is None else cast(Config, reader.section(Config, node, ()))
    if needs_roots and not reader.roots_seen and (node is None or isinstance(node, yaml.MappingNode)):
        what = "name at least one folder to watch, as `roots: [{path: /srv/photos}]`"
        reader.say(("roots",), "the file is empty; " + what if node is None else what)
    for place, what in placement.problems(reader.roots, config.state):
        reader.say(place, what)
    if reader.problems:
        raise ConfigError([f"{file}:{line}:{column}: {what}" for line, column, what in sorted(reader.problems)])
    return config


# Words that people will look for, and why they are not there.
_EXPLAINED = {
    "recursive": "folders are always watched with all below them; use exclude",
    "purge_after_days": "nothing is ever deleted unasked; use `twinwatch quarantine purge`",
    "dry_run": "it is called observe",
}


class _Bad:
    """Stands for a value that was reported or not given."""


_BAD: Final = _Bad()


class _Reader:
    """Walks the nodes, fills in defaults, and keeps the problems and the position of everything it saw."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, int, str]] = []
        self.roots: dict[int, RootConfig] = {}  # the usable ones, by their number in the file
        self.roots_seen = False  # usable or not
        self._marks: dict[Place, tuple[int, int]] = {(): (1, 1)}

    def section(self, cls: type, node: yaml.Node, place: Place) -> object:
        """Read one mapping into its dataclass; what is not given or wrong has its default, `_BAD` if there is none."""
        self._mark(place, node)
        names = {field.name: field for field in fields(cls)}
        nodes = self._options(node, place, names)
        hints = get_type_hints(cls)
        values: dict[str, object] = {}
        for name, field in names.items():
            child, here = nodes.get(name), (*place, name)
            if child is None and _is_required(field) and isinstance(node, yaml.MappingNode):
                self.say(here, "is missing")
            value = _BAD if child is None else self._option(hints[name], child, here)
            if not isinstance(value, _Bad):
                values[name] = value
            elif _is_required(field):
                return _BAD
        return cls(**values)

    def say(self, place: Place, what: str, node: yaml.Node | None = None) -> None:
        """Report a problem at this node, or else at the nearest place that the file has."""
        if node is not None:
            line, column = _position(node)
        else:
            near = place
            while near not in self._marks:
                near = near[:-1]
            line, column = self._marks[near]
        key = ".".join(map(str, place))
        self.problems.append((line, column, f"{key}: {what}" if key else what))

    def _mark(self, place: Place, node: yaml.Node) -> None:
        self._marks[place] = _position(node)

    def _options(self, node: yaml.Node, place: Place, names: Iterable[str]) -> dict[str, yaml.Node]:
        """Return the nodes of the options that this section has."""
        # `settle:` with every line below it commented out is an empty section; a root has to say its path.
        if is_null(node) and "path" not in names:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.say(place, f"must be a mapping of options ({', '.join(names)}), not {_seen(node)}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else _seen(key)
            if name in found:
                self.say((*place, name), "is given twice; keep one", key)
            elif name in names:
                found[name] = value
            else:
                self.say((*place, name), f"is no option; {_advice(name, list(names))}", key)
        return found

    def _option(self, hint: Any, node: yaml.Node, place: Place) -> object:
        self._mark(place, node)
        if isinstance(hint, type) and is_dataclass(hint):
            return self.section(hint, node, place)
        if hint == tuple[RootConfig, ...]:
            return self._roots(node, place)
        if hint in (Path, Path | None):
            return None if is_null(node) and hint != Path else self._path(node, place)
        if get_origin(hint) in (tuple, frozenset):
            return self._list(hint, node, place)
        return self._value(hint, node, place)

    def _roots(self, node: yaml.Node, place: Place) -> object:
        if is_null(node):
            return ()
        self.roots_seen = bool(node.value)
        if not isinstance(node, yaml.SequenceNode):
            self.say(place, f"must be a list of folders, as `- path: /srv/photos`, not {_seen(node)}")
            return ()
        for number, item in enumerate(node.value):
            root = self.section(RootConfig, item, (*place, number))
            if isinstance(root, RootConfig):
                self.roots[number] = root
        return tuple(self.roots.values())

    def _path(self, node: yaml.Node, place: Place) -> Path | _Bad:
        value = scalar(node)
        if not isinstance(value, str) or not value or "\0" in value:
            self.say(place, f"must be an absolute path, not {_seen(node)}")
            return _BAD
        try:
            path = Path(value).expanduser()
        except RuntimeError:
            self.say(place, f"the home folder in {value} is not known; write the whole path")
            return _BAD
        if not path.is_absolute() or ".." in path.parts:
            self.say(place, f"must be an absolute path without `..`, not {_seen(node)}")
            return _BAD
        # POSIX keeps two leading slashes apart, Linux does not; as text they would hide that two roots are one.
        return Path("/" + os.path.normpath(path).lstrip("/"))

    def _list(self, hint: Any, node: yaml.Node, place: Place) -> object:
        item, values = get_args(hint)[0], list[object]()
        if is_null(node) and place[-1] == "exclude":
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.say(place, f"must be a list, each of it {_allowed(item, place)}, not {_seen(node)}")
            return _BAD
        for number, child in enumerate(node.value):
            here = (*place, number)
            self._mark(here, child)
            value = self._value(item, child, here)
            if value in values:
                self.say(here, f"{value} is given twice; keep one")
            elif isinstance(value, str) and item is str and not _is_name_pattern(value):
                self.say(here, f"must be a pattern of one name, as `Screenshots` or `*.png`, not {_seen(child)}")
            elif not isinstance(value, _Bad):
                values.append(value)
        if place[-1] == "keep" and not node.value:
            self.say(place, f"must name at least one rule, each {_allowed(item, place)}")
        return frozenset(values) if get_origin(hint) is frozenset else tuple(values)

    def _value(self, hint: Any, node: yaml.Node, place: Place) -> object:
        """Check one number, switch or word."""
        value = scalar(node)
        try:
            checked: object = _adapter(hint, _key(place) if hint in (int, float) else "").validate_python(value)
        except ValidationError:
            checked = _BAD
        if isinstance(checked, Verdict) and checked not in COPY_VERDICTS:
            checked = _BAD
        if isinstance(checked, _Bad):
            words = _words(hint)
            near = get_close_matches(str(value), words, 1) if words else []
            hint_ = f'; did you mean "{near[0]}"?' if near else ""
            self.say(place, f"must be {_allowed(hint, place)}, not {_seen(node)}{hint_}")
        return checked


@cache
def _adapter(hint: Any, key: str) -> TypeAdapter[Any]:
    # Strict: "5" is no number and 1 is no switch, or a slip of the pen would pass for a choice.
    low, high = BOUNDS.get(key, (None, None))
    if hint is int:
        return TypeAdapter(Annotated[int, Strict(), Bound(ge=low, le=high)])
    if hint is float:
        return TypeAdapter(Annotated[float, Strict(), Bound(ge=low, le=high, allow_inf_nan=False)])
    return TypeAdapter(Annotated[hint, Strict()] if hint in (bool, str) else hint)


def _allowed(hint: Any, place: Place) -> str:
    """Say what is allowed, as the end of `must be ...`."""
    if hint in (int, float):
        low, high = BOUNDS[_key(place)]
        return f"a {'whole ' if hint is int else ''}number from {low} to {high}"
    if hint is bool:
        return "true or false"
    words = _words(hint)
    return f"one of {', '.join(words)}" if words else "a text in quotes"


def _words(hint: Any) -> list[str]:
    if hint is Verdict:
        return [str(verdict) for verdict in Verdict if verdict in COPY_VERDICTS]
    return [str(word) for word in get_args(hint)]


def _advice(name: str, names: list[str]) -> str:
    if name in _EXPLAINED:
        return _EXPLAINED[name]
    near = get_close_matches(name, names, 1)
    return f'did you mean "{near[0]}"?' if near else f"there are {', '.join(names)}"


def _seen(node: yaml.Node) -> str:
    if is_null(node):
        return "nothing"
    if isinstance(node, yaml.ScalarNode):
        text = str(node.value)
        return repr(text if len(text) <= 60 else text[:57] + "...")
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _is_name_pattern(pattern: str) -> bool:
    name = pattern.removesuffix("/")
    return bool(name) and "/" not in name


def _key(place: Place) -> str:
    return ".".join(str(part) for part in place)


def _position(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
