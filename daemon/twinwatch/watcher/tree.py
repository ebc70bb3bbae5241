"""The watches of one root: a folder gets one when it appears and loses it when it leaves, and no failure goes unsaid.

Folders are keyed by their path relative to the root, in bytes. No state is kept about moves: what leaves is dropped,
what arrives is watched anew and walked. A watch is set before its folder is listed, so nothing falls between the two.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from twinwatch.watcher.hints import Kind

MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
    | InotifyConstants.IN_EXCL_UNLINK
)
"""No OPEN, ACCESS and CLOSE_NOWRITE: our own reading must make no event. No MODIFY: one for each write of a big copy;
CREATE and CLOSE_WRITE are at its both ends. ATTRIB: sync clients set the mtime after the last close."""

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # went meanwhile, or is no folder; the parent's events tell

_FILE_KINDS: tuple[tuple[int, Kind, str], ...] = (
    (InotifyConstants.IN_CLOSE_WRITE, "closed", "its writer closed it"),
    (InotifyConstants.IN_MOVED_TO, "moved-in", "renamed to this name"),
    (InotifyConstants.IN_CREATE, "changed", "created"),
    (InotifyConstants.IN_ATTRIB, "changed", "its times, owner or links changed"),
    (InotifyConstants.IN_DELETE, "gone", "deleted"),
    (InotifyConstants.IN_MOVED_FROM, "gone", "renamed away"),
)


@dataclass(slots=True)
class _Watch:
    path: bytes
    token: CallbackId  # ours within the watch; a new one each time, as watchdog warns of a repeated one
    generation: int


class Tree:
    """One root's watches. A `WatchCallback` of watchdog: `on_...` are called on the inotify thread.

    `report` is called without a lock held. All other methods are for one thread, the one that calls `Watcher`.
    """

    def __init__(
        self, root: bytes, excluded: Callable[[str], bool], report: Callable[[bytes, Kind, str], None]
    ) -> None:
        self.root = root
        self._excluded = excluded
        self._report = report
        self._lock = threading.Lock()
        self._tokens = itertools.count()
        # All below is guarded by the lock.
        self._reader: InotifyFD | None = None
        self._barriers: frozenset[bytes] = frozenset()
        self._generation = 0
        self._watches: dict[WatchDescriptor, _Watch] = {}
        self._descriptors: dict[bytes, WatchDescriptor] = {}
        self._children: dict[bytes, set[bytes]] = {}  # watched folders by their parent, to find a subtree at once
        self._failed: dict[bytes, int] = {}
        self.overflows = 0
        self.stale = ""  # why events were lost since the last `arm`; the watches are there
        self.lost = "not watched yet"  # why there are no watches at all

    @property
    def watched(self) -> int:
        """How many folders are watched."""
        with self._lock:
            return len(self._watches)

    def failures(self) -> tuple[Counter[int], dict[int, bytes]]:
        """Return how many folders could not be watched, by errno, and the first of each."""
        with self._lock:
            first: dict[int, bytes] = {}
            for path, code in self._failed.items():
                first.setdefault(code, path)
            return Counter(self._failed.values()), first

    def arm(self, reader: InotifyFD, barriers: frozenset[bytes]) -> None:
        """Watch every folder below the root that is not excluded; repairs as well as starts.

        `barriers` are absolute paths of mounts, which are not entered. Raises OSError when the root itself cannot be
        watched; `lost` then says why.
        """
        if reader is not self._reader:
            self.disarm("not watched yet")
        with self._lock:
            self._reader = reader
            self._barriers = barriers
            self._generation += 1
            generation = self._generation
            self._failed.clear()
            self.stale = self.lost = ""
        self._watch_below(b"")
        with self._lock:
            if b"" not in self._descriptors:
                code = self._failed.pop(b"", errno.ENOENT)
                self.lost = self.lost or os.strerror(code)
                raise OSError(code, os.strerror(code), self.root)
            left_over = [wd for wd, watch in self._watches.items() if watch.generation < generation]
            self._drop(left_over)

    def retry(self) -> None:
        """Try again to watch the folders that could not be; each that now can is reported, to be walked."""
        with self._lock:
            waiting = list(self._failed)
        for path in waiting:
            with self._lock:
                if self._failed.pop(path, None) is None:
                    continue  # done with a folder above it
            if self._watch_below(path):
                self._report(path, "directory", "could not be watched before")
            elif self._is_out_of_watches(path):
                break  # the others would fail as well

    def disarm(self, why: str) -> None:
        """Drop all watches; `why` becomes `lost`."""
        with self._lock:
            self._drop_all(why)

    # --- on the inotify thread ------------------------------------------------------------------------------------

    def on_event(self, event: InotifyEvent) -> None:
        """Turn one event into a report; keep the watches in step with the folders."""
        with self._lock:
            watch = self._watches.get(event.wd)
            if watch is None:
                return
            folder = watch.path
            if not event.name:
                self._on_self(folder, event.mask)
        if not event.name:
            if event.mask & InotifyConstants.IN_UNMOUNT and folder:
                self._report(b"", "rescan", "a file system below was unmounted")
            return
        path = os.path.join(folder, event.name)
        if event.mask & InotifyConstants.IN_ISDIR:
            self._on_folder(path, event)
            return
        for bit, kind, reason in _FILE_KINDS:
            if event.mask & bit:
                self._report(path, kind, reason)
                return

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Forget a watch that the kernel has ended: its folder was deleted or unmounted."""
        with self._lock:
            watch = self._watches.get(wd)
            if watch is None:
                return
            self._forget(wd)
            if not watch.path:
                self._drop_all(self.lost or "the folder was deleted or unmounted")

    def on_queue_overflow(self) -> None:
        """Note that events were lost; the service's thread repairs the watches and then asks for a rescan."""
        with self._lock:
            self.overflows += 1
            self.stale = "the kernel's event queue overflowed"

    # --- helpers --------------------------------------------------------------------------------------------------

    def _on_self(self, folder: bytes, mask: int) -> None:
        if folder:
            return  # the parent's events tell
        if mask & InotifyConstants.IN_UNMOUNT:
            self._drop_all("the folder was unmounted")
        elif mask & InotifyConstants.IN_MOVE_SELF:  # go on listening, and events would bear a wrong path
            self._drop_all("the folder was renamed")

    def _on_folder(self, path: bytes, event: InotifyEvent) -> None:
        if self._is_excluded(event.name):
            return
        if event.is_create or event.is_moved_to:
            self._watch_below(path)
            self._report(path, "directory", "came to be" if event.is_create else "renamed to this name")
        elif event.is_moved_from or event.is_delete:
            with self._lock:
                self._drop_below(path)
            self._report(path, "gone", "renamed away" if event.is_moved_from else "deleted")
        elif event.is_attrib:
            with self._lock:
                failed = self._failed.pop(path, None) is not None
            if failed and self._watch_below(path):  # it may have been made readable
                self._report(path, "directory", "could not be watched before")

    def _watch_below(self, top: bytes) -> bool:
        """Watch a folder and all below it; return whether the folder itself is watched and was listed.

        The lock is taken for each folder, not for all: the other thread goes on meanwhile, and whichever comes second
        to a folder finds it watched, or gone.
        """
        stack = [top]
        while stack:
            path = stack.pop()
            with self._lock:
                if self.lost:
                    return False
                self._watch(path)
            stack += self._folders_in(path)
        with self._lock:
            return top in self._descriptors and top not in self._failed

    def _folders_in(self, path: bytes) -> list[bytes]:
        folders = []
        try:
            with os.scandir(self._place(path)) as entries:
                for entry in entries:
                    below = os.path.join(path, entry.name)
                    if entry.is_dir(follow_symlinks=False) and not self._is_excluded(entry.name):
                        folders.append(below)
        except OSError as error:
            if error.errno not in _GONE:
                with self._lock:
                    self._failed[path] = error.errno or errno.EIO
        return [each for each in folders if os.path.join(self.root, each) not in self._barriers]

    def _place(self, path: bytes) -> bytes:
        return os.path.join(self.root, path) if path else self.root  # a trailing slash would follow a symlink

    def _is_excluded(self, name: bytes) -> bool:
        return self._excluded(os.fsdecode(name))

    def _is_out_of_watches(self, path: bytes) -> bool:
        with self._lock:
            return self._failed.get(path) == errno.ENOSPC

    def _watch(self, path: bytes) -> None:
        assert self._reader is not None  # noqa: S101 - armed
        token = CallbackId(next(self._tokens))
        try:
            wd = self._reader.add_callback(self._place(path), MASK, self, token)
        except OSError as error:
            if error.errno not in _GONE:
                self._failed[path] = error.errno or errno.EIO
            return
        if wd == -1:  # watchdog swallows EACCES and takes -1 for a watch
            self._reader.remove_callbacks([(wd, token)])
            self._failed[path] = errno.EACCES
            return
        known = self._watches.get(wd)
        if known is not None:  # the same folder, perhaps by its old name: the kernel gives the same descriptor
            self._forget(wd)
            self._reader.remove_callbacks([(wd, known.token)])
        other = self._descriptors.get(path)
        if other is not None:  # another folder has this name now
            self._drop([other])
        self._watches[wd] = _Watch(path, token, self._generation)
        self._descriptors[path] = wd
        if path:
            self._children.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
        self._failed.pop(path, None)

    def _drop_all(self, why: str) -> None:
        self._drop(list(self._watches))
        self._failed.clear()
        self.lost = why

    def _drop_below(self, top: bytes) -> None:
        found, stack = [], [top]
        while stack:
            path = stack.pop()
            stack += [os.path.join(path, name) for name in self._children.get(path, ())]
            if path in self._descriptors:
                found.append(self._descriptors[path])
        self._drop(found)
        for path in [path for path in self._failed if path == top or path.startswith(top + b"/")]:
            del self._failed[path]

    def _drop(self, descriptors: list[WatchDescriptor]) -> None:
        tokens = [(wd, self._watches[wd].token) for wd in descriptors]
        for wd in descriptors:
            self._forget(wd)
        if self._reader is not None:
            self._reader.remove_callbacks(tokens)

    def _forget(self, wd: WatchDescriptor) -> None:
        path = self._watches.pop(wd).path
        if self._descriptors.get(path) == wd:
            del self._descriptors[path]
        siblings = self._children.get(os.path.dirname(path))
        if path and siblings is not None:
            siblings.discard(os.path.basename(path))
            if not siblings:
                del self._children[os.path.dirname(path)]
