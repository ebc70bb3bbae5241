"""FAT and exFAT number their files anew at each mount: recovery knows a file that was held by all else as well.

To have a manifest's numbers changed is the same to it, and works on every file system.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nas import PICTURE, Nas
from twinwatch.index import MoveState
from twinwatch.quarantine import recover

STARS, OTHER = b"stars", b"another picture" * 1400
COPY = {"photos/in/b.jpg": PICTURE, "photos/in/b.jpg.xmp": STARS}
assert len(OTHER) == len(PICTURE)


@pytest.fixture
def mounted_again(nas: Nas) -> Nas:
    """Hold a photo with its sidecar, whose numbers are others by now."""
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    nas.put("in/b.jpg.xmp", STARS)
    nas.hold("in/b.jpg", "keep/a.jpg")
    number(nas, {})
    return nas


def number(nas: Nas, numbers: dict[str, int]) -> None:
    """Let the manifest have these inode numbers of files, and of all others one that no file has."""
    manifest = nas.slot().manifest
    assert manifest is not None
    files = tuple(replace(file, inode=numbers.get(file.name, (1 << 60) + at)) for at, file in enumerate(manifest.files))
    (inside(nas) / "manifest.json").write_bytes(replace(manifest, files=files).to_bytes())


def say(nas: Nas, state: MoveState) -> None:
    nas.index.journal.set_state(nas.slot().name, state)


def inside(nas: Nas) -> Path:
    return nas.place / nas.slot().name


def home(nas: Nas) -> Path:
    return nas.root.path / "in"


def here(nas: Nas) -> dict[str, bytes]:
    return {path: content for path, content in nas.tree().items() if path != "photos/keep/a.jpg"}


def outcomes(nas: Nas) -> list[MoveState]:
    """Recover, and look that a second time finds nothing more to do."""
    found = [recovered.outcome for recovered in recover(nas.root, nas.index)]
    assert recover(nas.root, nas.index) == []
    return found


@pytest.mark.parametrize(
    ("state", "after"),
    [(MoveState.MOVING, MoveState.CANCELLED), (MoveState.HELD, MoveState.RESTORED)],
)
def test_a_photo_at_home_has_its_sidecar_with_it(mounted_again: Nas, state: MoveState, after: MoveState) -> None:
    nas = mounted_again
    say(nas, state)
    nas.slot().photo_path.rename(home(nas) / "b.jpg")
    assert outcomes(nas) == [after]
    assert (here(nas), nas.slots(), nas.states()) == (COPY, [], [after])


def test_a_sidecar_that_is_at_home_follows_its_photo_into_quarantine(mounted_again: Nas) -> None:
    nas = mounted_again
    (inside(nas) / "b.jpg.xmp").rename(home(nas) / "b.jpg.xmp")
    assert outcomes(nas) == [MoveState.HELD]
    assert (here(nas), nas.held()) == ({}, [PICTURE, STARS])


def test_a_purge_that_was_cut_short_is_finished(mounted_again: Nas) -> None:
    nas = mounted_again
    say(nas, MoveState.PURGED)
    nas.slot().photo_path.unlink()
    assert outcomes(nas) == []
    assert (nas.slots(), nas.states()) == ([], [MoveState.PURGED])


def test_a_sidecar_written_into_since_is_not_purged(mounted_again: Nas) -> None:
    """By its number it is the one that was held, and has more in it than what the purge was asked for."""
    nas = mounted_again
    sidecar = inside(nas) / "b.jpg.xmp"
    number(nas, {"b.jpg.xmp": sidecar.stat().st_ino})
    say(nas, MoveState.PURGED)
    nas.slot().photo_path.unlink()
    sidecar.write_bytes(STARS + b" and more")
    assert outcomes(nas) == []
    assert nas.held() == [STARS + b" and more"]


@pytest.mark.parametrize("differs", ["bytes", "time", "size"])
def test_another_file_of_that_name_is_not_taken_for_it(mounted_again: Nas, differs: str) -> None:
    nas = mounted_again
    held = nas.slot().photo_path
    seen = held.stat()
    held.rename(nas.folder / "taken by a person.jpg")
    there = home(nas) / "b.jpg"
    there.write_bytes({"bytes": OTHER, "time": PICTURE, "size": PICTURE + b"."}[differs])
    if differs != "time":
        os.utime(there, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert outcomes(nas) == [MoveState.MISSING]
    assert nas.held() == [STARS]


def test_a_photo_whose_folder_is_gone_is_not_looked_for_elsewhere(
    mounted_again: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas = mounted_again
    held = nas.slot().photo_path
    number(nas, {"b.jpg": held.stat().st_ino})
    held.rename(nas.folder / "b.jpg")
    home(nas).rmdir()
    monkeypatch.chdir(nas.folder)
    assert outcomes(nas) == [MoveState.MISSING]
    assert nas.held() == [STARS]


@pytest.mark.parametrize("by", ["mode", "time"])
def test_an_empty_file_of_ours_is_known_although_it_has_the_photos_number(mounted_again: Nas, by: str) -> None:
    nas = mounted_again
    say(nas, MoveState.MOVING)
    held = nas.slot().photo_path
    held.rename(home(nas) / "b.jpg")
    held.touch(0o200 if by == "mode" else 0o644)
    if by == "time":
        os.utime(held, ns=(825_600_462 * 10**9, 825_600_462 * 10**9))
    number(nas, {"b.jpg": held.stat().st_ino})
    assert outcomes(nas) == [MoveState.CANCELLED]
    assert (here(nas), nas.slots()) == (COPY, [])


@pytest.mark.parametrize("numbered", ["anew", "as it was"])
def test_a_held_photo_that_was_emptied_stays(mounted_again: Nas, numbered: str) -> None:
    """By somebody, or by a disk that lost its content: what has become of it is for a person to see."""
    nas = mounted_again
    held = nas.slot().photo_path
    if numbered == "as it was":
        number(nas, {"b.jpg": held.stat().st_ino})
    held.write_bytes(b"")
    assert outcomes(nas) == []
    assert nas.held() == [b"", STARS]


def test_what_was_emptied_is_not_looked_for_elsewhere_when_its_folder_is_gone(
    mounted_again: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that happens to lie where we stand, with the name and the number of the photo, is not it."""
    nas = mounted_again
    (nas.folder / "b.jpg").write_bytes(OTHER)
    number(nas, {"b.jpg": (nas.folder / "b.jpg").stat().st_ino})
    nas.slot().photo_path.write_bytes(b"")
    home(nas).rmdir()
    monkeypatch.chdir(nas.folder)
    assert outcomes(nas) == []
    assert nas.held() == [b"", STARS]
