"""Names that are never looked at: built-in tables and the user's own patterns, which can only narrow what is watched.

Sources: Syncthing `lib/fs/tempname.go`; nextcloud/desktop `sync-exclude.lst`; the defaults of abraunegg/onedrive,
rclone, rsync, paperless-ngx and immich; Android `MediaProvider` (`.pending-`, `.trashed-`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from twinwatch.naming.kinds import compiled, fold


@dataclass(frozen=True, slots=True)
class Exclusions:
    """The built-in tables and the user's patterns together.

    A pattern is a shell glob (`*`, `?`, `[a-z]`, `[!a]`) that must match one whole name, never a path, whatever its
    case. It holds for folders and files alike; with a slash at its end for folders only.
    """

    patterns: tuple[str, ...] = ()

    def dir(self, name: str) -> bool:
        """Tell whether a folder of this name is neither watched nor walked."""
        return is_excluded_dir(name) or any(_matches(name, pattern.removesuffix("/")) for pattern in self.patterns)

    def file(self, name: str) -> bool:
        """Tell whether a file of this name is never looked at."""
        return is_temporary(name) or any(
            _matches(name, pattern) for pattern in self.patterns if not pattern.endswith("/")
        )

    def path(self, path: PurePosixPath) -> bool:
        """Tell whether a file at this path beneath its root is never looked at, by its own name or a folder's."""
        return self.file(path.name) or any(self.dir(part) for part in path.parts[:-1])


def is_excluded_dir(name: str) -> bool:
    """Tell whether this is a folder of a sync client, a NAS, a trash, a snapshot, a photo library or of twinwatch."""
    folded = fold(name)
    return folded in _DIRS or compiled(_DIR_PATTERN).fullmatch(folded) is not None


def is_temporary(name: str) -> bool:
    """Tell whether a file of this name is still being written, is a placeholder, or is on its way to be deleted.

    Such a file gets its final name by a rename, and that rename is the event to wait for. Also true for state files
    that carry a picture's extension without being one (AppleDouble `._IMG_1.jpg`).
    """
    return compiled(_TEMPORARY).fullmatch(fold(name)) is not None


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(fold(name), fold(pattern))


def _table(text: str) -> frozenset[str]:
    return frozenset(fold(line.strip()) for line in text.splitlines() if line.strip())


def _any_of(*patterns: str) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


_DIRS = _table("""
    .stfolder
    .stversions
    .dropbox
    .dropbox.cache
    .tmp.drivedownload
    .tmp.driveupload
    .drivedownload
    .driveupload
    .shortcut-targets-by-id
    .849C9593-D756-4E56-8D6E-42412F2A707B
    .~tmp~
    .rsync-partial
    .sync
    .btsync
    .seafile-data
    files_trashbin
    files_versions

    @eaDir
    #recycle
    #snapshot
    @tmp
    @sharebin
    @SynoResource
    .SynologyWorkingDirectory
    @Recycle
    @Recently-Snapshot
    @Transcode
    @__thumb
    .qsync
    .qsync_sn
    .zfs
    .snapshot
    .snapshots
    .recycle
    lost+found

    $RECYCLE.BIN
    RECYCLER
    System Volume Information
    .Trash
    .Trashes
    .Spotlight-V100
    .DocumentRevisions-V100
    .TemporaryItems
    Temporary Items
    Network Trash Folder
    .fseventsd
    .AppleDouble
    .AppleDB
    .AppleDesktop
    __MACOSX
    .dtrash
    .thumbnails
    .thumbs
    .photoprism
    .git
""")

_DIR_PATTERN = _any_of(
    r"\.twinwatch.*",  # our own: quarantine and marker
    r"\.stfolder[.-].*",  # Syncthing renames a removed folder's marker
    r"\.@.*",  # QNAP: .@__thumb, .@upload_cache, ...
    r"\.trash-.*",  # freedesktop trash of one user
    r"\.dst[0-9a-z]+",  # proftpd, while a folder is uploaded
    r".+\.download",  # Safari's bundle around an unfinished download
    r"@gmt-.*",  # Samba's view of a snapshot
    r"appdata_[0-9a-z]+",  # Nextcloud server: previews
    # Libraries that own every file inside; taking one out damages them.
    r".+\.(?:photoslibrary|photolibrary|migratedphotolibrary|aplibrary|lrdata|lrlibrary|lrcat-data)",
)

_TEMPORARY = _any_of(
    # Written under another name, then renamed.
    r"[.~]syncthing[.~].*",
    r"\..*\.~[0-9a-f]*",  # Nextcloud, ownCloud
    r"\..+\.[0-9a-z]{6}",  # rsync, Chrome (`.com.google.Chrome.XXXXXX`)
    r"\.in\..*\.",  # proftpd
    r"\.goutputstream-.*",
    r".*\.sb-[0-9a-f]{8}-.{6}",  # macOS safe save, iCloud
    r"\.unison\..*",
    r".*\.(?:tmp|temp|part|partial|filepart|crdownload|opdownload|download|aria2|unison|czkawka_tmp|kate-swp|sw[a-z])",
    r".*\.(?:!ut|!qb|!sync|bc!)",
    r".*_exiftool_tmp",
    r".*\.kra-autosave.*",
    r"4913",  # vim tries whether it may write here
    # Locks, backups and leftovers.
    r".*~",
    r"~\$.*",
    r"\.~.*",
    r"\.#.*",
    r"#.*#",
    r"\.nfs[0-9a-f]+",
    r"\.fuse_hidden.*",
    r"\._.*",  # AppleDouble: the extension is a lie, there is no picture inside
    # Android: `.pending-<time>-IMG_1.jpg` is being written, `.trashed-<time>-IMG_1.jpg` is deleted after 30 days:
    # it must never be the keeper.
    r"\.(?:pending|trashed)-[0-9]+-.*",
    # Placeholders: the content is still in the cloud, reading would download it.
    r".*\.(?:icloud|nextcloud|owncloud|opencloud)",
)
