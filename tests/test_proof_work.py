"""What a proof does at most once, counted: decoding, storing and searching are what it costs."""

from __future__ import annotations

import collections
import io
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from tests.drawing import descriptor, scene, stored
from twinwatch.photo import Side, Verdict
from twinwatch.proof import generations, order, prove, recreate
from twinwatch.proof.finishing import Generation, Resaving, StandIn, encode_jpeg
from twinwatch.proof.picture import Picture, tables_of
from twinwatch.proof.scaling import Box, Scaler, Source, scalers

PHOTO = scene(31, (1200, 900))
ORIGINAL = stored(PHOTO, quality=93)


def verdict(copy: bytes) -> Verdict:
    with descriptor(ORIGINAL) as one, descriptor(copy) as other:
        return prove(one, other).verdict


def test_which_of_two_was_first_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = order.likely_original

    def counted(a: Picture, b: Picture, transform: int) -> tuple[Side, bool]:
        asked.append(transform)
        return real(a, b, transform)

    monkeypatch.setattr(order, "likely_original", counted)
    rounded = PHOTO.convert("YCbCr").convert("RGB")  # another decoder: the coded bytes do not tell
    assert verdict(stored(rounded, quality=75)) is Verdict.RE_ENCODED
    assert asked == [1]


def test_the_whole_is_stored_once_for_a_codec_that_hides_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []
    real = StandIn.applied

    def counted(self: StandIn, image: Image.Image) -> Image.Image:
        sizes.append(image.size)
        return real(self, image)

    monkeypatch.setattr(StandIn, "applied", counted)
    assert verdict(stored(PHOTO, "WEBP", quality=80)) is Verdict.RE_ENCODED
    assert sum(height for width, height in sizes if width == PHOTO.width) == PHOTO.height


def test_no_window_is_scaled_twice_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for what is measured and then judged, and not for the filter that may come after."""
    made: collections.Counter[object] = collections.Counter()

    def counted(source: tuple[int, int], target: tuple[int, int]) -> dict[str, Scaler]:
        return {name: partial(once, name, scaler) for name, scaler in scalers(source, target).items()}

    def once(name: str, scaler: Scaler, source: Source, size: tuple[int, int], box: Box) -> Image.Image:
        made[name, source, size, box] += 1
        return scaler(source, size, box)

    monkeypatch.setattr(recreate, "scalers", counted)
    small = PHOTO.resize((700, 525), Image.Resampling.BICUBIC).resize((600, 450), Image.Resampling.BILINEAR)
    assert verdict(stored(small, quality=80)) is Verdict.RE_ENCODED
    calm = 5  # windows that are looked at for grain: they are not stored
    assert made.total() > calm
    assert sum(made.values()) - len(made) <= calm


def test_a_chain_of_generations_is_stored_once_for_all_that_begin_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(io.BytesIO(stored(PHOTO, quality=85))) as opened:
        own = tables_of(opened)
    assert own is not None
    windows = [PHOTO.crop((left, 300, left + 128, 428)) for left in (0, 300, 600)]
    aims = [encode_jpeg(Generation(62, 2).applied(window), own) for window in windows]
    stores: list[Generation | Resaving] = []
    by_quality, by_tables = Generation.applied, Resaving.applied

    def counted(self: Generation, image: Image.Image) -> Image.Image:
        stores.append(self)
        return by_quality(self, image)

    def counted_too(self: Resaving, image: Image.Image) -> Image.Image:
        stores.append(self)
        return by_tables(self, image)

    monkeypatch.setattr(Generation, "applied", counted)
    monkeypatch.setattr(Resaving, "applied", counted_too)
    assert generations.earlier(windows, own, aims) == (0.0, (Generation(62, 2),))
    # 61 generations in one window, alone (two stores) and after one saving with the file's own tables (one store of it
    # for all, then two each), and then the best few in all windows.
    assert len(stores) <= 4 * 61 + 80


PROVES = """
import sys
from twinwatch.proof import prove, warm
warm()
before = set(sys.modules)
for copy in sys.argv[2:]:
    with open(sys.argv[1], "rb") as one, open(copy, "rb") as other:
        evidence = prove(one.fileno(), other.fileno())
    print(evidence.verdict.value, evidence.measures.get("exact", 1) < 0.5, sorted(set(sys.modules) - before))
"""


def test_a_warm_worker_has_loaded_all_that_a_proof_may_need(tmp_path: Path) -> None:
    """It has no file system by then: whatever it would import, however late, ends it."""
    twice = PHOTO.resize((900, 675), Image.Resampling.BICUBIC).resize((500, 375), Image.Resampling.BILINEAR)
    copies = {
        "scaled twice": stored(twice, quality=80),
        "scaled and saved without loss": stored(twice, "PNG"),
        "WebP": stored(twice, "WEBP", quality=70),
        "a palette": stored(PHOTO.resize((500, 375), Image.Resampling.BICUBIC).quantize(256), "GIF"),
    }
    (tmp_path / "original").write_bytes(ORIGINAL)
    for number, data in enumerate(copies.values()):
        (tmp_path / str(number)).write_bytes(data)
    files = [str(tmp_path / name) for name in ("original", *map(str, range(len(copies))))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", PROVES, *files], capture_output=True, text=True, env=environment)
    assert told.stdout.splitlines() == ["re-encoded True []"] * len(copies), told
