"""A job table for tests: the "photo" is a line of text that names what the worker shall try. Run in workers only."""

from __future__ import annotations

import ctypes
import errno
import gc
import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SLOW = b"slow"
HUNGRY = b"hungry"
BEGUN = 1  # where a descriptor stands, also as who lent it sees it, once the slow work on its file has begun
LIBC = ctypes.CDLL(None, use_errno=True)
PARENT = os.getppid()
OOM_SCORE = int(Path("/proc/self/oom_score_adj").read_text())
NICENESS = os.getpriority(os.PRIO_PROCESS, 0)


def warm() -> Mapping[str, Any]:
    hashlib.sha256(b"warm").digest()
    return {"algorithm": "test-1", "formats": {"JPEG": True, "JXL": False}}


def reading(detail: str, digest: bytes = bytes(32)) -> Mapping[str, Any]:
    return {"digest": digest.hex(), "header": None, "fingerprint": None, "trouble": "broken", "detail": detail}


def refused(attempt: Callable[[], object]) -> str:
    """Say how an attempt ended: "done", or the name of the errno."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except ValueError as error:
        return str(error)
    return "done"


def call(function: str, *arguments: object) -> str:
    """Call the C library and say how it ended."""
    outcome = getattr(LIBC, function)(*arguments)
    return "done" if outcome >= 0 else errno.errorcode[ctypes.get_errno()]


def new_thread() -> str:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(1))
    thread.start()
    thread.join()
    return "done" if seen else "lost"


def descriptors() -> str:
    """The descriptors that are open, but for the photo's own."""
    found = []
    for number in range(64):
        if refused(lambda number=number: os.fstat(number)) == "done":  # type: ignore[misc]
            found.append(number)  # noqa: PERF401 - clearer so
    return ",".join(map(str, found))


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a file": lambda: Path("/etc/passwd").read_bytes(),
    "list a folder": lambda: os.listdir("/"),
    "stat a path": lambda: os.stat("/etc/passwd"),
    "write a file": lambda: Path("/tmp/twinwatch-hostile").write_bytes(b"x"),  # noqa: S108 - it must not come to be
    "rename": lambda: os.rename("/tmp/a", "/tmp/b"),  # noqa: S108
    "unlink": lambda: os.unlink("/tmp/a"),  # noqa: S108
    "mkdir": lambda: os.mkdir("/tmp/twinwatch-hostile"),  # noqa: S108
    "link": lambda: os.link("/tmp/a", "/tmp/b"),  # noqa: S108
    "symlink": lambda: os.symlink("/tmp/a", "/tmp/b"),  # noqa: S108
    "chmod": lambda: os.chmod("/", 0o777),  # noqa: S103
    "chdir": lambda: os.chdir("/etc"),
    "socket": lambda: socket.socket(socket.AF_INET),
    "unix socket": lambda: socket.socket(socket.AF_UNIX),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - it is what must fail
    "subprocess": lambda: subprocess.Popen(["/bin/true"]),
    "kill the daemon": lambda: os.kill(PARENT, signal.SIGUSR1),
    "kill all": lambda: os.kill(-1, signal.SIGTERM),
    "memfd": lambda: os.memfd_create("x"),
    "pidfd": lambda: os.pidfd_open(PARENT),
    "chroot": lambda: os.chroot("/"),
    "setuid": lambda: os.setuid(12345),
    "nice": lambda: os.setpriority(os.PRIO_PROCESS, 0, 0),
    "raise memory limit": lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)),
    "limit of the daemon": lambda: resource.prlimit(PARENT, resource.RLIMIT_NOFILE, (10, 10)),
}
CALLS: dict[str, tuple[object, ...]] = {
    "ptrace": ("ptrace", 16, PARENT, 0, 0),
    "mount": ("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    "unshare": ("unshare", 0x10000000),
    "process_vm_readv": ("process_vm_readv", PARENT, None, 0, None, 0, 0),
    "io_uring": ("syscall", 425, 1, None),
    "bpf": ("syscall", 321, 0, None, 0),
    "userfaultfd": ("syscall", 323, 0),
    "keyctl": ("syscall", 250, 0, 0, 0),
    "prctl": ("prctl", 4, 1, 0, 0, 0),
    "executable memory": ("mprotect", None, 0, 7),
}


def rest_of(descriptor: int) -> str:
    return os.pread(descriptor, 4096, 0).decode()


def read(fd: int) -> Mapping[str, Any]:
    data = os.pread(fd, 1 << 20, 0)
    if data.endswith(SLOW):  # a real picture, too, may end so
        os.lseek(fd, BEGUN, os.SEEK_SET)
        spin()
    if data.endswith(HUNGRY):
        eat_memory()
    what = rest_of(fd)
    if what in ATTEMPTS:
        return reading(refused(ATTEMPTS[what]))
    if what in CALLS:
        function, *arguments = CALLS[what]
        return reading(call(str(function), *arguments))
    return SPECIAL[what](fd)


def line() -> socket.socket:
    """The socket to the daemon: the only one there is."""
    return next(each for each in gc.get_objects() if isinstance(each, socket.socket))


def write_to_the_photo(fd: int) -> Mapping[str, Any]:
    return reading(
        ",".join(
            refused(attempt)
            for attempt in (
                lambda: os.write(fd, b"x"),
                lambda: os.pwrite(fd, b"x", 0),
                lambda: os.ftruncate(fd, 0),
                lambda: os.fchmod(fd, 0),
                lambda: os.utime(fd),
                lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR),
            )
        )
    )


def send_raw(packet: bytes, times: int = 1) -> Mapping[str, Any]:
    for _ in range(times):
        line().send(packet)
    return reading("after the raw one")


def send_descriptors(fd: int) -> Mapping[str, Any]:
    socket.send_fds(line(), [b'{"id": 0}'], [fd, fd, fd])
    return reading("")


def flood_stderr() -> Mapping[str, Any]:
    while True:
        os.write(2, b"x" * 4096)


def eat_memory() -> Mapping[str, Any]:
    held = [bytearray(1 << 28) for _ in range(32)]
    return reading(f"got {len(held)}")


def close_and_stay() -> Mapping[str, Any]:
    line().close()
    while True:
        time.sleep(1)


def sleep() -> Mapping[str, Any]:
    time.sleep(3600)
    return reading("slept")


def fail(code: int) -> Mapping[str, Any]:
    raise OSError(code, os.strerror(code))


def spin() -> Mapping[str, Any]:
    while True:
        pass


SPECIAL: dict[str, Callable[[int], Mapping[str, Any]]] = {
    "nothing": lambda fd: reading("nothing"),
    "codecs": lambda fd: reading(b"a\x00".decode("utf-16-le") + b"\xe9".decode("cp1252") + b"a".decode("us-ascii")),
    "bad disk": lambda fd: fail(errno.EIO),
    "refused": lambda fd: fail(errno.EPERM),
    "oom score": lambda fd: reading(str(OOM_SCORE)),
    "digest": lambda fd: reading("", hashlib.sha256(rest_of(fd).encode()).digest()),
    "pid": lambda fd: reading(str(os.getpid())),
    "thread": lambda fd: reading(new_thread()),
    "descriptors": lambda fd: reading(descriptors()),
    "environment": lambda fd: reading(",".join(sorted(os.environ))),
    "niceness": lambda fd: reading(str(NICENESS)),
    "collector": lambda fd: reading(f"{gc.isenabled()}, {gc.get_freeze_count() > len(sys.modules)}"),
    "write to the photo": write_to_the_photo,
    "loop": lambda fd: spin(),
    "sleep": lambda fd: sleep(),
    "memory": lambda fd: eat_memory(),
    "segfault": lambda fd: reading(str(ctypes.string_at(0))),
    "abort": lambda fd: os.abort(),
    "exit": lambda fd: sys.exit(3),
    "raise": lambda fd: reading(str(1 // 0)),
    "last words": lambda fd: sys.exit("a decoder's last words"),
    "flood stderr": lambda fd: flood_stderr(),
    "close and stay": lambda fd: close_and_stay(),
    "garbage": lambda fd: send_raw(b"\x80\x04garbage"),
    "empty object": lambda fd: send_raw(b"{}"),
    "wrong id": lambda fd: send_raw(b'{"id": 77, "answer": {}}'),
    "not an object": lambda fd: send_raw(b"[1]"),
    "deep": lambda fd: send_raw(b"[" * 60000),
    "long": lambda fd: send_raw(b'{"x": "' + b"x" * 100_000 + b'"}'),
    "surrogate": lambda fd: send_raw(b'{"id": 1, "answer": "\\ud800"}'),
    "infinite": lambda fd: send_raw(b'{"id": 1, "answer": 1e999}'),
    "huge number": lambda fd: send_raw(b'{"id": 1, "answer": 99999999999999999999}'),
    "two answers": lambda fd: send_raw(b'{"id": 1, "answer": {}}', 2),
    "descriptors for the daemon": send_descriptors,
    "wrong shape": lambda fd: {"digest": "00"},
    "list for an answer": lambda fd: {"digest": [1], "header": 3, "fingerprint": "x", "trouble": 1, "detail": None},
    "short digest": lambda fd: {**reading(""), "digest": "abcd"},
}


def prove(fd_a: int, fd_b: int) -> Mapping[str, Any]:
    same = rest_of(fd_a) == rest_of(fd_b)
    return {
        "verdict": "identical" if same else "distinct",
        "original": None,
        "transform": 1,
        "words": f"{rest_of(fd_a)} / {rest_of(fd_b)}",
        "measures": {"n": 1},
    }


JOBS = {"read": read, "prove": prove}
