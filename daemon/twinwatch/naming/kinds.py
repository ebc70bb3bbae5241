"""Picture, RAW, or neither: decided by the extension alone, the content has the last word later."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from functools import cache


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern, made when it is first asked for: a walk over what is known asks for one of two dozen.

    A dot stands for a newline, too, which is a legal character of a name.
    """
    return re.compile(pattern, re.DOTALL)


def words(text: str) -> frozenset[str]:
    """Return the blank-separated words of a table."""
    return frozenset(text.split())


PICTURES = words("jpg jpeg jpe jfif png apng webp gif tif tiff bmp dib avif avifs heic heics heif heifs hif jxl mpo")
RAWS = words(
    "3fr ari arw bay cap cr2 cr3 crw dcr dcs dng erf fff gpr iiq k25 kdc mef mos mrw nef nrw orf pef ptx "
    "raf raw rw2 rwl rwz sr2 srf srw x3f"
)


def is_picture(name: str) -> bool:
    """Tell whether this name promises a picture that can be judged."""
    return extension(name) in PICTURES


def is_raw(name: str) -> bool:
    """Tell whether this name promises a camera's RAW data: a companion, never judged itself."""
    return extension(name) in RAWS


def fold(name: str) -> str:
    """Return the form in which two names are compared: composed (macOS decomposes) and without case (SMB, exFAT)."""
    if name.isascii():  # nearly every name: the same, at a fifth of the cost
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def extension(name: str) -> str:
    """Return what follows the last dot, folded, without the dot; empty for `name`, `name.` and `.name`."""
    return fold(posixpath.splitext(name)[1][1:])


def split(name: str) -> tuple[str, str]:
    """Return stem and extension, both folded, the extension without its dot."""
    stem, dotted = posixpath.splitext(name)
    return fold(stem), fold(dotted[1:])
