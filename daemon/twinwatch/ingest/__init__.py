"""What happens to one settled file, from top to bottom. Read `line` first.

    line     take(): the straight line of one photo, a generator whose every `yield` is a job for a worker
    belt     runs many lines at once, on one thread, so that deciding and moving never overlap
    survey   walks a root, compares it with the index, and says what to take and what to forget
"""

from twinwatch.ingest.belt import Belt
from twinwatch.ingest.line import Action, Found, Hold, Line, Outcome
from twinwatch.ingest.survey import Survey

__all__ = ["Action", "Belt", "Found", "Hold", "Line", "Outcome", "Survey"]
