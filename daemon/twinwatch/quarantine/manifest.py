"""The JSON beside a held photo: it explains the move and is enough to undo it, without the index."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from twinwatch.photo import ContentDigest, Evidence

NAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class HeldFile:
    """One file in the slot as it was before the move; a rename keeps all of this, restore checks it."""

    name: str
    kind: str  # "photo", or the companion's kind
    bytes: int
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    inode: int
    digest: ContentDigest


@dataclass(frozen=True, slots=True)
class Manifest:
    """Why a photo is in quarantine and where it goes back to."""

    slot: str
    at: float  # seconds since the epoch
    root: Path
    marker: str
    folder: PurePosixPath  # relative to the root
    files: tuple[HeldFile, ...]  # the photo comes last, as it is moved last
    keeper_root: Path
    keeper: PurePosixPath
    keeper_digest: ContentDigest
    rule: str  # why the keeper is the better one
    evidence: Evidence  # the held photo is a, the keeper b

    @property
    def photo(self) -> HeldFile:
        """Return the held photo itself."""
        return self.files[-1]

    @property
    def path(self) -> PurePosixPath:
        """Return where the photo was, relative to its root."""
        return self.folder / self.photo.name

    def to_bytes(self) -> bytes:
        """Return the file's content; names that are not UTF-8 are kept by JSON's \\udcXX escapes."""
        value = {
            "twinwatch": VERSION,
            "slot": self.slot,
            "held_at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"),
            "why": f"{self.evidence.words}; the keeper is {self.rule}" if self.rule else self.evidence.words,
            "undo": f"twinwatch quarantine restore {self.slot}",
            "at": self.at,
            "root": str(self.root),
            "marker": self.marker,
            "folder": str(self.folder),
            "files": [{**_fields(held), "digest": held.digest.hex()} for held in self.files],
            "keeper": {"root": str(self.keeper_root), "path": str(self.keeper), "digest": self.keeper_digest.hex()},
            "rule": self.rule,
            "verdict": self.evidence.verdict,
            "evidence": self.evidence.to_json(),
        }
        return json.dumps(value, indent=2).encode("ascii") + b"\n"

    @staticmethod
    def from_bytes(content: bytes) -> Manifest:
        """Read a manifest; raise ValueError when it is damaged or from a newer version."""
        try:
            return _parse(json.loads(content))
        except (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error


def _parse(value: Mapping[str, Any]) -> Manifest:
    if value["twinwatch"] != VERSION:
        raise ValueError(f"a manifest of version {value['twinwatch']}, this twinwatch knows {VERSION}")
    files = tuple(
        HeldFile(
            _name(held["name"]),
            str(held["kind"]),
            int(held["bytes"]),
            int(held["mtime_ns"]),
            int(held["mode"]),
            int(held["uid"]),
            int(held["gid"]),
            int(held["inode"]),
            _digest(held["digest"]),
        )
        for held in value["files"]
    )
    if not files or files[-1].kind != "photo":
        raise ValueError("a manifest without its photo")
    if len({NAME, *(held.name for held in files)}) != len(files) + 1:
        raise ValueError("a manifest with one name twice, or its own")
    keeper = value["keeper"]
    return Manifest(
        _name(value["slot"]),
        _time(value["at"]),
        _absolute(value["root"]),
        str(value["marker"]),
        _relative(value["folder"]),
        files,
        _absolute(keeper["root"]),
        _relative(keeper["path"]),
        _digest(keeper["digest"]),
        str(value["rule"]),
        Evidence.from_json(value["evidence"]),
    )


def _fields(held: HeldFile) -> dict[str, Any]:
    return {name: getattr(held, name) for name in HeldFile.__dataclass_fields__}


def _digest(value: str) -> ContentDigest:
    digest = bytes.fromhex(value)
    if len(digest) != 32:
        raise ValueError("a content digest has 32 bytes")
    return ContentDigest(digest)


def _time(value: float) -> float:
    datetime.fromtimestamp(value, UTC)  # raises for what is no time, such as NaN
    return float(value)


def _name(value: str) -> str:
    os.fsencode(value)  # raises for what is no text, or what no file system can hold
    if not value or value in (".", "..") or "/" in value or "\0" in value:
        raise ValueError(f"not a file name: {value!r}")
    return value


def _relative(value: str) -> PurePosixPath:
    path = PurePosixPath(value)
    os.fsencode(path)
    if path.is_absolute() or ".." in path.parts or "\0" in value:
        raise ValueError(f"not a path beneath a root: {value!r}")
    return path


def _absolute(value: str) -> Path:
    path = Path(value)
    os.fsencode(path)
    if not path.is_absolute() or ".." in path.parts or "\0" in value:
        raise ValueError(f"not an absolute path: {value!r}")
    return path
