"""The watcher on the real kernel: every event becomes a hint, our own reading none, and nothing is left behind."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ear import Ear, until
from twinwatch.watcher import Watcher
from twinwatch.watcher.watch import RootHealth


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def ear(root: Path) -> Iterator[Ear]:
    (root / "old" / "deep").mkdir(parents=True)
    listener = Ear(root)
    with listener.watcher:
        yield listener


def test_hears_a_new_file_and_its_end(ear: Ear) -> None:
    with (ear.root / "a.jpg").open("wb") as file:
        assert ear.hear("a.jpg").kind == "changed"
        file.write(b"x")
    assert ear.hear("a.jpg", "closed").root == os.fsencode(ear.root)
    assert ear.health.state == "watching"
    assert ear.health.watched == 3


def test_hears_in_folders_that_were_there(ear: Ear) -> None:
    (ear.root / "old/deep/a.jpg").write_bytes(b"x")
    ear.hear("old/deep/a.jpg", "closed")


def test_hears_an_atomic_save_by_its_final_name(ear: Ear) -> None:
    (ear.root / ".tmp").write_bytes(b"x")
    (ear.root / ".tmp").rename(ear.root / "a.jpg")
    ear.hear("a.jpg", "moved-in")
    ear.hear(".tmp", "gone")


def test_hears_links_deletes_and_new_times(ear: Ear) -> None:
    (ear.root / "a.jpg").write_bytes(b"x")
    ear.forget()
    os.link(ear.root / "a.jpg", ear.root / "b.jpg")
    ear.hear("b.jpg", "changed")
    ear.forget()
    os.utime(ear.root / "b.jpg", (1, 1))
    ear.hear("b.jpg", "changed")
    (ear.root / "b.jpg").unlink()
    ear.hear("b.jpg", "gone")


def test_names_are_bytes(ear: Ear) -> None:
    for name in (b"\xff\xfe.jpg", b"new\nline.jpg", "für.jpg".encode(), b"n" * 251 + b".jpg"):
        Path(os.fsdecode(os.path.join(os.fsencode(ear.root), name))).write_bytes(b"x")
        ear.hear(name, "closed")
    folder = os.path.join(os.fsencode(ear.root), b"\xe9t\xe9")
    os.mkdir(folder)
    ear.hear(b"\xe9t\xe9", "directory")
    Path(os.fsdecode(os.path.join(folder, b"\xff.jpg"))).write_bytes(b"x")
    ear.hear(b"\xe9t\xe9/\xff.jpg", "closed")


def test_our_own_reading_is_not_heard(ear: Ear) -> None:
    (ear.root / "old/a.jpg").write_bytes(b"x")
    ear.forget()
    for _ in range(3):
        (ear.root / "old/a.jpg").read_bytes()
        os.listdir(ear.root / "old")
        (ear.root / "old/a.jpg").stat()
    assert ear.silent() == []


def test_a_new_folder_is_said_after_it_is_watched(ear: Ear, tmp_path: Path) -> None:
    (tmp_path / "outside/a/b").mkdir(parents=True)
    (ear.root / "made").mkdir()
    (tmp_path / "outside").rename(ear.root / "new")  # comes as one: folders made one by one are said one by one
    for name, below in (("made", "made"), ("new", "new/a/b")):
        ear.hear(name, "directory")  # whoever walks it now cannot miss anything: what comes later is heard
        (ear.root / below / "late.jpg").write_bytes(b"x")
        ear.hear(f"{below}/late.jpg", "closed")


def test_files_made_at_once_with_their_folders_are_heard_or_walked(ear: Ear) -> None:
    for number in range(60):
        folder = ear.root / f"n{number}" / "x" / "y"
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(b"x")
    ear.silent()

    def covered(path: Path) -> bool:
        names = {hint.path for hint in ear.heard if hint.kind == "directory"} | {
            hint.path for hint in ear.heard if hint.kind == "closed"
        }
        relative = path.relative_to(ear.root)
        return any(os.fsencode(each) in names for each in (relative, *relative.parents))

    assert all(covered(ear.root / f"n{number}" / "x" / "y" / "a.jpg") for number in range(60))
    assert ear.health.watched == 3 + 180


def test_a_folder_moved_in_is_walked_and_watched(ear: Ear, tmp_path: Path) -> None:
    (tmp_path / "album/sub").mkdir(parents=True)
    (tmp_path / "album").rename(ear.root / "album")
    ear.hear("album", "directory")
    (ear.root / "album/sub/a.jpg").write_bytes(b"x")
    ear.hear("album/sub/a.jpg", "closed")


def test_a_folder_moved_within_is_heard_by_its_new_name_only(ear: Ear) -> None:
    (ear.root / "old").rename(ear.root / "renamed")
    ear.hear("renamed", "directory")
    ear.hear("old", "gone")
    ear.forget()
    (ear.root / "renamed/deep/a.jpg").write_bytes(b"x")
    ear.hear("renamed/deep/a.jpg", "closed")
    assert {hint.path for hint in ear.heard} == {b"renamed/deep/a.jpg"}
    assert ear.health.watched == 3


def test_a_folder_moved_out_is_not_heard_any_more(ear: Ear, tmp_path: Path) -> None:
    (ear.root / "old").rename(tmp_path / "away")
    ear.hear("old", "gone")
    ear.forget()
    (tmp_path / "away/a.jpg").write_bytes(b"x")
    (tmp_path / "away/deep/a.jpg").write_bytes(b"x")
    assert ear.silent() == []
    assert ear.health.watched == 1
    (tmp_path / "away").rename(ear.root / "back")
    ear.hear("back", "directory")
    (ear.root / "back/deep/b.jpg").write_bytes(b"x")
    ear.hear("back/deep/b.jpg", "closed")
    assert ear.health.watched == 3


def test_folders_that_swap_names_are_told_apart(ear: Ear) -> None:
    (ear.root / "other").mkdir()
    ear.hear("other", "directory")
    for _ in range(21):
        (ear.root / "old").rename(ear.root / "third")
        (ear.root / "other").rename(ear.root / "old")
        (ear.root / "third").rename(ear.root / "other")
    ear.forget()
    (ear.root / "other/deep/a.jpg").write_bytes(b"x")
    ear.hear("other/deep/a.jpg", "closed")
    (ear.root / "old/a.jpg").write_bytes(b"x")
    ear.hear("old/a.jpg", "closed")
    assert ear.health.watched == 4


def test_a_folder_deleted_and_made_again(ear: Ear) -> None:
    for _ in range(20):
        (ear.root / "old/deep").rmdir()
        (ear.root / "old").rmdir()
        (ear.root / "old/deep").mkdir(parents=True)
    ear.forget()
    (ear.root / "old/deep/a.jpg").write_bytes(b"x")
    ear.hear("old/deep/a.jpg", "closed")
    assert ear.health.watched == 3
    assert ear.health.problems == ()


def test_excluded_folders_are_never_watched(root: Path) -> None:
    (root / "@eaDir/sub").mkdir(parents=True)
    (root / "album").mkdir()
    ear = Ear(root, lambda name: name in ("@eaDir", ".stversions"))
    with ear.watcher:
        (root / "album/.stversions").mkdir()
        (root / "album/.stversions/a.jpg").write_bytes(b"x")
        (root / "@eaDir/a.jpg").write_bytes(b"x")
        assert ear.silent() == []
        assert ear.health.watched == 2
        (root / "@eaDir").rename(root / "plain")
        ear.hear("plain", "directory")
        (root / "plain").rename(root / "@eaDir")
        ear.hear("plain", "gone")
        assert ear.silent() == []
        assert ear.health.watched == 2


def test_symlinks_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    ear = Ear(root)
    with ear.watcher:
        assert ear.health.watched == 1
        (root / "link2").symlink_to(tmp_path / "elsewhere")
        ear.hear("link2", "changed")
        (tmp_path / "elsewhere/a.jpg").write_bytes(b"x")
        assert {hint.path for hint in ear.silent()} <= {b"link2"}
        assert ear.health.watched == 1


def test_two_roots_one_inside_the_other(root: Path) -> None:
    (root / "inner").mkdir()
    with Watcher(lambda: None) as watcher:
        watcher.add(root, "inotify")
        watcher.add(root / "inner", "inotify")
        with pytest.raises(ValueError, match="already"):
            watcher.add(f"{root}/", "inotify")
        (root / "inner/a.jpg").write_bytes(b"x")
        heard: set[tuple[bytes, bytes]] = set()

        def both() -> bool:
            heard.update((hint.root, hint.path) for hint in watcher.take() if hint.kind == "closed")
            return len(heard) == 2

        until(both)
        watcher.remove(root / "inner")
        watcher.take()
        (root / "inner/b.jpg").write_bytes(b"x")
        until(lambda: any(hint.path == b"inner/b.jpg" for hint in watcher.take()))
        assert set(watcher.health()) == {os.fsencode(root)}


def test_a_polling_root_makes_no_hints(root: Path) -> None:
    with Watcher(lambda: None) as watcher:
        watcher.add(root, "polling")
        (root / "a.jpg").write_bytes(b"x")
        watcher.check()
        assert watcher.take() == []
        assert watcher.health()[os.fsencode(root)] == RootHealth("polling", "polling")
        assert not any(thread.name == "watcher-inotify" for thread in threading.enumerate())


def test_nothing_is_left_behind(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        watcher = Watcher(lambda: None)
        watcher.add(root, "inotify")
        assert len(os.listdir("/proc/self/fd")) > before
        watcher.close()
        watcher.close()
        assert len(os.listdir("/proc/self/fd")) == before
    assert not any(thread.name == "watcher-inotify" for thread in threading.enumerate())


def test_repairing_makes_no_warning_and_loses_no_watch(ear: Ear) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for watched in ear.watcher._roots.values():
            assert watched is not None
            for _ in range(3):
                watched.tree.stale = "a test says so"
                watched.repair_at = 0
                ear.watcher.check()
    assert (ear.health.state, ear.health.watched, ear.health.repairs) == ("watching", 3, 3)
    (ear.root / "old/deep/a.jpg").write_bytes(b"x")
    ear.hear("old/deep/a.jpg", "closed")
