"""What was judged while a root could not be seen is judged again once it can: its original may be there."""

from __future__ import annotations

import json
from pathlib import Path

from twinwatch.index import Index, Judged
from twinwatch.photo import PhotoId

_UNSEEN = "unseen"
"""Name of the setting that lists the roots without which something was judged."""


def judged(index: Index, photo: PhotoId, unseen: frozenset[Path], state: Judged = Judged.DONE) -> None:
    """Note that the decision about a photo is made, as far as it can be without the `unseen` roots.

    `state` is Judged.OPEN where its copy or look-alike was only reported.
    """
    if not unseen:
        if state is Judged.DONE or index.photos.judged(photo) is not Judged.PARTLY:
            index.photos.set_judged(photo, state)
        return
    index.photos.set_judged(photo, Judged.PARTLY)
    known = _known(index)
    if not known.issuperset(map(str, unseen)):
        _remember(index, known.union(map(str, unseen)))


def seen_again(index: Index, root: Path) -> int:
    """Let the next walks judge again what was judged without this root; return how many photos that may be."""
    known = _known(index)
    if str(root) not in known:
        return 0
    count = index.photos.judge_again()
    _remember(index, known - {str(root)})
    return count


def _known(index: Index) -> frozenset[str]:
    return frozenset(json.loads(index.memory.setting(_UNSEEN) or "[]"))


def _remember(index: Index, roots: frozenset[str]) -> None:
    index.memory.set_setting(_UNSEEN, json.dumps(sorted(roots)) if roots else None)
