"""The sandboxed child processes that run imaging and proof: foreign bytes are parsed there and nowhere else.

pool       the daemon's side: Workers, its queue and its lanes
process    one child as the daemon sees it
wire       the messages between them, JSON, checked
child      the child's side          jobs      the jobs it can do (imaging and proof are imported there)
sandbox    what it gives up first    filters   the system calls that remain
"""

from __future__ import annotations

from twinwatch.workers.pool import Abilities, Priority, WorkerLimits, Workers

__all__ = ["Abilities", "Priority", "WorkerLimits", "Workers"]
