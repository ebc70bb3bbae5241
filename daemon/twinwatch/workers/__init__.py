"""The sandboxed child processes that run imaging and proof: foreign bytes are parsed there and nowhere else.

pool       the daemon's side: Workers and its lanes        limits     what they may use
tasks      what waits, and who had best do it              lane       one child, its renewal, its failures
process    one child as the daemon sees it                 wire       the messages between them, JSON, checked
child      the child's side                                jobs       what it can do (imports imaging and proof)
sandbox    what it gives up first                          filters    the system calls that remain
"""

from __future__ import annotations

from twinwatch.workers.limits import WorkerLimits
from twinwatch.workers.pool import Abilities, Workers
from twinwatch.workers.tasks import Priority

__all__ = ["Abilities", "Priority", "WorkerLimits", "Workers"]
