"""The other programs on the same files, each a process of its own: `python -m benchmarks.performance.peers NAME`."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Hash the files whose names are on standard input, one a line, with the peer that is named."""
    paths = [Path(line) for line in sys.stdin.read().splitlines()]
    {"imagehash": _imagehash, "czkawka": _czkawka}[sys.argv[1]](paths)


def _imagehash(paths: list[Path]) -> None:
    import imagehash
    from PIL import Image

    for path in paths:
        with Image.open(path) as picture:
            imagehash.phash(picture)


def _czkawka(paths: list[Path]) -> None:
    from czkawka import ImageSimilarity

    similarity = ImageSimilarity()
    for path in paths:
        similarity.hash_image(str(path))


if __name__ == "__main__":
    main()
