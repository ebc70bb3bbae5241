"""A known photo under another name: moved or renamed by its owner, or hard-linked. It is no arrival."""

from __future__ import annotations

from pathlib import PurePosixPath

from twinwatch.index import Index, Judged
from twinwatch.photo import FileStat, Photo
from twinwatch.roots import Root


def followed(index: Index, root: Root, path: PurePosixPath, stat: FileStat) -> Photo | None:
    """Return the photo that lies at this place now and was known elsewhere in the root; None when there is none.

    What was decided about it stands. Raises RootError when the root is not healthy.
    """
    photos = index.photos
    for other in photos.same_inode(root.id, stat):
        if other.path == path:
            continue
        there = root.stat(other.path)
        if there is not None and there.same_inode(stat):
            if photos.judged(other.id) is Judged.NOT_YET:
                continue
            linked = photos.record(root.id, path, stat, other.reading, arrived=other.arrived)
            photos.set_judged(linked.id)  # one file under two names is no copy
            return linked
        if there is not None and (there.size, there.mtime_ns) == (stat.size, stat.mtime_ns):
            continue  # it is where it was: FAT and exFAT number their files anew at each mount
        if there is not None or root.is_gone(other.path):
            photos.follow(other.id, path, stat)
            return photos.by_id(other.id)
        # else there is no telling where it is
    return None
