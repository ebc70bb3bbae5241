"""`python -m twinwatch` and the `twinwatch` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from twinwatch.cli import cli

    cli()


if __name__ == "__main__":
    main()
