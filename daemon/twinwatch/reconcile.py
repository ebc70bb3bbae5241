"""How the index differs from the disk, folder by folder. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from twinwatch.photo import FileStat


class Drift(NamedTuple):
    """What must be done to bring one folder of the index level with the disk; values are file names."""

    arrived: tuple[str, ...]  # on disk, not in the index
    changed: tuple[str, ...]  # in both, with other stat data
    vanished: tuple[str, ...]  # in the index, not on disk


def drift(known: Mapping[str, FileStat], found: Mapping[str, FileStat]) -> Drift:
    """Compare what the index knows of one folder with what was found there, by file name."""
    return Drift(
        tuple(sorted(name for name in found if name not in known)),
        tuple(sorted(name for name, stat in found.items() if name in known and not unchanged(known[name], stat))),
        tuple(sorted(name for name in known if name not in found)),
    )


def unchanged(known: FileStat, found: FileStat) -> bool:
    """Tell whether a file is still the one that was read.

    The device number is left out: it is not stable over a reboot (btrfs, loop, network mounts), and the root's identity
    is checked by its marker. The change time tells of a content change even where a tool put the old modification time
    back (Android does when it blanks the place a photo was taken).
    """
    return (known.inode, known.size, known.mtime_ns, known.ctime_ns) == (
        found.inode,
        found.size,
        found.mtime_ns,
        found.ctime_ns,
    )
