"""The index: all SQL. A cache of what is known of every photo, the journal of moves, and the audit log.

Deleting it loses no photo and no way to restore: the photos are on disk, and every slot in quarantine has its manifest.
"""

from twinwatch.index.database import DAMAGED, alone
from twinwatch.index.judged import PARTIAL, Judged
from twinwatch.index.memory import DecisionRow, MoveRow, MoveState
from twinwatch.index.store import FILE_NAME, Index

__all__ = ["DAMAGED", "FILE_NAME", "PARTIAL", "DecisionRow", "Index", "Judged", "MoveRow", "MoveState", "alone"]
