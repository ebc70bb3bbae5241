"""F27: the program as the unit of a real systemd in a container: hung, crashed, unmounted, stopped in a move."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.running import until
from tests.stalling import stalled
from tests.torture.disks import UnavailableError, children, require, run, unmount
from tests.torture.figures import REPOSITORY, Figure
from tests.torture.library import CONFIG, HELD, Library
from tests.torture.profile import Profile

PATIENCE = 900.0  # seconds until something that must come is given up; never a measure of speed
WATCHDOG = 5  # seconds; the unit has 60
UNIT = "twinwatch.service"
MOUNT = "srv-photos.mount"
WHERE = "/srv/photos"
NEEDED = (
    "systemd,systemd-sysv,dbus,libsqlite3-0,libssl3,libffi8,libbz2-1.0,liblzma5,zlib1g,libreadline8,libuuid1,"
    "libexpat1,libgcc-s1,libstdc++6"
)
"""What the container has beside a minimal Debian: systemd, and the libraries that a Python from elsewhere asks for."""

DROP_IN = f"""\
[Unit]
RequiresMountsFor={WHERE}
BindsTo={MOUNT}
StartLimitIntervalSec=0
[Service]
WatchdogSec={WATCHDOG}s
RestartSec=100ms
"""
MOUNT_UNIT = f"[Mount]\nWhat=/media/disk\nWhere={WHERE}\nType=none\nOptions=bind\n"
PROGRAM = """\
#!/bin/sh
export PYTHONPATH=/opt/twinwatch/daemon:/opt/twinwatch/site
exec {python} -m twinwatch "$@"
"""


class Machine:
    """A container in which a real systemd runs."""

    def __init__(self, folder: Path) -> None:
        """Make its file system; raises UnavailableError when that cannot be done here."""
        require("systemd-nspawn", "debootstrap", "nsenter", "useradd")
        self.root = folder / "root"
        self.disk = folder / "disk"
        self._log = folder / "boot.log"
        self.disk.mkdir(parents=True)
        run("mount", "-t", "tmpfs", "tmpfs", self.disk)  # another disk than the one that the index is on
        system = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
        own = Path(sys.base_prefix) != Path("/usr")
        packages = NEEDED if own else f"{NEEDED},python3"
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", system, str(self.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"debootstrap: {done.stdout[-300:]}{done.stderr[-300:]}")
        self._binds = [f"--bind={self.disk}:/media/disk"]
        shown = {"site": sysconfig.get_path("purelib"), "daemon": str(REPOSITORY / "daemon")}
        shown |= {"python": sys.base_prefix} if own else {}
        for name, path in shown.items():
            (self.root / "opt/twinwatch" / name).mkdir(parents=True)
            self._binds.append(f"--bind-ro={path}:/opt/twinwatch/{name}")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self._place(
            "opt/twinwatch/bin/twinwatch",
            PROGRAM.format(python=f"/opt/twinwatch/python/bin/{version}" if own else version),
        )
        (self.root / "opt/twinwatch/bin/twinwatch").chmod(0o755)
        self._place(f"etc/systemd/system/{UNIT}", (REPOSITORY / "systemd" / UNIT).read_text())
        self._place(f"etc/systemd/system/{UNIT}.d/here.conf", DROP_IN)
        self._place(f"etc/systemd/system/{MOUNT}", MOUNT_UNIT)
        self._place("etc/ld.so.conf.d/twinwatch.conf", "/opt/twinwatch/python/lib\n")
        self._place("etc/twinwatch/config.yaml", CONFIG.format(root=f"{WHERE}/photos") + "hang_seconds: 1\n")
        (self.root / "srv/photos").mkdir(parents=True, exist_ok=True)
        run("chroot", self.root, "useradd", "--system", "twinwatch")
        self._process: subprocess.Popen[bytes] | None = None
        self._first = 0  # the container's first process

    def seen(self, path: str) -> Path:
        """Return where a path of the machine is, as the machine sees it."""
        return Path(f"/proc/{self._first}/root{path}")

    def _place(self, path: str, text: str) -> None:
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    @contextlib.contextmanager
    def booted(self) -> Iterator[None]:
        """Let it run for a while."""
        options = ["--boot", "--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--console=pipe"]
        command = ["systemd-nspawn", "-D", str(self.root), "--machine=torture", *options, *self._binds]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            until(self._is_up, lambda: f"never booted\n{self._log.read_text(errors='replace')[-3000:]}", PATIENCE)
            self.command("ldconfig")  # a Python from elsewhere may have its library beside it
            yield
        finally:
            if self._first:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._first, signal.SIGRTMIN + 4)  # power off
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise UnavailableError(f"systemd-nspawn: {self._log.read_text(errors='replace')[-500:]}")
        inside = children(self._process.pid)
        if not inside:
            return False
        self._first = inside[0]
        return self.command("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        inside = ["nsenter", "-t", str(self._first), "-a", "--", *words]
        return subprocess.run(inside, capture_output=True, text=True, check=False)

    def shown(self, name: str) -> str:
        """Return a property of the service, as `systemctl show` tells it."""
        return self.command("systemctl", "show", "--value", "-p", name, UNIT).stdout.strip()

    def journal(self) -> str:
        """Return the service's last lines."""
        return self.command("journalctl", "-u", UNIT, "--no-pager", "-n", "30").stdout


class Service:
    """The service on its library; what is put there must be held in the end."""

    def __init__(self, machine: Machine, seed: int) -> None:
        """The library lies on what the machine mounts; the service's user may write there."""
        self.machine = machine
        self.chance = random.Random(seed)
        self.library = Library(machine.disk, machine.root / "var/of-library")
        for folder in (machine.disk, *(self.library.root / name for name in ("", "2024", "inbox"))):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        self.copies: list[str] = []
        self.broken: Counter[str] = Counter()
        self.slowest = 0.0  # seconds until it was back

    def arrive(self, pairs: int = 1) -> None:
        """Let pairs arrive."""
        self.copies += [self.library.put_pair(len(self.copies) + 1 + number) for number in range(pairs)]

    def is_active(self) -> bool:
        return self.machine.shown("ActiveState") == "active"

    def start(self) -> None:
        """Start it; `systemctl` returns when it has said that it is ready."""
        done = self.machine.command("systemctl", "start", UNIT)
        assert done.returncode == 0, done.stderr + self.machine.journal()

    def pid(self) -> int:
        """Return the main process as it is seen inside."""
        return int(self.machine.shown("MainPID"))

    def send(self, name: str, to: str = "") -> None:
        """Send a signal to the main process, or to another that the shell inside knows."""
        done = self.machine.command("sh", "-c", f"kill -{name} {to or self.pid()}")
        assert done.returncode == 0, done.stderr

    def wait_back(self, before: int) -> None:
        """Wait until systemd has started it again."""
        began = time.monotonic()
        until(lambda: self.is_active() and self.pid() not in (0, before), self.machine.journal, PATIENCE)
        self.slowest = max(self.slowest, time.monotonic() - began)

    def wait_held(self) -> None:
        """Wait until every copy is held."""
        until(lambda: set(self.copies) <= self.library.look().held.keys(), self.machine.journal, PATIENCE)

    def judge(self) -> Counter[str]:
        """Wait until all is held, and count the broken laws."""
        self.wait_held()
        self.broken += self.library.judge({copy: {HELD} for copy in self.copies})
        return +self.broken


def ready(service: Service) -> None:
    """Idle, stopped, started: it is not taken for hung, says when it is ready, and finds what came meanwhile."""
    before = service.machine.shown("NRestarts")
    time.sleep(2 * WATCHDOG)  # how long it is idle is what is tried
    service.broken["untrue"] += service.machine.shown("NRestarts") != before
    service.machine.command("systemctl", "stop", UNIT)
    service.broken["untrue"] += service.is_active()
    service.start()
    service.broken["untrue"] += not service.is_active()
    service.arrive()


def hung(service: Service) -> None:
    """It hangs: systemd notices that no sign of life comes, ends it and starts it again."""
    service.arrive()
    before = service.pid()
    service.send("STOP", f"$(cat /proc/{before}/task/{before}/children)")  # what its supervisor supervises
    service.wait_back(before)


def crashed(service: Service) -> None:
    """It dies while it works."""
    service.arrive()
    time.sleep(service.chance.uniform(0, 1.5))  # the moment is what is tried
    before = service.pid()
    service.send("KILL")
    service.wait_back(before)


def unmounted(service: Service) -> None:
    """Its disk is unmounted by hand: it stops, and works again when both are started."""
    until(lambda: service.machine.command("umount", WHERE).returncode == 0, "an idle daemon kept it busy", PATIENCE)
    until(lambda: service.machine.shown("ActiveState") in ("inactive", "failed"), service.machine.journal, PATIENCE)
    service.arrive()
    service.start()


def hanging(service: Service) -> None:
    """Its disk hangs for longer than systemd waits for a sign of life: it lives on, and is the same when it answers."""
    before = service.pid()
    with stalled(service.machine.seen(WHERE)):
        service.arrive()
        time.sleep(2 * WATCHDOG)  # how long it hangs is what is tried
    service.broken["untrue"] += service.pid() != before


def stopped(service: Service) -> None:
    """It is stopped while it moves."""
    service.arrive(3)
    time.sleep(service.chance.uniform(0, 1.5))  # the moment is what is tried
    done = service.machine.command("systemctl", "stop", UNIT)
    service.broken["untrue"] += done.returncode != 0 or service.machine.shown("Result") != "success"
    service.broken += service.library.judge()
    service.start()


FAULTS: dict[str, tuple[Callable[[Service], None], str]] = {
    "ready": (ready, "the unit under systemd: idle, stopped and started, ready when it says so"),
    "hung": (hung, f"the unit under systemd: hung, with WatchdogSec={WATCHDOG}, and started again"),
    "crashed": (crashed, "the unit under systemd: killed and started again"),
    "hanging": (hanging, "the unit under systemd: its disk hangs for longer than WatchdogSec, and it lives on"),
    "unmounted": (unmounted, "the unit under systemd: its disk is unmounted, which stops it (BindsTo)"),
    "stopped": (stopped, "the unit under systemd: stopped in the middle of moves"),
}
TIMES = 20


def services(profile: Profile) -> Iterator[Figure]:
    """Make each fault so often, on one library in one container."""
    folder = profile.folder / "services"
    shutil.rmtree(folder, ignore_errors=True)
    machine = Machine(folder)
    times = profile.times(TIMES, quick=1)
    with machine.booted():
        service = Service(machine, profile.seed)
        service.start()
        for act, words in FAULTS.values():
            service.broken.clear()
            service.slowest = 0.0
            for _ in range(times):
                act(service)
                service.wait_held()
            note = f"back after {service.slowest:.1f} s at the latest" if service.slowest else ""
            yield Figure("F27", words, times, str(TIMES), service.judge(), note)
    unmount(machine.disk)
    shutil.rmtree(folder, ignore_errors=True)
