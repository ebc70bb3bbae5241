"""Whose a file beside a photo is, and which files are never moved with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.nas import Nas
from twinwatch.errors import MoveRefusedError

PICTURE, BETTER, STARS = b"picture" * 3000, b"the better one" * 3000, b"stars"


def refused(nas: Nas, duplicate: str, keeper: str, words: str) -> None:
    """Hold, expect a refusal in these words, and check that nothing was even begun."""
    before = nas.tree()
    with pytest.raises(MoveRefusedError, match=words):
        nas.hold(duplicate, keeper)
    assert (nas.tree(), nas.slots(), nas.index.journal.rows()) == (before, [], [])


@pytest.mark.parametrize("backwards", [False, True])
def test_beside_a_sidecar_that_stays_with_the_keeper_the_others_go_along(
    nas: Nas, monkeypatch: pytest.MonkeyPatch, backwards: bool
) -> None:
    nas.put("IMG_1.heic", BETTER)
    nas.put("IMG_1.jpg", PICTURE)
    for name in ("IMG_1.xmp", "IMG_1.jpg.xmp"):
        nas.put(name, STARS)
    listing = os.listdir
    # a disk may list them in any order
    monkeypatch.setattr(os, "listdir", lambda folder: sorted(listing(folder), reverse=backwards))
    nas.hold("IMG_1.jpg", "IMG_1.heic")
    assert sorted(nas.tree()) == ["photos/IMG_1.heic", "photos/IMG_1.xmp"]
    assert nas.held() == sorted([PICTURE, STARS])


@pytest.mark.parametrize("keeper", ["elsewhere/IMG_1.heic", "in/IMG_1.heic of another root"])
def test_a_sidecar_shared_with_a_picture_that_only_has_the_keepers_name_keeps_everything_in_place(
    nas: Nas, keeper: str
) -> None:
    path, _, other = keeper.partition(" of ")
    keeper_root = nas.other_root("other") if other else nas.root
    nas.put(path, BETTER, keeper_root)
    nas.put("in/IMG_1.jpg", PICTURE)
    nas.put("in/IMG_1.heic", b"a third picture")
    nas.put("in/IMG_1.xmp", b"stars of both")
    before = nas.tree()
    with pytest.raises(MoveRefusedError, match="belongs to"):
        nas.hold("in/IMG_1.jpg", path, keeper_root)
    assert (nas.tree(), nas.slots()) == (before, [])


def in_the_cloud(path: Path) -> None:
    """Leave of a file its name and size only, as a sync client does with what it keeps online."""
    size = path.stat().st_size
    os.truncate(path, 0)
    os.truncate(path, size)
    if path.stat().st_blocks:
        pytest.skip("this file system gives a hole blocks")


@pytest.mark.parametrize("online", ["a/IMG_1.jpg", "b/IMG_1.jpg", "b/IMG_1.jpg.xmp"])
def test_what_is_only_in_the_cloud_is_neither_moved_nor_a_keeper_nor_read(
    nas: Nas, monkeypatch: pytest.MonkeyPatch, online: str
) -> None:
    for name in ("a/IMG_1.jpg", "b/IMG_1.jpg", "b/IMG_1.jpg.xmp"):
        nas.put(name, bytes(1 << 16))  # what a hole reads as: no digest tells it from its content
    in_the_cloud(nas.root.path / online)
    move, read = nas.move("b/IMG_1.jpg", "a/IMG_1.jpg"), []
    before, plainly = nas.tree(), os.pread

    def pread(fd: int, count: int, offset: int) -> bytes:
        read.append(Path(f"/proc/self/fd/{fd}").readlink())
        return plainly(fd, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(MoveRefusedError, match="in the cloud"):
        nas.holder.hold(move, nas.root, nas.root)
    assert nas.root.path / online not in read  # which would download it
    assert (nas.tree(), nas.slots()) == (before, [])


def test_a_photo_called_as_the_manifest_is_asked_to_be_renamed(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("manifest.json", PICTURE)
    refused(nas, "manifest.json", "a.jpg", "rename it")


def test_a_photo_whose_companion_is_called_as_the_manifest_is_asked_to_be_renamed(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("manifest.jpg", PICTURE)
    nas.put("manifest.json", b"what Takeout writes beside it")
    refused(nas, "manifest.jpg", "a.jpg", "rename it")
