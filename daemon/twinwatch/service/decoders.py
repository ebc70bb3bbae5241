"""Files that could not be decoded are read again once a decoder was installed that may know them."""

from __future__ import annotations

from importlib.util import find_spec

from twinwatch.index import Index
from twinwatch.photo import Trouble

OPTIONAL = {"HEIF": "pillow_heif", "JXL": "pillow_jxl", "RAW": "rawpy"}
"""The formats that only an extra can decode, and the package that does it; Pillow knows all others by itself."""

_SETTING = "decoders"
"""Name of the setting that lists the formats of these that could be decoded when that was last looked at."""

_MAY_BE_KNOWN_NOW = (Trouble.UNSUPPORTED, Trouble.BROKEN)


def heed_decoders(index: Index) -> int:
    """Let the next walks read again what no decoder was there for, if there are more by now; return how many files.

    The packages are only looked for: no worker is started to hear that nothing changed. Versions do not count, as each
    upgrade would read all of a photographer's raw files anew to no avail.
    """
    found = [name for name, package in OPTIONAL.items() if find_spec(package) is not None]
    before = index.memory.setting(_SETTING)
    if before == " ".join(found):
        return 0
    more = before is None or not set(found) <= set(before.split())
    count = index.photos.read_again(*_MAY_BE_KNOWN_NOW) if more else 0
    index.memory.set_setting(_SETTING, " ".join(found))
    return count
