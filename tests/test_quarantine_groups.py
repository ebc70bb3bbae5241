"""Companions move as one or not at all; purge only where the keeper surely stands; the manifest refuses lies."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nas import NOW, Nas, digest_of
from twinwatch.errors import MoveRefusedError, PhotoError
from twinwatch.index import MoveState
from twinwatch.photo import ContentDigest, Evidence, Verdict
from twinwatch.quarantine import HeldFile, Manifest, purge, recover, restore
from twinwatch.quarantine.restore import changed_in_quarantine
from twinwatch.quarantine.slots import remove_slot

PICTURE, CLIP = b"picture" * 3000, b"moving picture" * 2000


def twins(nas: Nas) -> None:
    nas.put("a/IMG_1.jpg", PICTURE)
    nas.put("b/IMG_1.jpg", PICTURE)


@pytest.mark.parametrize(
    "name", ["IMG_1.jpg.xmp", "IMG_1.xmp", "IMG_1.jpg.json", "IMG_1.jpg.supplemental-metadata.json", "._IMG_1.jpg"]
)
def test_a_sidecar_goes_with_its_photo_and_comes_back_with_it(nas: Nas, name: str) -> None:
    twins(nas)
    nas.put(f"b/{name}", b"stars and a place")
    before = nas.tree()
    nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")
    assert nas.tree() == {"photos/a/IMG_1.jpg": PICTURE}
    assert nas.held() == sorted([PICTURE, b"stars and a place"])
    restore(nas.slot(), nas.index, NOW)
    assert nas.tree() == before


@pytest.mark.parametrize("name", ["IMG_1.mov", "IMG_1.dng"])
def test_a_clip_or_raw_that_the_keeper_has_not_keeps_everything_in_place(nas: Nas, name: str) -> None:
    twins(nas)
    nas.put(f"b/{name}", CLIP)
    nas.put("b/IMG_1.jpg.xmp", b"stars")
    nas.put(f"a/{name}", CLIP[:-1] + b"X")
    before = nas.tree()
    with pytest.raises(MoveRefusedError):
        nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")
    assert nas.tree() == before
    assert nas.slots() == []


def test_a_clip_that_is_a_hard_link_of_the_keepers_clip_is_no_copy_of_it(nas: Nas) -> None:
    twins(nas)
    os.link(nas.put("a/IMG_1.mov", CLIP), nas.root.path / "b/IMG_1.mov")
    with pytest.raises(MoveRefusedError):
        nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")
    assert len(nas.tree()) == 4


def test_a_live_pair_whose_clip_the_keeper_has_too_moves_as_one(nas: Nas) -> None:
    twins(nas)
    nas.put("a/IMG_1.mov", CLIP)
    nas.put("b/IMG_1.mov", CLIP)
    nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")
    assert nas.tree() == {"photos/a/IMG_1.jpg": PICTURE, "photos/a/IMG_1.mov": CLIP}
    restore(nas.slot(), nas.index, NOW)
    assert len(nas.tree()) == 4


def test_a_sidecar_shared_with_a_third_picture_keeps_everything_in_place(nas: Nas) -> None:
    twins(nas)
    nas.put("b/IMG_1.heic", b"a third picture")
    nas.put("b/IMG_1.xmp", b"stars of both")
    before = nas.tree()
    with pytest.raises(MoveRefusedError):
        nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")
    assert nas.tree() == before


def test_a_sidecar_shared_with_the_keeper_stays_with_the_keeper(nas: Nas) -> None:
    nas.put("b/IMG_1.heic", b"the keeper")
    nas.put("b/IMG_1.jpg", PICTURE)
    nas.put("b/IMG_1.xmp", b"stars of both")
    nas.hold("b/IMG_1.jpg", "b/IMG_1.heic")
    assert sorted(nas.tree()) == ["photos/b/IMG_1.heic", "photos/b/IMG_1.xmp"]


@pytest.mark.parametrize("kind", ["folder", "symlink", "fifo"])
def test_a_companion_that_is_no_file_is_shown_to_a_person_rather_than_asked_about_for_ever(nas: Nas, kind: str) -> None:
    twins(nas)
    odd = nas.root.path / "b/IMG_1.jpg.xmp"
    if kind == "folder":
        odd.mkdir()
    elif kind == "fifo":
        os.mkfifo(odd)
    else:
        odd.symlink_to("nowhere")
    with pytest.raises(MoveRefusedError):
        nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")
    assert len(nas.tree()) == 2


def test_a_photo_called_like_the_manifest_is_left_alone(nas: Nas) -> None:
    nas.put("a.jpg", PICTURE)
    nas.put("manifest.json", PICTURE)
    with pytest.raises(MoveRefusedError):
        nas.hold("manifest.json", "a.jpg")
    assert len(nas.tree()) == 2


def test_a_restore_in_which_one_name_is_taken_moves_none_of_the_group(nas: Nas) -> None:
    twins(nas)
    nas.put("b/IMG_1.jpg.xmp", b"stars")
    nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")
    nas.put("b/IMG_1.jpg", b"another picture came")
    with pytest.raises(MoveRefusedError):
        restore(nas.slot(), nas.index, NOW)
    assert nas.held() == sorted([PICTURE, b"stars"])


# --- purge ---------------------------------------------------------------------------------------------------------


def held(nas: Nas) -> None:
    twins(nas)
    nas.put("b/IMG_1.jpg.xmp", b"stars")
    nas.hold("b/IMG_1.jpg", "a/IMG_1.jpg")


def test_purge_deletes_the_group_and_says_how_much(nas: Nas) -> None:
    held(nas)
    assert purge(nas.slot(), nas.index, lambda _: []) == len(PICTURE) + len(b"stars")
    assert (nas.held(), nas.slots()) == ([], [])
    assert nas.tree() == {"photos/a/IMG_1.jpg": PICTURE}
    assert [row.state for row in nas.index.journal.rows()] == [MoveState.PURGED]
    assert recover(nas.root, nas.index) == []


def purge_is_refused(nas: Nas, *keepers: Path) -> None:
    before = nas.everything()
    with pytest.raises(MoveRefusedError):
        purge(nas.slots()[0], nas.index, lambda _: list(keepers))
    assert nas.everything() == before
    assert len(nas.index.journal.rows(MoveState.HELD)) == len(nas.slots())


def test_purge_is_refused_when_the_keeper_is_gone_changed_or_no_file(nas: Nas) -> None:
    held(nas)
    keeper = nas.root.path / "a/IMG_1.jpg"
    keeper.rename(keeper.with_name("moved.jpg"))
    purge_is_refused(nas)
    purge_is_refused(nas, keeper.with_name("nowhere.jpg"))
    keeper.symlink_to("moved.jpg")
    purge_is_refused(nas)
    keeper.unlink()
    keeper.write_bytes(PICTURE[:-1] + b"?")
    purge_is_refused(nas)
    os.truncate(keeper, 0)
    purge_is_refused(nas)
    assert purge(nas.slot(), nas.index, lambda _: [keeper.with_name("moved.jpg")]) > 0


def test_purge_syncs_the_keeper_and_its_name_before_it_deletes_the_copy(
    nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = nas.put("a/IMG_1.jpg", PICTURE)  # by a sync client that leaves it in memory: a power cut would take it
    held = nas.put("b/IMG_1 (1).jpg", PICTURE)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    plainly, deleting = os.fsync, os.unlink
    done: list[int] = []

    def fsync(fd: int) -> None:
        done.append(os.fstat(fd).st_ino)
        plainly(fd)

    def unlink(path: str, *, dir_fd: int | None = None) -> None:
        if path == held.name:
            done.append(0)
        deleting(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "unlink", unlink)
    purge(nas.slot(), nas.index, lambda _: [])
    first = done[: done.index(0)]
    wanted = [os.stat(path).st_ino for path in (keeper, keeper.parent, nas.root.path)]
    assert [inode for inode in first if inode in wanted] == wanted


def test_purge_is_refused_when_the_disk_does_not_take_the_keeper(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = nas.put("a/IMG_1.jpg", PICTURE)
    nas.put("b/IMG_1 (1).jpg", PICTURE)
    nas.hold("b/IMG_1 (1).jpg", "a/IMG_1.jpg")
    plainly = os.fsync

    def fsync(fd: int) -> None:
        if os.fstat(fd).st_ino == keeper.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        plainly(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(MoveRefusedError, match="last copy"):
        purge(nas.slot(), nas.index, lambda _: [])
    assert nas.held() == [PICTURE]


def test_purge_is_refused_when_the_keeper_is_in_quarantine_itself(nas: Nas) -> None:
    held(nas)
    nas.put("c/best.jpg", b"the best of them all")
    nas.hold("a/IMG_1.jpg", "c/best.jpg")
    (first,) = [slot for slot in nas.slots() if slot.manifest is not None and slot.manifest.folder.name == "b"]
    (keeper,) = [slot.photo_path for slot in nas.slots() if slot != first]
    before = nas.everything()
    for offered in ([], [keeper], [first.photo_path]):
        with pytest.raises(MoveRefusedError):
            purge(first, nas.index, dict.fromkeys([digest_of(first.photo_path)], offered).__getitem__)
    assert nas.everything() == before


def test_purge_is_refused_when_a_program_wrote_into_the_held_photo(nas: Nas) -> None:
    nas.put("keep.jpg", PICTURE)
    nas.put("dup.jpg", PICTURE)
    with (nas.root.path / "dup.jpg").open("r+b") as editor:
        nas.hold("dup.jpg", "keep.jpg")
        editor.write(b"an edit that exists only here")
    before = nas.everything()
    with pytest.raises(MoveRefusedError, match="other bytes"):
        purge(nas.slot(), nas.index, lambda _: [])
    assert nas.everything() == before
    assert [row.state for row in nas.index.journal.rows()] == [MoveState.HELD]


def test_purge_is_not_fooled_by_a_symlink_into_quarantine(nas: Nas) -> None:
    """The keeper's folder is gone, and a link to the slot stands in its place: the keeper would be the held file."""
    held(nas)
    keeper = nas.root.path / "a"
    (keeper / "IMG_1.jpg").unlink()
    keeper.rmdir()
    keeper.symlink_to(nas.slot().photo_path.parent)
    purge_is_refused(nas)


def test_purge_is_not_fooled_by_a_symlink_above_the_keepers_folder(nas: Nas) -> None:
    nas.put("x/y/IMG_1.jpg", PICTURE)
    nas.put("b/IMG_1.jpg", PICTURE)
    slot = nas.place / nas.hold("b/IMG_1.jpg", "x/y/IMG_1.jpg").slot
    (nas.root.path / "x").rename(nas.folder / "x.away")
    (nas.folder / "trap").mkdir()
    (nas.root.path / "x").symlink_to(nas.folder / "trap")
    (nas.folder / "trap/y").symlink_to(slot)
    purge_is_refused(nas)


def test_purge_is_refused_when_the_keeper_is_another_name_of_the_held_file(nas: Nas) -> None:
    held(nas)
    keeper = nas.root.path / "a/IMG_1.jpg"
    keeper.unlink()
    os.link(nas.slot().photo_path, keeper)
    purge_is_refused(nas)


def test_a_slot_with_foreign_files_is_never_removed(nas: Nas) -> None:
    held(nas)
    slot = nas.slot()
    (slot.place / slot.name / "mine.txt").write_bytes(b"a person put this here")
    purge(slot, nas.index, lambda _: [])
    assert (slot.place / slot.name / "mine.txt").read_bytes() == b"a person put this here"
    recover(nas.root, nas.index)
    assert (slot.place / slot.name / "mine.txt").exists()


def test_a_changed_held_photo_is_noticed(nas: Nas) -> None:
    held(nas)
    nas.slot().photo_path.write_bytes(b"bit rot")
    assert ["IMG_1.jpg has other bytes" in line for line in changed_in_quarantine(nas.slot())] == [True]
    nas.slot().photo_path.unlink()
    assert len(changed_in_quarantine(nas.slot())) == 1


def test_a_slot_that_still_holds_a_photo_is_not_removed(nas: Nas) -> None:
    held(nas)
    fd = os.open(nas.place, os.O_RDONLY)
    try:
        remove_slot(fd, nas.slot().name)
    finally:
        os.close(fd)
    assert nas.held() == sorted([PICTURE, b"stars"])


# --- the manifest --------------------------------------------------------------------------------------------------

digests = st.binary(min_size=32, max_size=32).map(ContentDigest)
names = (
    st.binary(min_size=1, max_size=255)
    .filter(lambda raw: not {b"/"[0], 0} & set(raw) and raw not in (b".", b"..", b"manifest.json"))
    .map(os.fsdecode)
)
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: PurePosixPath(*parts))
folders = st.lists(names, max_size=3).map(lambda parts: PurePosixPath(*parts))
numbers = st.integers(0, (1 << 64) - 1)
helds = st.builds(
    HeldFile, names, st.sampled_from(["sidecar", "clip"]), numbers, st.integers(-(1 << 63), 1 << 64),
    st.integers(0, 0o7777),
    numbers, numbers, numbers, digests,
)  # fmt: skip
evidences = st.builds(
    Evidence,
    st.sampled_from(Verdict),
    st.sampled_from(["a", "b", None]),
    st.integers(1, 8),
    st.text(st.characters(codec="utf-8"), max_size=50),
    st.dictionaries(st.text(max_size=9), st.floats(allow_nan=False) | st.integers() | st.text(max_size=9), max_size=3),
)
manifests = st.builds(
    lambda slot, at, root, marker, folder, files, keeper, digest, rule, evidence: Manifest(
        slot, at, Path("/", *root.parts), marker, folder, (*files[:-1], replace(files[-1], kind="photo")),
        Path("/", *root.parts), keeper, digest, rule, evidence,
    ),
    names, st.floats(0, 4e9), paths, st.text(max_size=40), folders,
    st.lists(helds, min_size=1, max_size=3, unique_by=lambda held: held.name), paths, digests,
    st.text(max_size=40), evidences,
)  # fmt: skip


@given(manifests)
def test_a_manifest_reads_back_as_it_was_written(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def sample() -> dict[str, Any]:
    held_file = HeldFile("IMG.jpg", "photo", 5, 1, 0o644, 0, 0, 7, ContentDigest(b"d" * 32))
    manifest = Manifest(
        "slot", NOW, Path("/r"), "id", PurePosixPath("f"),
        (replace(held_file, name="IMG.xmp", kind="sidecar"), held_file),
        Path("/r"), PurePosixPath("k.jpg"), ContentDigest(b"k" * 32), "older", Evidence(Verdict.IDENTICAL),
    )  # fmt: skip
    value = json.loads(manifest.to_bytes())
    assert isinstance(value, dict)
    return value


LIES: list[tuple[str, Any]] = [
    *(("files.1.name", lie) for lie in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0b", ["x"], 5, None, "\ud800"]),
    *(("files.0.name", lie) for lie in ["IMG.jpg", "manifest.json", "../up"]),
    *(("slot", lie) for lie in ["", "..", "a/b", "../../etc", 7]),
    *(("folder", lie) for lie in ["..", "a/../../b", "/abs", "a\0b", 3, "\ud800"]),
    *(("root", lie) for lie in ["relative", "/a/../b", "", "/a\0", 4, "/\ud800"]),
    *(("keeper.root", lie) for lie in ["relative", "/a/../b"]),
    *(("keeper.path", lie) for lie in ["/abs", "../up"]),
    *(("keeper.digest", lie) for lie in ["", "00", "zz" * 32, 1]),
    *(("files.1.digest", lie) for lie in ["", "00" * 31, "00" * 33]),
    *(("at", lie) for lie in [float("nan"), float("inf"), "soon", None, 1e300]),
    *(("files", lie) for lie in [None, "x", 3]),
    ("files", []),
    ("files", {}),
    ("files.1.kind", "sidecar"),
    ("files.1.bytes", float("inf")),
    ("twinwatch", 2),
    ("evidence", []),
    ("evidence.verdict", "surely"),
    ("evidence.transform", 9),
    ("evidence.measures", [1]),
]


@pytest.mark.parametrize(("where", "lie"), LIES)
def test_a_manifest_with_a_lie_in_it_is_refused_by_value_error(where: str, lie: object) -> None:
    value = sample()
    Manifest.from_bytes(json.dumps(value).encode())  # the truth is accepted
    *parents, last = where.split(".")
    place: Any = value
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = lie
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the point
        Manifest.from_bytes(json.dumps(value).encode())


@given(st.integers(0, 10**6), st.integers(0, 7), st.booleans())
def test_a_damaged_manifest_is_refused_or_harmless(place: int, bit: int, cut: bool) -> None:
    content = bytearray(json.dumps(sample()).encode())
    place %= len(content)
    if cut:
        del content[place:]
    else:
        content[place] ^= 1 << bit
    try:
        read = Manifest.from_bytes(bytes(content))
    except ValueError:
        return
    assert all("/" not in held_file.name for held_file in read.files)
    assert ".." not in (*read.folder.parts, *read.root.parts, *read.keeper.parts)
    os.fsencode(read.root / read.path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"null", b"[]", b"[" * 100_000, b"1" * 5000, b'{"twinwatch": 1}'])
def test_nonsense_in_place_of_a_manifest_leaves_the_photo_and_names_the_trouble(nas: Nas, content: bytes) -> None:
    held(nas)
    slot = nas.slot()
    (slot.place / slot.name / "manifest.json").write_bytes(content)
    damaged = nas.slot()
    assert damaged.manifest is None
    assert damaged.trouble != ""
    with pytest.raises(PhotoError):
        restore(damaged, nas.index, NOW)
    with pytest.raises(PhotoError):
        purge(damaged, nas.index, lambda _: [])
    assert [found.slot for found in recover(nas.root, nas.index)] == [slot.name]
    assert nas.held() == sorted([PICTURE, b"stars"])
