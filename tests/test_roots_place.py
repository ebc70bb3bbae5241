"""Where the duplicates of a root are held: on its own file system, out of the way of sync and of every walk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mounting import as_plain_user, as_root, mounted, tmpfs
from twinwatch.naming import is_excluded_dir
from twinwatch.roots import quarantine_place


def test_the_quarantine_is_a_sibling_that_is_never_walked(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    place = quarantine_place(root, (root,))
    assert place.parent == tmp_path
    assert is_excluded_dir(place.name)  # also when the parent is watched some day


def test_the_quarantine_is_inside_where_a_sibling_would_be_watched_synced_or_too_long(tmp_path: Path) -> None:
    longest = 255 - len(".twinwatch--quarantine")
    fits = tmp_path / "fits" / ("x" * longest)
    fits.mkdir(parents=True)
    assert len(quarantine_place(fits, ()).name) == 255
    for name, watched, sign in (("p", (tmp_path,), ""), ("q", (), ".stfolder"), ("x" * (longest + 1), (), "")):
        root = tmp_path / name / name
        root.mkdir(parents=True)
        if sign:
            (tmp_path / name / sign).mkdir()
        assert quarantine_place(root, watched) == root / ".twinwatch/quarantine"


def test_the_quarantine_is_never_behind_a_symlink_nor_in_a_watched_parent(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    sibling = quarantine_place(root, ())
    assert quarantine_place(root, (tmp_path,)) == root / ".twinwatch/quarantine"
    (tmp_path / "elsewhere").mkdir()
    sibling.symlink_to(tmp_path / "elsewhere")
    (root / ".twinwatch/quarantine").mkdir(parents=True)
    assert quarantine_place(root, ()) == root / ".twinwatch/quarantine"


@as_root
def test_the_quarantine_of_a_mount_point_is_inside_it(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    with tmpfs(root):
        assert quarantine_place(root, ()) == root / ".twinwatch/quarantine"
    (tmp_path / "there").mkdir()
    with mounted(root, "--bind", str(tmp_path / "there")):
        assert quarantine_place(root, ()) == root / ".twinwatch/quarantine"


def test_a_quarantine_of_an_earlier_run_is_found_again(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    sibling = quarantine_place(root, ())
    (root / ".twinwatch/quarantine").mkdir(parents=True)
    assert quarantine_place(root, ()) == root / ".twinwatch/quarantine"
    sibling.mkdir()
    assert quarantine_place(root, (tmp_path,)) == sibling


@as_root
@pytest.mark.skipif(shutil.which("mkfs.btrfs") is None, reason="needs mkfs.btrfs")
def test_the_quarantine_of_a_subvolume_is_inside_it(tmp_path: Path) -> None:
    """It is another device of the same mount: no rename leads out of it."""
    disk, top = tmp_path / "disk", tmp_path / "top"
    root = top / "photos"
    disk.write_bytes(b"")
    os.truncate(disk, 160 << 20)
    subprocess.run(["mkfs.btrfs", "-q", str(disk)], check=True)
    top.mkdir()
    with ExitStack() as stack:
        try:
            stack.enter_context(mounted(top, "-o", "loop", str(disk)))
        except subprocess.CalledProcessError:
            pytest.skip("needs a kernel that knows btrfs")
        subprocess.run(["btrfs", "-q", "subvolume", "create", str(root)], check=True)
        assert quarantine_place(root, ()) == root / ".twinwatch/quarantine"
        (top / "plain").mkdir()
        assert quarantine_place(top / "plain", ()).parent == top


def test_the_quarantine_is_inside_where_nothing_may_be_made_beside_the_root() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        folder.chmod(0o555)
        try:
            with as_plain_user():
                assert quarantine_place(folder / "photos", ()) == folder / "photos/.twinwatch/quarantine"
        finally:
            folder.chmod(0o755)
