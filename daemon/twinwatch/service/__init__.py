"""Life cycle: puts the rooms together, runs them, and stops them.

supervisor forks the daemon, and another when that hangs in a disk
pulse      notices that it hangs, and where (stuck)
rebuilding begins a damaged index anew
quiet      when bulk work rests
state      the state folder, its lock, and what the daemon says of itself
assembly   index, workers, roots and line, from a configuration
daemon     the loop: listen, settle, take, tell
rounds     the watched roots over time
refresh    fingerprints of older versions, made again
logs       the log on standard error
told       commands as they are told to a person
systemd    readiness, status and heartbeat
"""
