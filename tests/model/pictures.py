"""What the workers would say of the contents of the model: their digest, their reading, the proof of two."""

from __future__ import annotations

import functools

from tests.model.disk import Content
from twinwatch.photo import ContentDigest, Evidence, Header, Reading, Verdict


@functools.cache
def digest(content: Content) -> ContentDigest:
    """Return the digest of a content."""
    return ContentDigest(f"{content.scene} {content.version} {content.kind}".encode().ljust(32))


@functools.cache
def read(content: Content) -> Reading:
    """Return what a worker would tell of a content: later versions are smaller."""
    return Reading(digest(content), Header("JPEG", 100, 100 - content.version, 1, "RGB", 8, False, 1), None)


@functools.cache
def prove(a: Content, b: Content) -> Evidence | None:
    """Return the proof of two contents: one scene is a copy, its neighbour looks alike."""
    if a == b:
        return Evidence(Verdict.IDENTICAL)
    if a.scene == b.scene:
        return Evidence(Verdict.RE_ENCODED, "a" if a.version < b.version else "b")
    return Evidence(Verdict.LOOK_ALIKE) if a.scene // 2 == b.scene // 2 else None
