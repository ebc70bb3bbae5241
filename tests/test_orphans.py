"""A held copy whose keeper is gone, or edited, is offered back once; the brake counts what no person has forgiven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.drawing import scene, stored
from tests.nas import NOW, Nas
from tests.test_ingest import Counting, House
from twinwatch.brake import Limits
from twinwatch.index import Index
from twinwatch.ingest import PAUSED, Action, resume
from twinwatch.photo import FileStat
from twinwatch.quarantine import recover

PICTURE = stored(scene(1, (160, 120)), quality=90)
OTHER = stored(scene(2, (160, 120)), quality=90)
DAY = 86400.0


@pytest.fixture(scope="module")
def workers() -> Iterator[Counting]:
    with Counting(1) as made:
        yield made


@pytest.fixture
def house(nas: Nas, workers: Counting) -> House:
    made = House(nas, workers)
    nas.put("keeper.jpg", PICTURE)
    nas.put("copy (1).jpg", PICTURE)
    made.survey()
    assert nas.held() == [PICTURE]
    made.said.clear()
    return made


def offers(house: House) -> list[str | None]:
    return [row.slot for _, row in house.nas.index.memory.log() if row.why.startswith("the keeper is gone")]


def test_a_keeper_that_is_gone_is_told_once(house: House) -> None:
    (house.nas.root.path / "keeper.jpg").unlink()
    assert house.survey().orphaned == [house.nas.slot().name]
    assert house.survey().orphaned == []
    assert offers(house) == [house.nas.slot().name]


def test_a_keeper_that_was_edited_is_told_at_once(house: House) -> None:
    house.nas.put("keeper.jpg", OTHER, mtime_ns=10**18 + 99)
    house.take("keeper.jpg")
    slot = house.nas.slot().name
    assert [(said.slot, said.action) for said in house.said if said.slot] == [(slot, Action.REVIEW)]
    assert house.survey().orphaned == []
    assert offers(house) == [slot]


def test_a_keeper_that_was_only_touched_or_moved_is_still_one(house: House) -> None:
    house.nas.put("keeper.jpg", PICTURE, mtime_ns=10**18 + 99)
    house.take("keeper.jpg")
    (house.nas.root.path / "keeper.jpg").rename(house.nas.root.path / "moved.jpg")
    house.survey()
    house.survey()
    assert offers(house) == []


def test_a_keeper_lost_while_nobody_looked_is_found_out_with_a_new_index(house: House) -> None:
    nas = house.nas
    (nas.root.path / "keeper.jpg").unlink()
    nas.index.close()
    for file in nas.state.iterdir():
        file.unlink()
    nas.index = Index(nas.state)
    nas.roots.clear()
    nas.root = nas.other_root("photos")
    assert len(recover(nas.root, nas.index)) == 1
    later = House(nas, house.workers)
    assert later.survey().orphaned == [nas.slot().name]
    assert later.survey().orphaned == []


def test_a_keeper_behind_a_closed_door_or_held_itself_is_not_gone(house: House) -> None:
    nas = house.nas
    nas.put("b/keeper.jpg", OTHER)
    nas.put("b/copy.jpg", OTHER)
    house.survey()
    first, second = sorted(nas.slots(), key=lambda slot: slot.name)
    (nas.root.path / "b").rename(nas.root.path / "b away")
    (nas.root.path / "b").symlink_to("b away")
    assert house.survey().orphaned == []
    assert {first.name, second.name}.isdisjoint(offers(house))


def unwatched(house: House) -> None:
    """Let the index have the keeper's bytes in a root that nobody watches any more."""
    nas = house.nas
    other = nas.other_root("other")
    nas.put("keeper.jpg", PICTURE, other)
    photo = nas.photo("keeper.jpg", other)
    nas.index.photos.record(other.id, photo.path, photo.stat, photo.reading, arrived=False)


@pytest.mark.parametrize("away", [False, True])
def test_what_is_known_of_a_root_that_nobody_watches_is_no_keeper(house: House, away: bool) -> None:
    """One that is only away is watched: its photos count."""
    unwatched(house)
    nas = house.nas
    watched = {root.id for root in nas.roots} if away else {nas.root.id}
    (nas.root.path / "keeper.jpg").unlink()
    orphaned = house.survey(lambda: watched).orphaned
    assert orphaned == offers(house) == ([] if away else [nas.slot().name])
    # and when it went while nobody looked
    assert house.survey(lambda: {nas.root.id}).orphaned == ([nas.slot().name] if away else [])
    assert offers(house) == [nas.slot().name]


def test_an_edited_keeper_is_told_though_a_root_that_nobody_watches_had_it(house: House) -> None:
    unwatched(house)
    house.line.watched = {house.nas.root.id}
    house.nas.put("keeper.jpg", OTHER, mtime_ns=10**18 + 99)
    house.take("keeper.jpg")
    assert offers(house) == [house.nas.slot().name]


def moves(house: House, count: int) -> int:
    """Let copies arrive; return how many are held then."""
    for number in range(count):
        house.nas.put(f"{house.line._clock():.0f}-{number}.jpg", PICTURE)
    house.survey()
    return len(house.nas.held())


def test_a_clock_set_back_after_a_resume_does_not_blind_the_brake(nas: Nas, workers: Counting) -> None:
    house = House(nas, workers, Limits(max_moves=3))
    now = [NOW]
    house.line._clock = nas.holder._clock = lambda: now[0]
    nas.put("a.jpg", PICTURE)
    assert moves(house, 5) == 3
    assert nas.index.memory.setting(PAUSED) is not None
    assert resume(nas.index, now[0]) is not None
    now[0] -= 3 * DAY
    assert moves(house, 9) == 3, "what was moved lies in the future, and still counts"
    assert nas.index.memory.setting(PAUSED) is not None
    assert resume(nas.index, now[0]) is not None
    now[0] += 1
    assert moves(house, 1) == 6, "a person has forgiven it, whatever the clock says"
    assert nas.index.memory.setting(PAUSED) is not None


def test_what_somebody_took_out_of_quarantine_was_moved_all_the_same(nas: Nas, workers: Counting) -> None:
    house = House(nas, workers, Limits(max_moves=3))
    nas.put("a.jpg", PICTURE)
    assert moves(house, 2) == 2
    for slot in nas.slots():
        slot.photo_path.unlink()
    recover(nas.root, nas.index)
    assert moves(house, 5) == 1


def test_where_times_are_whole_seconds_two_linked_files_may_be_one() -> None:
    single = FileStat(1, 5, 100, 10**18, 10**18, 8, 1)
    linked = replace(single, links=2)
    elsewhere = replace(linked, device=2, inode=1005)
    assert linked.may_be_same_file(elsewhere)
    assert not linked.may_be_same_file(replace(elsewhere, links=1))
    assert not single.may_be_same_file(elsewhere)
    assert not linked.may_be_same_file(replace(elsewhere, size=101))
