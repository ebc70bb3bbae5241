"""What could not be compared is compared later, what only has another name is no arrival, what waits is told once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path, PurePosixPath

import pytest

from tests.drawing import scene, stored
from tests.nas import NOW, Nas
from tests.test_ingest import Counting, House
from twinwatch.brake import Limits
from twinwatch.errors import WorkerError
from twinwatch.index import Judged
from twinwatch.ingest import PAUSED, Action, Survey
from twinwatch.photo import Evidence, FileStat
from twinwatch.workers import Priority

PICTURE = stored(scene(1, (320, 240)), quality=92)
OTHER = stored(scene(2, (320, 240)), quality=92)
SMALL = stored(scene(1, (320, 240)).resize((240, 180)), quality=80)


class Failing(Counting):
    """The real workers, but that no proof with one of these contents comes to an end."""

    with_: frozenset[bytes] = frozenset()

    def prove(self, fd_a: int, fd_b: int, priority: Priority = "arrival") -> Future[Evidence]:
        if Path(f"/proc/self/fd/{fd_b}").read_bytes() in self.with_:
            self.proofs += 1
            failed: Future[Evidence] = Future()
            failed.set_exception(WorkerError("the file could not be read: Input/output error", "check the disk"))
            return failed
        return super().prove(fd_a, fd_b, priority)


@pytest.fixture(scope="module")
def workers() -> Iterator[Failing]:
    with Failing(1) as made:
        yield made


@pytest.fixture
def house(nas: Nas, workers: Failing) -> House:
    workers.with_ = frozenset()
    return House(nas, workers)


def _judged(house: House, name: str) -> Judged:
    found = house.nas.index.photos.at(house.nas.root.id, PurePosixPath(name))
    assert found is not None, name
    return house.nas.index.photos.judged(found.id)


# A candidate that cannot be opened just now


def test_a_candidate_that_is_behind_a_closed_door_is_compared_when_it_opens(house: House) -> None:
    nas = house.nas
    nas.put("2024/a.jpg", PICTURE)
    house.take("2024/a.jpg")
    door = nas.root.path / "2024"
    hidden = door.rename(nas.folder / "hidden")
    nas.put("2024", b"a file where the folder was")
    nas.put("a (1).jpg", PICTURE)
    house.take("a (1).jpg")
    assert nas.held() == []
    door.unlink()
    hidden.rename(door)
    house.survey()
    assert nas.held() == [PICTURE]
    assert (nas.root.path / "2024/a.jpg").exists()


def test_an_original_that_was_renamed_while_nobody_looked_is_compared_under_its_new_name(house: House) -> None:
    """The walk comes to the copy first, and finds its original no longer where it was."""
    nas = house.nas
    nas.put("2024/a.jpg", PICTURE)
    nas.put("2024/b.jpg", OTHER)
    house.take("2024/a.jpg", "2024/b.jpg")
    (nas.root.path / "2024").rename(nas.root.path / "Summer 2024")
    nas.put("a (1).jpg", PICTURE)
    house.workers.reads = 0
    house.survey()
    assert nas.held() == [PICTURE]
    assert (nas.root.path / "Summer 2024/a.jpg").exists()
    assert house.workers.reads == 1, "of the copy: what only has another name is not read again"


# A twin whose own proof is under way


def test_a_twin_that_is_not_judged_itself_settles_nothing(house: House) -> None:
    nas = house.nas
    nas.put("chat.jpg", SMALL)
    house.take("chat.jpg")
    nas.put("IMG_1 (1).jpg", PICTURE)
    nas.put("IMG_1.jpg", PICTURE)
    house.take("IMG_1 (1).jpg", "IMG_1.jpg")  # with one worker the second is read before the first is proved
    assert nas.tree() == {"photos/IMG_1.jpg": PICTURE}
    assert nas.held() == sorted([PICTURE, SMALL])
    assert _judged(house, "IMG_1.jpg") is Judged.DONE


# A proof that fails


NEAR = stored(scene(1, (320, 240), frame=1), quality=92)  # the next frame of a burst
COPY = stored(scene(1, (320, 240)), quality=80)


def _by_two(house: House, workers: Failing, *failing: bytes) -> None:
    """Take a copy of one of two photos that are near, where proofs with some of them fail."""
    house.nas.put("IMG_0.jpg", NEAR)
    house.nas.put("IMG_1.jpg", PICTURE)
    house.take("IMG_0.jpg", "IMG_1.jpg")
    workers.with_, workers.proofs = frozenset(failing), 0
    house.nas.put("copy.jpg", COPY)
    house.take("copy.jpg")


def test_a_candidate_that_cannot_be_proved_stands_before_no_other(house: House, workers: Failing) -> None:
    _by_two(house, workers, NEAR)
    assert (house.nas.held(), house.failures, workers.proofs) == ([COPY], [], 2)


def test_where_no_proof_comes_to_an_end_it_is_tried_again_and_both_are_named(house: House, workers: Failing) -> None:
    _by_two(house, workers, NEAR, PICTURE)
    (error,) = house.failures
    assert "copy.jpg could not be compared with" in str(error)
    assert "check the disk" in str(error)
    assert (house.nas.held(), _judged(house, "copy.jpg")) == ([], Judged.NOT_YET)
    workers.with_ = frozenset()
    house.survey()
    assert house.nas.held() == [COPY]


# What was there before, renamed


def _residents(house: House) -> None:
    """A photo and its copy that were there before the root was level."""
    nas = house.nas
    nas.index.set_level(nas.root.id, None)
    nas.put("2024/a.jpg", PICTURE)
    nas.put("backup/a.jpg", PICTURE)
    house.survey()
    assert nas.index.is_level(nas.root.id)
    assert house.actions().count(Action.REVIEW) == 1


@pytest.mark.parametrize("state", [Judged.DONE, Judged.NOT_YET])
def test_a_resident_under_another_name_is_none_that_arrived(house: House, state: Judged) -> None:
    """Also where it is to be judged again, as a disk came back."""
    nas = house.nas
    _residents(house)
    known = nas.index.photos.at(nas.root.id, PurePosixPath("backup/a.jpg"))
    assert known is not None
    nas.index.photos.set_judged(known.id, state)
    (nas.root.path / "backup/a.jpg").rename(nas.root.path / "backup/a kept.jpg")
    house.take("backup/a kept.jpg")
    assert (nas.held(), nas.index.photos.count()) == ([], 2)
    found = nas.index.photos.at(nas.root.id, PurePosixPath("backup/a kept.jpg"))
    assert found is not None
    assert (found.id, found.arrived) == (known.id, False)
    assert _judged(house, "backup/a kept.jpg") in (Judged.DONE, Judged.OPEN)


def test_what_a_walk_leaves_to_settle_is_not_forgotten_under_its_old_name(house: House) -> None:
    """As on a root that is polled: its change time is new, and the same walk finds the old name gone."""
    nas = house.nas
    _residents(house)
    (nas.root.path / "backup/a.jpg").rename(nas.root.path / "backup/a kept.jpg")
    waiting: list[FileStat] = []

    def unsettled(_: object, stat: FileStat) -> bool:
        waiting.append(stat)
        return True

    def awaited(stat: FileStat) -> bool:
        return any((stat.inode, stat.size, stat.mtime_ns) == (one.inode, one.size, one.mtime_ns) for one in waiting)

    walk = Survey(nas.root, nas.index, Limits(), lambda: NOW, unsettled=unsettled, awaited=awaited)
    house.belt.add_bulk(walk.files())
    house.run()
    assert (walk.taken, walk.vanished, nas.index.photos.count()) == (0, 0, 2)
    house.take("backup/a kept.jpg")
    assert nas.held() == []
    assert house.survey().vanished == 0


# What waits for a person, or for room


def test_what_waits_for_a_person_is_told_once_and_not_proved_at_each_walk(house: House, workers: Failing) -> None:
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    nas.index.memory.set_setting(PAUSED, "too many")
    nas.put("copy.jpg", COPY)
    workers.proofs = 0
    house.take("copy.jpg")
    for _ in range(3):
        house.survey()
    assert (workers.proofs, house.actions().count(Action.REVIEW)) == (1, 1)
    nas.index.memory.set_setting(PAUSED, None)
    house.survey()
    assert nas.held() == [COPY]


def test_what_finds_no_room_is_told_once_and_tried_at_each_walk(house: House, workers: Failing) -> None:
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    room, nas.holder.min_free_mib = nas.holder.min_free_mib, 1 << 42
    nas.put("copy.jpg", COPY)
    house.take("copy.jpg")
    for _ in range(3):
        house.survey()
    assert house.actions().count(Action.REVIEW) == 1
    nas.holder.min_free_mib = room
    house.survey()
    assert nas.held() == [COPY]
