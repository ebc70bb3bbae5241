"""A Config as a YAML page: as it is in effect, and as the commented example that `config init` writes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from twinwatch.config.values import BOUNDS, Config, RootConfig
from twinwatch.photo import Verdict


def show(config: Config) -> str:
    """Return the whole configuration in effect; `load` reads it back as the same."""
    import yaml  # as with pydantic: `--help` must not wait for it

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        # PyYAML leaves line breaks such as NEL bare in its other styles, and then reads them back as a blank.
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if value.isprintable() else '"')

    Dumper.add_representer(str, text)
    return yaml.dump(
        plain(config), Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )


def example() -> str:
    """Return a configuration with every option at its default, each explained; the root is a placeholder."""
    config = replace(Config(), roots=(RootConfig(Path("/srv/photos")),))
    return _HEAD + "\n".join(_section(config, "", "")) + "\n"


def plain(value: Any) -> Any:
    """Return a section as mappings, lists and scalars, with options in their order."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, frozenset):
        return [str(verdict) for verdict in Verdict if verdict in value]
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _section(section: Any, key: str, indent: str) -> Iterator[str]:
    for field in fields(section):
        here = f"{key}.{field.name}" if key else field.name
        value = getattr(section, field.name)
        if not key:
            yield ""
        yield from _comment(here, indent)
        if here == "roots":
            yield "roots:"
            lines = list(_section(value[0], "roots.0", "    "))
            first = next(number for number, line in enumerate(lines) if not line.lstrip().startswith("#"))
            lines[first] = "  - " + lines[first].lstrip()
            # The dash belongs to the first option; its comment stands above the dash.
            yield from (line if number >= first else line.removeprefix("  ") for number, line in enumerate(lines))
        elif is_dataclass(value):
            yield f"{indent}{field.name}:"
            yield from _section(value, here, indent + "  ")
        elif value is None:
            yield f"{indent}{field.name}: null"
            yield f"{indent}# {field.name}: {_INSTEAD[here]}"
        else:
            yield f"{indent}{field.name}: {_inline(plain(value))}"


def _comment(key: str, indent: str) -> Iterator[str]:
    text = _WORDS[key]
    if key in BOUNDS:
        low, high = BOUNDS[key]
        text += f" ({low} to {high})"
    yield from textwrap.wrap(
        text, 100, initial_indent=indent + "# ", subsequent_indent=indent + "# ", break_on_hyphens=False
    )


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


_HEAD = """\
# twinwatch: watches photo folders and sets aside copies that it can prove to be copies.
# Every option is here with its default; only roots must be given. Check a change with `twinwatch config check FILE`
# and bring it into effect with `systemctl reload twinwatch`.
"""

_INSTEAD = {
    "roots.0.quarantine": "/srv/.twinwatch-photos",
    "state": "/var/lib/twinwatch",
}

_WORDS = {
    "roots": "Folders to watch, each with all folders below it; no folder inside another one.",
    "roots.0.path": "Absolute path; ~ is your home folder.",
    "roots.0.reference": "true: photos here are compared with, and always kept; none is ever moved.",
    "roots.0.observe": "true: decide and tell for this root, but move nothing.",
    "roots.0.mode": "How changes are noticed: inotify on local disks, polling on network mounts; auto finds out.",
    "roots.0.quarantine": "Folder for set-aside copies, on the same file system; "
    "null: beside the root, or hidden inside it.",
    "roots.0.exclude": "More patterns like the common exclude below, for this root only.",
    "observe": "true: decide and tell, but move nothing in any root. A good first week.",
    "exclude": "Names never looked at, files or folders: shell patterns such as Screenshots or '*.png', in upper "
    "and lower case, with a slash at the end for folders only. "
    "Trash, snapshots, thumbnails and unfinished downloads are always left out.",
    "settle": "How long a file must stand still before it is read.",
    "settle.quiet_seconds": "Seconds after the last sign of a change.",
    "settle.closed_seconds": "Seconds after its writer closed it, or renamed it into place.",
    "settle.polling_seconds": "Seconds on a root that is polled.",
    "settle.retry_seconds": "Seconds until a picture that ends too early is read again; doubles each time.",
    "settle.retries": "How often it is read again, then it is reported as undecodable.",
    "reconcile": "Walks all roots now and then, for changes that no event told of.",
    "reconcile.every_minutes": "Minutes between two walks.",
    "reconcile.jitter": "Share by which a wait may be longer or shorter.",
    "match": "Which photos are compared pixel by pixel.",
    "match.radius": "Bits in which two perceptual hashes may differ; more finds more and costs more, "
    "and the pixels still decide.",
    "policy": "What is moved, and which of two copies stays.",
    "policy.set_aside": "What may be moved: identical (same bytes), same-pixels (same picture, other metadata), "
    "re-encoded (recompressed, resized, other format).",
    "policy.rotated": "A copy that is turned by 90, 180 or 270 degrees: hold (move it) or review (only show it).",
    "policy.mirrored": "A copy that is mirrored: hold or review.",
    "policy.keep": "Which of two stays, the first rule that tells decides: the original over what was made from it, "
    "more pixels, richer metadata, the better format, the older, the plainer name.",
    "brake": "When too much would be moved at once: stop, and wait for `twinwatch resume`.",
    "brake.max_moves": "Moves in one window, all roots together.",
    "brake.window_minutes": "Length of a window in minutes.",
    "brake.max_share": "Share of one root's photos that may be moved in one window ...",
    "brake.share_from": "... looked at only beyond this many moves.",
    "brake.max_missing_share": "Share of one root's photos that may be gone at once; beyond it the root is left alone.",
    "brake.max_returns": "How often a set-aside picture may come back before it is left alone.",
    "workers": "Processes that read pictures; they start on demand and cannot reach files or network.",
    "workers.count": "How many at most; 0: one per core, but no more than two.",
    "workers.memory_mib": "Memory of one process in MiB; a picture that needs more is reported as undecodable.",
    "workers.job_seconds": "Seconds for one picture.",
    "workers.idle_seconds": "Seconds without work after which a process ends.",
    "workers.nice": "How far they step back for other programs.",
    "workers.share": "Share of the time for which one of them works during bulk work; the rest of it, it rests.",
    "quiet": "When bulk work rests (the first scan, walks over roots); pictures that arrive are always looked at.",
    "quiet.from_hour": "Quiet hours begin, local time: 22.5 is half past ten in the evening ...",
    "quiet.to_hour": "... and end; the same as from_hour: none.",
    "quiet.max_load": "Rest while the load average of other programs is above this for each core; 0: never.",
    "quiet.on_battery": "true: work on battery too.",
    "quarantine": "Set-aside copies stay until you delete them with `twinwatch quarantine purge`.",
    "quarantine.min_free_mib": "Nothing is moved when a disk has less than this many MiB free.",
    "log": "What is written to standard error, or to the journal.",
    "log.level": "debug, info, warning or error.",
    "log.format": "plain, json (one object a line), or auto: plain on a terminal and under systemd, else json.",
    "hang_seconds": "Seconds after which a disk or server that does not answer is left alone until it does, so that "
    "other roots go on. More than a sleeping disk takes to wake up, less than half of systemd's WatchdogSec.",
    "state": "Folder of the index; null: $STATE_DIRECTORY as systemd sets it, else ~/.local/state/twinwatch.",
}
"""One plain comment for every option, by key."""
