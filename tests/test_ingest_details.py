"""The straight line in its details: what is compared, what is believed of it afterwards, what is noted and told."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from tests.drawing import scene, stored
from tests.hostile_jobs import HUNGRY, SLOW
from tests.nas import NOW, Nas
from tests.test_ingest import House, Troubled, taken
from tests.test_restraint import Meanwhile, as_png
from twinwatch.brake import Limits
from twinwatch.errors import MoveRefusedError, PhotoChangedError
from twinwatch.index import Judged, MoveRow
from twinwatch.ingest import PAUSED, Action, Found, Line, Survey
from twinwatch.ingest.proving import MAX_PROOFS
from twinwatch.photo import Evidence, FileStat, Photo, Reading, Verdict
from twinwatch.roots import Root
from twinwatch.syscalls import file_stat
from twinwatch.verdict import Move, Policy
from twinwatch.workers import Priority

PICTURE = stored(scene(1, (160, 120)), quality=90)
OTHER = stored(scene(2, (160, 120)), quality=90)
ALMOST = stored(scene(1, (160, 120), frame=2), quality=90)


@pytest.fixture(scope="module")
def workers() -> Iterator[Meanwhile]:
    with Meanwhile(1) as made:
        yield made


@pytest.fixture
def house(nas: Nas, workers: Meanwhile) -> House:
    workers.happens, workers.proofs = None, 0
    return House(nas, workers)


def known(house: House, path: str) -> Photo:
    """Return what the index has of a photo that is there."""
    found = house.nas.index.photos.at(house.nas.root.id, PurePosixPath(path))
    assert found is not None
    return found


def judged(house: House, path: str) -> Judged:
    """Tell how far a photo is judged."""
    return house.nas.index.photos.judged(known(house, path).id)


def sparse(nas: Nas, path: str) -> None:
    """Put a file of which no byte is on the disk, as sync clients leave one whose content is in the cloud."""
    os.truncate(nas.put(path, b""), 1 << 20)


def reads_as(house: House, content: bytes, path: str) -> Reading:
    """Return what the workers tell of these bytes."""
    where = house.nas.put(path, content)
    with where.open("rb") as file:
        return house.workers.read(file.fileno()).result(60)


def test_without_a_retry_a_truncated_file_is_undecodable_at_once(house: House) -> None:
    house.nas.put("a.jpg", PICTURE[: len(PICTURE) // 2])
    house.take("a.jpg")
    assert [said.verdict for said in house.said] == [Verdict.UNDECODABLE]
    assert judged(house, "a.jpg") is Judged.DONE
    house.survey()
    assert len(house.said) == 1


def _forgotten(house: House) -> None:
    house.nas.index.photos.forget(house.nas.root.id, PurePosixPath("first.jpg"))


def _another_by_now(house: House) -> None:
    first = known(house, "first.jpg")
    reading = replace(first.reading, digest=reads_as(house, OTHER, "other").digest)
    house.nas.index.photos.record(first.root, first.path, first.stat, reading, arrived=True)


def _elsewhere_by_now(house: House) -> None:
    first = known(house, "first.jpg")
    house.nas.index.photos.follow(first.id, PurePosixPath("moved.jpg"), first.stat)


@pytest.mark.parametrize(
    ("happens", "proofs", "moves"), [(_forgotten, 1, 0), (_another_by_now, 2, 1), (_elsewhere_by_now, 1, 0)]
)
def test_a_keeper_that_the_index_lost_during_the_proof_is_none(
    nas: Nas, workers: Meanwhile, happens: Callable[[House], None], proofs: int, moves: int
) -> None:
    """Another line may have set it aside, or noticed that it is another picture by now: then both are compared anew."""
    tried: list[Move] = []
    workers.happens = None
    house = House(nas, workers, hold=lambda move, _root, _keeper_root: tried.append(move))

    def once() -> None:
        workers.happens = None
        happens(house)

    nas.put("first.jpg", PICTURE)
    house.take("first.jpg")
    workers.happens, workers.proofs = once, 0
    nas.put("second (1).png", as_png(PICTURE))
    house.take("second (1).png")
    assert (workers.proofs, len(tried)) == (proofs, moves)


def test_a_look_alike_is_shown_although_the_index_lost_it_during_the_proof(house: House, workers: Meanwhile) -> None:
    house.nas.put("first.jpg", PICTURE)
    house.take("first.jpg")
    workers.happens = lambda: _forgotten(house)
    house.nas.put("second.jpg", ALMOST)
    house.take("second.jpg")
    assert (workers.proofs, house.actions()) == (1, [Action.NONE, Action.REVIEW])


def _replaced(house: House) -> None:
    mine = known(house, "second.png")
    reading = replace(mine.reading, digest=reads_as(house, OTHER, "other").digest)
    house.nas.index.photos.record(mine.root, mine.path, mine.stat, reading, arrived=True)


def _renamed(house: House) -> None:
    mine = known(house, "second.png")
    house.nas.index.photos.follow(mine.id, PurePosixPath("renamed.png"), mine.stat)


@pytest.mark.parametrize("happens", [_replaced, _renamed])
def test_what_is_another_photo_after_its_proof_is_looked_at_again(
    house: House, workers: Meanwhile, happens: Callable[[House], None]
) -> None:
    house.nas.put("first.jpg", PICTURE)
    house.take("first.jpg")
    workers.happens = lambda: happens(house)
    house.nas.put("second.png", as_png(PICTURE))
    house.take("second.png")
    assert [type(error) for error in house.failures] == [PhotoChangedError]
    assert house.nas.held() == []


def test_what_another_line_set_aside_during_the_proof_is_left_to_it(house: House, workers: Meanwhile) -> None:
    house.nas.put("first.jpg", PICTURE)
    house.take("first.jpg")
    house.said.clear()
    workers.happens = lambda: house.nas.index.photos.forget(house.nas.root.id, PurePosixPath("second.png"))
    house.nas.put("second.png", as_png(PICTURE))
    house.take("second.png")
    assert (house.said, house.failures, house.nas.held()) == ([], [], [])


def test_what_another_line_set_aside_between_two_proofs_is_no_failure(house: House, workers: Meanwhile) -> None:
    for number in range(2):
        house.nas.put(f"frame {number}.jpg", stored(scene(1, (160, 120), frame=number + 3), quality=90))
    house.take("frame 0.jpg", "frame 1.jpg")
    house.said.clear()
    where = house.nas.put("second.png", as_png(PICTURE))

    def set_aside() -> None:
        where.unlink()
        house.nas.index.photos.forget(house.nas.root.id, PurePosixPath("second.png"))
        workers.happens = None

    workers.happens, workers.proofs = set_aside, 0
    house.take("second.png")
    assert workers.proofs == 1
    assert (house.said, house.failures, house.nas.held()) == ([], [], [])


@pytest.mark.parametrize("at_home", [True, False])
def test_a_placeholder_is_neither_read_nor_compared(house: House, workers: Meanwhile, at_home: bool) -> None:
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    if at_home:
        sparse(nas, "b.jpg")
        house.take("b.jpg")
        assert workers.reads == 1
        assert nas.index.photos.at(nas.root.id, PurePosixPath("b.jpg")) is None
        return
    sparse(nas, "a.jpg")
    stat = file_stat(os.stat(nas.root.path / "a.jpg"))
    first = known(house, "a.jpg")
    nas.index.photos.record(first.root, first.path, stat, first.reading, arrived=True)
    nas.put("b.png", as_png(PICTURE))
    house.take("b.png")
    assert (workers.proofs, nas.held()) == (0, [])


def test_a_newcomer_is_compared_with_so_many_and_no_more(house: House, workers: Meanwhile) -> None:
    nas = house.nas
    wanted = MAX_PROOFS + 3
    for number in range(wanted):
        nas.put(f"IMG_{number:02d}.jpg", stored(scene(4, (160, 120), frame=number), quality=90))
    house.line.radius, radius = 0, house.line.radius
    house.take(*(f"IMG_{number:02d}.jpg" for number in range(wanted)))
    house.line.radius, workers.proofs = radius, 0
    nas.put("last.jpg", stored(scene(4, (160, 120), frame=wanted), quality=90))
    house.take("last.jpg")
    assert workers.proofs == 24
    assert nas.held() == []


def test_two_frames_of_other_moments_and_all_of_the_same_are_compared(house: House, workers: Meanwhile) -> None:
    for number in range(4):
        house.nas.put(f"IMG_{number}.jpg", taken(number, second=number))
        house.nas.put(f"SAME_{number}.jpg", taken(number + 4, second=30))
    house.take(*(f"IMG_{number}.jpg" for number in range(4)), *(f"SAME_{number}.jpg" for number in range(4)))
    workers.proofs = 0
    house.nas.put("last.jpg", taken(9, second=30))
    house.take("last.jpg")
    assert workers.proofs == 4 + 2


def test_a_resident_is_moved_where_a_person_asked_for_that(nas: Nas, workers: Meanwhile) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    house = House(nas, workers)
    nas.index.set_level(nas.root.id, None)
    house.survey()
    assert nas.held() == []
    house.line = Line(
        nas.index, workers, nas.holder.hold, clock=lambda: NOW, report=house.said.append, policy=Policy(),
        limits=Limits(), move_residents=True,
    )  # fmt: skip
    assert house.line._may_move(known(house, "b (1).jpg"))
    assert not house.line._may_move(replace(known(house, "b (1).jpg"), reference=True))


def test_every_decision_is_in_the_audit_log(house: House) -> None:
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    nas.put("broken.jpg", b"no picture")
    house.take("a.jpg", "b (1).jpg", "broken.jpg")
    rows = {row.path.name: row for _, row in nas.index.memory.log()}
    assert (rows["a.jpg"].verdict, rows["a.jpg"].action, rows["a.jpg"].keeper) == ("distinct", "none", None)
    held = rows["b (1).jpg"]
    assert (held.verdict, held.action, held.keeper) == ("identical", "held", nas.root.path / "a.jpg")
    assert (held.why, held.slot) == ("the keeper is the one with the plainer name", nas.slot().name)
    assert held.evidence is not None
    assert held.evidence.measures == {"bytes": len(PICTURE)}
    assert rows["broken.jpg"].why == "unsupported: no decoder for these bytes"
    assert [(said.path.name, said.slot) for said in house.said if said.slot] == [("b (1).jpg", nas.slot().name)]


def test_a_move_is_committed_at_once(house: House) -> None:
    """What another process reads of the index, and what a crash leaves of it, has no photo that is set aside."""
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    house.take("a.jpg", "b (1).jpg")
    with closing(sqlite3.connect(f"file:{nas.state / 'index.db'}?mode=ro", uri=True)) as seen:
        assert [bytes(name) for (name,) in seen.execute("SELECT name FROM photo")] == [b"a.jpg"]


def test_a_look_alike_that_is_only_shown_is_looked_at_by_a_scan_alone(house: House) -> None:
    house.nas.put("a.jpg", PICTURE)
    house.nas.put("b.jpg", ALMOST)
    house.take("a.jpg", "b.jpg")
    assert house.actions() == [Action.NONE, Action.REVIEW]
    assert (judged(house, "a.jpg"), judged(house, "b.jpg")) == (Judged.DONE, Judged.OPEN)
    house.survey()
    assert len(house.said) == 2


def test_a_better_copy_that_must_wait_for_a_resident_leaves_both_open(house: House) -> None:
    """The resident might go, so it is the one that is shown; both were judged."""
    house.nas.index.set_level(house.nas.root.id, None)
    house.nas.put("small.jpg", stored(scene(1, (160, 120)).resize((80, 60)), quality=80))
    house.survey()
    house.nas.index.set_level(house.nas.root.id, 1.0)
    house.nas.put("large.jpg", stored(scene(1, (160, 120)), quality=95))
    house.take("large.jpg")
    assert house.said[-1].action is Action.REVIEW
    assert house.said[-1].path.name == "small.jpg"
    assert (judged(house, "small.jpg"), judged(house, "large.jpg")) == (Judged.OPEN, Judged.DONE)


def test_what_a_dry_run_would_hold_is_not_done(nas: Nas, workers: Meanwhile) -> None:
    house = House(nas, workers, hold=lambda _move, _root, _keeper_root: None)
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    house.take("a.jpg", "b (1).jpg")
    assert judged(house, "b (1).jpg") is Judged.OPEN
    assert nas.index.memory.returns(known(house, "b (1).jpg").reading.digest) is None


def test_a_move_that_is_refused_for_good_is_judged_and_one_in_a_pause_is_not(nas: Nas, workers: Meanwhile) -> None:
    def refusing(_move: Move, _root: Root, _keeper_root: Root) -> MoveRow:
        raise MoveRefusedError("not this one", "ask again")

    house = House(nas, workers, hold=refusing)
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    house.take("a.jpg", "b (1).jpg")
    assert (house.said[-1].action, house.said[-1].why) == (Action.REVIEW, "not this one: ask again")
    assert judged(house, "b (1).jpg") is Judged.OPEN
    nas.index.memory.set_setting(PAUSED, "a person wants to look")
    nas.put("c (1).jpg", PICTURE)
    house.take("c (1).jpg")
    assert "paused" in house.said[-1].why
    assert judged(house, "c (1).jpg") is Judged.NOT_YET


def test_a_pair_that_changed_at_the_last_moment_is_read_again_both(nas: Nas, workers: Meanwhile) -> None:
    def changed(_move: Move, _root: Root, _keeper_root: Root) -> MoveRow:
        raise PhotoChangedError("one of them changed", "it is compared again")

    house = House(nas, workers, hold=changed)
    told: list[Found] = []
    house.line.look_again = told.append
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    house.take("a.jpg", "b (1).jpg")
    assert sorted(found.path.name for found in told) == ["a.jpg", "b (1).jpg"]
    for name in ("a.jpg", "b (1).jpg"):
        assert (judged(house, name), known(house, name).stat.mtime_ns) == (Judged.NOT_YET, -1)
    assert len(house.failures) == 1


def test_a_candidate_that_is_not_what_the_index_says_is_read_again_and_not_compared(
    house: House, workers: Meanwhile
) -> None:
    nas = house.nas
    told: list[Found] = []
    house.line.look_again = told.append
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    nas.put("a.jpg", OTHER)
    nas.put("b.png", as_png(PICTURE))
    house.take("b.png")
    assert told == [Found(nas.root.id, PurePosixPath("a.jpg"))]
    assert (workers.proofs, nas.held()) == (0, [])


class Babbling(Meanwhile):
    """The real workers, but for the answer to one question, which is of another kind."""

    babbles = ""

    def prove(self, fd_a: int, fd_b: int, priority: Priority = "arrival") -> Future[Any]:
        return done("a proof") if self.babbles == "prove" else super().prove(fd_a, fd_b, priority)

    def read(self, fd: int, priority: Priority = "arrival") -> Future[Any]:
        return done("a reading") if self.babbles == "read" else super().read(fd, priority)

    def digest(self, fd: int, priority: Priority = "arrival") -> Future[Any]:
        return done("a digest") if self.babbles == "digest" else super().digest(fd, priority)


def done(answer: object) -> Future[Any]:
    """Return a future that has its result."""
    future: Future[Any] = Future()
    future.set_result(answer)
    return future


@pytest.mark.parametrize("what", ["prove", "read", "digest"])
def test_an_answer_of_another_kind_is_no_answer(nas: Nas, what: str) -> None:
    with Babbling(1) as workers:
        house = House(nas, workers)
        nas.put("a.jpg", PICTURE)
        house.take("a.jpg")
        workers.babbles = what
        nas.put("b.png", as_png(PICTURE) + bytes(1 << 20))
        with pytest.raises(TypeError, match=what):
            house.take("b.png")


def test_a_file_that_changed_while_it_was_compared_is_compared_again(house: House, workers: Meanwhile) -> None:
    nas = house.nas
    for number in range(2):
        nas.put(f"frame{number}.jpg", stored(scene(1, (160, 120), frame=number + 1), quality=90))
    house.take("frame0.jpg", "frame1.jpg")
    workers.happens = lambda: os.utime(nas.root.path / "late.jpg", ns=(1, 1))
    nas.put("late.jpg", stored(scene(1, (160, 120), frame=9), quality=90))
    house.take("late.jpg")
    assert [type(error) for error in house.failures] == [PhotoChangedError]


def test_a_file_that_changed_while_it_was_read_is_not_entered(house: House) -> None:
    nas = house.nas
    where = nas.put("a.jpg", PICTURE)
    take = house.line.take(Found(nas.root.id, PurePosixPath("a.jpg")))
    reading = next(take)
    os.utime(where, ns=(1, 1))
    with pytest.raises(PhotoChangedError):
        take.send(reading.result(60))
    assert nas.index.photos.at(nas.root.id, PurePosixPath("a.jpg")) is None


def test_a_file_that_is_read_again_keeps_what_was_decided(house: House, workers: Meanwhile) -> None:
    """A fingerprint of an older version is made again, and nothing else is changed."""
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    house.said.clear()
    first = known(house, "a.jpg")
    nas.index.photos.record(first.root, first.path, first.stat, replace(first.reading, fingerprint=None), arrived=True)
    nas.index.photos.set_judged(first.id)
    house.belt.add(Found(nas.root.id, PurePosixPath("a.jpg"), again=True))
    house.run()
    assert known(house, "a.jpg").reading.fingerprint == first.reading.fingerprint
    assert (house.said, judged(house, "a.jpg"), workers.reads) == ([], Judged.DONE, 2)


@pytest.mark.parametrize(("ending", "failures"), [(SLOW, 1), (HUNGRY, 1), (b"", 1), (b"nothing", 0)])
def test_a_file_that_cannot_be_read_again_keeps_its_fingerprint(
    nas: Nas, workers: Meanwhile, ending: bytes, failures: int
) -> None:
    """A bad moment, or a newer decoder that does not know it: what an older version made of it is not lost."""
    nas.put("a.jpg", ending if ending == b"nothing" else PICTURE + ending)
    house = House(nas, workers)
    house.take("a.jpg")
    first, fine = known(house, "a.jpg"), reads_as(house, PICTURE, "b.jpg")
    reading = replace(first.reading, header=fine.header, fingerprint=fine.fingerprint, trouble=None)
    nas.index.photos.refresh(first.id, reading)
    with Troubled(ending) as troubled:
        upgraded = House(nas, troubled)
        upgraded.belt.add(Found(nas.root.id, PurePosixPath("a.jpg"), again=True))
        upgraded.run()
        assert (troubled.reads, len(upgraded.failures), upgraded.said) == (1, failures, [])
    assert known(house, "a.jpg").reading == reading
    assert judged(house, "a.jpg") is Judged.DONE


def test_what_a_truncated_file_was_tried_before_counts_until_it_changes(house: House) -> None:
    tried: list[int] = []

    def retry(_found: Found, _stat: FileStat, tries: int) -> bool:
        tried.append(tries)
        return True

    house.line.retry = retry
    for length in (2000, 2001):
        house.nas.put("a.jpg", PICTURE[:length])
        house.take("a.jpg")
        house.take("a.jpg")
    assert tried == [0, 1, 0, 1]
    assert house.said == []


def test_a_broken_copy_of_a_broken_file_is_held_and_the_first_is_judged_alone(house: House) -> None:
    house.nas.put("a.jpg", b"no picture")
    house.take("a.jpg")
    assert (judged(house, "a.jpg"), house.actions()) == (Judged.DONE, [Action.NONE])
    house.nas.put("b (1).jpg", b"no picture")
    house.take("b (1).jpg")
    assert house.nas.held() == [b"no picture"]
    assert house.said[-1].verdict is Verdict.IDENTICAL


def test_one_name_of_a_file_with_two_is_no_copy_and_no_second_picture(house: House, workers: Meanwhile) -> None:
    nas = house.nas
    first = nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    os.link(first, nas.root.path / "b.jpg")
    house.take("b.jpg")
    assert workers.reads == 1
    assert judged(house, "b.jpg") is Judged.DONE
    assert known(house, "b.jpg").reading.digest == known(house, "a.jpg").reading.digest
    house.survey()
    assert len(house.said) == 1


def test_evidence_names_both_files(house: House) -> None:
    house.nas.put("first.jpg", PICTURE)
    house.nas.put("second.jpg", ALMOST)
    house.take("first.jpg", "second.jpg")
    evidence = house.said[-1].evidence
    assert isinstance(evidence, Evidence)
    assert house.said[-1].keeper == house.nas.root.path / "first.jpg"


def test_a_keeper_that_came_after_its_copy_is_judged_when_that_is_gone(house: House) -> None:
    house.nas.put("a (1).jpg", PICTURE)
    house.take("a (1).jpg")
    house.nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    assert house.nas.held() == [PICTURE]
    assert judged(house, "a.jpg") is Judged.DONE


def test_an_arrival_that_is_only_touched_stays_one(house: House) -> None:
    house.nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    house.nas.put("a.jpg", PICTURE, mtime_ns=10**18 + 99)
    house.take("a.jpg")
    assert known(house, "a.jpg").stat.mtime_ns == 10**18 + 99
    assert known(house, "a.jpg").arrived


def test_a_scan_tells_of_a_broken_copy_again_also_when_it_has_a_second_name(nas: Nas, workers: Meanwhile) -> None:
    house = House(nas, workers, hold=lambda _move, _root, _keeper_root: None)
    nas.put("a.jpg", b"no picture")
    os.link(nas.put("b (1).jpg", b"no picture"), nas.root.path / "c.jpg")
    house.take("a.jpg")
    house.take("b (1).jpg")
    house.take("c.jpg")
    assert house.actions()[-1] is Action.WOULD_HOLD
    house.said.clear()
    house.belt.add_bulk(Survey(nas.root, nas.index, Limits(), lambda: NOW, again=True).files())
    house.run()
    assert Action.WOULD_HOLD in house.actions()


def test_what_replaced_a_resident_has_come_since(house: House) -> None:
    nas = house.nas
    nas.index.set_level(nas.root.id, None)
    nas.put("b (1).jpg", OTHER)
    house.survey()
    nas.index.set_level(nas.root.id, 1.0)
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    nas.put("b (1).jpg", PICTURE)
    house.take("b (1).jpg")
    assert (nas.tree(), nas.held()) == ({"photos/a.jpg": PICTURE}, [PICTURE])


def test_a_resident_that_is_edited_before_its_root_is_level_stays_one(house: House) -> None:
    nas = house.nas
    nas.index.set_level(nas.root.id, None)
    for content in (PICTURE, OTHER):
        nas.put("a.jpg", content)
        house.take("a.jpg")
    assert not known(house, "a.jpg").arrived


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_a_file_that_is_gone_while_it_is_open_fails_alone(
    house: House, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """On NFS, when another machine deletes it; at any look at the open file: before it is read, after, at a proof."""
    house.nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    plainly = os.fstat
    looks, failing = 0, 0

    def fstat(fd: int) -> os.stat_result:
        nonlocal looks
        if os.readlink(f"/proc/self/fd/{fd}").endswith(f"/b{failing}.png"):
            looks += 1
            if looks == failing:
                raise OSError(number, os.strerror(number))
        return plainly(fd)

    monkeypatch.setattr(os, "fstat", fstat)
    while failing <= looks:
        looks, failing = 0, failing + 1
        copy = house.nas.put(f"b{failing}.png", as_png(PICTURE) + bytes(failing))
        house.take(copy.name)
        if looks >= failing:
            assert house.nas.held() == []
            assert len(house.failures) + sum(bool(said.why) for said in house.said) >= failing
            copy.unlink()
            house.survey()
    assert failing > 8
    assert len(house.nas.held()) == 1
