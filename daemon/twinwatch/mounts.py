"""What is mounted where, and whether the kernel tells of changes there: /proc/self/mountinfo parsed, nothing else read.

Pure but for `read()`, `mode_for()` and `has_lasting_id()`. Paths are bytes; the kernel's octal escapes (space, tab,
newline, backslash) are decoded.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

WatchMode = Literal["inotify", "polling"]

MOUNTINFO = Path("/proc/self/mountinfo")

REMOTE_TYPES = frozenset(
    {
        # network file systems: what another machine changes makes no event here
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "beegfs", "gfs", "gfs2"),
        *("ocfs2", "orangefs", "pvfs2", "glusterfs", "davfs", "davfs2", "ftpfs", "curlftpfs", "acfs", "gpfs", "ibrix"),
        # folders of the host shared into a virtual machine or container: what the host changes makes no event here
        *("9p", "v9fs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "lxfs", "osxfs", "grpcfuse", "fakeowner"),
    }
)
"""File systems whose content changes without an inotify event; from their documentation, FUSE is tested by prefix."""

_REMOTE_MAGIC = frozenset(
    {
        # NFS, SMB, CIFS, SMB2, FUSE (virtiofs too), 9p, Ceph, AFS, Coda, OCFS2, GFS2, vboxsf (linux/magic.h)
        *(0x6969, 0x517B, 0xFF534D42, 0xFE534D42, 0x65735546, 0x01021997, 0x00C36400),
        *(0x5346414F, 0x73757245, 0x7461636F, 0x01161970, 0x786F4256),
    }
)

_SMB = frozenset({0xFF534D42, 0xFE534D42})
"""CIFS, SMB2 (linux/magic.h)."""

_LASTING = frozenset({0xEF53, 0x9123683E})
"""ext2 to ext4, btrfs (linux/magic.h): their f_fsid is made of the UUID on the disk. XFS, FAT, F2FS take the device's
number, FUSE and NFS tell little or nothing."""

_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of mountinfo (proc(5)); `device` equals `st_dev` except on btrfs, where subvolumes differ."""

    mount_id: int  # unique while mounted; a remount in the same place has another
    parent_id: int
    device: int
    fs_root: bytes  # the part of the file system that is mounted: b"/" unless a bind mount or subvolume
    mount_point: bytes
    options: tuple[str, ...]  # of this mount: "ro", "relatime", ...
    fs_type: str  # "ext4", "nfs4", "fuse.mergerfs", ...
    source: bytes  # device or server
    super_options: tuple[str, ...]  # of the file system

    @property
    def read_only(self) -> bool:
        """Tell whether the mount or its file system may not be written."""
        return "ro" in self.options or "ro" in self.super_options

    @property
    def mode(self) -> WatchMode:
        """Say how changes on this mount are found."""
        return "polling" if is_remote(self.fs_type) else "inotify"


def read(mountinfo: Path = MOUNTINFO) -> list[Mount]:
    """Read the mounts that this process sees, in mount order; raise OSError where /proc is not mounted."""
    return parse(mountinfo.read_bytes())


def parse(text: bytes) -> list[Mount]:
    """Parse mountinfo; a line that is not one (a future kernel's) is left out rather than trusted."""
    mounts = [_parse_line(line) for line in text.split(b"\n")]
    return [mount for mount in mounts if mount is not None]


def mount_of(path: str | bytes | os.PathLike[str], mounts: Sequence[Mount] | None = None) -> Mount | None:
    """Return the mount that `path` lies on, or None when there is no telling.

    `path` is absolute and free of symlinks; it need not exist. Of mounts stacked on one place the last is the one seen.
    Without `mounts` they are read: raises OSError where /proc is not mounted.
    """
    wanted = os.path.normpath(os.fsencode(path))
    best: Mount | None = None
    for mount in read() if mounts is None else mounts:
        nearer = best is None or len(mount.mount_point) >= len(best.mount_point)
        if nearer and _is_within(wanted, mount.mount_point):
            best = mount
    return best


def mounts_below(path: str | bytes | os.PathLike[str], mounts: Sequence[Mount] | None = None) -> list[Mount]:
    """Return the mounts strictly below `path`: folders that belong to another file system or come from elsewhere."""
    top = os.path.normpath(os.fsencode(path))
    found = read() if mounts is None else mounts
    return [mount for mount in found if mount.mount_point != top and _is_within(mount.mount_point, top)]


def is_remote(fs_type: str) -> bool:
    """Tell whether files may change on this type of file system without the kernel telling us.

    All of FUSE counts: sshfs and rclone are remote, mergerfs changes behind its own back, and it does not say which.
    """
    kind = fs_type.lower()
    return kind in REMOTE_TYPES or kind in ("fuse", "fuseblk") or kind.startswith(("fuse.", "nfs"))


def mode_for(path: str | bytes | os.PathLike[str], mounts: Sequence[Mount] | None = None) -> WatchMode:
    """Say how changes below `path` are found; polling when there is no telling, as it misses nothing.

    Inside a chroot the mount that holds its root is not listed: then the file system itself is asked (statfs).
    """
    mount = mount_of(path, mounts)
    if mount is not None:
        return mount.mode
    kind = _magic(path)
    return "polling" if kind is None or kind in _REMOTE_MAGIC else "inotify"


def has_lasting_id(fd: int) -> bool:
    """Tell whether the file system of an open file has one f_fsid for good, over reboots and on any machine."""
    return _magic(fd) in _LASTING


def renames_exclusively(fd: int) -> bool:
    """Tell whether the kernel may be believed when it says that a rename on this file system replaces nothing.

    On SMB it looks whether the name is free, and then has the server replace whatever has it (`ReplaceIfExists` is 1 in
    SMB2_rename of Linux, fs/smb/client): a file that came in between is lost.
    """
    return _magic(fd) not in _SMB


def _magic(path: str | bytes | os.PathLike[str] | int) -> int | None:
    """Return the magic number of the file system of a path or descriptor (statfs(2)), or None where it has none."""
    answer = (ctypes.c_long * 64)()  # struct statfs: f_type is a long and comes first; all of it has 120 bytes
    libc, to = ctypes.CDLL(None, use_errno=True), ctypes.byref(answer)
    failed = libc.fstatfs(path, to) if isinstance(path, int) else libc.statfs(os.fsencode(path), to)
    return None if failed else int(answer[0]) & 0xFFFFFFFF


def _parse_line(line: bytes) -> Mount | None:
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 - ext3 /dev/root rw,errors=continue
    head, separator, tail = line.partition(b" - ")
    fields, rest = head.split(b" "), tail.split(b" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        return None
    major, colon, minor = fields[2].partition(b":")
    if not (colon and all(number.isdigit() for number in (fields[0], fields[1], major, minor))):
        return None
    return Mount(
        int(fields[0]),
        int(fields[1]),
        os.makedev(int(major), int(minor)),
        _unescape(fields[3]),
        _unescape(fields[4]),
        tuple(os.fsdecode(fields[5]).split(",")),
        os.fsdecode(_unescape(rest[0])),
        _unescape(rest[1]),
        tuple(os.fsdecode(rest[2]).split(",")),
    )


def _unescape(field: bytes) -> bytes:
    return _ESCAPE.sub(lambda octal: bytes([int(octal[1], 8) & 0xFF]), field)


def _is_within(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top.rstrip(b"/") + b"/")
