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
from twinwatch.quarantine import changed_in_quarantine, purge
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
