"""What happens to one settled file, from top to bottom. Read `line` first.

line       take(): the straight line of one photo, a generator whose every `yield` is a job for a worker
reading    what the workers tell of one file, without decoding where its bytes are known
following  a known photo under another name
restraint  why a move may not be made now
proving    which known photos a newcomer matches
belt       runs many lines at once, on one thread, so that deciding and moving never overlap
orphans    offers a held copy back whose keeper is gone
unseen     what was judged while a root could not be seen, and is judged again when it can
survey     walks a root, compares it with the index, and says what to take and what to forget
"""

from twinwatch.ingest.belt import Belt
from twinwatch.ingest.found import Found
from twinwatch.ingest.line import Action, Hold, Line, Outcome, Pace
from twinwatch.ingest.reading import SOON_ONCE
from twinwatch.ingest.restraint import PAUSED, resume
from twinwatch.ingest.survey import ACCEPTED, Survey, forget
from twinwatch.ingest.unseen import seen_again

__all__ = [
    "ACCEPTED",
    "PAUSED",
    "SOON_ONCE",
    "Action",
    "Belt",
    "Found",
    "Hold",
    "Line",
    "Outcome",
    "Pace",
    "Survey",
    "forget",
    "resume",
    "seen_again",
]
