"""The seccomp filter as a classic BPF program: a short list of system calls is allowed, the rest is answered EPERM.

Pure: numbers in, bytes out. Numbers are from asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64). A call that
is refused fails in the library that made it; only a foreign architecture, which could smuggle other numbers, kills.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

# name x86_64 aarch64, "-" where the architecture does not have the call; only the calls that the filter speaks of.
_TABLE = """
    brk 12 214 | clock_getres 229 114 | clock_gettime 228 113 | clock_nanosleep 230 115 | clone 56 220
    clone3 435 435 | close 3 57 | dup 32 23 | exit 60 93 | exit_group 231 94 | faccessat2 439 439
    fadvise64 221 223 | fcntl 72 25 | fstat 5 80 | futex 202 98 | getcpu 309 168 | getcwd 79 17 | getegid 108 177
    geteuid 107 175 | getgid 104 176 | getpid 39 172 | getppid 110 173 | getrandom 318 278 | getrlimit 97 163
    getrusage 98 165 | gettid 186 178 | gettimeofday 96 169 | getuid 102 174 | ioctl 16 29 | ioprio_set 251 30
    lseek 8 62 | madvise 28 233 | membarrier 324 283 | mincore 27 232 | mmap 9 222 | mprotect 10 226
    mremap 25 216 | munmap 11 215 | nanosleep 35 101 | newfstatat 262 79 | openat 257 56 | openat2 437 437
    poll 7 - | ppoll 271 73 | pread64 17 67 | preadv 295 69 | prlimit64 302 261 | pselect6 270 72 | read 0 63
    readv 19 65 | recvfrom 45 207 | recvmsg 47 212 | restart_syscall 219 128 | rseq 334 293 | rt_sigaction 13 134
    rt_sigprocmask 14 135 | rt_sigreturn 15 139 | sched_getaffinity 204 123 | sched_yield 24 124 | seccomp 317 277
    select 23 - | sendmsg 46 211 | sendto 44 206 | set_robust_list 273 99 | sigaltstack 131 132 | statx 332 291
    sysinfo 99 179 | tgkill 234 131 | time 201 - | times 100 153 | uname 63 160 | write 1 64 | writev 20 66
"""

SYSCALLS: dict[str, dict[str, int]] = {"x86_64": {}, "aarch64": {}}
for _name, *_numbers in (cell.split() for cell in _TABLE.replace("\n", "|").split("|") if cell.strip()):
    for _machine, _number in zip(SYSCALLS, _numbers, strict=True):
        if _number != "-":
            SYSCALLS[_machine][_name] = int(_number)

_ALLOWED = (
    *("read", "readv", "pread64", "preadv", "lseek", "fstat", "fadvise64", "write", "writev", "close", "dup"),
    *("recvmsg", "recvfrom", "sendmsg", "sendto", "poll", "ppoll", "select", "pselect6"),
    *("munmap", "mremap", "madvise", "mincore", "brk", "membarrier"),
    *("futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "getcpu", "exit", "exit_group"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "uname", "sysinfo"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times"),
    *("getrusage", "getrlimit", "getrandom"),
    "getcwd",  # Pillow asks for it when it saves to memory; it is "/"
)

# The C library has an older way for these and takes it on ENOSYS; the older ways are judged by their own arguments.
_UNKNOWN_TO_US = ("clone3", "statx", "openat2", "faccessat2")

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_PROT_EXEC = 0x4
_CLONE_THREAD = 0x10000
_AT_EMPTY_PATH = 0x1000
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_IOCTL_REQUESTS = (0x5401, 0x5450, 0x5451)  # TCGETS (isatty), FIONCLEX, FIOCLEX

_RET_KILL, _RET_ALLOW, _RET_ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16


@dataclass(frozen=True, slots=True)
class _Condition:
    """Allow a call by the low 32 bits of one argument: all of these are ints in the kernel, or flags below 2**32."""

    argument: int
    equals: tuple[int, ...] = ()
    has: int = 0  # this bit is set
    lacks: int = 0  # this bit is not set


def build(machine: str, pid: int) -> bytes:
    """Return the filter for `machine`, a key of SYSCALLS, in a process whose id is `pid`."""
    numbers = SYSCALLS[machine]
    conditions = {
        "mmap": _Condition(2, lacks=_PROT_EXEC),
        "mprotect": _Condition(2, lacks=_PROT_EXEC),
        "clone": _Condition(0, has=_CLONE_THREAD),
        "newfstatat": _Condition(3, has=_AT_EMPTY_PATH),
        "fcntl": _Condition(1, equals=_FCNTL_COMMANDS),
        "ioctl": _Condition(1, equals=_IOCTL_REQUESTS),
        "tgkill": _Condition(0, equals=(pid,)),  # abort() signals itself
        "prlimit64": _Condition(0, equals=(0, pid)),  # our own soft CPU limit; without capabilities hard ones only sink
    }
    program = [
        _step(_LOAD, _OFFSET_ARCHITECTURE),
        _step(_JUMP_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _RET_KILL),
        _step(_LOAD, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        program += [_step(_JUMP_GREATER_EQUAL, _X32_BIT, 0, 1), _step(_RETURN, _RET_KILL)]
    for name in _ALLOWED:
        if name in numbers:
            program += [_step(_JUMP_EQUAL, numbers[name], 0, 1), _step(_RETURN, _RET_ALLOW)]
    for name in _UNKNOWN_TO_US:
        program += [_step(_JUMP_EQUAL, numbers[name], 0, 1), _step(_RETURN, _RET_ERRNO | errno.ENOSYS)]
    for name, condition in conditions.items():
        body = _judge(condition)
        program += [_step(_JUMP_EQUAL, numbers[name], 0, len(body)), *body]
    program.append(_step(_RETURN, _RET_ERRNO | errno.EPERM))
    return b"".join(program)


def _judge(condition: _Condition) -> list[bytes]:
    # Little-endian: the low half of an argument comes first. Both machines of SYSCALLS are.
    steps = [_step(_LOAD, _OFFSET_ARGUMENTS + 8 * condition.argument)]
    for value in condition.equals:
        steps += [_step(_JUMP_EQUAL, value, 0, 1), _step(_RETURN, _RET_ALLOW)]
    if condition.has:
        steps += [_step(_JUMP_SET, condition.has, 0, 1), _step(_RETURN, _RET_ALLOW)]
    if condition.lacks:
        steps += [_step(_JUMP_SET, condition.lacks, 1, 0), _step(_RETURN, _RET_ALLOW)]
    return [*steps, _step(_RETURN, _RET_ERRNO | errno.EPERM)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
