"""What a worker may do once it is warm: compute, read the descriptors it is handed, answer. Everything else is refused.

Five layers, each on its own enough against most of what a broken or hostile picture can try: resource limits, no
capabilities, no new privileges (and death on the parent's death), Landlock (no file, no TCP), and a seccomp filter that
allows a short list of system calls. A layer that the kernel lacks is reported, not fatal. Numbers and structures are
from the kernel's headers (landlock.h, seccomp.h, filter.h, audit.h, prctl.h).
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import resource
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from twinwatch.workers import filters

ON = "on"

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_LANDLOCK_CREATE_RULESET_VERSION = 1
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_IOPRIO_BEST_EFFORT_LOWEST = (2 << 13) | 7


class _Missing(Exception):  # noqa: N818 - not an error of ours: the kernel lacks a layer
    """A layer that this kernel, or the sandbox we already are in, does not grant."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may use in all its life."""

    memory_bytes: int  # address space
    descriptors: int
    nice: int


def bound(bounds: Bounds) -> str:
    """Apply the resource limits; return "on" or why one is missing.

    RLIMIT_NPROC is left alone: it counts all processes of the user, not ours; the filter refuses new ones instead.
    """
    limits = (
        (resource.RLIMIT_AS, bounds.memory_bytes),
        (resource.RLIMIT_NOFILE, bounds.descriptors),
        (resource.RLIMIT_CORE, 0),
    )
    refused = []
    for which, wanted in limits:
        hard = resource.getrlimit(which)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(which, (value, value))
        except (OSError, ValueError) as error:
            refused.append(f"limit {which}: {error}")
    _be_humble(bounds.nice)
    return f"off: {'; '.join(refused)}" if refused else ON


def allow_cpu(seconds: float) -> None:
    """Let the process compute for `seconds` more, then the kernel ends it (SIGXCPU)."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(time.process_time() + seconds) + 1
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def enclose() -> dict[str, str]:
    """Give up, for good, all that a job does not need; return for each layer "on..." or "off: why"."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # only now: warming up may draw pictures of its own
    layers: dict[str, Callable[[], str]] = {
        "capabilities": _drop_capabilities,
        "no-new-privileges": _no_new_privileges,
        "landlock": _landlock,
        "seccomp": _seccomp,
    }
    threads = _threads()  # before Landlock hides /proc
    report = {}
    for name, apply in layers.items():
        try:
            report[name] = apply()
        except _Missing as missing:
            report[name] = f"off: {missing}"
    if threads > 1:  # capabilities and Landlock are per thread; only the filter is for all
        for name in ("capabilities", "landlock"):
            report[name] = f"off: {threads - 1} threads were started before"
    return report


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1  # no /proc to ask


def _be_humble(nice: int) -> None:
    with contextlib.suppress(OSError):  # when memory runs out, a worker goes before the daemon and before all else
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        os.nice(nice)
    except OSError:
        return  # a courtesy, not a defence
    number = filters.SYSCALLS.get(platform.machine(), {}).get("ioprio_set")
    if number is not None:
        _LIBC.syscall(ctypes.c_long(number), 1, 0, _IOPRIO_BEST_EFFORT_LOWEST)


def _drop_capabilities() -> str:
    _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(24)
    _call(_LIBC.capset(header, nothing), "capset")
    return ON


def _no_new_privileges() -> str:
    _call(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    _call(_LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE")
    return ON


def _landlock() -> str:
    create, restrict = 444, 446  # the same on all architectures
    abi = _LIBC.syscall(ctypes.c_long(create), None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION)
    _call(abi, "landlock")
    # Rights by ABI: 13 at first, then refer, truncate, and from 5 device ioctls; TCP from 4; scopes from 6.
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    attributes = struct.pack("=QQQ", files, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = _LIBC.syscall(ctypes.c_long(create), attributes, ctypes.c_size_t(size), 0)
    _call(ruleset, "landlock_create_ruleset")
    try:  # a ruleset without a rule: nothing it handles is allowed
        _call(_LIBC.syscall(ctypes.c_long(restrict), ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return f"{ON} (ABI {abi})"


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _seccomp() -> str:
    machine = platform.machine()
    if machine not in filters.SYSCALLS or sys.maxsize < 1 << 32:
        raise _Missing(f"no filter for {machine}")
    instructions = filters.build(machine, os.getpid())
    program = _Program(len(instructions) // 8, instructions)
    number = filters.SYSCALLS[machine]["seccomp"]
    outcome = _LIBC.syscall(
        ctypes.c_long(number), _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(program)
    )
    if outcome > 0:  # the id of a thread that could not be brought under the filter
        raise _Missing(f"thread {outcome} has a filter of its own")
    _call(outcome, "seccomp")
    return ON


def _call(outcome: int, what: str) -> None:
    if outcome < 0:
        raise _Missing(f"{what}: {os.strerror(ctypes.get_errno())}")


def layers_missing(report: dict[str, str] | Sequence[tuple[str, str]]) -> list[str]:
    """Return the names of the layers that are not on."""
    return sorted(name for name, state in dict(report).items() if not state.startswith(ON))
