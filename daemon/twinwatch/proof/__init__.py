"""Is this picture a re-creation of that one? Two descriptors in, evidence out.

A copy has a cause that can be repeated. So the better picture is put through what the other file says was done to it:
its dimensions, its orientation, its quantisation tables. What is left after subtracting is the difference, judged by
the worst tile. Doubt means `look-alike`, which nothing acts on.

Runs in a child without a file system: call `warm` before it goes away.
"""

from twinwatch.proof.cascade import prove
from twinwatch.proof.warming import warm

__all__ = ["prove", "warm"]
