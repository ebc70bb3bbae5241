"""The log on standard error: for a person, for journald, or one JSON object a line. Names are data: escaped."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from twinwatch.config import LogFormat, LogLevel

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def set_up(level: LogLevel, form: LogFormat) -> None:
    """Send everything that is logged to standard error, in the form asked for."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json" or (form == "auto" and not _journald() and not sys.stderr.isatty()):
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_Journal() if _journald() else _Plain())
    logging.basicConfig(handlers=[handler], force=True)
    set_level(level)
    for library in ("watchdog", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)


def set_level(level: LogLevel) -> None:
    """Log what is of this level or above from now on."""
    logging.getLogger().setLevel(level.upper())


def printable(path: object) -> str:
    """Return a path as one line of clean text: control characters and bytes that are not UTF-8 are escaped."""
    text = os.fsencode(str(path)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _journald() -> bool:
    return "JOURNAL_STREAM" in os.environ


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone()
        mark = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return f"{at:%H:%M:%S} {mark}{printable(super().format(record))}"


class _Journal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # journald reads the priority from the prefix (SyslogLevelPrefix, sd-daemon(3)).
        return f"<{_PRIORITY.get(record.levelno, 6)}>{printable(super().format(record))}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        value = {"at": at, "level": record.levelname.lower(), "message": printable(super().format(record))}
        return json.dumps(value, ensure_ascii=False)
