"""What purge must not believe: a slot that changed, a file that is none, a keeper that is held itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nas import PICTURE, Nas
from twinwatch.errors import MoveRefusedError
from twinwatch.index import MoveState
from twinwatch.quarantine import changed_in_quarantine, purge, recover
from twinwatch.roots import accepted_identity

OTHER = b"another picture" * 3000


def nowhere(_: object) -> list[Path]:
    return []


def test_a_slot_that_is_another_by_now_is_listed_again_first(held: Nas) -> None:
    seen = held.slot()
    assert seen.manifest is not None
    other = replace(seen.manifest, keeper=seen.manifest.path)
    (held.place / seen.name / "manifest.json").write_bytes(other.to_bytes())
    with pytest.raises(MoveRefusedError, match="changed a moment ago"):
        purge(seen, held.index, nowhere)
    assert held.held() == [PICTURE]
    assert [row.state for row in held.index.journal.rows()] == [MoveState.HELD]


def folder(path: Path) -> None:
    path.mkdir()
    (path / "the edited one.jpg").write_bytes(OTHER)


@pytest.mark.parametrize("odd", [folder, lambda path: path.symlink_to("nowhere"), os.mkfifo])
def test_what_stands_in_the_photos_place_and_is_no_file_is_told_and_left(
    held: Nas, odd: Callable[[Path], None]
) -> None:
    where = held.slot().photo_path
    where.unlink()
    odd(where)
    (words,) = changed_in_quarantine(held.slot())
    assert "no regular file" in words
    with pytest.raises(MoveRefusedError, match="no regular file"):
        purge(held.slot(), held.index, nowhere)
    assert os.path.lexists(where)
    assert [row.state for row in held.index.journal.rows()] == [MoveState.HELD]


def test_no_copy_that_is_held_in_any_quarantine_counts_as_a_keeper(held: Nas) -> None:
    """The keeper is gone, and the index offers what another root's quarantine has; a third root has none at all."""
    second = held.other_root("second")
    assert second.quarantine is not None
    second.quarantine.mkdir()
    other = second.quarantine / "a.jpg"
    (held.root.path / "keep/a.jpg").rename(other)
    reference = held.folder / "reference"
    reference.mkdir()
    held.index.record_root(reference, accepted_identity(reference, "", reference=True), None)
    with pytest.raises(MoveRefusedError, match="last copy"):
        purge(held.slot(), held.index, lambda _: [other])
    assert held.held() == [PICTURE, PICTURE]


def test_companions_that_a_person_took_out_hinder_nothing(nas: Nas) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    for kind in ("xmp", "json", "pp3"):
        nas.put(f"in/b.jpg.{kind}", b"stars")
    nas.hold("in/b.jpg", "keep/a.jpg")
    slot = nas.slot()
    assert slot.manifest is not None
    *_, last, _ = slot.manifest.files
    (slot.photo_path.parent / last.name).unlink()
    assert purge(slot, nas.index, nowhere) == len(PICTURE) + 2 * len(b"stars")
    assert (nas.held(), nas.slots()) == ([], [])


CLIP, RAW = b"moving picture" * 2000, b"raw picture" * 3000


@pytest.fixture
def live(nas: Nas) -> Nas:
    """Set a photo aside with its clip, its RAW and a sidecar; the keeper has the first two."""
    for folder, copy in (("keep", "IMG_1"), ("in", "IMG_1 (1)")):
        for kind, content in (("jpg", PICTURE), ("mov", CLIP), ("dng", RAW)):
            nas.put(f"{folder}/{copy}.{kind}", content)
    nas.put("in/IMG_1 (1).xmp", b"stars")
    nas.hold("in/IMG_1 (1).jpg", "keep/IMG_1.jpg")
    assert nas.held() == sorted([PICTURE, CLIP, RAW, b"stars"])
    return nas


def gone(path: Path) -> None:
    path.unlink()


def edited(path: Path) -> None:
    path.write_bytes(OTHER)


def elsewhere(path: Path) -> None:
    path.rename(path.parent.parent / path.name)


def linked(path: Path) -> None:
    """Make it another name of what is held."""
    content = path.read_bytes()
    path.unlink()
    (same,) = (held for held in path.parents[2].glob(".twinwatch*/*/*") if held.read_bytes() == content)
    path.hardlink_to(same)


@pytest.mark.parametrize("kind", ["mov", "dng"])
@pytest.mark.parametrize("happens", [gone, edited, elsewhere, linked])
def test_a_clip_or_raw_that_the_keeper_has_no_more_is_not_purged(
    live: Nas, kind: str, happens: Callable[[Path], None]
) -> None:
    happens(live.root.path / f"keep/IMG_1.{kind}")
    before = live.held()
    with pytest.raises(MoveRefusedError, match=rf"IMG_1 \(1\).{kind} .* last copy"):
        purge(live.slot(), live.index, nowhere)
    assert live.held() == before
    assert live.states() == [MoveState.HELD]


def test_where_the_keeper_has_all_the_clip_and_raw_are_purged_with_the_photo(live: Nas) -> None:
    elsewhere(live.root.path / "keep/IMG_1.jpg")
    there = live.root.path / "IMG_1.jpg"
    with pytest.raises(MoveRefusedError, match="last copy"):
        purge(live.slot(), live.index, lambda _: [there])
    for kind in ("mov", "dng"):
        elsewhere(live.root.path / f"keep/IMG_1.{kind}")
    again = live.put("again/IMG_1.jpg", PICTURE)  # the photo alone: another keeper is looked for
    freed = len(PICTURE + CLIP + RAW + b"stars")
    assert purge(live.slot(), live.index, lambda _: [again, there]) == freed
    assert live.held() == []


def test_a_clip_that_a_person_took_out_is_not_looked_for(live: Nas) -> None:
    for kind in ("mov", "dng"):
        (live.root.path / f"keep/IMG_1.{kind}").unlink()
        live.slot().photo_path.with_suffix(f".{kind}").unlink()
    assert purge(live.slot(), live.index, nowhere) == len(PICTURE + b"stars")


@pytest.mark.parametrize("state", [MoveState.MOVING, MoveState.HELD])
def test_a_sidecar_is_not_purged_without_its_photo(nas: Nas, state: MoveState) -> None:
    """The move was cut short between the two, or somebody took the photo out."""
    nas.put("a.jpg", PICTURE)
    nas.put("a (1).jpg", PICTURE)
    nas.put("a (1).jpg.xmp", b"stars")
    before = nas.tree()
    slot = nas.hold("a (1).jpg", "a.jpg").slot
    nas.slot().photo_path.rename(nas.root.path / "a (1).jpg")
    nas.index.journal.set_state(slot, state)
    with pytest.raises(MoveRefusedError, match="is not in slot"):
        purge(nas.slot(), nas.index, nowhere)
    assert nas.held() == [b"stars"]
    recover(nas.root, nas.index)
    assert nas.tree() == before


def test_a_move_that_had_not_begun_is_no_purge(held: Nas) -> None:
    slot = held.slot()
    slot.photo_path.rename(held.root.path / "in/b.jpg")
    held.index.journal.set_state(slot.name, MoveState.MOVING)
    with pytest.raises(MoveRefusedError, match="is not in slot"):
        purge(slot, held.index, nowhere)


def test_a_purge_that_failed_after_the_photo_is_done_again(live: Nas) -> None:
    live.slot().photo_path.unlink()
    live.index.journal.set_state(live.slot().name, MoveState.PURGED)
    assert purge(live.slot(), live.index, nowhere) == len(CLIP + RAW + b"stars")
    assert (live.held(), live.slots()) == ([], [])
