"""YAML in, Config out: every problem at once with its line, never a default that widens what is watched or moved.

values     what can be set, its defaults and its bounds
source     bytes -> nodes with their lines (PyYAML)
check      nodes -> Config and problems (loads pydantic, so only `load` imports it)
placement  which folders may be where: roots, quarantines, state
page       Config -> YAML (`show`), and the commented `example`: imported by who writes one
changes    what a reload changes (`diff`), and what of it waits for a restart: imported by the daemon
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinwatch.config import placement
from twinwatch.config.placement import unusable, with_state
from twinwatch.config.values import (
    Config,
    Log,
    LogFormat,
    LogLevel,
    Match,
    Quarantine,
    Quiet,
    Reconcile,
    RootConfig,
    WatchMode,
    Workers,
)
from twinwatch.errors import ConfigError

__all__ = [
    "Config",
    "Log",
    "LogFormat",
    "LogLevel",
    "Match",
    "Quarantine",
    "Quiet",
    "Reconcile",
    "RootConfig",
    "WatchMode",
    "Workers",
    "defaults",
    "load",
    "unusable",
    "with_state",
]

_MAX_BYTES = 1 << 20  # a configuration is a page; this is a wrong file


def load(path: Path, roots: Sequence[Path] = ()) -> Config:
    """Read a configuration file; raise ConfigError with a line for each problem.

    `roots` are folders named on the command line: then these and no others are watched, each with what the file says
    of it, if it does.
    """
    from twinwatch.config.check import check  # pydantic takes a while to load; `--help` must not wait for it

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError([f"{path}: is larger than 1 MiB, so it is no configuration"])
    config = check(data, str(path), needs_roots=not roots)
    return placement.only(config, roots) if roots else config


def defaults(roots: Sequence[Path]) -> Config:
    """Return the configuration that holds without a file; raise ConfigError if a folder cannot be watched."""
    return placement.only(Config(), roots)
