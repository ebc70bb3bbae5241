"""The straight line with real workers on drawn pictures: who is held, who stays, and what is never read twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import PurePosixPath

import pytest
from PIL import Image

from tests.drawing import scene, stored
from tests.e2e.running import until
from tests.hostile_jobs import BEGUN, HUNGRY, SLOW
from tests.nas import NOW, Nas
from twinwatch.brake import Limits
from twinwatch.errors import PhotoError, RootError, TwinwatchError
from twinwatch.index import Judged, MoveRow, MoveState
from twinwatch.ingest import PAUSED, Action, Belt, Found, Hold, Line, Outcome, Survey, resume
from twinwatch.ingest.orphans import WatchedRoots
from twinwatch.photo import Evidence, FileStat, Reading, Verdict
from twinwatch.quarantine import restore
from twinwatch.roots import Root
from twinwatch.verdict import Move, Policy
from twinwatch.workers import Priority, WorkerLimits, Workers

PICTURE = stored(scene(1, (160, 120)), quality=90)
OTHER = stored(scene(2, (160, 120)), quality=90)


class Counting(Workers):
    """The real workers, with a count of what they were given."""

    reads = proofs = 0

    def prove(self, fd_a: int, fd_b: int, priority: Priority = "arrival") -> Future[Evidence]:
        self.proofs += 1
        return super().prove(fd_a, fd_b, priority)

    def read(self, fd: int, priority: Priority = "arrival") -> Future[Reading]:
        self.reads += 1
        return super().read(fd, priority)


class Struck(Counting):
    """Workers of which somebody else, as the kernel out of memory, kills each one as soon as it has a picture."""

    def __init__(self) -> None:
        super().__init__(1, jobs_module="tests.hostile_jobs")

    def read(self, fd: int, priority: Priority = "arrival") -> Future[Reading]:
        self.describe().result()
        (child,) = self._children
        future = super().read(fd, priority)
        until(lambda: os.lseek(fd, 0, os.SEEK_CUR) == BEGUN, "it never had the job")
        os.kill(child.pid, signal.SIGKILL)
        return future


@pytest.fixture(scope="module")
def workers() -> Iterator[Counting]:
    with Counting(2) as made:
        yield made


class House:
    """One root that is level, and the line that takes what arrives in it."""

    def __init__(self, nas: Nas, workers: Counting, limits: Limits | None = None, hold: Hold | None = None) -> None:
        self.nas = nas
        self.workers = workers
        workers.reads = 0
        self.said: list[Outcome] = []
        self.failures: list[TwinwatchError] = []
        self.line = Line(
            nas.index,
            workers,
            hold or nas.holder.hold,
            clock=lambda: NOW,
            report=self.said.append,
            policy=Policy(),
            limits=limits or Limits(),
        )
        self.line.roots = {nas.root.id: nas.root}
        self.belt = Belt(self.line, 4, failed=lambda _, error: self.failures.append(error))
        nas.index.set_level(nas.root.id, 1.0)

    def take(self, *paths: str) -> None:
        for path in paths:
            self.belt.add(Found(self.nas.root.id, PurePosixPath(path)))
        self.run()

    def survey(self, watched: Callable[[], WatchedRoots] = lambda: None) -> Survey:
        made = Survey(self.nas.root, self.nas.index, Limits(), lambda: NOW, watched=watched)
        self.belt.add_bulk(made.files())
        self.run()
        return made

    def run(self) -> None:
        while self.belt.step(timeout=60):
            pass

    def actions(self) -> list[Action]:
        return [outcome.action for outcome in self.said]


@pytest.fixture
def house(nas: Nas, workers: Counting) -> House:
    return House(nas, workers)


def test_of_two_twins_that_arrive_together_exactly_one_is_held(house: House) -> None:
    nas = house.nas
    names = ["IMG_1.jpg", "IMG_1 (1).jpg", "IMG_1 (2).jpg", "other.jpg"]
    for name in names:
        nas.put(name, OTHER if name == "other.jpg" else PICTURE)
    house.take(*names)
    assert nas.tree() == {"photos/IMG_1.jpg": PICTURE, "photos/other.jpg": OTHER}
    assert nas.held() == [PICTURE, PICTURE]
    assert sorted(house.actions()).count(Action.HELD) == 2
    assert house.failures == []


def test_a_recompressed_copy_is_held_for_its_original(house: House) -> None:
    small = stored(scene(1, (160, 120)).resize((80, 60)), quality=80)
    house.nas.put("IMG_1.jpg", PICTURE)
    house.nas.put("chat/IMG-20240517-WA0001.jpg", small)
    house.take("IMG_1.jpg", "chat/IMG-20240517-WA0001.jpg")
    assert "photos/IMG_1.jpg" in house.nas.tree()
    assert house.nas.held() in ([small], [])  # the proof may doubt, but never takes the original


def taken(frame: int, second: int, quality: int = 92) -> bytes:
    """Return a frame of a burst as a camera stores it."""
    exif = Image.Exif()
    exif[271], exif[272] = "Maker", "Phone 12"
    exif.get_ifd(0x8769)[0x9003] = f"2024:05:17 10:11:{second:02d}"
    return stored(scene(4, (320, 240), frame=frame), quality=quality, exif=exif)


def test_a_frame_of_a_burst_is_compared_with_few_frames_of_other_moments(house: House) -> None:
    frames = 14
    for number in range(frames):
        house.nas.put(f"IMG_{number:02d}.jpg", taken(number, second=number))
    house.workers.proofs = 0
    house.take(*(f"IMG_{number:02d}.jpg" for number in range(frames)))
    assert 0 < house.workers.proofs <= frames * 2
    assert house.nas.held() == []
    copy = taken(9, second=9, quality=60)
    house.nas.put("IMG_09 (1).jpg", copy)
    house.take("IMG_09 (1).jpg")  # all frames look the same to a perceptual hash
    assert house.nas.held() == [copy]
    assert house.said[-1].keeper == house.nas.root.path / "IMG_09.jpg"


def test_a_keeper_that_vanishes_between_proof_and_hold_is_no_keeper(nas: Nas, workers: Counting) -> None:
    def vanishing(move: Move, root: Root, keeper_root: Root) -> MoveRow:
        (keeper_root.path / move.keeper.path).unlink()
        return nas.holder.hold(move, root, keeper_root)

    house = House(nas, workers, hold=vanishing)
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    house.take("a.jpg", "b.jpg")
    assert list(nas.tree().values()) == [PICTURE]
    assert nas.held() == []
    assert all(isinstance(error, PhotoError) for error in house.failures)
    assert len(house.failures) == 1


def test_a_large_byte_copy_that_arrives_is_known_without_decoding_it(house: House) -> None:
    large = PICTURE + bytes(1 << 20)
    house.nas.put("a.jpg", large)
    house.take("a.jpg")
    house.nas.put("a (1).jpg", large)
    house.nas.put("b.jpg", OTHER)
    house.take("a (1).jpg", "b.jpg")
    assert house.nas.held() == [large]
    assert house.workers.reads == 2  # of a.jpg and b.jpg
    held = house.said[-1 if house.said[-1].action is Action.HELD else -2]
    assert held.verdict is Verdict.IDENTICAL


def test_bytes_that_were_broken_before_are_read_again(house: House) -> None:
    """What is known of them may be of a decoder that was not installed then, or of a bad moment of the disk."""
    house.nas.put("a.jpg", b"no picture")
    house.take("a.jpg")
    house.nas.put("b.jpg", b"no picture")
    house.take("b.jpg")
    assert house.workers.reads == 2
    assert [outcome.verdict for outcome in house.said[:1]] == [Verdict.UNDECODABLE]


def test_an_unchanged_file_is_never_read_twice(house: House) -> None:
    house.nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    house.take("a.jpg")
    assert house.survey().taken == 0
    assert house.workers.reads == 1


def test_a_moved_or_renamed_file_is_followed_and_is_no_arrival(house: House) -> None:
    house.nas.put("a.jpg", PICTURE)
    house.nas.index.set_level(house.nas.root.id, None)
    house.survey()  # a resident
    (house.nas.root.path / "2024").mkdir()
    (house.nas.root.path / "a.jpg").rename(house.nas.root.path / "2024/b.jpg")
    house.survey()
    photo = house.nas.index.photos.at(house.nas.root.id, PurePosixPath("2024/b.jpg"))
    assert photo is not None
    assert not photo.arrived
    assert house.nas.index.photos.count() == 1
    assert house.workers.reads == 1


def test_twins_that_a_mount_numbered_anew_are_where_they_were_and_no_arrivals(house: House) -> None:
    """FAT and exFAT number files anew at each mount: of two alike residents each may get the other's number."""
    house.nas.index.set_level(house.nas.root.id, None)
    first, second = (house.nas.put(name, PICTURE) for name in ("a.jpg", "b.jpg"))
    house.survey()
    house.nas.index.set_level(house.nas.root.id, 1.0)
    first.rename(first.with_name("c"))
    second.rename(first)
    first.with_name("c").rename(second)
    for _ in range(2):
        house.survey()
    assert house.nas.slots() == []
    for name in ("a.jpg", "b.jpg"):
        photo = house.nas.index.photos.at(house.nas.root.id, PurePosixPath(name))
        assert photo is not None
        assert not photo.arrived


def test_hard_links_are_one_file_and_never_held(house: House) -> None:
    os.link(house.nas.put("a.jpg", PICTURE), house.nas.root.path / "b.jpg")
    house.take("a.jpg", "b.jpg")
    house.survey()
    assert sorted(house.nas.tree()) == ["photos/a.jpg", "photos/b.jpg"]
    assert house.nas.held() == []


def test_a_truncated_file_is_retried_and_in_the_end_undecodable(house: House) -> None:
    house.nas.put("a.jpg", PICTURE[: len(PICTURE) // 2])
    waits: list[int] = []

    def retry(_found: Found, _stat: FileStat, tries: int) -> bool:
        waits.append(tries)
        return tries < 2

    house.line.retry = retry
    for _ in range(5):
        house.take("a.jpg")
    assert waits == [0, 1, 2]
    assert [outcome.verdict for outcome in house.said] == [Verdict.UNDECODABLE]
    assert list(house.nas.tree()) == ["photos/a.jpg"]


@pytest.mark.parametrize("content", [b"not a picture at all", PICTURE[:700]])
def test_two_undecodable_files_with_the_same_bytes_do_not_stop_the_daemon(house: House, content: bytes) -> None:
    house.nas.put("a.jpg", content)
    house.nas.put("b.jpg", content)
    house.take("a.jpg", "b.jpg")
    assert house.nas.everything() == [content, content]
    assert list(house.nas.tree().values()) in ([content], [content, content])


def test_a_photo_whose_worker_was_killed_is_read_again_also_after_a_restart(nas: Nas, workers: Counting) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE + SLOW)
    with Struck() as struck:
        short_of_memory = House(nas, struck)
        short_of_memory.take("b.jpg")
        assert "SIGKILL" in str(short_of_memory.failures)
        assert short_of_memory.said == []
    again = House(nas, workers)
    again.survey()
    assert again.failures == []
    assert {outcome.verdict for outcome in again.said} == {Verdict.DISTINCT, Verdict.SAME_PIXELS}


def test_what_kills_its_worker_each_time_is_left_alone_in_the_end(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE + SLOW)
    with Struck() as struck:
        house = House(nas, struck)
        for _ in range(9):
            house.survey()
        assert struck.reads == 8
    assert [outcome.verdict for outcome in house.said] == [Verdict.UNDECODABLE]
    assert len(house.failures) == 7


class Troubled(Counting):
    """Workers to whom it is a bad moment: one has too little time, one too little memory, and one finds no picture."""

    def __init__(self, ending: bytes) -> None:
        limits = WorkerLimits(seconds=1 if ending == SLOW else 60, seconds_per_mib=0, memory_bytes=1 << 29)
        super().__init__(1, limits, jobs_module="tests.hostile_jobs")


@pytest.mark.parametrize(
    ("ending", "words"), [(SLOW, "did not answer"), (HUNGRY, "out of memory"), (b"", "UnicodeDecodeError")]
)
def test_a_photo_of_which_a_worker_could_not_tell_is_read_again(
    nas: Nas, workers: Counting, ending: bytes, words: str
) -> None:
    nas.put("a.jpg", PICTURE)
    House(nas, workers).take("a.jpg")
    nas.put("b (1).jpg", PICTURE + ending)
    with Troubled(ending) as troubled:
        bad_moment = House(nas, troubled)
        bad_moment.take("b (1).jpg")
        assert words in str(bad_moment.failures)
        assert bad_moment.said == []
    again = House(nas, workers)
    again.survey()
    assert again.failures == []
    assert again.actions() == [Action.HELD]


@pytest.mark.parametrize("ending", [SLOW, HUNGRY, b""])
def test_what_is_too_much_for_a_worker_each_time_is_left_alone_in_the_end(nas: Nas, ending: bytes) -> None:
    nas.put("a.jpg", PICTURE + ending)
    with Troubled(ending) as troubled:
        house = House(nas, troubled)
        for _ in range(5):
            house.survey()
        assert troubled.reads == 3
    assert [outcome.verdict for outcome in house.said] == [Verdict.UNDECODABLE]
    assert len(house.failures) == 2


def test_observe_moves_nothing(nas: Nas, workers: Counting) -> None:
    house = House(nas, workers, hold=lambda _move, _root, _keeper_root: None)
    nas.put("a.jpg", PICTURE)
    nas.put("b.jpg", PICTURE)
    house.take("a.jpg", "b.jpg")
    assert Action.WOULD_HOLD in house.actions()
    assert len(nas.tree()) == 2
    assert not nas.place.exists()


def test_residents_are_reported_and_stay(house: House) -> None:
    house.nas.index.set_level(house.nas.root.id, None)
    for name in ("a.jpg", "b.jpg"):
        house.nas.put(name, PICTURE)
    house.survey()
    assert len(house.nas.tree()) == 2
    assert Action.REVIEW in house.actions()


def test_a_resident_that_could_not_be_read_at_first_stays_when_it_can(house: House) -> None:
    nas, marker = house.nas, house.nas.root.path / ".twinwatch"
    nas.index.set_level(nas.root.id, None)
    nas.put("b.jpg", PICTURE)
    marker.rename(nas.folder / "away")
    house.take("b.jpg")
    assert len(house.failures) == 1
    (nas.folder / "away").rename(marker)
    nas.index.set_level(nas.root.id, 1.0)
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    house.take("b.jpg")
    assert (nas.held(), house.actions()[-1]) == ([], Action.REVIEW)
    nas.put("c.jpg", OTHER)
    house.take("c.jpg")
    nas.put("b.jpg", OTHER)
    house.take("b.jpg")
    assert nas.held() == [OTHER], "what it was replaced by has come since"


def test_a_photo_whose_root_goes_while_it_is_read_is_not_judged_without_its_twins(house: House) -> None:
    nas, root = house.nas, house.nas.root
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    nas.put("b.jpg", PICTURE + b"x")
    take = house.line.take(Found(root.id, PurePosixPath("b.jpg")))
    reading = next(take)
    del house.line.roots[root.id]
    with pytest.raises(RootError):
        take.send(reading.result(60))
    photo = nas.index.photos.at(root.id, PurePosixPath("b.jpg"))
    assert photo is not None
    assert nas.index.photos.judged(photo.id) is Judged.NOT_YET


def test_the_brake_pauses_and_after_resume_the_rest_is_moved(nas: Nas, workers: Counting) -> None:
    house = House(nas, workers, Limits(max_moves=2))
    for number in range(5):
        nas.put(f"IMG_{number}.jpg", PICTURE)
    house.survey()
    assert len(nas.held()) == 2
    assert nas.index.memory.setting(PAUSED) is not None
    house.survey()
    assert len(nas.held()) == 2
    resume(nas.index, NOW)
    house.survey()
    assert len(nas.held()) == 4
    assert list(nas.tree()) == ["photos/IMG_0.jpg"]


def test_content_that_comes_back_each_time_is_left_alone(nas: Nas, workers: Counting) -> None:
    house = House(nas, workers, Limits(max_returns=2))
    nas.put("a.jpg", PICTURE)
    house.take("a.jpg")
    for _ in range(5):
        if not (nas.root.path / "b (1).jpg").exists():
            nas.put("b (1).jpg", PICTURE)
        house.take("b (1).jpg")
    assert len(nas.held()) == 3
    assert len(nas.tree()) == 2


def test_of_twenty_twins_that_arrive_together_exactly_one_stays(house: House) -> None:
    names = [f"IMG_{number}.jpg" for number in range(20)]
    for name in names:
        house.nas.put(name, PICTURE)
    house.take(*names)
    assert list(house.nas.tree()) == ["photos/IMG_0.jpg"]
    assert len(house.nas.held()) == 19


def test_content_that_may_never_come_back_is_set_aside_once(nas: Nas, workers: Counting) -> None:
    house = House(nas, workers, Limits(max_returns=0))
    nas.put("a.jpg", PICTURE)
    for _ in range(3):
        if not (nas.root.path / "b (1).jpg").exists():
            nas.put("b (1).jpg", PICTURE)
        house.take("a.jpg", "b (1).jpg")
    assert len(nas.held()) == 1
    assert len(nas.tree()) == 2


def test_a_restored_photo_stays(house: House) -> None:
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    house.take("a.jpg", "b (1).jpg")
    restore(nas.slot(), nas.index, NOW)
    house.survey()
    house.take("b (1).jpg", "a.jpg")
    assert len(nas.tree()) == 2
    assert nas.index.journal.rows(MoveState.HELD) == []


def test_a_name_that_is_not_text_can_be_refused_and_audited(house: House) -> None:
    nas = house.nas
    strange = os.fsdecode(b"caf\xe9 (1)")
    nas.put("keeper.jpg", PICTURE)
    nas.put(f"{strange}.jpg", PICTURE)
    nas.put(f"{strange}.mov", b"a clip that the keeper has not")
    house.take("keeper.jpg", f"{strange}.jpg")
    assert len(nas.tree()) == 3
    assert house.actions().count(Action.REVIEW) == 1
    assert [line.path.name for _, line in nas.index.memory.log() if line.action == Action.REVIEW] == [f"{strange}.jpg"]


def test_what_found_no_room_is_moved_at_a_later_walk(house: House) -> None:
    nas = house.nas
    nas.put("a.jpg", PICTURE)
    nas.put("b (1).jpg", PICTURE)
    room, nas.holder.min_free_mib = nas.holder.min_free_mib, 1 << 42
    house.take("a.jpg", "b (1).jpg")
    house.survey()
    assert (len(nas.tree()), nas.held()) == (2, [])
    nas.holder.min_free_mib = room
    house.survey()
    assert nas.tree() == {"photos/a.jpg": PICTURE}
    assert nas.held() == [PICTURE]


@pytest.mark.parametrize("state", list(Judged))
def test_what_is_gone_is_forgotten_whatever_was_decided_about_it(house: House, state: Judged) -> None:
    nas = house.nas
    nas.put("gone.jpg", PICTURE)
    nas.put("stays.jpg", OTHER)
    house.take("gone.jpg", "stays.jpg")
    known = nas.index.photos.at(nas.root.id, PurePosixPath("gone.jpg"))
    assert known is not None
    nas.index.photos.set_judged(known.id, state)
    (nas.root.path / "gone.jpg").unlink()
    survey = Survey(nas.root, nas.index, Limits(), lambda: NOW, again=True)
    house.belt.add_bulk(survey.files())
    house.run()
    assert (survey.vanished, nas.index.photos.count()) == (1, 1)


def test_a_root_that_loses_many_photos_at_once_is_unknown_and_nothing_is_forgotten(house: House) -> None:
    nas = house.nas
    for number in range(30):
        nas.put(f"{number}.jpg", b"no picture %d" % number)
    house.survey()
    known = nas.index.photos.count()
    assert known == 30
    away = nas.folder / "away"
    away.mkdir()
    for path in nas.root.path.glob("*.jpg"):
        path.rename(away / path.name)
    found = house.survey()
    assert found.failure is not None
    assert nas.index.photos.count() == known
