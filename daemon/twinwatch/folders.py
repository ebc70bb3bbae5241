"""What one folder beneath a root holds, and which of it is as it was known: on the path of every file, at every walk.

Everything is looked at by the folder's own descriptor, no symlink is followed, and nothing is opened.
"""

from __future__ import annotations

import contextlib
import operator
import os
import stat as stat_bits
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import PurePosixPath
from typing import NamedTuple

from twinwatch.naming import Exclusions
from twinwatch.photo import FileStat
from twinwatch.syscalls import file_stat, is_regular, open_beneath

Mark = tuple[int | None, int, int, int]
"""Inode, size, modification and change time in nanoseconds: a file that has the same is the same."""

_MARK = operator.attrgetter("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_SIZE = operator.itemgetter(1)  # of a mark

Known = Callable[[PurePosixPath], Mapping[str, Mark]]
"""Gives the marks of the known files of a folder, by name; one without an inode is no file's."""

_AT_ONCE = 1000  # files whose stat data are held at once: 700 bytes each


class Folder(NamedTuple):
    """What one folder holds: regular files only, by name."""

    path: PurePosixPath
    files: dict[str, FileStat]  # without the unchanged ones
    trouble: str = ""  # why it could not be listed: its content is unknown then, not gone
    mounts: tuple[str, ...] = ()  # folders in it that belong to another file system, not entered
    others: int = 0  # symlinks, FIFOs, sockets and devices, never opened
    unchanged: Set[str] = frozenset()  # files that have the mark they are known by
    unchanged_bytes: int = 0


def listed(
    root_fd: int, path: PurePosixPath, exclusions: Exclusions, known: Mapping[str, Mark]
) -> tuple[Folder, list[PurePosixPath]]:
    """Look at everything in a folder beneath an open root; return what it holds, and the folders in it to look at next.

    `known` has the marks by which files are known again; what cannot be listed is returned with its trouble.
    """
    try:
        fd = open_beneath(root_fd, os.fsencode(path), os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return Folder(path, {}), []  # gone since it was listed or named by an event
    except OSError as error:
        return Folder(path, {}, trouble=f"{error.strerror}"), []
    try:
        return _sorted_out(path, fd, exclusions, known)
    except OSError as error:
        return Folder(path, {}, trouble=f"{error.strerror}"), []
    finally:
        os.close(fd)


def _sorted_out(
    path: PurePosixPath, fd: int, exclusions: Exclusions, known: Mapping[str, Mark]
) -> tuple[Folder, list[PurePosixPath]]:
    device = os.fstat(fd).st_dev
    files: dict[str, FileStat] = {}
    below: list[PurePosixPath] = []
    foreign: list[str] = []
    same: list[str] = []
    others = same_bytes = 0
    # Of a million files nearly all are unchanged: one call and one comparison each, in loops that are not Python's own
    # where that can be, and everything else only after it.
    for names, stats in _looked_at(fd):
        marks = list(map(_MARK, stats))
        if all(map(operator.eq, marks, map(known.get, names))):
            same += names
            same_bytes += sum(map(_SIZE, marks))
            continue
        for name, mark, found in zip(names, marks, stats, strict=True):
            if mark == known.get(name):
                same.append(name)
                same_bytes += found.st_size
            elif stat_bits.S_ISDIR(found.st_mode):
                if exclusions.dir(name):
                    continue
                if found.st_dev == device:
                    below.append(path / name)
                else:
                    foreign.append(name)
            elif not is_regular(found):
                others += 1
            elif not exclusions.file(name):
                files[name] = file_stat(found)
    unchanged = known.keys() if len(same) == len(known) else frozenset(same)
    return Folder(path, files, "", tuple(foreign), others, unchanged, same_bytes), below


def _looked_at(fd: int) -> Iterator[tuple[list[str], list[os.stat_result]]]:
    """Yield the names in an open folder and what is found behind each, no symlink followed, some at once."""
    names = os.listdir(fd)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        try:
            yield some, [os.stat(name, dir_fd=fd, follow_symlinks=False) for name in some]
        except FileNotFoundError:  # gone since it was listed: those that are still there, one by one
            yield _still_there(fd, some)


def _still_there(fd: int, names: list[str]) -> tuple[list[str], list[os.stat_result]]:
    there, stats = [], []
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            stats.append(os.stat(name, dir_fd=fd, follow_symlinks=False))
            there.append(name)
    return there, stats
