"""`python -m twinwatch` and the `twinwatch` command."""

from __future__ import annotations

import gc

_OBJECTS = 50_000
"""So many new objects make the collector look through all. Imports make more than that, to stay: at Python's own 700 it
looked through them so often that a tenth of a command's start went into it."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(_OBJECTS)
    from twinwatch.cli import cli

    try:
        cli()
    finally:
        gc.freeze()  # as it ends, the interpreter looks through all that there is, an eighth of a command's start


if __name__ == "__main__":
    main()
