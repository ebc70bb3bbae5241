"""What recovery makes of each state of the journal and each place of the photo, and what it leaves alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from tests.nas import NOW, Nas
from twinwatch.index import Index, MoveState
from twinwatch.quarantine import recover, restore

PICTURE, STARS, PLACE, OTHER = b"picture" * 3000, b"stars", b"a place", b"another picture" * 3000
COPY = {"photos/in/b.jpg": PICTURE, "photos/in/b.jpg.json": PLACE, "photos/in/b.jpg.xmp": STARS}
GROUP = sorted(COPY.values())
HELD, RESTORED, PURGED = MoveState.HELD, MoveState.RESTORED, MoveState.PURGED
MOVING, CANCELLED, MISSING = MoveState.MOVING, MoveState.CANCELLED, MoveState.MISSING
EVERY = [HELD, MOVING, RESTORED, CANCELLED, PURGED, MISSING, None]


@pytest.fixture
def held(nas: Nas) -> Nas:
    return with_copy_held(nas)


def with_copy_held(nas: Nas) -> Nas:
    """Hold a copy with its sidecars."""
    nas.put("keep/a.jpg", PICTURE)
    for path, content in COPY.items():
        nas.put(path.removeprefix("photos/"), content)
    nas.hold("in/b.jpg", "keep/a.jpg")
    return nas


def say(nas: Nas, state: MoveState | None) -> None:
    """Let the journal say this of the move; nothing when it was lost."""
    if state is not None:
        nas.index.journal.set_state(nas.slot().name, state)
        return
    nas.index.close()
    for file in nas.state.iterdir():
        file.unlink()
    nas.index = Index(nas.state)


def outcomes(nas: Nas) -> list[MoveState]:
    """Recover, and look that a second time finds nothing more to do."""
    found = [recovered.outcome for recovered in recover(nas.root, nas.index)]
    assert recover(nas.root, nas.index) == []
    return found


def here(nas: Nas) -> dict[str, bytes]:
    return {path: content for path, content in nas.tree().items() if path != "photos/keep/a.jpg"}


def home(nas: Nas) -> Path:
    return nas.root.path / "in"


def inside(nas: Nas) -> Path:
    return nas.place / nas.slot().name


# --- where the photo is, decides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", EVERY)
def test_a_photo_in_its_slot_is_held_whatever_the_journal_says(held: Nas, state: MoveState | None) -> None:
    say(held, state)
    assert outcomes(held) == ([] if state is HELD else [HELD])
    assert (here(held), held.held(), held.states()) == ({}, GROUP, [HELD])


@pytest.mark.parametrize("state", EVERY)
def test_a_photo_in_its_old_place_has_its_companions_with_it_and_its_slot_goes(
    held: Nas, state: MoveState | None
) -> None:
    say(held, state)
    held.slot().photo_path.rename(home(held) / "b.jpg")
    after = CANCELLED if state in (MOVING, CANCELLED, None) else RESTORED
    assert outcomes(held) == ([] if state is after else [after])
    assert (here(held), held.slots(), held.states()) == (COPY, [], [after])


@pytest.mark.parametrize("state", EVERY)
def test_a_photo_in_neither_place_is_missed_unless_it_was_meant_to_go(held: Nas, state: MoveState | None) -> None:
    say(held, state)
    held.slot().photo_path.rename(held.folder / "taken by a person.jpg")
    over = state in (PURGED, RESTORED, CANCELLED)
    assert outcomes(held) == ([] if over or state is MISSING else [MISSING])
    assert held.states() == [state if over else MISSING]
    # only a purge was to delete the companions too; else nobody asked for that
    assert held.held() == ([] if state is PURGED else sorted([STARS, PLACE]))
    assert len(held.slots()) == (0 if state is PURGED else 1)


def test_it_is_said_whether_a_move_was_finished_or_its_photo_known_again(held: Nas) -> None:
    said = []
    for state in (MOVING, None):
        say(held, state)
        said += [recovered.words for recovered in recover(held.root, held.index)]
    assert ["finished" in words for words in said] == [True, False]
    assert ["known again" in words for words in said] == [False, True]


# --- what is not the file that was held -----------------------------------------------------------------------------


def test_a_purge_is_finished_with_what_was_held_only(held: Nas) -> None:
    """A person has put a sidecar of their own in the slot, as long as the one that was held."""
    say(held, PURGED)
    held.slot().photo_path.unlink()
    (inside(held) / "b.jpg.xmp").rename(held.folder / "old.xmp")
    (inside(held) / "b.jpg.xmp").write_bytes(STARS[::-1])
    assert outcomes(held) == []
    assert held.held() == [STARS[::-1]]


@pytest.mark.parametrize("state", [MOVING, HELD])
def test_a_photo_that_was_edited_in_its_old_place_is_still_the_one(held: Nas, state: MoveState) -> None:
    say(held, state)
    photo = held.slot().photo_path.rename(home(held) / "b.jpg")
    photo.write_bytes(OTHER)
    assert outcomes(held) == [CANCELLED if state is MOVING else RESTORED]
    assert (here(held), held.slots()) == ({**COPY, "photos/in/b.jpg": OTHER}, [])


def test_no_purge_is_finished_whose_photo_is_at_home_again(held: Nas) -> None:
    say(held, PURGED)
    held.slot().photo_path.rename(home(held) / "b.jpg")
    (home(held) / "b.jpg.xmp").write_bytes(b"newer stars")
    assert outcomes(held) == [RESTORED]
    assert here(held) == {**COPY, "photos/in/b.jpg.xmp": b"newer stars"}
    assert held.held() == [STARS]  # its name is taken: it is nowhere else


def test_a_companion_that_is_at_home_without_its_photo_is_brought_to_it_and_told_of(held: Nas) -> None:
    (inside(held) / "b.jpg.xmp").rename(home(held) / "b.jpg.xmp")
    assert outcomes(held) == [HELD]
    assert (here(held), held.held()) == ({}, GROUP)


@pytest.mark.parametrize("state", [HELD, MOVING])
def test_companions_of_another_file_stay_where_they_are(held: Nas, state: MoveState) -> None:
    """Both sides have sidecars of these names, as a person made new ones."""
    say(held, state)
    for name in ("b.jpg.json", "b.jpg.xmp"):
        (home(held) / name).write_bytes(OTHER)
    assert outcomes(held) == ([] if state is HELD else [HELD])
    assert held.held() == GROUP
    assert set(here(held).values()) == {OTHER}


def test_a_new_sidecar_at_home_is_not_brought_into_quarantine(held: Nas) -> None:
    (inside(held) / "b.jpg.xmp").rename(held.folder / "old.xmp")
    (home(held) / "b.jpg.xmp").write_bytes(STARS)
    assert outcomes(held) == []
    assert here(held) == {"photos/in/b.jpg.xmp": STARS}


def test_another_photo_in_the_old_place_is_not_the_one_that_is_missed(held: Nas) -> None:
    held.slot().photo_path.rename(held.folder / "taken by a person.jpg")
    (home(held) / "b.jpg").write_bytes(OTHER)
    assert outcomes(held) == [MISSING]
    assert (here(held), held.held()) == ({"photos/in/b.jpg": OTHER}, sorted([STARS, PLACE]))


def test_a_slot_of_another_root_in_the_same_quarantine_is_left_alone(held: Nas) -> None:
    say(held, MOVING)
    second = held.other_root("second", quarantine=held.place)
    assert recover(second, held.index) == []
    assert held.states() == [MOVING]
    assert outcomes(held) == [HELD]


def test_a_reference_root_has_nothing_to_recover(nas: Nas) -> None:
    assert recover(replace(nas.root, reference=True, quarantine=None), nas.index) == []


# --- folders that changed meanwhile ---------------------------------------------------------------------------------


def gone(folder: Path) -> None:
    folder.rmdir()


def a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_bytes(OTHER)


def a_fifo(folder: Path) -> None:
    folder.rmdir()
    os.mkfifo(folder)


@pytest.mark.timeout(30)  # what is opened as a folder only is not waited for
@pytest.mark.parametrize("odd", [gone, a_file, a_fifo])
@pytest.mark.parametrize("state", [HELD, MOVING])
def test_a_photo_is_held_also_where_its_old_folder_is_none_any_more(
    held: Nas, odd: Callable[[Path], None], state: MoveState
) -> None:
    say(held, state)
    odd(home(held))
    assert outcomes(held) == ([] if state is HELD else [HELD])
    assert held.held() == GROUP


@pytest.mark.parametrize("state", EVERY)
def test_an_empty_slot_goes_and_what_was_said_of_the_move_stays_said(held: Nas, state: MoveState | None) -> None:
    """As a move leaves it that was not begun, and a restore or a purge that was all but finished."""
    say(held, state)
    for file in inside(held).iterdir():
        file.rename(home(held) / file.name) if file.name != "manifest.json" else file.unlink()
    now = {MOVING: CANCELLED, HELD: RESTORED}
    assert outcomes(held) == ([now[state]] if state in now else [])
    assert (here(held), held.slots()) == (COPY, [])
    assert held.states() == ([] if state is None else [now.get(state, state)])


def test_a_slot_that_was_emptied_by_hand_with_its_manifest_is_told_of(held: Nas) -> None:
    for file in inside(held).iterdir():
        file.unlink()
    assert outcomes(held) == [MISSING]
    assert (held.slots(), held.states()) == ([], [MISSING])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("state", [MOVING, HELD])
def test_a_move_whose_slot_is_gone_is_told_by_what_is_in_its_old_place(
    held: Nas, monkeypatch: pytest.MonkeyPatch, state: MoveState, whole: bool
) -> None:
    for file in inside(held).iterdir():
        file.rename(home(held) / file.name)
    (home(held) / "manifest.json").unlink()
    if not whole:
        (home(held) / "b.jpg").write_bytes(OTHER)
    say(held, state)
    (held.folder / held.slot().name).mkdir()  # a folder of that name is not the slot, wherever we stand
    monkeypatch.chdir(held.folder)
    inside(held).rmdir()
    held.place.rmdir()
    after = CANCELLED if state is MOVING else RESTORED if whole else MISSING
    (found,) = recover(held.root, held.index)
    assert (found.outcome, held.states()) == (after, [after])
    assert state is MOVING or ("a photo is in its old place" in found.words) == whole
    assert recover(held.root, held.index) == []


def test_a_move_whose_slot_is_gone_is_found_among_the_others(held: Nas) -> None:
    """One before it has its slot; one of another root was made into the same quarantine, and is that root's matter."""
    second = held.other_root("second", quarantine=held.place)
    (first,) = held.index.journal.rows()
    for number, root in enumerate((second, held.root), 1):
        row = replace(first, slot=f"gone {number}", root_path=root.path, at=NOW + number)
        held.index.journal.intend(row)
    assert [found.slot for found in recover(held.root, held.index)] == ["gone 2"]
    assert held.states() == [HELD, HELD, MISSING]
    assert [found.slot for found in recover(second, held.index)] == ["gone 1"]


# --- others meanwhile -----------------------------------------------------------------------------------------------


def put_back(nas: Nas) -> None:
    restore(nas.slot(), nas.index, NOW)


def explained(nas: Nas) -> None:
    (nas.folder / "manifest.json").rename(inside(nas) / "manifest.json")


@pytest.mark.parametrize("ends", [put_back, explained])
def test_what_another_process_ends_while_recovery_waits_for_it_needs_no_recovery(
    held: Nas, monkeypatch: pytest.MonkeyPatch, ends: Callable[[Nas], None]
) -> None:
    if ends is explained:
        (inside(held) / "manifest.json").rename(held.folder / "manifest.json")
    plainly = fcntl.flock

    def flock(fd: int, how: int) -> None:
        monkeypatch.undo()
        ends(held)
        plainly(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert recover(held.root, held.index) == []
    assert held.states() == [RESTORED if ends is put_back else HELD]


# --- the empty files by which names are taken, where no exclusive rename is known -----------------------------------


@pytest.mark.parametrize("parted", [False, True])
def test_an_empty_file_that_took_the_photos_name_in_the_slot_is_not_the_photo(held: Nas, parted: bool) -> None:
    say(held, MOVING)
    if parted:
        for companion in ("b.jpg.json", "b.jpg.xmp"):
            (inside(held) / companion).rename(home(held) / companion)
    held.slot().photo_path.rename(home(held) / "b.jpg")
    held.slot().photo_path.touch()
    assert outcomes(held) == [CANCELLED]
    assert (here(held), held.slots()) == (COPY, [])


def test_an_empty_file_that_took_the_photos_name_at_home_goes(held: Nas) -> None:
    (home(held) / "b.jpg").touch(0o200)
    (home(held) / "b.jpg.xmp").touch(0o600)  # nobody's but a person's
    assert outcomes(held) == []
    assert here(held) == {"photos/in/b.jpg.xmp": b""}
    assert held.held() == GROUP


def test_an_empty_photo_that_was_held_is_no_empty_file_of_ours(nas: Nas) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", b"")
    nas.hold("in/b.jpg", "keep/a.jpg")
    say(nas, MOVING)
    assert outcomes(nas) == [HELD]
    assert nas.slot().photo_path.exists()


def test_an_empty_sidecar_that_a_person_made_anew_is_no_empty_file_of_ours(nas: Nas) -> None:
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    nas.put("in/b.jpg.xmp", b"")
    nas.hold("in/b.jpg", "keep/a.jpg")
    (inside(nas) / "b.jpg.xmp").rename(nas.folder / "old.xmp")
    (inside(nas) / "b.jpg.xmp").touch()
    assert outcomes(nas) == []
    assert nas.held() == [b"", PICTURE]


# --- a file with both its names, after a power cut ------------------------------------------------------------------


def test_a_held_photo_with_another_name_is_not_taken_from_its_slot(held: Nas) -> None:
    """Both files have two names each, and are not one."""
    (held.folder / "another name.jpg").hardlink_to(held.slot().photo_path)
    (home(held) / "b.jpg").write_bytes(OTHER)
    (held.folder / "its other name.jpg").hardlink_to(home(held) / "b.jpg")
    say(held, MOVING)
    assert outcomes(held) == [HELD]
    assert held.held() == GROUP
    assert here(held) == {"photos/in/b.jpg": OTHER}


def test_a_file_in_both_places_loses_its_name_in_the_slot(held: Nas) -> None:
    for file in inside(held).iterdir():
        (home(held) / file.name).hardlink_to(file)
    (home(held) / "manifest.json").unlink()
    say(held, MOVING)
    assert outcomes(held) == [CANCELLED]
    assert (here(held), held.slots()) == (COPY, [])
    assert (home(held) / "b.jpg").stat().st_nlink == 1


def test_a_manifest_that_says_its_own_slot_is_the_old_folder_loses_nothing(nas: Nas) -> None:
    """Then both names are one; a file with one name is never taken for a file in both places."""
    place = nas.root.path / ".twinwatch/quarantine"
    nas.root = nas.other_root("photos", quarantine=place)
    nas.put("keep/a.jpg", PICTURE)
    nas.put("in/b.jpg", PICTURE)
    nas.hold("in/b.jpg", "keep/a.jpg")
    slot = nas.slot()
    assert slot.manifest is not None
    forged = replace(slot.manifest, folder=PurePosixPath(".twinwatch/quarantine", slot.name))
    (place / slot.name / "manifest.json").write_bytes(forged.to_bytes())
    say(nas, MOVING)
    recover(nas.root, nas.index)
    assert slot.photo_path.read_bytes() == PICTURE


# --- the index ------------------------------------------------------------------------------------------------------


def test_another_photo_that_has_the_name_by_now_stays_in_the_index(held: Nas) -> None:
    held.put("in/b.jpg", OTHER)
    photo = held.photo("in/b.jpg")
    held.index.photos.record(held.root.id, photo.path, photo.stat, photo.reading, arrived=True)
    say(held, MOVING)
    assert outcomes(held) == [HELD]
    assert held.index.photos.at(held.root.id, photo.path) is not None


def test_how_often_a_content_came_back_is_not_forgotten_by_recovery(held: Nas) -> None:
    digest = held.photo("keep/a.jpg").reading.digest
    held.index.memory.set_removed(digest, "an earlier slot", NOW)
    held.index.memory.set_removed(digest, held.slot().name, NOW, returned=True)
    say(held, MOVING)
    assert outcomes(held) == [HELD]
    assert held.index.memory.returns(digest) == 1


def test_what_recovery_forgets_is_forgotten_also_by_who_opens_the_index_next(held: Nas) -> None:
    photo = held.slot().photo_path.rename(home(held) / "b.jpg")
    seen = held.photo("in/b.jpg")
    held.index.photos.record(held.root.id, seen.path, seen.stat, seen.reading, arrived=True)
    held.index.memory.set_removed(seen.reading.digest, held.slot().name, NOW)
    photo.rename(inside(held) / "b.jpg")
    say(held, MOVING)
    assert outcomes(held) == [HELD]
    with closing(Index(held.state)) as index:
        assert index.photos.at(held.root.id, seen.path) is None
