"""A camera's raw file is looked at by the preview that the camera put into it; the sensor's data is never developed.

So it has a fingerprint and is found as a look-alike of its JPEG. A proof knows it by its format, RAW: only the same
bytes are a copy of it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from PIL import Image, JpegImagePlugin

from twinwatch.photo import Trouble

FORMAT = "RAW"
"""What takes the place of Pillow's name of a format."""

_RAWPY: Any = import_module("rawpy") if find_spec("rawpy") is not None else None
# Fujifilm RAF; Canon CR3; Panasonic RW2; Olympus ORF, three kinds; Sigma X3F; Canon CRW; Minolta MRW.
_SIGNS = (
    (0, b"FUJIFILMCCD-RAW"),
    (4, b"ftypcrx"),
    (0, b"IIU\0"),
    (0, b"IIRO"),
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"FOVb"),
    (6, b"HEAPCCDR"),
    (0, b"\0MRM"),
)
_TIFF = (b"II*\0", b"MM\0*")
_SUBFILE, _PHOTOMETRIC, _ORIENTATION, _SUB_IFDS, _DNG_VERSION = 254, 262, 274, 330, 50706
_PHOTOMETRIC_RAW = {32803, 34892}  # colour filter array, linear raw (DNG 1.4)
_FLIPS = {0: 1, 3: 3, 5: 8, 6: 6}  # LibRaw's flip -> EXIF orientation: 5 is a quarter turn to the left


def installed() -> bool:
    """Tell whether previews can be taken out of raw files."""
    return _RAWPY is not None


def is_raw(data: bytes) -> bool:
    """Tell a raw file with a beginning of its own."""
    return any(data.startswith(sign, at) for at, sign in _SIGNS)


def wears_tiff(data: bytes) -> bool:
    """Tell whether the bytes begin as a TIFF does, under which many raw files go."""
    return data.startswith(_TIFF)


def is_raw_tiff(tags: Mapping[int, Any], data: bytes) -> bool:
    """Tell a raw (CR2, NEF, ARW, DNG, PEF, IIQ) that wears TIFF's coat: its first directory is only a preview."""
    is_preview = bool(int(tags.get(_SUBFILE, 0) or 0) & 1)
    return (
        data[8:10] == b"CR"
        or data[8:12] in (b"IIII", b"MMMM")  # Phase One
        or _DNG_VERSION in tags
        or tags.get(_PHOTOMETRIC) in _PHOTOMETRIC_RAW
        or (is_preview and _SUB_IFDS in tags)
    )


def knows(data: bytes) -> bool:
    """Tell whether LibRaw, if it is installed, takes this for a raw file."""
    if _RAWPY is None:
        return False
    with _RAWPY.RawPy() as camera:
        try:
            camera.open_buffer(io.BytesIO(data))
        except _RAWPY.LibRawError:
            return False
    return True


def preview(data: bytes) -> Image.Image | tuple[Trouble, str]:
    """Return the camera's preview, not yet decoded, with the raw's orientation; or why there is none.

    Raises what Pillow raises when the preview itself is damaged.
    """
    if _RAWPY is None:
        return Trouble.UNSUPPORTED, "a camera raw file; the extra `raw` shows its preview"
    # Not rawpy.imread: it looks for multiprocessing, which is too late in a sandbox.
    with _RAWPY.RawPy() as camera:
        try:
            camera.open_buffer(io.BytesIO(data))
            found, flip = camera.extract_thumb(), camera.sizes.flip
        except _RAWPY.LibRawIOError as error:
            return Trouble.TRUNCATED, f"a camera raw file: {_words(error)}"
        except _RAWPY.LibRawError as error:
            return Trouble.UNSUPPORTED, f"a camera raw file without a preview that can be read: {_words(error)}"
    if found.format == _RAWPY.ThumbFormat.JPEG:
        image: Image.Image = JpegImagePlugin.JpegImageFile(io.BytesIO(found.data))  # never MPO: one picture is enough
    else:
        image = Image.fromarray(found.data)
    image.format = FORMAT
    exif = image.getexif()
    exif[_ORIENTATION] = exif.get(_ORIENTATION) or _FLIPS.get(flip, 1)
    return image


def warm() -> None:
    """Use the library once, before the file system goes away."""
    knows(bytes(1000))


def _words(error: Exception) -> str:
    word = error.args[0] if error.args else ""
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
