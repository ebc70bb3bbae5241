"""An extra that is installed later: what nothing could decode until then is read, once."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tests.drawing import scene
from tests.e2e.running import twinwatch
from tests.nas import Nas
from twinwatch import imaging
from twinwatch.index import Judged
from twinwatch.photo import ContentDigest, FileStat, Reading, Trouble
from twinwatch.service.decoders import OPTIONAL, heed_decoders

needs_heif = pytest.mark.skipif(not imaging.formats()["HEIF"], reason="the extra heif is not installed")

_SCAN = """
import json, runpy, sys
sys.path[:], sys.argv = json.loads(sys.argv[1]), ["twinwatch", *sys.argv[2:]]
runpy.run_module("twinwatch", run_name="__main__")
"""


def _path_without(package: str, folder: Path) -> list[str]:
    """Return the path that Python imports from, but for one package: workers are given the same one."""
    path = []
    for number, place in enumerate(entry for entry in sys.path if entry):
        path.append(place)
        if (Path(place) / package).is_dir():
            path[-1] = str(folder / str(number))
            Path(path[-1]).mkdir(parents=True)
            for entry in Path(place).iterdir():
                if entry.name != package:
                    (Path(path[-1]) / entry.name).symlink_to(entry)
    return path


def _heic() -> bytes:
    stored = io.BytesIO()
    scene(1, (160, 120)).save(stored, "HEIF", quality=80)
    return stored.getvalue()


@needs_heif
def test_a_heic_is_read_by_the_first_scan_that_can(tmp_path: Path) -> None:
    root, state = tmp_path / "photos", tmp_path / "state"
    root.mkdir()
    (root / "a.heic").write_bytes(_heic())
    path = _path_without("pillow_heif", tmp_path / "packages")
    command = [sys.executable, "-c", _SCAN, json.dumps(path), "scan", str(root), "--state", str(state)]
    for looked_at in (1, 0):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"1 picture, {looked_at} looked at" in said
        assert ("unsupported" in said) is (looked_at == 1)
    for looked_at in (1, 0):
        said = twinwatch("scan", root, "--state", state).stdout
        assert f"1 picture, {looked_at} looked at" in said
        assert "undecodable" not in said


def test_the_extras_are_those_whose_formats_the_workers_may_lack() -> None:
    assert {name for name, can in imaging.formats().items() if not can} <= OPTIONAL.keys() <= imaging.formats().keys()


@pytest.mark.parametrize("before", [None, *("", "RAW", "HEIF JXL RAW AVIF")])
def test_it_is_read_again_only_where_there_are_more_decoders(nas: Nas, before: str | None) -> None:
    troubles = [None, *Trouble]
    photos = nas.index.photos
    for number, trouble in enumerate(troubles):
        stat = FileStat(0, number, 1, 1, 1, 1, 1)
        reading = Reading(ContentDigest(bytes([number]) * 32), None, None, trouble)
        photo = photos.record(nas.root.id, PurePosixPath(f"{number}.jpg"), stat, reading, arrived=True, tries=2)
        photos.set_judged(photo.id)
    nas.index.memory.set_setting("decoders", before)
    there = {name for name in OPTIONAL if imaging.formats()[name]}
    more = before is None or not there <= set(before.split())
    assert heed_decoders(nas.index) == (2 if more else 0)
    assert heed_decoders(nas.index) == 0
    again = {trouble for number, trouble in enumerate(troubles) if _is_new(nas, f"{number}.jpg")}
    assert again == ({Trouble.UNSUPPORTED, Trouble.BROKEN} if more else set())


def _is_new(nas: Nas, name: str) -> bool:
    photo = nas.index.photos.at(nas.root.id, PurePosixPath(name))
    assert photo is not None
    tries = nas.index.photos.tries(nas.root.id, photo.path)
    return (nas.index.photos.judged(photo.id), tries) == (Judged.NOT_YET, 0)
