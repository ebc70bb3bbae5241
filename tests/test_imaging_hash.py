"""The hash is imagehash's to the last bit, though imagehash is not called and scipy is not imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import imagehash
import numpy as np
import scipy.fftpack
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.drawing import scene
from twinwatch.imaging import cosine
from twinwatch.imaging.fingerprint import fingerprint, perceptual

SQUARE = st.binary(min_size=32 * 32, max_size=32 * 32).map(lambda raw: np.frombuffer(raw, np.uint8).reshape(32, 32))
BLOCKS = st.binary(min_size=16, max_size=16).map(
    lambda raw: np.kron(np.frombuffer(raw, np.uint8).reshape(4, 4), np.ones((8, 8), np.uint8))
)
"""Pictures of few values, in which many terms of the transform are nought but for rounding."""


@given(SQUARE | BLOCKS)
def test_transform_and_hash_are_those_of_scipy_and_imagehash(pixels: np.ndarray) -> None:
    wanted = scipy.fftpack.dct(scipy.fftpack.dct(pixels, axis=0), axis=1)
    assert cosine.transformed(pixels).tobytes() == wanted.tobytes()
    picture = Image.fromarray(pixels)
    assert fingerprint(picture, "").hashes[0] == int(str(imagehash.phash(picture)), 16)


def test_other_sizes_of_the_hash_are_imagehash_too() -> None:
    for seed, side in enumerate((4, 8, 10, 16)):
        picture = scene(seed, (300, 200))
        assert np.array_equal(perceptual(picture, side), imagehash.phash(picture, hash_size=side).hash.ravel())


def test_where_scipy_is_built_otherwise_its_public_transform_serves(tmp_path: Path) -> None:
    assert cosine.compiled(tmp_path) is None
    plane = np.asarray(scene(1, (32, 32)).convert("L")).astype(np.float64)
    run = cosine.compiled(Path(scipy.__file__).parent)
    assert run is not None, "this scipy has its compiled module elsewhere: workers start 0.2 s slower"
    assert run(plane, 1).tobytes() == cosine.public()(plane, 1).tobytes()


def test_a_warm_worker_has_not_imported_what_is_slow_to_import() -> None:
    script = (
        "import sys, twinwatch.workers.jobs as jobs\njobs.warm()\n"
        "sys.exit(' '.join({'scipy', 'numpy.ma'} & set(sys.modules)) or None)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
