"""What names say: the tables of sync clients, NAS systems and phones, one line each, and totality over any name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinwatch.naming import (
    Companion,
    Exclusions,
    companion_kind,
    companions,
    is_companion_of,
    is_excluded_dir,
    is_picture,
    is_raw,
    is_temporary,
    looks_edited,
    plainness,
)

# Every name a Linux file system can hold, as Python shows it.
any_name = st.binary(min_size=1, max_size=255).filter(lambda b: b"/" not in b and b"\0" not in b).map(os.fsdecode)
stems = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40)
photo_names = st.builds(lambda stem, ext: f"{stem}.{ext}", stems, st.sampled_from(["jpg", "JPG", "heic", "png"]))


@given(any_name, any_name)
def test_every_question_has_an_answer_for_every_name(a: str, b: str) -> None:
    assert is_excluded_dir(a) in (True, False)
    assert is_temporary(a) in (True, False)
    assert looks_edited(a) in (True, False)
    assert not (is_picture(a) and is_raw(a))
    assert plainness(a) >= (0, 0, 1)
    assert Exclusions((b,)).dir(a) in (True, False)
    assert Exclusions((b,)).file(a) in (True, False)
    companion_kind(a, b)
    companions(a, [b, a, a + b])


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "#recycle", "#snapshot", "@tmp", "@Recycle", ".@__thumb", "@Recently-Snapshot", ".qsync", ".sync"),
        *(".stversions", ".stfolder", ".stfolder.removed-20240101-000000", ".dropbox.cache", ".tmp.drivedownload"),
        *("$RECYCLE.BIN", "$Recycle.Bin", "lost+found", ".Trash-1000", ".Trashes", ".zfs", ".snapshots", "__MACOSX"),
        *(".twinwatch", ".twinwatch-quarantine", ".AppleDouble", "System Volume Information", ".~tmp~", ".dstAb12"),
        *("Photos Library.photoslibrary", "Holiday Previews.lrdata", "IMG_1.jpg.download", ".rsync-partial"),
    ],
)
def test_folders_never_walked(name: str) -> None:
    assert is_excluded_dir(name)


@pytest.mark.parametrize(
    "name",
    ["DCIM", "Camera", "2024", "recycle", "tmp", "sync", "Trash Polka", "eaDir", "twinwatch", "Downloads", ".hid"],
)
def test_folders_walked(name: str) -> None:
    assert not is_excluded_dir(name)


@pytest.mark.parametrize(
    "name",
    [
        *(".syncthing.IMG_1.jpg.tmp", "~syncthing~IMG_1.jpg.tmp", f".syncthing.{'0a' * 32}.tmp", ".IMG_1.jpg.~1f2e"),
        *("IMG_1.jpg.ocTransferId1234.part", "IMG_1.jpg.partial", "IMG_1.jpg.1a2b3c4d.partial", ".IMG_1.jpg.a8Xk2Q"),
        *("Unconfirmed 1234.crdownload", ".com.google.Chrome.aB12cD", "IMG_1.jpg.part", "IMG_1.jpg.opdownload"),
        *("IMG_1.jpg.aria2", "IMG_1.jpg.!qB", "IMG_1.jpg.bc!", ".in.IMG_1.jpg.", "IMG_1.jpg.filepart"),
        *(
            "IMG_1.jpg.sb-1a2b3c4d-Xy12Za",
            "IMG_1.jpg~",
            ".#IMG_1.jpg",
            "#IMG_1.jpg#",
            "~$IMG_1.jpg",
            ".~lock.IMG_1.jpg#",
        ),
        *(".goutputstream-AB12CD", ".nfs000000000123abcd00000001", ".fuse_hidden0000001200000001", "._IMG_1.jpg"),
        *("IMG_1.jpg.x1y2.czkawka_tmp", "IMG_1.jpg_exiftool_tmp", ".pending-1711111111-IMG_1.jpg", "4913"),
        *(".trashed-1711111111-IMG_1.jpg", ".IMG_1.heic.icloud", "IMG_1.jpg.nextcloud", "IMG_1.jpg.owncloud"),
    ],
)
def test_files_not_ready_to_be_looked_at(name: str) -> None:
    assert is_temporary(name)
    assert Exclusions().file(name)


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1.jpg",
        ".hidden.jpg",
        "~sunset.jpg",
        "partial.jpg",
        "a.tmp.jpg",
        "IMG_1.sync-conflict-20240101-000000-ABCDEFG.jpg",
    ],
)
def test_files_looked_at(name: str) -> None:
    assert not is_temporary(name)


@given(any_name)
def test_exclusions_only_add(name: str) -> None:
    wide = Exclusions(("Screenshots", "*.PNG", "thumbs/"))
    assert wide.dir(name) >= is_excluded_dir(name)
    assert wide.file(name) >= is_temporary(name)


def test_user_patterns_match_whole_names_without_case() -> None:
    mine = Exclusions(("Screenshots", "*.PNG", "tmp[0-9]/"))
    assert mine.dir("screenshots")
    assert mine.file("Screenshots")
    assert mine.file("a.png")
    assert not mine.file("a.png.jpg")
    assert mine.dir("tmp1")
    assert not mine.file("tmp1")
    assert not mine.dir("My Screenshots")


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.HEIC", "a.jxl", "a.mpo", ".x.webp", "a.b.avif"])
def test_pictures(name: str) -> None:
    assert is_picture(name)


@pytest.mark.parametrize("name", ["a.dng", "a.CR3", "a.nef", "a.ARW", "a.rw2"])
def test_raws_are_no_pictures(name: str) -> None:
    assert is_raw(name)
    assert not is_picture(name)


@pytest.mark.parametrize("name", ["jpg", ".jpg", "a.jpg.xmp", "a.", "a.mov", "a.txt", "a.jpg "])
def test_neither(name: str) -> None:
    assert not is_picture(name)
    assert not is_raw(name)


@pytest.mark.parametrize(
    "copy",
    [
        *(
            "IMG_1234 (1).jpg",
            "IMG_1234(1).jpg",
            "IMG_1234 - Copy.jpg",
            "IMG_1234 - Copy (2).jpg",
            "IMG_1234 - Kopie.jpg",
        ),
        *(
            "IMG_1234 - コピー.jpg",
            "IMG_1234 - копия.jpg",
            "IMG_1234 - 副本.jpg",
            "IMG_1234副本.jpg",
            "IMG_1234 copy 2.jpg",
        ),
        *("IMG_1234 (copy).jpg", "IMG_1234 (another copy).jpg", "IMG_1234 (3rd copy).jpg", "Copy of IMG_1234.jpg"),
        *("Kopie von IMG_1234.jpg", "Копия IMG_1234.jpg", "复件 IMG_1234.jpg", "IMG_1234 사본.jpg"),
        *("IMG_1234_1.jpg", "IMG_1234 2.jpg", "IMG_1234.00000.jpg", "IMG_1234-3456789.jpg", "IMG_1234_QAZXSW.jpg"),
        *("IMG_1234.sync-conflict-20240102-030405-ABCDEFG.jpg", "IMG_1234 (conflicted copy 2024-01-02 030405).jpg"),
        *("IMG_1234 (Ann's conflicted copy 2024-01-02).jpg", "IMG_1234 (Case Conflict).jpg", "IMG_1234 [Conflict].jpg"),
        *("IMG_1234_conflict-20240102-030405.jpg", "IMG_1234-nas-safeBackup-0001.jpg", "IMG_1234.conflict1.jpg"),
        *("IMG_1234_ann_Jan-02-0304-2024_Conflict.jpg", "IMG_1234.Conflict.jpg", "IMG_1234 [conflicted].jpg"),
        *("IMG_1234 (SFConflict a@b.c 2024-01-02-03-04-05).jpg", "IMG-20240101-WA0001.jpg"),
    ],
)
def test_copies_are_less_plain_than_their_original(copy: str) -> None:
    assert plainness("IMG_1234.jpg") < plainness(copy)
    assert plainness("IMG_1234.jpg")[:2] == (0, 0)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "IMG_1234.jpg",
            "DSC00012.JPG",
            "PXL_20240101_120000123.jpg",
            "20231207_101605_001.jpg",
            "20240101-123456.jpg",
        ),
        *("Screenshot_20240101-123456.png", "IMG-20240101.jpg", "photocopy.jpg", "copyright.jpg", "kopi luwak.jpg"),
    ],
)
def test_plain_names_carry_no_mark(name: str) -> None:
    assert plainness(name)[:2] == (0, 0)


def test_more_marks_are_less_plain_and_words_weigh_more_than_chance() -> None:
    ordered = ["IMG_1.jpeg.jpg", "trip_1.jpg", "trip (1).jpg", "trip (1) - Copy.jpg"]
    assert sorted(ordered, key=plainness) == ordered


@pytest.mark.parametrize(
    "name",
    [
        *(
            "IMG_1-edited.jpg",
            "IMG_1-edited(2).jpg",
            "IMG_1-bearbeitet.jpg",
            "IMG_1-編集済み.jpg",
            "IMG_1-ha editado.jpg",
        ),
        *("IMG_1-modifié.jpg", "IMG_1-modifie\u0301.jpg", "IMG_1-COLLAGE.jpg", "IMG_E1234.JPG", "IMG_1234~2.jpg"),
        *(
            "00001IMG_00001_BURST20171111030039_COVER.jpg",
            "IMG_20240101_120000_BURST001.jpg",
            "20231207_101605_001.jpg",
        ),
        *("PXL_1.RAW-01.COVER.jpg", "PXL_1.PORTRAIT-01.COVER.jpg", "PXL_1.NIGHT.jpg", "IMG_20240101_120000_HDR.jpg"),
        "a-very-long-name-that-takeout-has-to-cut-of-ed.jpg",
    ],
)
def test_edited_names(name: str) -> None:
    assert looks_edited(name)


@pytest.mark.parametrize(
    "name", ["IMG_1.jpg", "IMG_1 (1).jpg", "edited.jpg", "-edited.jpg", "a-ed.jpg", "MVIMG_2.jpg", "raw.jpg"]
)
def test_names_that_are_not_edited(name: str) -> None:
    assert not looks_edited(name)


@pytest.mark.parametrize(
    ("photo", "name", "kind"),
    [
        ("IMG_1.jpg", "IMG_1.xmp", "sidecar"),
        ("IMG_1.jpg", "IMG_1.jpg.XMP", "sidecar"),
        ("IMG_1.jpg", "IMG_1_02.jpg.xmp", "sidecar"),
        ("IMG_1.jpg", "IMG_1.jpg.pp3", "sidecar"),
        ("IMG_1.jpg", "IMG_1.jpg.dop", "sidecar"),
        ("IMG_1.jpg", "IMG_1.on1", "sidecar"),
        ("IMG_1.jpg", "._IMG_1.jpg", "sidecar"),
        ("IMG_1234.HEIC", "IMG_1234.AAE", "sidecar"),
        ("IMG_1234.HEIC", "IMG_O1234.AAE", "sidecar"),
        ("IMG_E1234.JPG", "IMG_1234.aae", "sidecar"),
        ("IMG_1.jpg", "IMG_1.jpg.json", "sidecar"),
        ("IMG_1.jpg", "IMG_1.json", "sidecar"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json", "sidecar"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).json", "sidecar"),
        ("IMG_1(1).jpg", "IMG_1.jpg.supplemental-metadata(1).json", "sidecar"),
        ("IMG_1(1).jpg", "IMG_1(1).jpg.json", "sidecar"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json", "sidecar"),
        (
            "0123456789012345678901234567890123456789ABCDEFG.jpg",
            "0123456789012345678901234567890123456789ABCDEF.json",
            "sidecar",
        ),
        ("IMG_1.HEIC", "IMG_1.MOV", "clip"),
        ("IMG_1.HEIC", "IMG_1_HEVC.MOV", "clip"),
        ("IMG_1.HEIC", "img_1.mp4", "clip"),
        ("PXL_1.MP.jpg", "PXL_1.MP", "clip"),
        ("PXL_1.MP.jpg", "PXL_1.mp4", "clip"),
        ("PXL_1.MP~2.jpg", "PXL_1.MP", "clip"),
        ("MVIMG_1.jpg", "MVIMG_1", "clip"),
        ("PXL_1.MOTION-01.COVER.jpg", "PXL_1.MOTION-02.ORIGINAL.mp4", "clip"),
        ("PXL_1.RAW-01.COVER.jpg", "PXL_1.RAW-02.ORIGINAL.dng", "raw"),
        ("PXL_1.RAW-01.MP.COVER.jpg", "PXL_1.RAW-02.ORIGINAL.dng", "raw"),
        ("IMG_1.JPG", "IMG_1.CR3", "raw"),
        ("cafe\u0301.jpg", "café.xmp", "sidecar"),
        # not companions
        ("IMG_1.jpg", "IMG_1.jpg(1).json", None),
        ("IMG_1(2).jpg", "IMG_1.jpg(1).json", None),
        ("IMG_1.jpg", "IMG_10.jpg.json", None),
        ("IMG_10.jpg", "IMG_1.jpg.json", None),
        ("IMG_1.jpg", "IMG_11.mov", None),
        ("IMG_1.jpg", "IMG_1.heic", None),
        ("IMG_1.jpg", "IMG_1.jpg", None),
        ("IMG_1.jpg", "IMG_1.txt", None),
        ("IMG_1.jpg", "IMG_1", None),
        ("IMG_1.jpg", "metadata.json", None),
        ("IMG_1234.HEIC", "IMG_1235.AAE", None),
        ("IMG_1.mov", "IMG_1.xmp", None),
    ],
)
def test_what_belongs_to_a_photo(photo: str, name: str, kind: str | None) -> None:
    assert companion_kind(name, photo) == kind
    assert is_companion_of(name, photo) == (kind is not None)


@given(photo_names.filter(is_picture))
def test_takeout_json_is_found_wherever_it_is_cut(photo: str) -> None:
    whole = photo + ".supplemental-metadata"
    for length in range(len(photo), len(whole) + 1):
        assert companion_kind(whole[:length] + ".json", photo) == "sidecar"


@given(photo_names, st.lists(any_name))
def test_a_name_listed_is_a_sibling_and_never_a_picture_of_its_own(photo: str, siblings: list[str]) -> None:
    for companion in companions(photo, [*siblings, photo, photo + ".xmp"]):
        assert companion.name in {*siblings, photo + ".xmp"}
        assert companion.name != photo
        assert is_temporary(companion.name) or not is_picture(companion.name)


def test_a_group_is_found_whole() -> None:
    folder = [
        "IMG_1.JPG",
        "IMG_1.CR2",
        "IMG_1.CR2.xmp",
        "IMG_1.MOV",
        "IMG_1.MOV.json",
        "IMG_1.xmp",
        "IMG_2.JPG",
        "IMG_2.xmp",
    ]
    assert companions("IMG_1.JPG", folder) == (
        Companion("IMG_1.CR2", "raw"),
        Companion("IMG_1.CR2.xmp", "sidecar"),
        Companion("IMG_1.MOV", "clip"),
        Companion("IMG_1.MOV.json", "sidecar"),
        Companion("IMG_1.xmp", "sidecar"),
    )


def test_a_clip_of_two_pictures_is_shared() -> None:
    folder = ["IMG_1.jpg", "IMG_1.heic", "IMG_1.mov", "IMG_1.jpg.xmp"]
    clip, sidecar = companions("IMG_1.jpg", folder)
    assert clip == Companion("IMG_1.mov", "clip", ("IMG_1.heic",))
    assert clip.shared
    assert not sidecar.shared


@pytest.mark.parametrize(
    ("photo", "other", "between"),
    [
        ("IMG_1234.HEIC", "IMG_E1234.JPG", "IMG_1234.AAE"),
        ("IMG_1.jpg", "IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "img_1.JPG", "IMG_1.xmp"),
    ],
)
def test_what_stands_between_two_pictures_is_shared_both_ways(photo: str, other: str, between: str) -> None:
    folder = [photo, other, between]
    assert [(c.name, c.others) for c in companions(photo, folder)] == [(between, (other,))]
    assert [(c.name, c.others) for c in companions(other, folder)] == [(between, (photo,))]


def test_numbered_takeout_copies_do_not_share_their_json() -> None:
    folder = ["IMG_1.jpg", "IMG_1(1).jpg", "IMG_1.jpg.json", "IMG_1.jpg(1).json"]
    assert companions("IMG_1.jpg", folder) == (Companion("IMG_1.jpg.json", "sidecar"),)
    assert companions("IMG_1(1).jpg", folder) == (Companion("IMG_1.jpg(1).json", "sidecar"),)


def test_importing_names_costs_no_other_room() -> None:
    code = (
        "import sys, twinwatch.naming; print([m for m in sys.modules if m.startswith(('twinwatch.', 'PIL', 'yaml'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all("naming" in module for module in out.strip("[]\n").split(", "))


@pytest.mark.parametrize(
    ("path", "excluded"),
    [
        ("a.jpg", False),
        ("lib/a.jpg", False),
        ("Private/a.jpg", True),
        ("lib/private/2024/a.jpg", True),
        ("thumbs/a.jpg", True),
        ("thumbs", False),
        ("lib/draft.jpg", True),
        ("lib/@eaDir/a.jpg", True),
    ],
)
def test_a_path_is_excluded_by_any_part_of_it(path: str, excluded: bool) -> None:
    assert Exclusions(("Private", "thumbs/", "draft*")).path(PurePosixPath(path)) is excluded
