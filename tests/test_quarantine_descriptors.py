"""Nothing is left open, whatever becomes of an act: a daemon that runs for months has but so many descriptors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import pytest

from tests.nas import NOW, Nas
from twinwatch.errors import PhotoError
from twinwatch.quarantine import changed_in_quarantine, purge, recover, restore
from twinwatch.verdict import Move

PICTURE, CLIP = b"picture" * 3000, b"moving picture" * 2000


@pytest.fixture
def live(nas: Nas) -> Nas:
    """Put two Live Photos with sidecars, one a copy of the other, in folders below folders."""
    for folder in ("a/deep", "b/deep"):
        nas.put(f"{folder}/IMG_1.jpg", PICTURE)
        nas.put(f"{folder}/IMG_1.mov", CLIP)
        nas.put(f"{folder}/IMG_1.jpg.xmp", b"stars")
    return nas


def open_files() -> dict[str, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return found


def decided(nas: Nas) -> Move:
    return nas.move("b/deep/IMG_1.jpg", "a/deep/IMG_1.jpg")


def without_folders(nas: Nas) -> None:
    (nas.root.path / "b/deep").rmdir()
    (nas.root.path / "b").rmdir()


def without_manifest(nas: Nas) -> None:
    (nas.place / nas.slot().name / "manifest.json").unlink()


def without_photo(nas: Nas) -> None:
    nas.slot().photo_path.unlink()


def of_another_clip(nas: Nas) -> None:
    nas.put("a/deep/IMG_1.mov", CLIP + b"longer")


def without_keeper(nas: Nas) -> None:
    (nas.root.path / "a/deep/IMG_1.jpg").unlink()


def as_it_is(_: Nas) -> None:
    pass


@pytest.mark.parametrize("happens", [as_it_is, of_another_clip, without_keeper])
def test_a_hold_leaves_nothing_open(live: Nas, happens: Callable[[Nas], None]) -> None:
    move = decided(live)
    happens(live)
    before = open_files()
    with contextlib.suppress(PhotoError):
        live.holder.hold(move, live.root, live.root)
    assert open_files() == before


@pytest.mark.parametrize("happens", [as_it_is, without_folders, without_photo, without_manifest, without_keeper])
@pytest.mark.parametrize("act", [
    lambda nas: restore(nas.slot(), nas.index, NOW),
    lambda nas: purge(nas.slot(), nas.index, lambda _: []),
    lambda nas: recover(nas.root, nas.index),
    lambda nas: changed_in_quarantine(nas.slot()),
])  # fmt: skip
def test_what_is_done_in_quarantine_leaves_nothing_open(
    live: Nas, act: Callable[[Nas], object], happens: Callable[[Nas], None]
) -> None:
    live.holder.hold(decided(live), live.root, live.root)
    happens(live)
    before = open_files()
    with contextlib.suppress(PhotoError):
        act(live)
    assert open_files() == before
