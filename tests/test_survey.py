"""One walk over a root: what it counts, what it hands on, what it believes to be gone and what it does not."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import PurePosixPath

import pytest

from tests.mounting import as_root, tmpfs
from tests.nas import NOW, Nas
from twinwatch.brake import Limits
from twinwatch.index import Index, Judged
from twinwatch.ingest import Found, Survey
from twinwatch.photo import PhotoId, Reading
from twinwatch.roots import Health
from twinwatch.syscalls import file_stat


def walk(nas: Nas, below: str = ".", *, again: bool = False) -> tuple[Survey, list[str]]:
    """Walk over a root, or a folder of it; return what was found out and the paths to take."""
    survey = Survey(nas.root, nas.index, Limits(), lambda: NOW, PurePosixPath(below), again=again)
    return survey, took(survey)


def took(survey: Survey) -> list[str]:
    return sorted(str(found.path) for found in survey.files() if isinstance(found, Found))


def know(nas: Nas, *paths: str, judged: Judged = Judged.DONE) -> PhotoId:
    """Let the index know files as they are; return the number of the last."""
    last = PhotoId(0)
    for path in paths:
        stat = file_stat(os.stat(nas.root.path / path))
        reading = Reading(nas.photo(path).reading.digest, None, None)
        last = nas.index.photos.record(nas.root.id, PurePosixPath(path), stat, reading, arrived=False).id
        nas.index.photos.set_judged(last, judged)
    nas.index.commit()
    return last


def known(nas: Nas) -> list[str]:
    folders = nas.index.photos.folders(nas.root.id, PurePosixPath())
    return sorted(
        str(folder / name) for folder in folders for name in nas.index.photos.in_folder(nas.root.id, folder, *Judged)
    )


@pytest.fixture
def cloud(nas: Nas) -> Nas:
    """Two photos, something else, and a photo of which the disk has the size only."""
    nas.put("a.jpg", b"x" * 100)
    nas.put("b/c.jpg", b"y" * 23)
    nas.put("b/notes.txt", b"no picture")
    with (nas.root.path / "cloud.jpg").open("wb") as file:
        file.truncate(5000)
    return nas


def test_what_is_counted_and_taken(cloud: Nas) -> None:
    survey = Survey(cloud.root, cloud.index, Limits(), lambda: NOW)
    assert survey.ahead() == (2, 123)
    assert took(survey) == ["a.jpg", "b/c.jpg"]
    assert (survey.folders, survey.pictures, survey.bytes, survey.placeholders) == (2, 3, 5123, 1)
    assert (survey.taken, survey.taken_bytes, survey.vanished) == (2, 123, 0)
    assert (survey.troubles, survey.mounts, survey.orphaned, survey.failure) == ([], [], [], None)


def test_what_is_known_is_counted_and_not_taken(cloud: Nas) -> None:
    know(cloud, "a.jpg", "b/c.jpg")
    survey, paths = walk(cloud)
    assert paths == []
    assert (survey.pictures, survey.bytes, survey.placeholders) == (3, 5123, 1)
    assert (survey.taken, survey.taken_bytes, survey.ahead()) == (0, 0, (0, 0))


def test_what_was_only_reported_is_taken_again_when_that_is_asked_for(nas: Nas) -> None:
    nas.put("done.jpg", b"x")
    nas.put("open.jpg", b"y")
    know(nas, "done.jpg")
    know(nas, "open.jpg", judged=Judged.OPEN)
    assert walk(nas)[1] == []
    assert walk(nas, again=True)[1] == ["open.jpg"]


def test_what_may_still_change_is_handed_over_and_not_taken(nas: Nas) -> None:
    nas.put("busy.jpg", b"x")
    nas.put("quiet.jpg", b"yy")
    asked = []

    def unsettled(found: Found, stat: object) -> bool:
        asked.append((str(found.path), getattr(stat, "size", None)))
        return found.path.name == "busy.jpg"

    survey = Survey(nas.root, nas.index, Limits(), lambda: NOW, unsettled=unsettled)
    assert took(survey) == ["quiet.jpg"]
    assert sorted(asked) == [("busy.jpg", 1), ("quiet.jpg", 2)]
    assert (survey.taken, survey.taken_bytes) == (1, 2)


def test_what_is_gone_is_forgotten_also_with_its_folder(nas: Nas) -> None:
    for path in ("a.jpg", "b/stays.jpg", "b/goes.jpg", "c/d/goes.jpg"):
        nas.put(path, path.encode())
    know(nas, "a.jpg", "b/stays.jpg", "b/goes.jpg", "c/d/goes.jpg")
    for path in ("b/goes.jpg", "c/d/goes.jpg"):
        (nas.root.path / path).unlink()
    (nas.root.path / "c/d").rmdir()
    survey, _ = walk(nas)
    assert survey.vanished == 2
    assert known(nas) == ["a.jpg", "b/stays.jpg"]
    with closing(Index(nas.state)) as another:
        assert another.photos.count() == 2, "for good, as others see it"


@as_root
def test_what_a_mount_hides_is_not_gone(nas: Nas) -> None:
    for path in ("a.jpg", "b/c.jpg", "b/d/e.jpg"):
        nas.put(path, path.encode())
    know(nas, "a.jpg", "b/c.jpg", "b/d/e.jpg")
    with tmpfs(nas.root.path / "b"):
        survey, _ = walk(nas)
        assert survey.mounts == [str(nas.root.path / "b")]
    assert survey.vanished == 0
    assert known(nas) == ["a.jpg", "b/c.jpg", "b/d/e.jpg"]


def test_a_walk_over_one_folder_says_nothing_of_the_others(nas: Nas) -> None:
    for path in ("a.jpg", "b/c.jpg", "b/d/e.jpg"):
        nas.put(path, path.encode())
    know(nas, "a.jpg", "b/c.jpg", "b/d/e.jpg")
    nas.put("new.jpg", b"new")
    nas.put("b/new.jpg", b"new")
    for path in ("a.jpg", "b/c.jpg"):
        (nas.root.path / path).unlink()
    survey, paths = walk(nas, "b")
    assert (paths, survey.vanished, survey.folders) == (["b/new.jpg"], 1, 2)
    assert known(nas) == ["a.jpg", "b/d/e.jpg"]
    assert not nas.index.is_level(nas.root.id)


def test_a_root_is_level_once_it_was_walked_to_its_end(nas: Nas) -> None:
    nas.put("a.jpg", b"x")
    assert not nas.index.is_level(nas.root.id)
    walk(nas)
    assert nas.index.is_level(nas.root.id)
    assert [record.level_at for record in nas.index.roots()] == [NOW]
    later = Survey(nas.root, nas.index, Limits(), lambda: NOW + 1)
    took(later)
    assert [record.level_at for record in nas.index.roots()] == [NOW]


def test_of_a_root_that_was_let_go_of_meanwhile_nothing_is_believed(nas: Nas) -> None:
    for path in ("a.jpg", "b/c.jpg"):
        nas.put(path, path.encode())
    know(nas, "a.jpg")
    (nas.root.path / "a.jpg").unlink()
    ends: list[Survey] = []
    survey = Survey(nas.root, nas.index, Limits(), lambda: NOW, done=ends.append, left=lambda: True)
    took(survey)
    assert (ends, survey.failure, survey.vanished) == ([survey], None, 0)
    assert known(nas) == ["a.jpg"]
    assert not nas.index.is_level(nas.root.id)


def test_what_is_not_downloaded_before_a_root_is_level_is_no_arrival_later(cloud: Nas) -> None:
    walk(cloud)
    assert not cloud.index.is_arrival(cloud.root.id, PurePosixPath("cloud.jpg"))
    assert cloud.index.is_arrival(cloud.root.id, PurePosixPath("new.jpg"))
    with (cloud.root.path / "later.jpg").open("wb") as file:
        file.truncate(5000)
    walk(cloud)
    assert cloud.index.is_arrival(cloud.root.id, PurePosixPath("later.jpg")), "it came when the root was level"


@as_root
def test_what_a_mount_hid_is_no_arrival_until_it_was_walked_once(nas: Nas) -> None:
    nas.put("b/c/d.jpg", b"x")
    with tmpfs(nas.root.path / "b"):
        walk(nas)
    hidden = PurePosixPath("b/c/d.jpg")
    assert nas.index.is_level(nas.root.id)
    assert not nas.index.is_arrival(nas.root.id, hidden)
    seen = Survey(nas.root, nas.index, Limits(), lambda: NOW)
    for found in seen.files():
        if isinstance(found, Found):
            assert not nas.index.is_arrival(nas.root.id, found.path)
    assert nas.index.is_arrival(nas.root.id, hidden)


def test_who_waits_for_the_end_is_told_whatever_it_was(nas: Nas) -> None:
    ends: list[Survey] = []
    nas.put("a.jpg", b"x")
    well = Survey(nas.root, nas.index, Limits(), lambda: NOW, done=ends.append)
    took(well)
    (nas.root.path / ".twinwatch/root.json").unlink()
    know(nas, "a.jpg")
    badly = Survey(nas.root, nas.index, Limits(), lambda: NOW, done=ends.append)
    assert took(badly) == []
    assert ends == [well, badly]
    assert well.failure is None
    assert badly.failure is not None
    assert badly.failure.health is Health.UNMARKED
    assert (badly.ahead(), known(nas)) == ((0, 0), ["a.jpg"])


def test_a_root_that_loses_many_is_emptied_and_keeps_what_is_known(nas: Nas) -> None:
    paths = [f"{number}.jpg" for number in range(25)]
    for path in paths:
        nas.put(path, path.encode())
    know(nas, *paths)
    for path in paths[:22]:
        (nas.root.path / path).unlink()
    survey, _ = walk(nas)
    assert survey.failure is not None
    assert survey.failure.health is Health.EMPTIED
    assert "22 of its photos" in str(survey.failure)
    assert (survey.vanished, known(nas)) == (0, sorted(paths))
