"""The values that every room speaks of: what a photo is, what is known of it, and what a proof says.

Pure: frozen dataclasses and their JSON form, no disk, no clock, no image library. The JSON form is what a sandboxed
worker sends back, so `from_json` checks every field and never trusts its sender.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePath, PurePosixPath
from typing import Any, Literal, NewType

ContentDigest = NewType("ContentDigest", bytes)
"""BLAKE3 of the file's bytes, 32 bytes."""


def content_digest(text: str) -> ContentDigest:
    """Build a digest from its hexadecimal form; raise ValueError or TypeError on anything else."""
    digest = bytes.fromhex(text)
    if len(digest) != 32:
        raise ValueError("a content digest has 32 bytes")
    return ContentDigest(digest)


PerceptualHash = NewType("PerceptualHash", int)
"""imagehash pHash as an unsigned 64-bit number; bit 63 is the DC term's row, first column."""

RootId = NewType("RootId", int)
"""A watched folder's number in the index."""

PhotoId = NewType("PhotoId", int)
"""A photo's number in the index."""


TOP = PurePosixPath()
"""The root folder itself, as a path relative to it."""


class Verdict(StrEnum):
    """What two pictures are to each other (accuracy page); only the first three may set a photo aside."""

    IDENTICAL = "identical"
    SAME_PIXELS = "same-pixels"
    RE_ENCODED = "re-encoded"
    LOOK_ALIKE = "look-alike"
    DISTINCT = "distinct"
    UNDECODABLE = "undecodable"


COPY_VERDICTS = frozenset({Verdict.IDENTICAL, Verdict.SAME_PIXELS, Verdict.RE_ENCODED})


class Trouble(StrEnum):
    """Why a file has no fingerprint."""

    TRUNCATED = "truncated"  # the data ends early: perhaps still being written
    BROKEN = "broken"  # not decodable, or decodes with errors
    TOO_LARGE = "too-large"  # over the pixel, frame or byte limit: a bomb
    NO_MEMORY = "no-memory"  # the worker ran out of it: too large, or something else had taken it
    UNSUPPORTED = "unsupported"  # a format whose decoder is not installed or not allowed
    TIMED_OUT = "timed-out"  # the worker was ended by the clock
    CRASHED = "crashed"  # the worker died
    KILLED = "killed"  # the worker was ended from outside, as when the machine runs out of memory


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a root is recognised; recorded in the index, and the marker also in the root itself."""

    marker: str  # "" for a reference root, which is never written to
    fsid: int  # statvfs f_fsid, 0 where the file system has none
    inode: int  # of the root folder


@dataclass(frozen=True, slots=True)
class RootRecord:
    """What is remembered of a watched folder."""

    id: RootId
    path: PurePath
    identity: Identity
    reference: bool
    quarantine: PurePath | None  # where its duplicates are held; None for a reference root
    level_at: float | None  # when index and disk were first level, seconds since the epoch; later files are arrivals


@dataclass(frozen=True, slots=True)
class FileStat:
    """What the file system says of a file; equal stat data means: still the file we read."""

    device: int
    inode: int
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int
    blocks: int = field(compare=False)  # 512-byte blocks on disk; 0 for a placeholder
    links: int = field(compare=False)  # hard links

    def same_inode(self, other: FileStat) -> bool:
        """Tell whether both are one file under two names."""
        return (self.device, self.inode) == (other.device, other.inode)

    def may_be_same_file(self, other: FileStat) -> bool:
        """Tell whether both may be one file, also when it is seen through two mounts.

        A pool over its disk (mergerfs, overlay, Unraid's user shares) or a share mounted where it comes from shows one
        file under two device numbers, and often under two inode numbers. Its times are the same to the nanosecond;
        those of two copies are not, but where a file system only knows seconds. There a file of one name comes and goes
        under both paths, which `hold` sees; one with several names does not, so that much likeness is enough.
        """
        if self.device == other.device:
            return self.inode == other.inode
        times = (self.size, self.mtime_ns, self.ctime_ns) == (other.size, other.mtime_ns, other.ctime_ns)
        linked = self.links > 1 and other.links > 1
        return times and (linked or self.inode == other.inode or self.ctime_ns % 1_000_000_000 != 0)

    @property
    def is_placeholder(self) -> bool:
        """Tell whether the content is likely still in the cloud: reading it would download it.

        Small files may live inside the inode (ext4, btrfs), so only those over 4 KiB count.
        """
        return self.size > 4096 and self.blocks == 0


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture file carries beside its pixels."""

    exif_tags: int = 0
    gps: bool = False
    captured_at: str | None = None  # EXIF DateTimeOriginal as written, "2024:05:17 10:11:12"
    camera: str | None = None
    xmp: bool = False
    profile: str | None = None  # BLAKE3 of the ICC profile, 16 hex digits; None is sRGB by convention
    motion_video: bool = False
    gain_map: bool = False

    @property
    def taken(self) -> int:
        """Count what is written as the picture is taken, and that no editor adds: place, date, clip, gain map."""
        return sum((self.gps, self.captured_at is not None, self.motion_video, self.gain_map))

    @property
    def richness(self) -> int:
        """Weigh what would be lost with this file: location, date and embedded parts before mere tags."""
        return 100 * (self.taken + self.xmp) + 50 * (self.profile is not None) + min(self.exif_tags, 49)


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture file says of itself before its pixels are decoded."""

    format: str  # Pillow's name: "JPEG", "PNG", "HEIF", ...
    width: int  # stored pixels, before orientation
    height: int
    orientation: int  # EXIF 1..8, 1 when absent or nonsense
    mode: str  # Pillow mode of the first frame
    bits: int  # bits a channel
    alpha: bool
    frames: int
    metadata: Metadata = Metadata()

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as a viewer shows it."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    @property
    def pixels(self) -> int:
        """Count the stored pixels of one frame."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The perceptual hash of the upright picture in all eight orientations, and how much it can be trusted.

    `hashes[k]` is the hash of the upright picture transformed as EXIF orientation k+1 would show it; `hashes[0]` is the
    picture itself. `detail` is the standard deviation of the 32x32 luma thumbnail (0-255): below `matching.MIN_DETAIL`
    the picture is flat and its hash is noise. `algorithm` names algorithm and library versions.
    """

    hashes: tuple[PerceptualHash, ...]
    detail: float
    algorithm: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one pass over a file's bytes told: digest always, header and fingerprint unless there was trouble."""

    digest: ContentDigest
    header: Header | None
    fingerprint: Fingerprint | None
    trouble: Trouble | None = None
    detail: str = ""  # the decoder's own words, for the log

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` is its inverse."""
        header, print_ = self.header, self.fingerprint
        return {
            "digest": self.digest.hex(),
            "header": None if header is None else header_to_json(header),
            "fingerprint": None
            if print_ is None
            else {
                "hashes": [f"{h:016x}" for h in print_.hashes],
                "detail": print_.detail,
                "algorithm": print_.algorithm,
            },
            "trouble": self.trouble,
            "detail": self.detail,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Reading:
        """Build a reading from its JSON form; raise ValueError, KeyError or TypeError on anything unexpected."""
        header, print_ = value["header"], value["fingerprint"]
        digest = content_digest(value["digest"])
        fingerprint = None
        if print_ is not None:
            hashes = tuple(PerceptualHash(int(h, 16)) for h in print_["hashes"])
            if len(hashes) != 8 or not all(0 <= h < 1 << 64 for h in hashes):
                raise ValueError("a fingerprint has eight 64-bit hashes")
            fingerprint = Fingerprint(hashes, float(print_["detail"]), str(print_["algorithm"])[:200])
        return Reading(
            digest,
            None if header is None else header_from_json(header),
            fingerprint,
            None if value["trouble"] is None else Trouble(value["trouble"]),
            str(value["detail"])[:500],
        )


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture file beneath a root, as the index knows it."""

    id: PhotoId
    root: RootId
    path: PurePosixPath  # relative to the root, surrogateescape for bytes that are not UTF-8
    stat: FileStat
    reading: Reading
    arrived: bool  # came after its root was first level
    reference: bool  # its root is only matched against

    @property
    def header(self) -> Header:
        """Return the header; raise ValueError for a photo that could not be read."""
        if self.reading.header is None:
            raise ValueError("an unreadable photo has no header")
        return self.reading.header


Side = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The outcome of a proof for the pair (a, b), in a word, in a sentence and in numbers.

    `original` is the side from which the other can be made, or None when either could be. `transform` is the EXIF
    orientation number (1..8) that turns upright `a` into upright `b`: 1 nothing, 3/6/8 rotations, 2/4/5/7 mirrored.
    In `words`, {a} and {b} stand for the two until `named` puts in what a person calls them.
    """

    verdict: Verdict
    original: Side | None = None
    transform: int = 1
    words: str = ""
    measures: Mapping[str, float | int | str] = field(default_factory=dict)

    def named(self, a: str, b: str) -> Evidence:
        """Return the same evidence with these names in its words."""
        names = {"{a}": a, "{b}": b}
        return replace(self, words=re.sub(r"\{[ab]\}", lambda found: names[found[0]], self.words))

    @property
    def direction_proved(self) -> bool:
        """Tell whether `original` is proved, the other being exactly re-created from it, or only the likelier one."""
        return self.original is not None and self.measures.get("direction") != "likely"

    @property
    def mirrored(self) -> bool:
        """Tell whether one is a mirror image of the other."""
        return self.transform in (2, 4, 5, 7)

    @property
    def rotated(self) -> bool:
        """Tell whether one is the other turned by 90, 180 or 270 degrees."""
        return self.transform in (3, 6, 8)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` is its inverse."""
        return {
            "verdict": str(self.verdict),
            "original": self.original,
            "transform": self.transform,
            "words": self.words,
            "measures": dict(self.measures),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Evidence:
        """Build evidence from its JSON form; raise ValueError, KeyError or TypeError on anything unexpected."""
        original, transform = value["original"], value["transform"]
        if original not in ("a", "b", None) or transform not in range(1, 9):
            raise ValueError("not a proof's answer")
        measures = {
            str(k)[:60]: v if isinstance(v, int | float) else str(v)[:200] for k, v in value["measures"].items()
        }
        return Evidence(Verdict(value["verdict"]), original, transform, str(value["words"])[:1000], measures)


class Metric(StrEnum):
    """The comparators that scripts use. They explain a verdict; nothing is ever decided by one of them."""

    AVERAGE = "average"
    DIFFERENCE = "difference"
    PERCEPTUAL = "perceptual"
    BLOCK = "block"
    GRADIENT = "gradient"
    HISTOGRAM_1 = "histogram-1"
    HISTOGRAM_3 = "histogram-3"
    MSE = "mse"
    SSIM = "ssim"


Rule = Literal["at least", "above", "below", "at most"]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What one metric says of a pair, and what the script that uses it makes of that: alike when `rule` `threshold`."""

    value: float
    rule: Rule
    threshold: float
    alike: bool

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` is its inverse."""
        return {name: getattr(self, name) for name in Likeness.__dataclass_fields__}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Likeness:
        """Build a likeness from its JSON form; raise ValueError, KeyError or TypeError on anything unexpected."""
        if value["rule"] not in ("at least", "above", "below", "at most") or not isinstance(value["alike"], bool):
            raise ValueError("not a metric's answer")
        return Likeness(float(value["value"]), value["rule"], float(value["threshold"]), value["alike"])


Likenesses = Mapping[Metric, Likeness | None]
"""The answers of the metrics asked for; None where one has none: a file that cannot be read, or too few pixels."""


def header_to_json(header: Header) -> dict[str, Any]:
    """Return the JSON form of a header."""
    meta = header.metadata
    return {
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "orientation": header.orientation,
        "mode": header.mode,
        "bits": header.bits,
        "alpha": header.alpha,
        "frames": header.frames,
        "metadata": {name: getattr(meta, name) for name in Metadata.__dataclass_fields__},
    }


def header_from_json(value: Mapping[str, Any]) -> Header:
    """Build a header from its JSON form; raise ValueError, KeyError or TypeError on anything unexpected."""
    meta = value["metadata"]
    width, height, orientation = int(value["width"]), int(value["height"]), int(value["orientation"])
    if width < 1 or height < 1 or orientation not in range(1, 9):
        raise ValueError("not a picture's header")
    return Header(
        str(value["format"])[:20],
        width,
        height,
        orientation,
        str(value["mode"])[:20],
        int(value["bits"]),
        bool(value["alpha"]),
        int(value["frames"]),
        Metadata(
            int(meta["exif_tags"]),
            bool(meta["gps"]),
            _text(meta["captured_at"]),
            _text(meta["camera"]),
            bool(meta["xmp"]),
            _text(meta["profile"]),
            bool(meta["motion_video"]),
            bool(meta["gain_map"]),
        ),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:200]
