"""Which task a lane takes: arrivals first, then first come first served, unless it knows a later one's pictures."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from twinwatch.workers.tasks import ARRIVAL, BULK, Memory, Picture, Queue, Task, advantage


def picture(number: int) -> Picture:
    return 1, number, 1000, 0


def task(*numbers: int, rank: int = BULK) -> Task:
    return Task(rank, "prove", (), 1.0, dict, Future(), pictures=tuple(map(picture, numbers)))


def memory(*numbers: int) -> Memory:
    made = Memory()
    made.add(task(*numbers))
    return made


def taken(queue: Queue, own: Memory, *others: Memory) -> Task:
    return queue.take(lambda waits: advantage(waits, own, others))


def filled(*tasks: Task) -> Queue:
    queue = Queue()
    for one in tasks:
        queue.add(one)
    return queue


def test_first_come_first_served_where_nobody_knows_more() -> None:
    tasks = [task(), task(1, 2), task(3, 4), task()]
    queue = filled(*tasks)
    assert [taken(queue, memory(), memory()) for _ in tasks] == tasks
    assert len(queue) == 0
    assert queue.rank is None


def test_a_lane_takes_the_proof_whose_pictures_it_knows() -> None:
    other, reading, known = task(1, 2), task(), task(3, 4)
    assert taken(filled(other, reading, known), memory(3), memory()) is known


def test_a_lane_leaves_a_proof_to_the_one_that_knows_its_pictures_while_there_is_other_work() -> None:
    theirs, reading = task(1, 2), task()
    queue = filled(theirs, reading)
    assert taken(queue, memory(1), memory(1, 2)) is reading
    assert taken(queue, memory(1), memory(1, 2)) is theirs  # it does not wait for them


@pytest.mark.parametrize("others", [(), (memory(1, 2),)])
def test_a_picture_that_all_know_decides_nothing(others: tuple[Memory, ...]) -> None:
    reading, both = task(), task(1, 2)
    assert taken(filled(reading, both), memory(1, 2), *others) is reading


def test_arrivals_go_before_bulk_work_whoever_knows_it() -> None:
    known, arrival = task(1, 2), task(3, 4, rank=ARRIVAL)
    queue = filled(known, arrival)
    assert queue.rank == ARRIVAL
    assert taken(queue, memory(1, 2), memory()) is arrival


def test_nothing_is_overtaken_for_ever() -> None:
    first = task()
    queue = filled(first, *(task(1, 2) for _ in range(30)))
    order = [taken(queue, memory(1, 2), memory()) for _ in range(31)]
    assert order.index(first) == 6


def test_what_was_compared_last_is_remembered() -> None:
    long_ago = memory(*range(100))
    long_ago.add(task(80))
    long_ago.add(task(*range(200, 249)))
    assert long_ago.unknown(task(80, 222)) == 0
    assert long_ago.unknown(task(81, 99)) == 2
    long_ago.clear()
    assert long_ago.unknown(task(80, 222)) == 2


def test_what_was_read_is_remembered_beside_what_was_compared() -> None:
    own = memory(1, 2)
    reading = task(3)
    reading.job = "read"
    own.add(reading)
    assert own.unknown(task(1, 3)) == 0
    for number in range(100, 140):
        reading = task(number)
        reading.job = "read"
        own.add(reading)
    assert own.unknown(task(1, 3)) == 1, "many readings push out readings only"
    own.clear()
    assert own.unknown(task(1, 139)) == 2
