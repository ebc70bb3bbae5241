"""Makes the faults happen to the real program, counts them, and looks whether anything was lost.

    python -m tests.torture [FAMILY ...] [--quick | --full] [--share 0.1] [--seed N] [--record]

figures       what a fault test says: how often, how many lost, doubled, parted, untrue, unresolved, crashed
library       the folders that are tortured, and the oracle: what people put there is there, once, unchanged
processes     the real program in real processes, also beneath strace
recovery      starting again as the program does, and judging what is there then
disks, stage  file systems in images that can be put back to any moment; disks that can be failed and pulled

powercut      F4   any prefix of the real program's block writes (recording, logdisk), and fsyncs left out (unsynced)
leastdisk     F4   every disk that may be left when nothing is kept that was not synced; each sync left out in turn
syscalls      F1, F3, F25   SIGKILL or an errno at each changing system call
configs       F25   the configuration that `config init` saves
errnos        F3   the whole grid of errnos, in one process
daemonkills   F2   SIGKILL of the daemon at random moments under load
diskfaults    F5-F8, F10, F11   a disk that fails, fills, is read-only, unmounted, pulled or hangs under a command
daemonfaults  F8-F11   a disk that comes and goes under the daemon
filesystems   F21, F24   the same on every kind of file system
remounts      F24   killed after each call, then mounted again: exFAT numbers its files anew
network       F24   NFS and CIFS between two virtual machines (guests), with the program in one of them (clientside)
limits        F14, F31   clocks that jump, and the OOM killer
floods        F12, F13   more files than the event queue, or the watches, hold
masses        F29   thousands of copies at once, and a root that empties
pictures      F15, F16   mutants of each format, and bombs
races         F17, F18, F20   names, contents and processes that act between two system calls of ours
households    F19   a real disk on which people, sync and three daemons do anything, and die anywhere
state         F22   an index or a manifest that is damaged
names         F23   names that a disk allows
escapes       F30   what a worker may not do
services      F27   the unit under a real systemd in a container
soak          F28   a million events, and nothing grows

A family that this machine cannot make (no root, no nbdkit, ...) says so and is skipped.
"""
