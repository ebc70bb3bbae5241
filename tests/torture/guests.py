"""Machines: a Debian with a kernel of its own that serves and mounts what the kernel at hand may not know.

User Mode Linux is the real kernel, with its NFS, CIFS, page cache and disk, made to be a program: what runs in it runs
nearly as quickly as outside, without any help of the hardware, and its power can be cut: what its kernel had not given
to the disk is gone.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.e2e.running import until
from tests.torture.disks import UnavailableError, require, run
from tests.torture.figures import REPOSITORY
from tests.torture.guestagent import PIECE, READY, TAKEN
from tests.torture.processes import Done

PATIENCE = 900.0  # seconds until something that must come is given up; never a measure of speed
AGENT = Path(__file__).with_name("guestagent.py")
COMMAND = "/opt/twinwatch/bin/twinwatch"
PYTHON = "/opt/twinwatch/bin/python"
TESTS = "/opt/tests"  # where a machine has the package `tests`
KERNEL = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
PACKAGES = "kmod,iproute2,python3,python3-venv,strace,procps,rpcbind,nfs-kernel-server,nfs-common,samba,cifs-utils"
INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
for folder in /run /tmp /dev/shm; do mkdir -p $folder; mount -t tmpfs tmpfs $folder; done
for word in $(cat /proc/cmdline); do case $word in address=*) address=${word#address=};; esac; done
ip link set lo up
ip link set vec0 up && ip address add $address/24 dev vec0
exec python3 /opt/guest/agent.py
"""
PASSWORD = "photos"  # noqa: S105 - of the share inside the machine


def image(folder: Path) -> Path:
    """Make the disk that machines boot from, or find it again; a minute or five.

    It is never written to, so that many can run at once and each boot is the first. Raises UnavailableError when that
    cannot be done here.
    """
    require(KERNEL, "debootstrap", "mkfs.ext4", "chroot")
    if not MODULES.is_dir():
        raise UnavailableError(f"no kernel modules in {MODULES}")
    made = folder / "root.img"
    if made.exists():
        return made
    root = folder / "root"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _install(root)
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{error.cmd[0]}: {(error.stdout + error.stderr)[-500:]}") from error
    partial = folder / "partial.img"
    with partial.open("wb") as file:
        file.truncate(2 << 30)
    run("mkfs.ext4", "-q", "-F", "-d", root, partial)
    shutil.rmtree(root)
    partial.rename(made)
    return made


def _install(root: Path) -> None:
    system = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", system, root)
    shutil.copytree(MODULES, root / "lib/modules", dirs_exist_ok=True)
    run("chroot", root, "sh", "-c", f"printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -s -a root")
    wheels = root / "wheels"  # built here, as the machine sees no network; its Python must be of our version
    run(sys.executable, "-m", "pip", "wheel", "-q", "-w", wheels, REPOSITORY)
    run("chroot", root, "python3", "-m", "venv", "/opt/twinwatch")
    run("chroot", root, "/opt/twinwatch/bin/pip", "install", "-q", "--no-index", "--find-links=/wheels", "twinwatch")
    shutil.rmtree(wheels)
    shutil.copytree(REPOSITORY / "tests", root / TESTS[1:] / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "etc/resolv.conf").write_text("")  # nobody is to be asked for a name: that takes a minute each
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n10.0.0.1 server\n10.0.0.2 client\n")
    own = root / "opt/guest"
    own.mkdir()
    shutil.copyfile(AGENT, own / "agent.py")
    (own / "init").write_text(INIT)
    (own / "init").chmod(0o755)


class Guest:
    """A machine with one disk of its own, `/dev/ubdb`, that keeps what was written to it when the power is cut."""

    def __init__(self, folder: Path, boots: Path, name: str, address: str, cable: socket.socket) -> None:
        """`folder` gets its disk `NAME.img` unless it is there; `cable` is its end of a pair that carries datagrams."""
        self.folder, self.name = folder, name
        self.disk = folder / f"{name}.img"
        self._boots, self._address, self._cable = boots, address, cable
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Done]] = {}
        self._lock, self._sending = threading.Lock(), threading.Lock()

    def boot(self) -> None:
        """Switch it on and wait until it answers; raises UnavailableError when it never does."""
        console = self.folder / f"{self.name}.console"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ready = self._waiting[READY] = Future()
        kept = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "TMP", "TEMP")}
        with console.open("wb") as log, theirs:
            self._process = subprocess.Popen(
                self._words(theirs.fileno()), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=kept,
                pass_fds=(theirs.fileno(), self._cable.fileno()), start_new_session=True,
            )  # fmt: skip
        self._socket = ours
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()
        try:
            done = ready.result(PATIENCE)
        except TimeoutError:
            done = Done(-1, "", "it does not answer")
        if done.code:
            said = console.read_text(errors="replace")[-500:]
            raise UnavailableError(f"the machine does not boot: {done.err} {said}")

    def _words(self, port: int) -> list[str]:
        """Return the command: each boot has a new layer above the disk it boots from, and one port, which is a tty."""
        layer, control = self.folder / f"{self.name}.cow", self.folder / f"{self.name}.control"
        layer.unlink(missing_ok=True)
        shutil.rmtree(control, ignore_errors=True)
        control.mkdir()
        words = [KERNEL, "mem=1024M", f"uml_dir={control}/", f"umid={self.name}"]
        words += [f"ubd0={layer},{self._boots}", f"ubd1={self.disk}", "root=/dev/ubda", "rw", "init=/opt/guest/init"]
        words += ["con=null", "con0=null,fd:1", "ssl=null", f"ssl0=fd:{port}", "quiet", f"address={self._address}"]
        # each needs a hardware address of its own
        words += [f"vec0:transport=fd,fd={self._cable.fileno()},mac=52:54:00:00:00:{_last(self._address)}"]
        return words

    def _listen(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                answer: dict[str, Any] = json.loads(line)
                self._waiting.pop(answer["id"]).set_result(Done(answer["code"], answer["out"], answer["err"]))
        with self._lock:
            lost, self._waiting = self._waiting, {}
        for future in lost.values():
            future.set_result(Done(-9, "", "the power was cut"))

    def start(self, *words: object, text: str = "") -> Future[Done]:
        """Start a command; its end comes as the future's result, with the code -9 when the power is cut before."""
        future: Future[Done] = Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = future
        request = {"id": number, "run": [str(word) for word in words], "text": text}
        self._say(json.dumps(request).encode())
        return future

    def _say(self, line: bytes) -> None:
        """Send a line, filled up to whole pieces, one at a time."""
        assert self._socket is not None
        line += b" " * (-(len(line) + 1) % PIECE) + b"\n"
        with self._sending:
            for start in range(0, len(line), PIECE):
                with self._lock:
                    taken = self._waiting[TAKEN] = Future()
                self._socket.sendall(line[start : start + PIECE])
                if taken.result(PATIENCE).code:
                    return  # the power was cut

    def run(self, *words: object, text: str = "", check: bool = True) -> Done:
        """Run a command to its end; an AssertionError tells of one that fails, unless `check` is off."""
        done = self.start(*words, text=text).result(PATIENCE)
        assert not check or done.code == 0, f"{self.name}: {words}: {done}"
        return done

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its kernel, without which nothing in it goes on: SIGSTOP lets it hang, SIGCONT go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def cut(self) -> None:
        """Cut its power, and wait until nothing of it is left that could still write to its disk."""
        process = self._process
        if process is not None:
            until(lambda: _is_gone(process), f"{self.name} does not end", PATIENCE)


def _is_gone(process: subprocess.Popen[bytes]) -> bool:
    """Kill what is left of a process and those that it started; tell whether nothing was."""
    process.poll()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    return False


def _last(address: str) -> str:
    return f"{int(address.rpartition('.')[2]):02x}"


@contextlib.contextmanager
def running(*guests: Guest) -> Iterator[None]:
    """Let machines run for a while."""
    try:
        for guest in guests:
            guest.boot()
        yield
    finally:
        for guest in guests:
            guest.cut()
