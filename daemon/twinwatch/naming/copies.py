"""What a name says about being a copy: marks that sync clients and people leave. Breaks ties, never proves.

A name alone must never move a photo: Google Takeout's `IMG(1).jpg` is often another photo than `IMG.jpg`.
"""

from __future__ import annotations

from twinwatch.naming.kinds import compiled, fold, split, words


def plainness(name: str) -> tuple[int, int, int]:
    """Return a sort key in which the smaller name is the plainer one.

    In this order: marks that say "copy" or "conflict" in words or as `(1)`; marks that may be chance (`_1`, ` 2`) and
    names made by messengers; length in characters.
    """
    stem, _ = split(name)
    stem, sure = _strip(stem, _SURE)
    stem, maybe = _strip(stem, _MAYBE)
    # `IMG_1 (1)_2`: what stood behind a chance mark may be a sure one again.
    stem, more = _strip(stem, _SURE)
    return sure + more, maybe + (compiled(_MESSENGER).fullmatch(stem) is not None), len(name)


def looks_edited(name: str) -> bool:
    """Tell whether this name says: another rendering or another shot of the same scene, not a copy.

    Edited versions (Google, Apple, Samsung), bursts, portrait, night, HDR, panorama and collage renderings, and the
    cover frames of Pixel groups. A hint to distrust a near match, or to prefer the other one as keeper.
    """
    stem, _ = split(name)
    return without_edit_mark(name) is not None or compiled(_RENDERING).search(stem) is not None


def without_edit_mark(name: str) -> str | None:
    """Return the folded name of which `name` is the edited version by Google's naming, or None.

    Google cuts names at 47 to 51 characters or bytes, so that `-edited` may be no more than `-e`.
    """
    stem, extension = split(name)
    dotted = f".{extension}" if extension else ""
    number = compiled(_NUMBER).search(stem)
    bare = stem[: number.start()] if number else stem
    tail = number.group() if number else ""
    for mark in _EDITED:
        if bare.endswith(mark) and bare != mark:
            return bare[: -len(mark)] + tail + dotted
    if _may_be_cut(name):
        head, dash, rest = bare.rpartition("-")
        if head and rest and any(mark.startswith(dash + rest) for mark in _EDITED):
            return head + tail + dotted
    return None


def _may_be_cut(name: str) -> bool:
    return any(46 <= length <= 51 for length in (len(name), len(name.encode("utf-8", "surrogatepass"))))


def _strip(stem: str, marks: tuple[str, ...]) -> tuple[str, int]:
    """Take marks off until none is left, never all of the name; return what is left and how many there were."""
    count = 0
    while True:
        for mark in marks:
            shorter = compiled(mark).sub("", stem, count=1)
            if shorter and shorter != stem:
                stem, count = shorter, count + 1
                break
        else:
            return stem, count


_LATIN = "copy|kopie|copie|copia|cópia|kopia|kopi|kopio|kópia|kopya|копия|копія"
_JOINED = "副本|のコピー|コピー|사본|복사본"  # written without a blank
_COPY = f"{_LATIN}|{_JOINED}"

_SURE = (
    # Conflict names, most telling first.
    r"\.sync-conflict-\d{8}-\d{6}-[0-9a-z]{7}$",  # Syncthing
    r" ?[(\[][^()\[\]]*(?:conflict|konflikt|conflit|conflicto|conflitto|冲突|衝突|競合|case clash)[^()\[\]]*[)\]]$",
    r"_conflict-[0-9-]+$",  # old ownCloud
    r"_[^_]*_[a-z]{3}-\d\d-\d{4}-\d{4}_(?:case|whitespace|tailcharacter)?conflict(?:\[\d+\]|_\d+)?$",  # Synology Drive
    r"-[^-]+-safebackup-\d{4}$",  # OneDrive client for Linux
    r"\.conflict\d*$",  # rclone bisync, Resilio
    # Copies.
    rf"(?:[ _-]+(?:{_LATIN})|[ _-]*(?:{_JOINED}))(?: ?\(?\d+\)?)?$",
    rf" \((?:another |\d+(?:st|nd|rd|th) )?(?:{_COPY})(?: \d+)?\)$",
    rf"^(?:{_LATIN})(?: ?\(\d+\))? (?:of|von|de|di|van|av|af) ",
    rf"^(?:копия|копія|复件|複製|{_JOINED})(?: ?\(\d+\))? ",
    r" ?\(\d{1,3}\)$",
)

_MAYBE = (
    r"_[1-9]\d?$",  # Huawei, HarmonyOS
    r" [2-9]$",  # iCloud Drive, Finder
    r"\.\d{5}$",  # PhotoPrism import
    r"~[1-9]\d?$",
    r"_qazxsw$|(?<!\d{8})-(?!(?:19|20)\d{6}$)\d{5,9}$",  # icloudpd, by size; not dates and times
    r"_(?:jpg|jpeg|heic|heif|hevc|png|webp)$",  # converted sibling
)

_MESSENGER = (
    r"img-\d{8}-wa\d{4,}|whatsapp image .*|fb_img_\d+|received_\d+|signal-\d{4}-.*|photo_\d{4}-\d\d-\d\d_.*"
    r"|mmexport\d+|[0-9a-f]{32,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)

_NUMBER = r"\(\d+\)$"

_EDITED = tuple(
    sorted(
        fold(f"-{word}")
        for word in (
            words(
                "edited effects smile mix edytowane bearbeitet bewerkt modificato modifié editado editada editat "
                "diedit redigerad redigeret redigert muokattu отредактировано düzenlendi "
                "संपादित แก้ไขแล้ว 編集済み 已编辑 已編輯 편집됨"
            )
            | {"ha editado", "đã chỉnh sửa", "تم التعديل"}
        )
    )
)

_RENDERING = (
    r"^img_e\d{4,}"  # Apple's edited version
    r"|~\d+$"  # Google Photos, Samsung
    r"|burst\d+"
    r"|[_.]cover$"
    r"|^\d{8}_\d{6}_\d{3}$"  # Samsung burst
    r"|\.(?:raw|motion|portrait|night|long_exposure|pano|photosphere)(?:-\d\d)?(?:\.|$)"  # Pixel
    r"|[_-](?:hdr|portrait|bokeh|night|collage|animation|pano|edit)$"
)
