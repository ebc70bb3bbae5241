"""What a reload changes, in sentences, and what of it has to wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twinwatch.config.page import plain
from twinwatch.config.values import Config


def diff(old: Config, new: Config) -> list[str]:
    """Return a sentence for each change; empty if nothing changed."""
    return [sentence for _, sentence in _changes(old, new)]


def needs_restart(old: Config, new: Config) -> list[str]:
    """Return those sentences of `diff` that a reload cannot bring into effect."""
    return [sentence for at_start, sentence in _changes(old, new) if at_start]


_AT_START = ("state", "workers.", "log.format")
"""Read once: open files, running processes, and an output that others parse."""


def _changes(old: Config, new: Config) -> Iterator[tuple[bool, str]]:
    """Yield for each change whether it waits for a restart, and its sentence."""
    for key, change in _options("", _without_roots(old), _without_roots(new)):
        yield key.startswith(_AT_START), f"{key} {change}"
    # By path: another order of the list is no change.
    before, after = ({root.path: root for root in config.roots} for config in (old, new))
    for path, root in before.items():
        if path not in after:
            yield False, f"root {path} is no longer watched"
            continue
        for key, change in _options("", plain(root), plain(after[path])):
            yield False, f"root {path}: {key} {change}"
    for path, root in after.items():
        if path not in before:
            yield False, f"root {path} is watched from now on{' as a reference' if root.reference else ''}"


def _without_roots(config: Config) -> dict[str, Any]:
    mapping: dict[str, Any] = plain(config)
    del mapping["roots"]
    return mapping


def _options(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key of each option that differs, and how."""
    for name, was in before.items():
        now = after[name]
        if isinstance(was, Mapping):
            yield from _options(f"{key}{name}.", was, now)
        elif was != now:
            yield f"{key}{name}", f"was {_text(was)} and is now {_text(now)}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value is None else str(value)
