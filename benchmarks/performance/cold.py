"""Reading photos for the first time: `scan` beside djpeg, imagehash and czkawka; other formats beside a full decode."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.performance.costs import TWINWATCH, Cost, in_turns, run
from benchmarks.performance.figures import Figure
from twinwatch.workers.process import ENVIRONMENT

FORMATS = ("PNG", "WEBP", "HEIF", "AVIF")
_DJPEG = r"""printf '%s\n' "$@" | xargs -d '\n' -P 2 -n 1 djpeg -scale 1/8 -grayscale"""
_WEB = "cold scan, web-size JPEG"


def large(photos: Sequence[Path], work: Path, rounds: int) -> Iterator[Figure]:
    """Compare on photos of 12 megapixels; what starting costs is taken from each program: a library has thousands.

    All use both processors: what has a machine to itself has the caches and the clock of both. How much faster a decode
    to an eighth is than one in full depends on the bytes: Huffman codes are read for both.
    """
    few = photos[:2]
    megabytes = statistics.mean(photo.stat().st_size for photo in photos) / 1e6
    what = f"cold scan, 12-megapixel JPEG of {megabytes:.1f} MB"
    costs = in_turns(
        rounds,
        {
            "scan": lambda: scan_anew(photos, work),
            "scan of two": lambda: scan_anew(few, work),
            "djpeg": lambda: run(["sh", "-c", _DJPEG, "sh", *photos]),
            "imagehash": lambda: _peer("imagehash", photos[: len(photos) // 4]),
            "czkawka": lambda: _peer("czkawka", photos[: len(photos) // 4]),
        },
    )
    count, part = len(photos), len(photos) // 4
    each = (costs["scan"].processor - costs["scan of two"].processor) / (count - 2)
    limit, plain, other = (
        costs[name].processor / files for name, files in (("djpeg", count), ("imagehash", part), ("czkawka", part))
    )
    start = costs["scan of two"].processor - 2 * each
    note = f"{1000 * each:.1f} ms a photo; {start:.1f} s to start the command and its workers are apart"
    yield Figure(what, "processor beside djpeg -scale 1/8 -grayscale", each / limit, bar=1.25, note=note)
    whole = costs["scan"].processor / count
    yield Figure(what, f"the same with the start spread over {count} photos", whole / limit)
    yield Figure(what, "faster than plain imagehash", plain / each, bar=8, rule="at least", note=_ms(plain))
    yield Figure(what, "faster than czkawka", other / each, bar=5, rule="at least", note=_ms(other))
    yield Figure(what, "djpeg itself is faster than imagehash", plain / limit, note="no program can be by more")
    both = costs["scan"].processor / costs["scan"].clock
    yield Figure(what, "processors in use, of two", both, "cores")


def small(photos: Sequence[Path], work: Path, rounds: int) -> Iterator[Figure]:
    """Compare on photos as they are on the web, with all that it takes to start."""
    costs = in_turns(
        rounds,
        {
            "scan": lambda: scan_anew(photos, work),
            "imagehash": lambda: _peer("imagehash", photos),
            "czkawka": lambda: _peer("czkawka", photos),
        },
    )
    ours = costs["scan"].processor
    note = _ms(ours / len(photos))
    yield Figure(_WEB, "faster than czkawka", costs["czkawka"].processor / ours, bar=1.3, rule="at least", note=note)
    yield Figure(_WEB, "faster than plain imagehash", costs["imagehash"].processor / ours, bar=1.5, rule="at least")


def formats(files: dict[str, list[Path]], rounds: int) -> Iterator[Figure]:
    """Compare one reading (digest, header, fingerprint) with one full decode, file by file in one process.

    Its memory is a worker's: else which of the two finds pages that the other left behind is chance, and a tenth.
    """
    environment = {**os.environ, **ENVIRONMENT}
    for name, paths in files.items():
        script = [sys.executable, "-m", "benchmarks.performance.cold", str(rounds), *map(str, paths)]
        done = subprocess.run(script, capture_output=True, text=True, check=True, env=environment)
        ratio, decoded = json.loads(done.stdout)
        yield Figure(f"reading of a {name}", "processor beside one full decode", ratio, bar=1.1, note=_ms(decoded))


def main() -> None:
    """Print the median ratio of reading to decoding, and the seconds of a decode, of the files named."""
    from PIL import Image

    from twinwatch import imaging

    imaging.warm()
    ratios, decodes = [], []
    for _ in range(int(sys.argv[1])):
        for path in map(Path, sys.argv[2:]):
            began = time.process_time()
            with Image.open(path) as picture:
                picture.load()
            decoded = time.process_time()
            with path.open("rb") as file:
                assert imaging.read(file.fileno()).trouble is None
            ratios.append((time.process_time() - decoded) / (decoded - began))
            decodes.append(decoded - began)
    print(json.dumps([statistics.median(ratios), statistics.median(decodes)]))


def scan_anew(photos: Sequence[Path], work: Path) -> Cost:
    """Scan these photos, hard-linked into a folder of their own, with a new state."""
    folder, state = work / "photos", work / "state"
    for old in (folder, state):
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
    for photo in photos:
        os.link(photo, folder / photo.name)
    return run([*TWINWATCH, "scan", "--state", state, folder])


def _peer(name: str, photos: Sequence[Path]) -> Cost:
    listed = " ".join(f"'{photo}'" for photo in photos)
    peer = f"{sys.executable} -m benchmarks.performance.peers {name}"
    return run(["sh", "-c", f"printf '%s\\n' {listed} | {peer}"])


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms a photo"


if __name__ == "__main__":
    main()
