"""F23: every name that a disk allows is found, judged, moved, listed and put back - or refused with a clear line."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.drawing import scene, stored
from tests.torture.disks import UnavailableError
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from tests.torture.stage import GROUNDS, Stage
from twinwatch.naming import Exclusions

AWKWARD = (
    b"new\nline", b"tab\there", b"\xff\xfe", b"-rf", b"--help", b"%s%n%00", b"'; rm -rf ~", b'"quoted"', b"$(id)",
    b"\xe2\x80\xaefdp.exe", b"e\xcc\x81", b"\xc3\xa9", b" leading", b"trailing ", b"a" * 251, b"~",
    b"#x", b"&x", b"`id`",
    b"\x1b[31mred", b"\x7f", b"back\\slash", b"co:lon", b"st*r?", b"{x,y}", b"IMG_1 (1)", b"\xf0\x9f\x98\x80", b"\x01",
)  # fmt: skip
PATH_MAX = 4096
WHERE = ("ext4", "xfs", "ntfs-3g", "exfat-fuse")
REFUSED = (errno.EILSEQ, errno.ENOENT, errno.EINVAL)
"""What a disk says of a name that it does not know, such as one that is no Unicode."""
CONFIG = """\
roots: [{{path: {root}}}]
quarantine: {{min_free_mib: 0}}
brake: {{max_moves: 1000000, max_share: 1.0}}
"""  # all of it is to be held


def names(profile: Profile) -> Iterator[Figure]:
    """F23: the awkward names, and some that were thrown together at random, with the real command."""
    stems = [*AWKWARD, *_random(profile.times(1000, quick=5), profile.seed)]
    for name in WHERE:
        folder = profile.folder / "names"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            with Stage(folder / "stage", GROUNDS[name]).opened() as library:
                yield _names(name, library.base, folder, stems)
        except UnavailableError as error:
            sys.stderr.write(f"{name}: {error}\n")
        shutil.rmtree(folder)


def _random(count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    letters = [byte for byte in range(1, 256) if byte != ord("/")]
    found: list[bytes] = []
    while len(found) < count:
        stem = bytes(chance.choices(letters, k=chance.randrange(1, 40))) + b"%d" % len(found)
        if not Exclusions().file(os.fsdecode(stem + b".jpg")):  # names of temporary files are left alone, as told
            found.append(stem)
    return found


def _names(where: str, disk: Path, folder: Path, stems: list[bytes]) -> Figure:
    root, state = disk / "mirror", folder / "state"
    root.mkdir()
    picture = stored(scene(7, (48, 36)), quality=90)
    made: dict[bytes, bytes] = {}
    refused = 0
    for number, stem in enumerate(stems):
        content = picture + b"%d" % number
        below = os.fsencode(root) + b"/" + b"/".join([b"d" * 200] * (18 if number % 40 == 7 else 0))
        if len(below) + len(stem) + 200 > PATH_MAX:
            below = os.fsencode(root)
        os.makedirs(below, exist_ok=True)
        try:
            for name in (stem + b".jpg", b"keep %d.jpg" % number):
                path = below + b"/" + name
                with open(path, "wb") as file:
                    file.write(content)
                made[path] = content
        except OSError as error:
            if error.errno not in REFUSED:
                raise
            refused += 1
    broken: Counter[str] = Counter()
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(root=json.dumps(str(root))))
    held = _lines(["scan", "--quarantine", "--config", config, "--state", state], broken)
    names = {line["path"] for line in held if line["action"] == "held"}
    listed = _lines(["quarantine", "list", "--state", state], broken)
    broken["missed"] += abs(len(made) // 2 - len(names)) + len(names - {line["path"] for line in listed})
    restored = _lines(["quarantine", "restore", "--all", "--state", state], broken)
    broken["stuck"] += sum(line["state"] != "restored" for line in restored)
    for path, content in made.items():
        with open(path, "rb") as file:
            broken["lost"] += file.read() != content
    note = f"found, held, listed and restored by the real command; {refused} more are no names there"
    return Figure("F23", f"awkward and random names: {where}", len(made) // 2, "0 skipped in silence", broken, note)


def _lines(arguments: list[Any], broken: Counter[str]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "twinwatch", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        broken["crashed"] += 1
        sys.stderr.write(done.stderr[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]
