"""Which paths to look at: watchdog's inotify, made to say what it missed. The one room that knows watchdog.

    hints    what is handed on: a path, and the least that is known of why; bounded and without repeats
    tree     the watches of one root, and what the kernel tells of them
    watch    Watcher: all roots, their health, and putting right what went wrong

Of watchdog 7.1 only the inotify layer is used (`InotifyFD` and its `WatchCallback`): it reads the kernel's queue on a
thread and keeps the books of watch descriptors. The observer, emitters and handlers above it lose overflows, failed
watches, unmounts and moved-out folders, and die of a handler's exception; `tree` and `watch` do that part.
"""

from __future__ import annotations

from twinwatch.watcher.hints import Hint, Kind
from twinwatch.watcher.watch import RootHealth, Watcher

__all__ = ["Hint", "Kind", "RootHealth", "Watcher"]
