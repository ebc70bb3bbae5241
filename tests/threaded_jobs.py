"""A job table for tests whose libraries start a thread before the sandbox closes, as a careless decoder might."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from tests import hostile_jobs

JOBS = hostile_jobs.JOBS


def warm() -> Mapping[str, Any]:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return hostile_jobs.warm()
