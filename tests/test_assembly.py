"""Which roots are watched: those of the configuration, also while they are away; of others nothing is counted on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from twinwatch.config import Config, defaults
from twinwatch.errors import RootError
from twinwatch.index import Index, Judged, MoveRow, MoveState
from twinwatch.ingest.unseen import judged
from twinwatch.photo import ContentDigest, FileStat, Reading, RootId
from twinwatch.roots import MARKER
from twinwatch.service.assembly import Assembly

_STAT = FileStat(0, 1, 1, 1, 1, 1, 1)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("one", "other", "former")]
    for folder in made:
        folder.mkdir()
    (tmp_path / "state").mkdir()
    looked_at(tmp_path, defaults(made))
    return made


def looked_at(tmp_path: Path, config: Config, *left_alone: Path, whole: bool = True) -> set[Path] | None:
    """Look at every root; return the paths of those that count as watched, None when all do that are known."""

    alone = frozenset(left_alone)
    with Assembly(
        config, tmp_path / "state", report=_ignored, failed=_ignored, whole=whole, left_alone=alone
    ) as assembly:
        before = assembly.line.watched
        for watched in assembly.watched:
            assembly.look(watched)
        found = assembly.line.watched
    assert before is None, "which they are is not known before they were looked at"
    return None if found is None else {paths(tmp_path)[root] for root in found}


def paths(tmp_path: Path) -> dict[RootId, Path]:
    index = Index(tmp_path / "state")
    try:
        return {record.id: Path(record.path) for record in index.roots()}
    finally:
        index.close()


def test_a_root_that_is_not_configured_any_more_is_not_watched(tmp_path: Path, folders: list[Path]) -> None:
    one, other, _ = folders
    assert looked_at(tmp_path, defaults([one, other])) == {one, other}


def test_a_root_that_is_away_is_watched(tmp_path: Path, folders: list[Path]) -> None:
    one, other, _ = folders
    other.rename(tmp_path / "unplugged")
    assert looked_at(tmp_path, defaults([one, other])) == {one, other}


def test_a_root_that_is_away_is_known_by_the_link_that_leads_to_it(tmp_path: Path, folders: list[Path]) -> None:
    one, other, _ = folders
    link = tmp_path / "link"
    link.symlink_to(other)
    other.rename(tmp_path / "unplugged")
    assert looked_at(tmp_path, defaults([one, link])) == {one, other}


def test_while_a_disk_hangs_every_root_that_is_known_counts(tmp_path: Path, folders: list[Path]) -> None:
    """Links are not followed then, so it is not known which root it is."""
    one, other, _ = folders
    assert looked_at(tmp_path, defaults([one, other]), other) is None


def test_of_a_scan_of_some_folders_others_may_be_watched_too(tmp_path: Path, folders: list[Path]) -> None:
    assert looked_at(tmp_path, defaults(folders[:1]), whole=False) is None


def test_what_is_recorded_and_not_looked_at_is_unseen_until_it_is(tmp_path: Path, folders: list[Path]) -> None:
    """Taken out of the configuration, not asked for by a scan, or away: of each it may be the original's place."""
    one, other, former = folders
    other.rename(tmp_path / "unplugged")
    link = tmp_path / "link"
    link.symlink_to(other)
    with Assembly(defaults([one, link]), tmp_path / "state", report=_ignored, failed=_ignored) as assembly:
        here, away = assembly.watched
        for watched in assembly.watched:
            assembly.look(watched)
        assert assembly.line.unseen == {other, former}
        (tmp_path / "unplugged").rename(other)
        assembly.look(away)
        assert assembly.line.unseen == {former}
        assert here.root is not None
        assembly.leave(here.root)
        assert assembly.line.unseen == {one, former}


def test_what_was_judged_without_a_root_is_judged_again_by_whatever_link_it_is_given(
    tmp_path: Path, folders: list[Path]
) -> None:
    one, other, _ = folders
    link = tmp_path / "link"
    link.symlink_to(other)
    with Assembly(defaults([one, link]), tmp_path / "state", report=_ignored, failed=_ignored) as assembly:
        here, linked = assembly.watched
        assembly.look(here)
        assert here.id is not None
        reading, photos = Reading(ContentDigest(b"d" * 32), None, None), assembly.index.photos
        photo = photos.record(here.id, PurePosixPath("a.jpg"), _STAT, reading, arrived=True)
        judged(assembly.index, photo.id, assembly.line.unseen)
        assert assembly.seen_again() == 0
        assembly.look(linked)
        assert assembly.seen_again() == 1
        assert photos.judged(photo.id) is Judged.NOT_YET


def test_only_what_is_no_longer_excluded_is_judged_again_and_not_read(tmp_path: Path, folders: list[Path]) -> None:
    root = folders[0]
    places = ["Archive/a.jpg", "Archive/deep/b.jpg", "Archive/scan.png", "Other/c.jpg", "d.jpg"]

    def configured(*patterns: str) -> Config:
        return replace(defaults([root]), exclude=patterns)

    looked_at(tmp_path, configured("archive/", "other/", "scan.*"))
    index = Index(tmp_path / "state")
    record = index.root_at(root)
    assert record is not None
    for number, place in enumerate(places):
        reading = Reading(ContentDigest(bytes([number]) * 32), None, None)
        photo = index.photos.record(record.id, PurePosixPath(place), _STAT, reading, arrived=False)
        index.photos.set_judged(photo.id, Judged.OPEN if number else Judged.DONE)
    index.close()
    looked_at(tmp_path, configured("scan.*", "other/"))
    index = Index(tmp_path / "state")
    photos = {place: index.photos.at(record.id, PurePosixPath(place)) for place in places}
    again = {place for place, photo in photos.items() if photo and index.photos.judged(photo.id) is Judged.NOT_YET}
    assert again == {"Archive/a.jpg", "Archive/deep/b.jpg"}
    assert {photo and photo.stat for photo in photos.values()} == {_STAT}
    index.close()


def test_what_is_left_half_done_is_found_by_the_disk_and_by_the_journal(tmp_path: Path) -> None:
    """Where there is neither a quarantine nor a move there is nothing to look for; either alone is looked into."""
    root, state = tmp_path / "root", tmp_path / "state"
    for folder in (root, state):
        folder.mkdir()

    def recovered() -> list[tuple[str, MoveState]]:
        with Assembly(defaults([root]), state, report=_ignored, failed=_ignored, hold=False) as assembly:
            (watched,) = assembly.watched
            assembly.look(watched)
            return [(one.slot, one.outcome) for one in assembly.recover(watched)]

    assert recovered() == []
    index = Index(state)
    (record,) = index.roots()
    assert record.quarantine is not None
    place = Path(record.quarantine)
    assert not place.exists()
    digest = ContentDigest(b"d" * 32)
    path = PurePosixPath("a.jpg")
    row = MoveRow("s", root, place, path, root, path, digest, digest, "identical", 1, 1.0, MoveState.MOVING)
    index.journal.enter(row)
    index.close()
    assert recovered() == [("s", MoveState.CANCELLED)]  # by the journal alone
    assert recovered() == []
    (place / "lost").mkdir(parents=True)
    (place / "lost" / "photo.jpg").touch()
    assert recovered() == [("lost", MoveState.MISSING)]  # by the disk alone


def test_of_a_root_that_is_not_the_recorded_one_nothing_is_believed_at_recovery(tmp_path: Path) -> None:
    root, state = tmp_path / "root", tmp_path / "state"
    for folder in (root, state):
        folder.mkdir()
    with Assembly(defaults([root]), state, report=_ignored, failed=_ignored) as assembly:
        (watched,) = assembly.watched
        assembly.look(watched)
        (root / MARKER).unlink()
        with pytest.raises(RootError):
            assembly.recover(watched)


def _ignored(*_: object) -> None:
    return None
