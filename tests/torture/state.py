"""F22: the index or a manifest is damaged at random; nothing is lost, and everything with its manifest goes back."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tests.nas import NOW, Nas
from tests.torture.figures import Figure
from tests.torture.profile import Profile
from twinwatch.errors import IndexUnusableError, MoveRefusedError, RootError, TwinwatchError
from twinwatch.index import DecisionRow, Index
from twinwatch.photo import Photo
from twinwatch.quarantine import Slot, listing, recover, restore
from twinwatch.service.rebuilding import healed, rebuild

FULL = 1000
HELD = 8


def damages(profile: Profile, only: Sequence[str] = ()) -> Iterator[Figure]:
    """F22: damage the state at random, start as the program does, and put everything back."""
    base = profile.folder / "state"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    pristine = base / "pristine"
    wanted = _household(pristine)
    rounds = profile.times(FULL, quick=6)
    for what in only or DAMAGES:
        chance = random.Random(f"{profile.seed} {what}")
        total: Counter[str] = Counter()
        for _ in range(rounds):
            total += _round(pristine, base / "nas", wanted, DAMAGES[what], chance)
        broken = Counter({law: total[law] for law in ("lost", "stuck", "unresolved")})
        kept = 100 * total["log kept"] // max(1, total["log there"])
        note = f"{total['rebuilt']} times a new index was needed, {kept} % of the log kept"
        yield Figure("F22", what, rounds, f"{FULL:,}", broken, note)
    shutil.rmtree(base)


def _household(folder: Path) -> dict[str, bytes]:
    """Make a NAS with held photos, half of them with a sidecar, and a log; return every file by its place at home."""
    folder.mkdir()
    nas = Nas(folder)
    wanted = {}
    for number in range(HELD):
        content = f"picture {number}".encode() * 300
        nas.put(f"keep/{number}.jpg", content)
        wanted[f"photos/keep/{number}.jpg"] = content
        nas.put(f"in/{number}.jpg", content)
        wanted[f"photos/in/{number}.jpg"] = content
        if number % 2:
            nas.put(f"in/{number}.jpg.xmp", b"stars" * number)
            wanted[f"photos/in/{number}.jpg.xmp"] = b"stars" * number
        photo = nas.photo(f"keep/{number}.jpg")
        nas.index.photos.set_judged(_recorded(nas, photo).id)
        row = nas.hold(f"in/{number}.jpg", f"keep/{number}.jpg")
        for line in range(20):
            path = nas.root.path / f"in/{number}.jpg"
            nas.index.memory.audit(DecisionRow(NOW + line, path, "identical", None, "held", "because", row.slot, None))
    nas.index.memory.set_setting("paused", "by the test")
    nas.close()
    return wanted


def _recorded(nas: Nas, photo: Photo) -> Photo:
    return nas.index.photos.record(nas.root.id, photo.path, photo.stat, photo.reading, arrived=False)


def _round(
    pristine: Path, folder: Path, wanted: dict[str, bytes], damage: Callable[[Path, random.Random], str],
    chance: random.Random,
) -> Counter[str]:  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pristine, folder, symlinks=True)
    _settle_in(folder)
    count: Counter[str] = Counter()
    spoilt = damage(folder, chance)
    before = _contents(folder)
    try:
        count["rebuilt"] += _use(folder)
    except Exception:  # noqa: BLE001 - whatever it is: a person is told to begin a new index, and then it must work
        count["rebuilt"] += 1
        try:
            rebuild(folder / "state")
            _use(folder)
        except (TwinwatchError, OSError, sqlite3.Error):
            count["unresolved"] += 1
            return count
    count["log kept"], count["log there"] = _log_lines(folder), _log_lines(pristine)
    count["lost"] += before - _contents(folder) != Counter()
    count["stuck"] += not _all_go_back(folder, wanted, spoilt)
    return count


def _settle_in(folder: Path) -> None:
    """The copy is another folder than the one that was watched: its roots and manifests are written anew."""
    with closing(sqlite3.connect(folder / "state/index.db")) as index, index:
        place = str(folder).encode()
        old = str(folder.with_name("pristine")).encode()
        for table, columns in {
            "root": ("path", "quarantine"), "move": ("root_path", "place", "keeper_root"), "decision": ("path",),
        }.items():  # fmt: skip
            for column in columns:
                statement = f"UPDATE {table} SET {column} = CAST(replace({column}, ?, ?) AS BLOB)"  # noqa: S608
                index.execute(statement, (old, place))
        inode = str((folder / "photos").stat().st_ino)
        index.execute("UPDATE root SET inode = ?", (inode,))
    with closing(sqlite3.connect(folder / "state/index.db")) as index:
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for manifest in folder.rglob("manifest.json"):
        text = manifest.read_text().replace(str(folder.with_name("pristine")), str(folder))
        manifest.write_text(text)


def _use(folder: Path) -> bool:
    """Start as `run` does, and look at everything once; return whether a new index was begun."""
    done = healed(folder / "state")
    nas = Nas(folder)
    try:
        recover(nas.root, nas.index)
        nas.index.journal.rows()
        list(nas.index.memory.log())
        for number in range(HELD):
            nas.index.photos.with_digest(nas.photo(f"keep/{number}.jpg").reading.digest)
        if nas.index.verify():
            raise IndexUnusableError("damaged")
    finally:
        with contextlib.suppress(TwinwatchError):
            nas.close()
    return done is not None


def _all_go_back(folder: Path, wanted: dict[str, bytes], spoilt: str) -> bool:
    """Restore everything; what has a damaged manifest must still lie in its slot, whole.

    Where the index is found damaged only now, a person does what they are told, or starts the daemon: it is begun anew.
    """
    place = folder / ".twinwatch-photos-quarantine"
    for slot in listing(place):
        if slot.name != spoilt:
            try:
                _put_back(folder, slot)
            except IndexUnusableError:
                healed(folder / "state")
                _put_back(folder, slot)
    there = _contents(folder)
    home = {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "photos").rglob("*.[jx]*")}
    missing = {path: content for path, content in wanted.items() if home.get(path) != content}
    if not spoilt:
        return missing == {}
    held = Counter(missing.values())
    return held - there == Counter() and len(missing) <= 2


def _put_back(folder: Path, slot: Slot) -> None:
    index = Index(folder / "state")
    try:
        with contextlib.suppress(MoveRefusedError, RootError):
            restore(slot, index, NOW)
    finally:
        index.close()


def _contents(folder: Path) -> Counter[bytes]:
    places = (folder / "photos", folder / ".twinwatch-photos-quarantine")
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return Counter(path.read_bytes() for path in files if path.suffix in (".jpg", ".xmp"))


def _log_lines(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "state/index.db")) as index:
        (count,) = index.execute("SELECT count(*) FROM decision").fetchone()
    return int(count)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 4, 32])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _blank(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(0, len(data), 512)
    data[start : start + chance.choice([512, 4096])] = bytes(len(data[start : start + 512]))


def _in_index(how: Callable[[bytearray, random.Random], None]) -> Callable[[Path, random.Random], str]:
    def damage(folder: Path, chance: random.Random) -> str:
        path = folder / "state/index.db"
        data = bytearray(path.read_bytes())
        how(data, chance)
        path.write_bytes(data)
        return ""

    return damage


def _in_manifest(folder: Path, chance: random.Random) -> str:
    path = chance.choice(sorted(folder.rglob("manifest.json")))
    data = bytearray(path.read_bytes())
    chance.choice([_flip, _cut])(data, chance)
    path.write_bytes(data)
    return path.parent.name


def _deleted(folder: Path, _: random.Random) -> str:
    (folder / "state/index.db").unlink()
    return ""


DAMAGES = {
    "bits of the index flipped": _in_index(_flip),
    "the index cut off": _in_index(_cut),
    "a block of the index blank": _in_index(_blank),
    "the index deleted": _deleted,
    "a manifest flipped or cut off": _in_manifest,
}
