"""Virtual machines: a Debian with its own kernel that serves and mounts what the kernel at hand may not know.

QEMU emulates in software, so a machine boots in twenty seconds and a Python takes some, but it needs neither hardware
help nor root, and its power can be cut: what its kernel had not given to the disk is gone.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.running import until
from tests.torture.disks import UnavailableError, require, run
from tests.torture.figures import REPOSITORY
from tests.torture.processes import Done

PATIENCE = 900.0  # seconds until something that must come is given up; never a measure of speed
AGENT = Path(__file__).with_name("guestagent.py")
COMMAND = "/opt/twinwatch/bin/twinwatch"
PYTHON = "/opt/twinwatch/bin/python"
TESTS = "/opt/tests"  # where a machine has the package `tests`
PACKAGES = (
    "linux-image-cloud-amd64,initramfs-tools,zstd,kmod,iproute2,python3,python3-venv,strace,"
    "procps,rpcbind,nfs-kernel-server,nfs-common,samba,cifs-utils"
)
MODULES = "virtio_pci\nvirtio_blk\next4\n"
INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
for folder in /run /tmp /dev/shm; do mkdir -p $folder; mount -t tmpfs tmpfs $folder; done
for word in $(cat /proc/cmdline); do case $word in address=*) address=${word#address=};; esac; done
modprobe -a virtio_console virtio_net
ip link set lo up
ip link set eth0 up && ip address add $address/24 dev eth0
exec python3 /opt/guest/agent.py
"""
PASSWORD = "photos"  # noqa: S105 - of the share inside the machine


@dataclass(frozen=True, slots=True)
class Image:
    """What machines boot from: never written to, so that many can run at once and each boot is the first."""

    disk: Path
    kernel: Path
    initrd: Path


def image(folder: Path) -> Image:
    """Make the image, or find it again; a minute or five. Raises UnavailableError when that cannot be done here."""
    require("qemu-system-x86_64", "debootstrap", "mkfs.ext4", "chroot")
    if platform.machine() != "x86_64":
        raise UnavailableError("the machine is made for x86_64")
    made = Image(folder / "root.img", folder / "vmlinuz", folder / "initrd")
    if made.disk.exists():
        return made
    root = folder / "root"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _install(root)
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{error.cmd[0]}: {(error.stdout + error.stderr)[-500:]}") from error
    for name, target in (("vmlinuz", made.kernel), ("initrd.img", made.initrd)):
        (found,) = (root / "boot").glob(f"{name}-*")
        shutil.copyfile(found, target)
    partial = folder / "partial.img"
    with partial.open("wb") as file:
        file.truncate(2 << 30)
    run("mkfs.ext4", "-q", "-F", "-d", root, partial)
    shutil.rmtree(root)
    partial.rename(made.disk)
    return made


def _install(root: Path) -> None:
    system = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", system, root)
    (root / "etc/initramfs-tools/conf.d/small").write_text("MODULES=list\n")
    (root / "etc/initramfs-tools/modules").write_text(MODULES)
    run("chroot", root, "update-initramfs", "-u")
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
    """A machine with one disk of its own, `/dev/vdb`, that keeps what was written to it when the power is cut."""

    def __init__(self, folder: Path, boots: Image, name: str, address: str, peer: str = "") -> None:
        """`folder` gets the disk `NAME.img` unless it is there, and is shared with the `peer` it has a cable to."""
        self.folder, self.name = folder, name
        self.disk = folder / f"{name}.img"
        self._boots, self._address, self._peer = boots, address, peer
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Done]] = {}
        self._lock = threading.Lock()

    def boot(self) -> None:
        """Switch it on and wait until it answers; raises UnavailableError when it never does."""
        port, console = self.folder / f"{self.name}.port", self.folder / f"{self.name}.console"
        for left in (port, self.folder / f"{self.name}.cable"):
            left.unlink(missing_ok=True)
        with console.open("wb") as log:
            self._process = subprocess.Popen(
                self._words(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            until(lambda: self._connected(port), lambda: "no port", PATIENCE)
            self.run("true")
        except AssertionError as error:
            said = console.read_text(errors="replace")[-500:]
            raise UnavailableError(f"the machine does not boot: {error} {said}") from error

    def _words(self, port: Path) -> list[str]:
        append = f"root=/dev/vda rw console=ttyS0 quiet mitigations=off net.ifnames=0 address={self._address}"
        words = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=single", "-icount", "shift=1,sleep=on"]
        words += ["-cpu", "max", "-smp", "1"]
        words += ["-m", "1024", "-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio"]
        words += ["-kernel", str(self._boots.kernel), "-initrd", str(self._boots.initrd)]
        words += ["-append", f"{append} init=/opt/guest/init"]
        words += ["-drive", f"file={self._boots.disk},format=raw,if=virtio,snapshot=on"]
        words += ["-drive", f"file={self.disk},format=raw,if=virtio,cache=writeback"]
        words += ["-device", "virtio-serial", "-chardev", f"socket,id=host,path={port},server=on,wait=off"]
        words += ["-device", "virtserialport,chardev=host"]
        if self._peer:
            own, other = (self.folder / f"{name}.cable" for name in (self.name, self._peer))
            cable = f"dgram,id=cable,local.type=unix,local.path={own},remote.type=unix,remote.path={other}"
            # each needs a hardware address of its own
            words += ["-netdev", cable, "-device", f"virtio-net,netdev=cable,mac=52:54:00:00:00:{_last(self._address)}"]
        return words

    def _connected(self, port: Path) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it ended"
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(os.fspath(port))
        except OSError:
            connection.close()
            return False
        self._socket = connection
        threading.Thread(target=self._listen, args=(connection,), daemon=True).start()
        return True

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
        assert self._socket is not None
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        return future

    def run(self, *words: object, text: str = "", check: bool = True) -> Done:
        """Run a command to its end; an AssertionError tells of one that fails, unless `check` is off."""
        done = self.start(*words, text=text).result(PATIENCE)
        assert not check or done.code == 0, f"{self.name}: {words}: {done}"
        return done

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the machine as a whole: SIGSTOP lets it hang, SIGCONT go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def cut(self) -> None:
        """Cut its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


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
