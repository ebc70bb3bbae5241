"""Which folders may be where: roots apart from each other, and quarantine and state out of what is watched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from twinwatch.config.values import Config, RootConfig
from twinwatch.errors import ConfigError
from twinwatch.naming import is_excluded_dir

Place = tuple[str | int, ...]
"""Where in the configuration: `("roots", 0, "path")`."""

MARKED = ".twinwatch-quarantine"  # a name that is never walked, for the advice below


def only(config: Config, folders: Sequence[Path]) -> Config:
    """Return the configuration with these folders as its only roots, each with its settings if it had any.

    Raise ConfigError if they cannot be watched together.
    """
    known = {root.path: root for root in config.roots}
    paths = [Path(os.path.abspath(folder)) for folder in folders]
    roots = tuple(known.get(path, RootConfig(path)) for path in paths)
    found = [what for _, what in problems(dict(enumerate(roots)), config.state)]
    if not folders:
        found.append("name at least one folder to watch")
    if found:
        raise ConfigError([f"command line: {what}" for what in found])
    return replace(config, roots=roots)


def with_state(config: Config, state: Path) -> Config:
    """Return the configuration with the state folder that is really used; raise ConfigError if it may not be there."""
    path = Path(os.path.abspath(state))
    found = problems(dict(enumerate(config.roots)), path)
    if found:
        raise ConfigError([f"state folder: {what}" for _, what in found])
    return replace(config, state=path)


def problems(roots: Mapping[int, RootConfig], state: Path | None) -> list[tuple[Place, str]]:
    """Return what is wrong with the places of these folders; the keys are the roots' numbers in the file.

    Links are followed, so the disk is asked; a folder that is not there is no problem, a disk may come later.
    """
    return [*_between_roots(roots), *_quarantines(roots), *_state(roots, state)]


def unusable(quarantine: Path) -> str:
    """Say why nothing can be moved into this folder, as its place on disk is now, or nothing.

    No problem of the configuration: its disk may come later, and what is held is safe meanwhile.
    """
    if os.path.islink(quarantine):
        return "it is a symlink, which is never followed: name the folder itself"
    if os.path.isdir(quarantine):
        return "" if os.access(quarantine, os.R_OK | os.W_OK | os.X_OK) else "it cannot be read and written"
    if os.path.lexists(quarantine):
        return "it is a file: name a folder"
    parent = quarantine.parent
    return "" if os.path.isdir(parent) else f"{parent} is not there, and only the last folder is made"


def _between_roots(roots: Mapping[int, RootConfig]) -> Iterator[tuple[Place, str]]:
    for number, root in roots.items():
        if root.path == Path("/"):
            yield ("roots", number, "path"), "/ cannot be watched as a whole; name the photo folders"
        elif os.path.isfile(root.path):
            yield ("roots", number, "path"), f"{root.path} is a file; name the folder it is in"
    for (_, first), (number, second) in combinations(roots.items(), 2):
        place: Place = ("roots", number, "path")
        if _inside(first.path, second.path) and _inside(second.path, first.path):
            yield place, f"{second.path} is the same folder as {first.path}; name each folder once"
        elif _inside(second.path, first.path):
            yield place, f"{second.path} is inside {first.path}, which is watched with all below it; name one of them"
        elif _inside(first.path, second.path):
            yield place, f"{first.path} is inside {second.path}, which is watched with all below it; name one of them"


def _quarantines(roots: Mapping[int, RootConfig]) -> Iterator[tuple[Place, str]]:
    for number, root in roots.items():
        held = root.quarantine
        if held is None:
            continue
        place: Place = ("roots", number, "quarantine")
        if root.reference:
            yield place, "a reference root is never moved from, so it has no quarantine; leave one of the two out"
        for other in roots.values():
            if _inside(other.path, held):
                yield place, f"{held} contains the root {other.path}; choose a folder of its own"
            elif _inside(held, other.path) and other is not root:
                yield place, f"{held} is inside another root, {other.path}, and would be watched there"
            elif _inside(held, other.path) and not _is_hidden_from(held, other.path):
                yield place, f"{held} would be watched itself; choose {root.path / MARKED} or a folder outside the root"


def _state(roots: Mapping[int, RootConfig], state: Path | None) -> Iterator[tuple[Place, str]]:
    for root in roots.values():
        if state is not None and _inside(state, root.path):
            yield ("state",), f"{state} is inside the root {root.path}, and would be synced; choose a folder outside"
        elif state is not None and _inside(root.path, state):
            yield ("state",), f"{state} contains the root {root.path}; choose a folder of its own"


def _inside(inner: Path, outer: Path) -> bool:
    """Tell whether inner is outer or below it, as written or with links followed."""
    return inner.is_relative_to(outer) or _real(inner).is_relative_to(_real(outer))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike Path.resolve, says nothing of loops: `roots` will


def _is_hidden_from(held: Path, root: Path) -> bool:
    for path, base in ((held, root), (_real(held), _real(root))):
        if path.is_relative_to(base):
            return any(is_excluded_dir(part) for part in path.relative_to(base).parts)
    return False
