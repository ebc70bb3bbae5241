"""What only root may do in a test: mount something for a while, and be somebody else for a while."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@contextmanager
def mounted(where: Path, *how: str) -> Iterator[None]:
    """Mount something."""
    subprocess.run(["mount", *how, str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(where)], check=True)


def tmpfs(where: Path) -> AbstractContextManager[None]:
    """Mount an empty file system in memory."""
    return mounted(where, "-t", "tmpfs", "tmpfs")


@contextmanager
def as_plain_user() -> Iterator[None]:
    """Be a user who may do only what the modes of files allow; who is one already stays what he is."""
    was = os.geteuid()
    if was == 0:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if was == 0:
            os.setresuid(0, 0, 0)
