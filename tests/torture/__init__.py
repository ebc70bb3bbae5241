"""Makes the faults happen to the real program, counts them, and looks whether anything was lost.

    python -m tests.torture [FAMILY ...] [--quick | --full] [--seed N] [--record]

figures     what a fault test says: how often, how many lost, doubled, unresolved, untrue
library     the folders that are tortured, and the oracle: what people put there is there, once, unchanged
processes   the real program in real processes, also beneath strace, and started again until it is level
disks       file systems in images, and disks of which one can see, cut, fail, slow and pull every write

Each other file is one family of faults and has a function of its name for the runner. A family that this machine
cannot make (no root, no nbdkit, ...) says so and is skipped.
"""
