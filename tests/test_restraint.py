"""What a person says is heeded up to the last moment before a move: what is excluded, which two may both stay."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from PIL import Image

from tests.drawing import scene, stored
from tests.nas import NOW, Nas, digest_of
from tests.statements import hear
from tests.test_ingest import Counting, House
from twinwatch.brake import Limits
from twinwatch.index import Index
from twinwatch.ingest import PAUSED, Action, resume
from twinwatch.ingest.restraint import held_back
from twinwatch.naming import Exclusions
from twinwatch.photo import Evidence
from twinwatch.workers import Priority

PICTURE = stored(scene(1, (160, 120)), quality=90)
PRIVATE = Exclusions(("Private",))


def as_png(picture: bytes) -> bytes:
    """Return the same pixels in another format: nothing but a proof tells that it is a copy."""
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(out, "PNG")
    return out.getvalue()


class Meanwhile(Counting):
    """The real workers, and a person who does something while a proof is under way."""

    happens: Callable[[], None] | None = None

    def prove(self, fd_a: int, fd_b: int, priority: Priority = "arrival") -> Future[Evidence]:
        if self.happens is not None:
            self.happens()
        return super().prove(fd_a, fd_b, priority)


@pytest.fixture(scope="module")
def workers() -> Iterator[Meanwhile]:
    with Meanwhile(1) as made:
        yield made


@pytest.fixture
def house(nas: Nas, workers: Meanwhile) -> House:
    workers.happens = None
    return House(nas, workers)


def exclude(house: House, exclusions: Exclusions = PRIVATE) -> None:
    nas = house.nas
    nas.root = replace(nas.root, exclusions=exclusions)
    house.line.roots = {nas.root.id: nas.root}


@pytest.mark.parametrize("content", [PICTURE, as_png(PICTURE)], ids=["better", "the same bytes"])
def test_what_was_excluded_after_it_was_read_is_neither_moved_nor_compared(house: House, content: bytes) -> None:
    house.nas.put("Private/mine.png", as_png(PICTURE))
    house.take("Private/mine.png")
    exclude(house)
    house.nas.put("lib/IMG_1.jpg", content)
    house.take("lib/IMG_1.jpg", "Private/mine.png")
    house.survey()
    assert (house.nas.held(), len(house.nas.tree())) == ([], 2)
    assert house.workers.proofs == 0
    exclude(house, Exclusions())
    house.nas.put("later.jpg", content)
    house.take("later.jpg")
    assert len(house.nas.held()) > 0


@pytest.mark.parametrize("name", ["Private/mine.png", "private/2024/mine.png", "lib/PRIVATE"])
def test_a_file_waiting_to_be_taken_is_not_looked_at_when_it_is_excluded_meanwhile(house: House, name: str) -> None:
    house.nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    house.nas.put(name, PICTURE)
    exclude(house)
    house.take(name)
    assert house.nas.index.photos.at(house.nas.root.id, PurePosixPath(name)) is None
    assert house.nas.held() == []


def test_what_is_excluded_while_it_is_proved_stays(house: House, workers: Meanwhile) -> None:
    house.nas.put("Private/mine.png", as_png(PICTURE))
    house.take("Private/mine.png")
    workers.happens = lambda: exclude(house)
    house.nas.put("lib/IMG_1.jpg", PICTURE)
    house.take("lib/IMG_1.jpg")
    assert house.nas.held() == []
    assert [(said.action, said.why) for said in house.said[1:]] == [(Action.REVIEW, "it is excluded by now")]


def test_two_that_a_person_keeps_while_they_are_proved_both_stay(house: House, workers: Meanwhile) -> None:
    nas = house.nas
    one, other = nas.put("IMG_1.jpg", PICTURE), nas.put("IMG_1.png", as_png(PICTURE))
    house.take("IMG_1.jpg")
    workers.happens = lambda: nas.index.memory.allow(digest_of(one), digest_of(other), NOW)
    house.take("IMG_1.png")
    assert nas.held() == []
    assert "both may stay" in house.said[-1].why


def test_the_same_pair_is_moved_when_nobody_says_anything(house: House) -> None:
    house.nas.put("IMG_1.jpg", PICTURE)
    house.nas.put("IMG_1.png", as_png(PICTURE))
    house.take("IMG_1.jpg", "IMG_1.png")
    assert house.nas.held() == [as_png(PICTURE)]


def test_what_a_person_forgot_is_set_aside_from_the_same_place_as_for_the_first_time(
    nas: Nas, workers: Meanwhile
) -> None:
    workers.happens = None
    house = House(nas, workers, Limits(max_returns=1))
    keeper = nas.put("IMG_1.jpg", PICTURE)
    for _ in range(2):
        nas.put("IMG_1 (1).jpg", PICTURE)
        house.take("IMG_1.jpg", "IMG_1 (1).jpg")
        nas.forget(keeper)
    assert house.failures == []
    assert nas.held() == [PICTURE, PICTURE]


def test_each_move_of_a_root_counts_once_for_its_share(nas: Nas, workers: Meanwhile) -> None:
    workers.happens = None
    house = House(nas, workers, Limits(share_from=4, max_share=0.01))
    names = ["IMG_1.jpg", *(f"IMG_1 ({number}).jpg" for number in range(2, 9))]
    for name in names:
        nas.put(name, PICTURE)
    house.take(*names)
    assert len(nas.held()) == 4


def test_the_moves_of_a_root_count_for_its_share_as_long_as_the_window_is(nas: Nas, workers: Meanwhile) -> None:
    workers.happens = None
    house = House(nas, workers, Limits(share_from=4, max_share=0.01, window_minutes=60))
    now = [NOW]
    house.line._clock = nas.holder._clock = lambda: now[0]
    names = ["IMG_1.jpg", *(f"IMG_1 ({number}).jpg" for number in range(2, 8))]
    for name in names:
        nas.put(name, PICTURE)
    for seconds, held in ((0, 4), (3590, 4), (3605, 6)):
        now[0] = NOW + seconds
        nas.index.memory.set_setting(PAUSED, None)
        house.survey()
        assert len(nas.held()) == held


def test_who_looks_while_a_person_resumes_sees_the_pause_or_what_is_forgiven(nas: Nas) -> None:
    """Else it would pause anew, on another connection, while the person is told that moving goes on."""
    nas.put("a.jpg", PICTURE)
    for number in range(3):
        nas.put(f"a ({number}).jpg", PICTURE)
    for number in range(2):
        nas.hold(f"a ({number}).jpg", "a.jpg")
    move, limits = nas.move("a (2).jpg", "a.jpg"), Limits(max_moves=2)
    assert "moving is paused" in held_back(nas.index, move, nas.root, limits, NOW)
    seen: list[str] = []
    with closing(Index(nas.state)) as daemon:

        def look(statement: str) -> None:
            if statement in ("BEGIN IMMEDIATE", "COMMIT") and "looks" not in seen:
                seen.append("looks")  # its own statements are heard too
                seen[-1] = held_back(daemon, move, nas.root, limits, NOW)

        end = hear(look)
        try:
            assert resume(nas.index, NOW) is not None
        finally:
            end()
        assert held_back(daemon, move, nas.root, limits, NOW) == ""
    assert len(seen) > 1
