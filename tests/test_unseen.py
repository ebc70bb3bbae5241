"""What is judged while a root cannot be seen is judged again when it can, once, and not at each walk until then."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path, PurePosixPath

import pytest

from tests.drawing import scene, stored
from tests.nas import NOW, Nas
from tests.test_ingest import Counting, House
from twinwatch.brake import Limits
from twinwatch.errors import RootError
from twinwatch.index import Judged
from twinwatch.ingest import Action, Found, Survey, seen_again
from twinwatch.photo import Evidence
from twinwatch.roots import Root
from twinwatch.workers import Priority

PICTURE = stored(scene(1, (160, 120)), quality=90)
OTHER = stored(scene(2, (160, 120)), quality=90)
USB = Path("/usb")


@pytest.fixture(scope="module")
def workers() -> Iterator[Counting]:
    with Counting(1) as made:
        yield made


@pytest.fixture
def house(nas: Nas, workers: Counting) -> House:
    """A root with a photo, beside one that is away and has its original."""
    made = House(nas, workers)
    usb = nas.other_root("usb")
    nas.put("original.jpg", PICTURE, usb)
    made.line.roots[usb.id] = usb
    made.belt.add(Found(usb.id, PurePosixPath("original.jpg")))
    made.run()
    del made.line.roots[usb.id]
    made.line.unseen = frozenset({USB})
    nas.put("copy.jpg", PICTURE)
    nas.put("other.jpg", OTHER)
    made.take("copy.jpg", "other.jpg")
    assert made.actions() == [Action.NONE] * 3
    made.said.clear()
    workers.reads = 0
    return made


def _back(house: House) -> None:
    usb = house.nas.roots[1]
    house.line.roots[usb.id] = usb
    house.line.unseen = frozenset()


def _seen(house: House, *paths: Path) -> int:
    return seen_again(house.nas.index, house.line.roots, paths)


def _scan(house: House, root: Root | None = None) -> int:
    made = Survey(root or house.nas.root, house.nas.index, Limits(), lambda: NOW, again=True)
    house.belt.add_bulk(made.files())
    house.run()
    return made.taken


def _judged(house: House, name: str, root: Root | None = None) -> Judged:
    found = house.nas.index.photos.at((root or house.nas.root).id, PurePosixPath(name))
    assert found is not None
    return house.nas.index.photos.judged(found.id)


def test_nothing_is_judged_again_while_it_is_away(house: House) -> None:
    assert house.survey().taken == 0
    assert house.said == []


def test_nor_does_a_scan_judge_again_what_is_like_nothing_that_it_sees(house: House) -> None:
    """The root may never come back: no scan may cost more for it."""
    assert _scan(house) == 0
    house.take("copy.jpg")
    assert house.said == []


def test_a_scan_judges_meanwhile_what_was_only_reported(house: House) -> None:
    """It may be what a person asks to have set aside."""
    house.nas.put("almost.jpg", stored(scene(1, (160, 120), frame=2), quality=90))
    house.take("almost.jpg")
    assert house.actions() == [Action.REVIEW]
    for _ in range(2):
        assert _scan(house) == 1
    assert _judged(house, "almost.jpg") is Judged.PARTLY_OPEN
    assert house.survey().taken == 0
    _back(house)
    assert _seen(house, USB) == 3


def test_it_is_judged_again_when_the_root_is_back_and_not_read_again(house: House) -> None:
    _back(house)
    assert _seen(house, USB) == 2
    assert house.survey().taken == 2
    assert sorted(house.actions()) == [Action.HELD, Action.NONE]
    assert house.nas.held() == [PICTURE]
    assert house.workers.reads == 0
    assert _seen(house, USB) == 0
    assert house.survey().taken == 0


def test_another_root_that_comes_back_is_not_the_one(house: House) -> None:
    assert _seen(house, Path("/another")) == 0
    assert house.survey().taken == 0


def test_disks_that_are_never_there_together_are_compared_with_once_each(house: House) -> None:
    _back(house)
    house.line.unseen = frozenset({Path("/nas")})
    assert _seen(house, USB) == 2
    assert house.survey().taken == 2
    for here, away in ((Path("/nas"), USB), (USB, Path("/nas"))):
        house.line.unseen = frozenset({away})
        assert _seen(house, here) == 0
        assert house.survey().taken == 0


def test_what_is_compared_while_a_root_goes_is_not_judged_until_that_is_known(house: House) -> None:
    """The line still counts on the root, and its folder is gone by now: that tells nothing of what is in there."""
    _back(house)
    _seen(house, USB)
    usb = house.nas.roots[1]
    away = usb.path.rename(usb.path.with_name("unplugged"))
    house.nas.put("copy (2).jpg", PICTURE)
    house.take("copy (2).jpg")
    (error,) = house.failures
    assert isinstance(error, RootError)
    assert error.root == usb.id, "not that of the copy"
    photos, place = house.nas.index.photos, PurePosixPath("copy (2).jpg")
    found = photos.at(house.nas.root.id, place)
    assert found is not None
    assert (photos.judged(found.id), house.said) == (Judged.NOT_YET, [])
    away.rename(usb.path)
    house.take("copy (2).jpg")
    assert house.actions() == [Action.HELD]


def test_what_came_while_two_roots_were_away_waits_for_each(house: House) -> None:
    nas = Path("/nas")
    house.line.unseen = frozenset({USB, nas})
    house.nas.put("late.jpg", stored(scene(3, (160, 120)), quality=90))
    house.take("late.jpg")
    house.line.unseen = frozenset({USB})
    assert _seen(house, nas) == 1
    assert house.survey().taken == 1
    assert _seen(house, nas) == 0
    _back(house)
    assert _seen(house, USB) == 3


def test_a_look_alike_that_was_reported_meanwhile_is_judged_again_too(house: House) -> None:
    photos, root = house.nas.index.photos, house.nas.root.id
    almost = stored(scene(1, (160, 120), frame=2), quality=90)
    house.nas.put("almost.jpg", almost)
    house.nas.put("first.jpg", PICTURE, mtime_ns=10**18)
    house.take("first.jpg", "almost.jpg")
    found = photos.at(root, PurePosixPath("almost.jpg"))
    assert found is not None
    assert house.actions()[-1] is Action.REVIEW
    assert photos.judged(found.id) is Judged.PARTLY_OPEN


def test_what_is_itself_on_a_disk_that_is_away_is_judged_when_both_are_there(house: House) -> None:
    """Two disks that take turns cost nothing at each turn, and are compared at the first that both are there for."""
    nas, usb = house.nas, house.nas.roots[1]
    house.line.roots = {usb.id: usb}
    house.line.unseen = frozenset({nas.root.path})
    nas.put("new.jpg", OTHER, usb)
    house.belt.add(Found(usb.id, PurePosixPath("new.jpg")))
    house.run()
    assert _judged(house, "new.jpg", usb) is Judged.PARTLY
    for _ in range(2):
        assert _seen(house, USB) == 0, "what lacks it is not there"
        house.line.roots = {nas.root.id: nas.root}
        assert _seen(house, nas.root.path) == 0
        house.line.roots = {usb.id: usb}
        assert (_scan(house, usb), house.survey().taken) == (0, 0)
    house.line.roots = {usb.id: usb, nas.root.id: nas.root}
    house.line.unseen = frozenset()
    assert _seen(house, USB, nas.root.path) == 3
    assert _scan(house, usb) == 1
    assert _scan(house) == 1, "the other was set aside for that"
    assert len(nas.held()) == 2
    assert _seen(house, USB, nas.root.path) == 0


def test_the_settings_of_an_index_without_any_are_read(nas: Nas) -> None:
    assert seen_again(nas.index, [nas.root.id], [USB]) == 0


def test_a_root_that_comes_back_during_a_proof_is_asked_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.nas.put("almost.jpg", stored(scene(1, (160, 120), frame=2), quality=90))
    house.take("almost.jpg")
    proving = house.workers.prove
    asked: list[int] = []

    def prove(fd: int, other: int, priority: Priority = "arrival") -> Future[Evidence]:
        if not asked:
            _back(house)
            _seen(house, USB)
        asked.append(fd)
        return proving(fd, other, priority)

    monkeypatch.setattr(house.workers, "prove", prove)
    house.nas.put("third.jpg", stored(scene(1, (160, 120)), quality=90, comment=b"third"))
    house.take("third.jpg")
    assert len(asked) > 1
    found = house.nas.index.photos.at(house.nas.root.id, PurePosixPath("third.jpg"))
    assert found is None, "it was compared with what is in the root that is back, and is a copy of that"
