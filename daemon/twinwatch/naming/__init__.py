"""What a file's name alone says. Pure, total over every legal name, and only ever a hint: no name is a proof of a copy.

    ignored     names never looked at: client and NAS state, trash, files still being written, placeholders
    kinds       picture, RAW, or neither, by extension
    copies      how plain a name is; whether it names another rendering
    companions  which files beside a photo belong to it

Names are `str` as `os.fsdecode` gives them (undecodable bytes are lone surrogates); never a path, always one component.
"""

from twinwatch.naming.companions import Companion, CompanionKind, companion_kind, companions, is_companion_of
from twinwatch.naming.copies import looks_edited, plainness
from twinwatch.naming.ignored import Exclusions, is_excluded_dir, is_temporary
from twinwatch.naming.kinds import is_picture, is_raw

__all__ = [
    "Companion",
    "CompanionKind",
    "Exclusions",
    "companion_kind",
    "companions",
    "is_companion_of",
    "is_excluded_dir",
    "is_picture",
    "is_raw",
    "is_temporary",
    "looks_edited",
    "plainness",
]
