"""Everything held is read again, its keeper too, and each finding says what to do."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mounting import as_root, tmpfs
from tests.nas import Nas
from twinwatch.photo import ContentDigest
from twinwatch.quarantine import Finding, verify
from twinwatch.quarantine.keepers import has_bytes
from twinwatch.roots import MARKER, accepted_identity, mark

PICTURE, OTHER = b"picture" * 3000, b"other" * 3000


@pytest.fixture
def held(nas: Nas) -> Nas:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    nas.put("in/b.jpg.xmp", b"stars")
    nas.hold("in/b.jpg", "keep/a.jpg")
    return nas


def looked(nas: Nas, *known: Path, index: bool = True) -> Finding:
    def keepers(_: ContentDigest) -> list[Path]:
        return list(known)

    return verify(nas.slot(), nas.index if index else None, keepers)


def test_what_is_whole_and_has_its_keeper_needs_nothing(held: Nas) -> None:
    keeper = held.root.path / "keep/a.jpg"
    assert looked(held) == Finding((), "stands", keeper, "")
    assert looked(held).ok
    assert looked(held, index=False).ok


def test_a_keeper_that_was_moved_is_found_by_its_bytes(held: Nas) -> None:
    keeper = held.root.path / "keep/a.jpg"
    there = held.root.path / "elsewhere.jpg"
    keeper.rename(there)
    found = looked(held, held.root.path / "nowhere.jpg", there)
    assert (found.keeper, found.keeper_at, found.ok) == ("moved", there, True)
    assert looked(held).keeper == "gone"


@pytest.mark.parametrize("missing", [["mov"], ["dng"], ["dng", "mov"]])
def test_a_clip_or_raw_that_is_not_beside_the_keeper_is_told_with_the_way_back(nas: Nas, missing: list[str]) -> None:
    for folder in ("keep", "in"):
        for kind in ("jpg", "mov", "dng"):
            nas.put(f"{folder}/IMG_1.{kind}", kind.encode() * 3000)
    nas.hold("in/IMG_1.jpg", "keep/IMG_1.jpg")
    assert looked(nas).ok
    for kind in missing:
        (nas.root.path / f"keep/IMG_1.{kind}").unlink()
    found = looked(nas)
    assert (found.keeper, found.keeper_at) == ("stands", nas.root.path / "keep/IMG_1.jpg")
    (words,) = found.wrong
    assert [kind for kind in ("dng", "jpg", "mov") if f"IMG_1.{kind}" in words.partition("keeper")[0]] == missing
    assert (
        found.advice == f"this may be the last copy; put it back with: twinwatch quarantine restore {nas.slot().name}"
    )


@pytest.mark.parametrize("how", ["deleted", "edited", "held itself", "a link to the held one"])
def test_a_keeper_that_is_not_the_proven_one_any_more_is_told_with_the_way_back(held: Nas, how: str) -> None:
    keeper = held.root.path / "keep/a.jpg"
    if how == "held itself":
        shutil.move(keeper, held.place / "a.jpg")
        keeper = held.place / "a.jpg"
    elif how == "a link to the held one":
        keeper.unlink()
        keeper.hardlink_to(held.slot().photo_path)
    elif how == "edited":
        keeper.write_bytes(OTHER)
    else:
        keeper.unlink()
    found = looked(held, keeper)
    assert (found.keeper, found.keeper_at, found.ok) == ("gone", None, False)
    assert found.advice.endswith(f"twinwatch quarantine restore {held.slot().name}")
    assert "keep/a.jpg is gone or was changed" in found.wrong[0]


def test_what_another_root_holds_is_no_keeper(held: Nas) -> None:
    other = held.other_root("other")
    assert other.quarantine is not None
    other.quarantine.mkdir()
    there = other.quarantine / "a.jpg"
    (held.root.path / "keep/a.jpg").rename(there)
    assert looked(held, there).keeper == "gone"


def test_without_an_index_a_keeper_is_gone_from_a_folder_that_has_a_marker_only(held: Nas) -> None:
    (held.root.path / "keep/a.jpg").unlink()
    assert looked(held, index=False).keeper == "gone"
    (held.root.path / MARKER).unlink()
    assert looked(held, index=False).keeper == "unknown"


@as_root
@pytest.mark.parametrize("marker", ["", "of somebody else"])
def test_a_keeper_in_a_reference_root_is_gone_only_from_that_very_folder(held: Nas, marker: str) -> None:
    """It has no marker of ours: an empty mount point is none either, and not it."""
    root = held.folder / "reference"
    root.mkdir()
    held.index.record_root(root, accepted_identity(root, "", reference=True), None)
    if marker:
        mark(root, marker)
    slot = held.slot()
    assert slot.manifest is not None
    forged = replace(slot.manifest, keeper_root=root)
    (slot.place / slot.name / "manifest.json").write_bytes(forged.to_bytes())
    assert looked(held).keeper == "gone"
    with tmpfs(root):
        assert looked(held).keeper == "unknown"


@pytest.mark.parametrize("how", ["missing", "unmarked", "another"])
def test_a_keeper_whose_folder_cannot_be_seen_is_unknown_and_not_gone(held: Nas, how: str) -> None:
    other = held.other_root("other")
    held.put("c.jpg", OTHER)
    held.put("c.jpg", OTHER, other)
    held.holder.hold(held.move("c.jpg", "c.jpg", other), held.root, other)
    if how == "missing":
        other.path.rename(held.folder / "away")
    else:
        (other.path / "c.jpg").unlink()
        (other.path / MARKER).unlink()
    if how == "another":
        shutil.copy(held.root.path / MARKER, other.path / MARKER)
    (slot,) = (slot for slot in held.slots() if slot.manifest is not None and slot.manifest.photo.name == "c.jpg")
    found = verify(slot, held.index, lambda _: [])
    assert (found.keeper, found.wrong, found.ok) == ("unknown", (), False)
    assert "verify again when it is back" in found.advice


@pytest.mark.parametrize("name", ["b.jpg", "b.jpg.xmp"])
def test_other_bytes_than_were_held_are_told(held: Nas, name: str) -> None:
    (held.slot().photo_path.parent / name).write_bytes(OTHER)
    found = looked(held)
    assert found.wrong == (f"{name} has other bytes than when it was held",)
    assert "compare it with your backup" in found.advice


def test_a_slot_that_was_emptied_or_cannot_be_read_is_told(held: Nas) -> None:
    slot = held.slot()
    slot.photo_path.unlink()
    found = looked(held)
    assert (found.ok, found.keeper) == (False, None)
    assert f"if it is not in {held.root.path / 'in/b.jpg'}" in found.advice
    (slot.place / slot.name / "manifest.json").write_bytes(b"{")
    found = looked(held)
    assert (found.ok, found.keeper) == (False, None)
    assert "moved back by hand" in found.advice


def test_a_file_counts_by_its_bytes_alone(held: Nas) -> None:
    manifest = held.slot().manifest
    assert manifest is not None
    keeper = held.root.path / "keep/a.jpg"
    assert has_bytes(keeper, manifest.keeper_digest, [], [])
    assert not has_bytes(keeper, manifest.keeper_digest, [], [held.root.path])
    assert not has_bytes(keeper, ContentDigest(bytes(32)), [], [])
    assert not has_bytes(held.root.path / "keep", manifest.keeper_digest, [], [])
