"""The other programs on the same files, each a process of its own: `python -m benchmarks.performance.peers NAME`.

They use two processors, as `scan` does: what has a machine to itself has the caches and the clock of both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

Hasher = Callable[[Path], object]


def main() -> None:
    """Hash the files whose names are on standard input, one a line, with the peer that is named."""
    paths = [Path(line) for line in sys.stdin.read().splitlines()]
    hash_ = {"imagehash": _imagehash, "czkawka": _czkawka}[sys.argv[1]]()
    other = os.fork()  # all is imported once
    for path in paths[other == 0 :: 2]:
        hash_(path)
    if other == 0:
        os._exit(0)
    _, status = os.waitpid(other, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _imagehash() -> Hasher:
    import imagehash
    from PIL import Image

    def hash_(path: Path) -> object:
        with Image.open(path) as picture:
            return imagehash.phash(picture)

    return hash_


def _czkawka() -> Hasher:
    from czkawka import ImageSimilarity

    similarity = ImageSimilarity()
    return lambda path: similarity.hash_image(str(path))


if __name__ == "__main__":
    main()
