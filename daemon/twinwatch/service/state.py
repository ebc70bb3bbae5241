"""The state folder: where it is, who has it, and what the daemon says of itself for `status`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from twinwatch.errors import AlreadyRunningError, IndexUnusableError

_LOCK = "twinwatch.lock"
_STATUS = "status.json"


def state_folder(given: Path | None) -> Path:
    """Return the state folder: as given, else $STATE_DIRECTORY (systemd), else the XDG state folder."""
    if given is not None:
        return given.expanduser().absolute()
    from_systemd = os.environ.get("STATE_DIRECTORY")
    if from_systemd:
        return Path(from_systemd.split(":")[0])
    import platformdirs  # not needed under systemd, and `--help` must not wait for it

    return Path(platformdirs.user_state_dir("twinwatch"))


def made(folder: Path) -> Path:
    """Make the state folder, private to its user, unless it is there; raise IndexUnusableError when that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        hint = "give a folder that can be written with --state DIR"
        raise IndexUnusableError(f"the state folder {folder} cannot be made: {error.strerror}", hint) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise IndexUnusableError(f"the state folder {folder} cannot be written", "give another with --state DIR")
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[IO[bytes]]:
    """Be the only twinwatch that judges photos with this state; raise AlreadyRunningError when another does.

    The lock is the kernel's and ends with the process, however that ends; a fork closes the file that has it.
    """
    try:
        fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise not_usable(folder, error) from error
    with open(fd, "r+b") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = file.read(20).decode("ascii", "replace").strip()
            hint = f"stop process {pid}, or give this one its own --state DIR"
            raise AlreadyRunningError(f"another twinwatch works with {folder}", hint) from error
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
        except OSError as error:  # a disk that is full, or cannot be written
            raise not_usable(folder, error) from error
        yield file


def not_usable(folder: Path, error: OSError) -> IndexUnusableError:
    """Return what to raise when the files of a state folder cannot be opened."""
    return IndexUnusableError(
        f"the state in {folder} cannot be used: {error.strerror}",
        "run this as the account that twinwatch runs as (sudo -u ...), or give another --state DIR",
    )


def running_pid(folder: Path) -> int | None:
    """Return the process that holds the lock of this state, or None; raise IndexUnusableError if that is not told."""
    try:
        fd = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise not_usable(folder, error) from error
    with open(fd, "rb") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said = file.read(20)
            return int(said) if said.isdigit() else None
        return None


def publish(folder: Path, status: Mapping[str, Any]) -> None:
    """Say how the daemon is; readers see the old or the new status, never half of one."""
    import tempfile  # only the daemon writes

    fd, temporary = tempfile.mkstemp(prefix=f".{_STATUS}.", dir=folder)
    try:
        with open(fd, "w", encoding="ascii") as file:
            json.dump(status, file)
        os.replace(temporary, folder / _STATUS)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def published(folder: Path) -> dict[str, Any] | None:
    """Return what the daemon last said of itself, or None."""
    try:
        status = json.loads((folder / _STATUS).read_bytes())
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) else None
