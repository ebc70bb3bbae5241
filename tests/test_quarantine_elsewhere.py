"""A root that has another path by now: what is held goes back into the folder with its marker, and into no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nas import NOW, PICTURE, Nas
from twinwatch.errors import RootError
from twinwatch.quarantine import listing, restore
from twinwatch.roots import MARKER


def mounted_elsewhere(held: Nas, name: str = "media") -> Path:
    """Move the root and its quarantine, as a disk that is mounted in another place, and let it be watched there."""
    there = held.folder / name
    there.mkdir()
    held.place.rename(there / held.place.name)
    held.root.path.rename(there / "photos")
    held.other_root(f"{name}/photos")
    return there / "photos"


def put_back(nas: Nas, root: Path, *, index: bool = True) -> Path:
    (slot,) = listing(root.parent / nas.place.name)
    return restore(slot, nas.index if index else None, NOW)


def test_what_is_held_goes_back_to_where_its_disk_is_mounted_now(held: Nas) -> None:
    root = mounted_elsewhere(held)
    assert put_back(held, root) == root / "in/b.jpg"
    assert (root / "in/b.jpg").read_bytes() == PICTURE
    assert not held.root.path.exists()
    assert list((root.parent / held.place.name).iterdir()) == []
    assert [str(state) for state in held.states()] == ["restored"]


def test_what_stands_in_the_old_place_is_not_taken_for_it(held: Nas) -> None:
    """As the empty mount point of the disk, or another disk that is mounted there now."""
    root = mounted_elsewhere(held)
    held.root.path.mkdir()
    held.other_root("photos")
    assert put_back(held, root) == root / "in/b.jpg"
    assert not (held.root.path / "in").exists()


def test_a_name_that_is_taken_where_it_is_now_is_told_by_its_path(held: Nas) -> None:
    root = mounted_elsewhere(held)
    (root / "in/b.jpg").write_bytes(b"another")
    with pytest.raises(Exception, match=f"{root}/in/b.jpg exists"):
        put_back(held, root)
    assert (root / "in/b.jpg").read_bytes() == b"another"


@pytest.mark.parametrize("why", ["without an index", "no marker there", "another marker there", "nowhere", "copied"])
def test_without_the_one_folder_with_the_marker_nothing_goes_back(held: Nas, why: str) -> None:
    root = mounted_elsewhere(held)
    if why == "no marker there":
        (root / MARKER).unlink()
    elif why == "another marker there":
        (root / MARKER).write_text('{"id": "another"}')
    elif why == "nowhere":
        root.rename(root.with_name("away"))
    elif why == "copied":
        copy = held.folder / "copy"
        (copy / MARKER).parent.mkdir(parents=True)
        (copy / MARKER).write_bytes((root / MARKER).read_bytes())
        held.other_root("copy")
    before = held.everything()
    with pytest.raises(RootError, match="copy and .* both may be" if why == "copied" else f"{held.root.path} is not"):
        put_back(held, root, index=why != "without an index")
    assert held.everything() == before
    assert len(listing(root.parent / held.place.name)) == 1
