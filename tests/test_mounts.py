"""mountinfo as kernels write it: escapes, bind mounts, mounts over mounts, and which file systems must be polled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twinwatch import mounts

SAMPLE = rb"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
30 22 0:26 / /mnt/photo\040album\011tab\134slash rw,nosuid shared:2 master:7 - nfs4 nas:/p\040q rw,vers=4.2
31 22 0:40 /@photos /srv/photos ro,relatime - btrfs /dev/sdb rw,subvol=/@photos
32 22 0:41 / /srv/photos/pool rw - fuse.mergerfs a:b rw
33 22 0:42 / /srv rw - tmpfs tmpfs rw
34 33 0:43 / /srv rw - xfs /dev/sdc ro
broken line
35 x 0:1 / /bad rw - ext4 /dev/bad rw
"""

MOUNTS = mounts.parse(SAMPLE)


def test_parses_escapes_and_leaves_nonsense_out() -> None:
    assert [mount.mount_id for mount in MOUNTS] == [22, 30, 31, 32, 33, 34]
    nfs = MOUNTS[1]
    assert nfs.mount_point == b"/mnt/photo album\ttab\\slash"
    assert nfs.source == b"nas:/p q"
    assert nfs.device == os.makedev(0, 26)
    assert nfs.fs_type == "nfs4"


@pytest.mark.parametrize(
    ("path", "mount_id"),
    [
        ("/", 22),
        ("/home/x", 22),
        ("/srv", 34),  # the later of two mounts on one place is the one seen
        ("/srv/photos", 31),
        ("/srv/photos/", 31),
        ("/srv/photos2/a", 34),  # a name that only begins like a mount point
        ("/srv/photos/pool/2024/a.jpg", 32),
        ("/mnt/photo album\ttab\\slash/x", 30),
    ],
)
def test_finds_the_mount_of_a_path(path: str, mount_id: int) -> None:
    found = mounts.mount_of(path, MOUNTS)
    assert found is not None
    assert found.mount_id == mount_id


def test_no_mount_means_polling() -> None:
    assert mounts.mount_of("/x", []) is None
    assert mounts.mode_for("/no such folder", []) == "polling"


def test_in_a_chroot_whose_mount_is_not_listed_the_file_system_itself_is_asked(tmp_path: Path) -> None:
    listed = mounts.mount_of(tmp_path)
    assert mounts.mode_for(tmp_path, []) == ("inotify" if listed is None else listed.mode)


def test_mounts_below_are_strictly_below() -> None:
    assert [mount.mount_id for mount in mounts.mounts_below("/srv/photos", MOUNTS)] == [32]
    assert [mount.mount_id for mount in mounts.mounts_below("/", MOUNTS)] == [30, 31, 32, 33, 34]
    assert mounts.mounts_below("/srv/phot", MOUNTS) == []


def test_read_only_by_mount_or_by_file_system() -> None:
    assert [mount.read_only for mount in MOUNTS] == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    "fs_type",
    [
        *("nfs", "nfs4", "cifs", "smb3", "9p", "fuse", "fuse.sshfs", "fuse.rclone", "fuse.mergerfs", "fuseblk"),
        *("virtiofs", "vboxsf", "drvfs", "davfs", "ceph", "fuse.glusterfs", "glusterfs", "NFS4", "fakeowner"),
    ],
)
def test_polls_where_the_kernel_is_not_told(fs_type: str) -> None:
    assert mounts.is_remote(fs_type)


@pytest.mark.parametrize(
    "fs_type", ["ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "exfat", "vfat", "ntfs3"]
)
def test_trusts_inotify_on_local_file_systems(fs_type: str) -> None:
    assert not mounts.is_remote(fs_type)


def test_reads_the_real_table(tmp_path: Path) -> None:
    mount = mounts.mount_of(tmp_path)
    if mount is None:
        pytest.skip("inside a chroot the mount that holds its root is not listed")
    assert os.fsencode(tmp_path).startswith(mount.mount_point)
    if mount.fs_type != "btrfs":
        assert mount.device == tmp_path.stat().st_dev
