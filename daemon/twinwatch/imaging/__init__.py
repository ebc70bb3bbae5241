"""Bytes to digest, header and fingerprint: the one room, with `proof`, that knows Pillow, numpy and imagehash.

Everything here takes an open descriptor and never a path; it runs in a child that has no file system. `warm` imports
and exercises whatever is loaded late, so that it works after the sandbox has closed. `read` never raises on a bad file:
the trouble is part of the reading.
"""

from twinwatch.imaging.reading import Draft, draft, draft_of, read
from twinwatch.imaging.versions import algorithm, formats, warm

__all__ = ["Draft", "algorithm", "draft", "draft_of", "formats", "read", "warm"]
