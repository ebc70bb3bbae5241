"""Which files beside a photo belong to it: they are moved with it as one, or nothing is moved at all.

When in doubt a file belongs to more than one photo, and a mover that refuses to split a group then leaves all of it in
place: a rule here that is too wide costs a move, one that is too narrow parts a sidecar from its photo.
Sources: darktable, digiKam, RawTherapee, DxO, ON1 (sidecars); osxphotos, icloudpd (Apple); GooglePhotosTakeoutHelper
(Takeout); immich-go (Pixel).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from twinwatch.naming.copies import without_edit_mark
from twinwatch.naming.kinds import RAWS, compiled, fold, is_picture, split, words

CompanionKind = Literal["sidecar", "clip", "raw"]
"""A sidecar only describes; a clip or RAW is content of its own, which the keeper's side may not have."""


class Companion(NamedTuple):
    """A file that belongs to a photo, and the other pictures of that folder to which it belongs as well."""

    name: str
    kind: CompanionKind
    others: tuple[str, ...] = ()

    @property
    def shared(self) -> bool:
        """Tell whether moving it would take it from a picture that stays."""
        return bool(self.others)


def companions(photo_name: str, siblings: Iterable[str]) -> tuple[Companion, ...]:
    """Return what belongs to this photo among the names in its folder, in the order of `siblings`.

    A photo whose companions are all unshared may be moved together with them. A shared one must not be taken from a
    picture that stays: it stays too when the keeper is among its `others`, else the photo is not moved at all.
    The RAW of a photo and its clip bring their own sidecars along.
    """
    names = [name for name in siblings if name != photo_name]
    kinds = _group(photo_name, names)
    rivals = [name for name in names if is_picture(name)] if kinds else []
    owners: dict[str, list[str]] = {name: [] for name in kinds}
    for rival in rivals:
        for name in _group(rival, list(kinds)):
            owners[name].append(rival)
    return tuple(Companion(name, kinds[name], tuple(owners[name])) for name in names if name in kinds)


def is_companion_of(name: str, photo_name: str) -> bool:
    """Tell whether `name` belongs to that photo when both are in one folder."""
    return companion_kind(name, photo_name) is not None


def companion_kind(name: str, photo_name: str) -> CompanionKind | None:
    """Return as what `name` belongs to that photo, or None; knows nothing of other files in the folder."""
    if name == photo_name or is_picture(name) or not is_picture(photo_name):
        return _apple_double(name, photo_name)
    stem, extension = split(name)
    if extension in RAWS:
        return "raw" if _twin_stem(stem, photo_name) else None
    if _is_clip(stem, extension, name) and _twin_stem(stem, photo_name):
        return "clip"
    if extension in _SIDECARS and (_describes(stem, extension, photo_name) or _is_recipe(stem, extension, photo_name)):
        return "sidecar"
    return None


def _group(photo_name: str, names: list[str]) -> dict[str, CompanionKind]:
    """Return the photo's companions and, of its RAW and clips, the sidecars that carry their full name."""
    kinds = {name: kind for name in names if (kind := companion_kind(name, photo_name)) is not None}
    members = [name for name, kind in kinds.items() if kind != "sidecar"]
    for name in names:
        if name in kinds:
            continue
        stem, extension = split(name)
        if any(
            (extension in _SIDECARS and _carries_name(stem, extension, member)) or _apple_double(name, member)
            for member in members
        ):
            kinds[name] = "sidecar"
    return kinds


def _apple_double(name: str, owner: str) -> CompanionKind | None:
    # netatalk and SMB keep Finder tags and resource forks in `._name`.
    return "sidecar" if fold(name) == "._" + fold(owner) else None


# --- clips and RAW -------------------------------------------------------------------------------------------------

_CLIPS = words("mov mp4 m4v 3gp mp")
_PIXEL_PART = r"\.(?:raw|motion|portrait|night|long_exposure|pano)-\d\d(?:\.mp)?\.(?:cover|original)$"


def _is_clip(stem: str, extension: str, name: str) -> bool:
    # Takeout writes the clip of `MVIMG_1.jpg` without an extension as well.
    return extension in _CLIPS or (not extension and stem.startswith("mvimg_") and fold(name) == stem)


def _twin_stem(stem: str, photo_name: str) -> bool:
    photo_stem, _ = split(photo_name)
    return not _cores(stem).isdisjoint(_cores(photo_stem))


def _cores(stem: str) -> set[str]:
    """Return the stem with and without what the parts of one shot are told apart by."""
    bare = compiled(_PIXEL_PART).sub("", stem)  # PXL_1.RAW-01.COVER.jpg and PXL_1.RAW-02.ORIGINAL.dng
    bare = re.sub(r"~\d+$", "", bare) if ".mp~" in bare else bare  # PXL_1.MP~2.jpg
    return {stem, bare, bare.removesuffix(".mp"), bare.removesuffix("_hevc")}


# --- sidecars ------------------------------------------------------------------------------------------------------

_BY_STEM = words("xmp aae on1 vrd thm wav mie yml yaml json")
_SIDECARS = _BY_STEM | words("pp3 dop arp")
_SUPPLEMENT = ".supplemental-metadata"
_CUT_AT = range(45, 48)  # characters that Takeout leaves of a JSON's name before `.json`
_NUMBERED = r"(.*?)\((\d+)\)(\.[^.]*)?"
_APPLE = r"img_[eo]?(\d{4,})(?:\(\d+\))?"


def _describes(stem: str, extension: str, photo_name: str) -> bool:
    photo_stem, _ = split(photo_name)
    return (extension in _BY_STEM and stem == photo_stem) or _carries_name(stem, extension, photo_name)


def _carries_name(stem: str, extension: str, owner: str) -> bool:
    """Tell whether a sidecar's stem is its owner's full name, as such or in one of the disguises it is given."""
    owner = fold(owner)
    if stem == owner:
        return True
    if extension == "xmp":
        return re.sub(r"_\d\d(\.[^.]*)$", r"\1", stem) == owner  # darktable: IMG_1_01.cr2.xmp is a second edit
    if extension == "json":
        original = without_edit_mark(owner)  # Takeout gives an edited version no JSON of its own
        return _is_takeout(stem, owner) or (original is not None and _is_takeout(stem, original))
    return False


def _is_takeout(stem: str, owner: str) -> bool:
    core, number = _take_number(stem)
    owner_core, owner_number = _take_number(owner)
    # The number of `IMG(1).jpg` is moved to the end: `IMG.jpg(1).json`; sometimes it stays where it was.
    return (number == owner_number and _is_cut(core, owner_core)) or _is_cut(stem, owner)


def _take_number(name: str) -> tuple[str, str]:
    found = compiled(_NUMBERED).fullmatch(name)
    return (found[1] + (found[3] or ""), found[2]) if found else (name, "")


def _is_cut(core: str, owner: str) -> bool:
    """Tell whether core is owner + `.supplemental-metadata`, cut behind owner, or inside it where that is long."""
    return (owner + _SUPPLEMENT).startswith(core) and (len(core) >= len(owner) or len(core) in _CUT_AT)


def _is_recipe(stem: str, extension: str, photo_name: str) -> bool:
    # IMG_1234.AAE and IMG_O1234.AAE hold the edits between IMG_1234.HEIC and IMG_E1234.JPG: they belong to both.
    if extension != "aae":
        return False
    recipe, photo = (compiled(_APPLE).fullmatch(one) for one in (stem, split(photo_name)[0]))
    return recipe is not None and photo is not None and recipe[1] == photo[1]
