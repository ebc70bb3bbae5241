"""Commands as they are told to a person: pasted into a shell, they find this program, this state and this name."""

from __future__ import annotations

import functools
import os
import re
import sys
from pathlib import Path


def command(arguments: str, folder: Path) -> str:
    """Return `twinwatch ARGUMENTS`, with `--state` unless a person's twinwatch takes this state folder by itself."""
    import platformdirs

    default = Path(platformdirs.user_state_dir("twinwatch"))
    state = "" if folder == default else f" --state {word(folder)}"
    return f"{_program()} {arguments}{state}"


def completed(text: str, folder: Path, root: Path | None = None) -> str:
    """Return a message in which the commands that mend something are told for this state folder, and this root."""
    name = "DIR" if root is None else word(root)
    return _MENDING.sub(lambda found: command(found[1].replace("DIR", name), folder), text)


_MENDING = re.compile(r"(?<![\w/])twinwatch (index rebuild|resume(?: --root DIR)?|quarantine (?:list|restore [\w-]+))")


def word(value: object) -> str:
    """Return a name as one word of a shell: quoted where needed, on one line, with odd bytes escaped for bash."""
    text = str(value)
    if text.startswith("-"):
        text = f"./{text}"  # else it would be taken for an option
    if text.isprintable():
        import shlex  # this and what else is imported late: for commands that are really told

        return shlex.quote(text)
    return "$'" + "".join(_escaped(c) for c in text) + "'"


def _escaped(character: str) -> str:
    if character in "'\\":
        return f"\\{character}"
    return character if character.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


@functools.cache
def _program() -> str:
    import shutil

    if shutil.which("twinwatch"):
        return "twinwatch"
    beside = Path(sys.executable).with_name("twinwatch")  # a virtual environment that is not on the PATH
    return word(beside) if beside.exists() else f"{word(sys.executable)} -m twinwatch"
