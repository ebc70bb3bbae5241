"""What was judged while a root could not be seen is judged again once it can: its original may be there.

Of each photo the roots are known that it was not compared with, as the number of a set of them. So disks that are
never there together cost one comparison each, and not one each time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twinwatch.index import Index, Judged
from twinwatch.photo import PhotoId

_UNSEEN = "unseen"
"""Name of the setting that lists the sets: `[[root, ...], whether some photo lacks it]`, each at its number."""


def judged(index: Index, photo: PhotoId, unseen: frozenset[Path], state: Judged = Judged.DONE) -> None:
    """Note that the decision about a photo is made, as far as it can be without the `unseen` roots.

    `state` is Judged.OPEN where its copy or look-alike was only reported: that is no comparison with all others.
    """
    photos = index.photos
    before = photos.judged(photo) if state is Judged.OPEN else Judged.NOT_YET
    if before is Judged.PARTLY:
        return
    lacking = _lacking(index, photo, unseen) if unseen and before is Judged.NOT_YET else []
    if lacking:
        photos.set_lacks(photo, _number(index, lacking))
    else:
        photos.set_judged(photo, state)


def seen_again(index: Index, root: Path) -> int:
    """Let the next walks judge again what was judged without this root; return how many photos that may be."""
    known = _known(index)
    numbers = [number for number, (roots, lacked) in enumerate(known) if lacked and str(root) in roots]
    if not numbers:
        return 0
    count = index.photos.judge_again(numbers)
    _remember(index, [[roots, lacked and number not in numbers] for number, (roots, lacked) in enumerate(known)])
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
