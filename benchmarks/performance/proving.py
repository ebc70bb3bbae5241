"""What a proof costs beside decoding the pair once, for the kinds of copies and look-alikes that people have."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance

from benchmarks.performance.figures import Figure
from benchmarks.performance.pictures import plugins
from twinwatch.workers.process import ENVIRONMENT

_WORK = "proof, 12 megapixels"
_BAR = 3.0


def measure(photos: Sequence[Path], work: Path, rounds: int) -> Iterator[Figure]:
    """Prove a few photos against what was made of them, file by file in one process."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for photo in photos:
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        for name, (image, format_, options) in _made(picture).items():
            made = work / f"{photo.stem}-{name.replace(' ', '-')}.{format_.lower()}"
            if not made.exists():
                made.parent.mkdir(parents=True, exist_ok=True)
                plugins()
                image.save(made, format_, **options)
            pairs.setdefault(name, []).append((str(photo), str(made)))
    for name, files in pairs.items():
        answers = [_proved(files) for _ in range(rounds)]
        ratio = statistics.median(value for each in answers for value in each[0])
        seconds = statistics.median(value for each in answers for value in each[1])
        verdicts = [verdict for each in answers for verdict in each[2]]
        note = f"{1000 * seconds:.0f} ms; {', '.join(sorted(set(verdicts)))}"
        yield Figure(_WORK, f"{name}: beside decoding the pair", ratio, bar=_BAR, note=note)


def _proved(files: list[tuple[str, str]]) -> tuple[list[float], list[float], list[str]]:
    """Prove each pair once in a process of its own, which knows none of them: ratios, seconds and verdicts."""
    environment = {**os.environ, **ENVIRONMENT}  # a worker's: its memory, and no idle threads that would be counted
    script = [sys.executable, "-m", "benchmarks.performance.proving"]
    done = subprocess.run(script, input=json.dumps(files), env=environment, capture_output=True, text=True, check=True)
    ratios, seconds, verdicts = json.loads(done.stdout)
    return ratios, seconds, verdicts


def _made(picture: Image.Image) -> dict[str, tuple[Image.Image, str, dict[str, int]]]:
    """Return what is compared with a picture, and the format and options it is saved with."""
    half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    uneven = picture.resize((picture.width * 3 // 5, picture.height * 3 // 5), Image.Resampling.BICUBIC)
    stamped = picture.copy()
    where = (picture.width * 0.4, picture.height * 0.5)
    ImageDraw.Draw(stamped).text(where, "12:34", fill="white", font_size=60)
    brighter = ImageEnhance.Brightness(picture).enhance(1.03)
    return {
        "JPEG": (picture, "JPEG", {"quality": 75}),
        "JPEG of another decoder": (_rounded(picture), "JPEG", {"quality": 75}),
        "JPEG of half the size": (half, "JPEG", {"quality": 80}),
        "JPEG by an unknown scaler": (uneven.resize(half.size, Image.Resampling.BILINEAR), "JPEG", {"quality": 80}),
        "WebP": (picture, "WEBP", {"quality": 80}),
        "AVIF": (picture, "AVIF", {"quality": 65, "speed": 9}),
        "HEIC": (picture, "HEIF", {"quality": 60}),
        "look-alike, a clock in it": (stamped, "JPEG", {"quality": 80}),
        "look-alike, brighter by 3 %": (brighter, "JPEG", {"quality": 80}),
    }


def _rounded(picture: Image.Image) -> Image.Image:
    """Return the picture as another program hands it to its encoder: some pixels are off by one."""
    return picture.convert("YCbCr").convert("RGB")


def main() -> None:
    """Print the ratios of proof to decoding, the seconds of the proofs, and the verdicts, of the pairs on stdin."""
    from twinwatch.proof import prove, warm

    warm()
    plugins()
    ratios, costs, verdicts = [], [], []
    for pair in json.load(sys.stdin):
        began = time.process_time()
        for path in pair:
            with Image.open(path) as picture:
                picture.load()
        decoded = time.process_time()
        with Path(pair[0]).open("rb") as one, Path(pair[1]).open("rb") as other:
            verdicts.append(prove(one.fileno(), other.fileno()).verdict.value)
        costs.append(time.process_time() - decoded)
        ratios.append(costs[-1] / (decoded - began))
    print(json.dumps([ratios, costs, verdicts]))


if __name__ == "__main__":
    main()
