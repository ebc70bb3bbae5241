"""What was judged while a root could not be seen is judged again once it can: its original may be there.

A root cannot be seen while it is away, while it is out of the configuration, and in a scan that names other folders.
Of each photo the roots are known that it was not compared with, as the number of a set of them. So disks that are
never there together cost one comparison each, and not one each time, and a root that never comes back costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from twinwatch.index import PARTIAL, Index, Judged
from twinwatch.photo import PhotoId, RootId

_UNSEEN = "unseen"
"""Name of the setting that lists the sets: `[[root, ...], whether some photo lacks it]`, each at its number."""


def judged(index: Index, photo: PhotoId, unseen: frozenset[Path], state: Judged = Judged.DONE) -> None:
    """Note that the decision about a photo is made, as far as it can be without the `unseen` roots.

    `state` is Judged.OPEN where its copy or look-alike was only reported: that is no comparison with all others.
    """
    photos = index.photos
    before = photos.judged(photo) if state is Judged.OPEN else Judged.NOT_YET
    lacked = photos.lacks(photo) if before in PARTIAL else None
    if lacked is not None:
        photos.set_lacks(photo, lacked, Judged.PARTLY_OPEN)
        return
    lacking = _lacking(index, photo, unseen) if unseen and before is Judged.NOT_YET else []
    if lacking:
        number = _number(index, lacking)
        photos.set_lacks(photo, number, Judged.PARTLY_OPEN if state is Judged.OPEN else Judged.PARTLY)
    else:
        photos.set_judged(photo, state)


def seen_again(index: Index, seen: Collection[RootId], paths: Collection[Path]) -> int:
    """Let the next walks judge again what was judged without one of the roots that can be `seen` now.

    `paths` are those of these roots, as recorded and as configured. Of a photo that cannot be seen itself it is still
    known what it lacks: it is judged again when both can be. Returns how many photos are judged again.
    """
    known, here = _known(index), set(map(str, paths))
    numbers = [number for number, (roots, lacked) in enumerate(known) if lacked and here.intersection(roots)]
    if not numbers:
        return 0
    count = index.photos.judge_again(numbers, seen)
    done = set(numbers) - index.photos.still_lacked(numbers)
    _remember(index, [[roots, lacked and number not in done] for number, (roots, lacked) in enumerate(known)])
    return count


def _lacking(index: Index, photo: PhotoId, unseen: frozenset[Path]) -> list[str]:
    """Return the roots that a photo is now not compared with: of those that it lacked, if it was judged before."""
    before, missing = index.photos.lacks(photo), set(map(str, unseen))
    return sorted(missing if before is None else missing.intersection(_known(index)[before][0]))


def _number(index: Index, roots: list[str]) -> int:
    known = _known(index)
    number = next((number for number, (one, _) in enumerate(known) if one == roots), len(known))
    if number == len(known) or not known[number][1]:
        _remember(index, [*known[:number], [roots, True], *known[number + 1 :]])
    return number


def _known(index: Index) -> list[Any]:
    return list(json.loads(index.memory.setting(_UNSEEN) or "[]"))


def _remember(index: Index, sets: list[Any]) -> None:
    index.memory.set_setting(_UNSEEN, json.dumps(sets))
