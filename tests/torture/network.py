"""F24 over a network: NFS and CIFS, served by one machine and mounted by another, in which the program runs.

Each of the two can lose its power, and the server can hang, in the middle of moves; people put photos on the server's
own disk, as another machine's sync does. The oracle looks at a copy of that disk.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.running import until
from tests.torture.disks import FileSystem, copy_image, make_image, mounted, require
from tests.torture.figures import Figure
from tests.torture.guests import COMMAND, PASSWORD, PATIENCE, PYTHON, TESTS, Guest, image, running
from tests.torture.library import CONFIG, HELD, HOME, Library
from tests.torture.processes import Done
from tests.torture.profile import Profile

SERVER, CLIENT = "10.0.0.1", "10.0.0.2"
EXPORT, SHARE = "/export", "/mnt/share"  # one folder, as the server and as the client see it
STATE = "/state"  # on the client's own disk
PLACE = f"{EXPORT}/.twinwatch-photos-quarantine"
PAIRS = 6  # that arrive for each fault
DISK = FileSystem("ext4", 256, ("mkfs.ext4", "-q", "-F", "-I", "256"))  # smaller inodes have no parts of a second
HANG = 20.0  # seconds; a soft mount gives up before
SERVE = f"""
mkdir -p {EXPORT}; mount /dev/ubdb {EXPORT}; mkdir -p /run/samba
mount -t nfsd nfsd /proc/fs/nfsd
echo 10 > /proc/fs/nfsd/nfsv4leasetime; echo 10 > /proc/fs/nfsd/nfsv4gracetime
rpcbind -w; exportfs -o rw,no_root_squash,no_subtree_check,fsid=7,insecure "*:{EXPORT}"; rpc.nfsd 4; rpc.mountd
printf '[global]\\n[photos]\\npath={EXPORT}\\nread only=no\\n' > /run/smb.conf; smbd -D -s /run/smb.conf
"""
WRITE = """
import base64, json, os, sys
for path, content in json.load(sys.stdin):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = os.path.join(os.path.dirname(path), ".syncthing." + os.path.basename(path) + ".tmp")
    with open(temporary, "wb") as file:
        file.write(base64.b64decode(content))
    os.rename(temporary, path)
os.sync()
"""
LOOK = """
import os, sys, time
act, wanted, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
while True:
    there = sum(map(os.path.exists, paths))
    if there >= wanted if act == "restore" else there <= wanted:
        break
    time.sleep(0.01)
"""
"""Waits until so many of the photos are there again, or no more than so many."""
TAKE = """
import os, random, sys, time
top, times = sys.argv[1], int(sys.argv[2])
took = 0.0
while not os.path.exists(top + "/go"):
    time.sleep(0.01)
for number in range(times):
    began = time.monotonic()
    pause = random.uniform(0, 2 * took)
    while time.monotonic() < began + pause:
        pass
    try:
        fd = os.open(f"{top}/b/{number}.jpg", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        open(f"{top}/told/{number}", "w").close()
        os.write(fd, b"theirs")
        os.close(fd)
    except FileExistsError:
        pass
    while not os.path.exists(f"{top}/past/{number}"):
        pass
    took = time.monotonic() - began
open(top + "/ended", "w").close()
"""
"""Takes each name on the server, at about the moment when the client puts a photo back under it."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the client mounts the share: `patient` waits for ever for a server that is gone, the other way gives up."""

    name: str
    patient: str
    hasty: str


_CIFS = f"mount -t cifs -o username=root,password={PASSWORD},echo_interval=2"
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "NFS 4.2",
            f"mount -t nfs -o vers=4.2,hard {SERVER}:{EXPORT} {SHARE}",
            f"mount -t nfs -o vers=4.2,soft,timeo=20,retrans=1 {SERVER}:{EXPORT} {SHARE}",
        ),
        Protocol(
            "NFS 3",
            f"mount -t nfs -o vers=3,nolock,hard {SERVER}:{EXPORT} {SHARE}",
            f"mount -t nfs -o vers=3,nolock,soft,timeo=20,retrans=1 {SERVER}:{EXPORT} {SHARE}",
        ),
        Protocol("CIFS", f"{_CIFS},hard //{SERVER}/photos {SHARE}", f"{_CIFS},soft //{SERVER}/photos {SHARE}"),
    )
}


class Net:
    """A server with the photos on its disk, a client with the state on its own, and what people put there."""

    def __init__(self, profile: Profile, protocol: Protocol) -> None:
        """Make the disks; raises UnavailableError where machines cannot be made."""
        require("mount")
        boots = image(profile.folder / "guest")
        folder = profile.folder / "network"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.protocol, self.folder = protocol, folder
        self.chance = random.Random(profile.seed)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # stays while they boot again and again
        self.server = Guest(folder, boots, "server", SERVER, here)
        self.client = Guest(folder, boots, "client", CLIENT, there)
        for guest in (self.server, self.client):
            make_image(guest.disk, DISK)
        self.library = Library(folder / "people", folder / "of-people")
        self.broken: Counter[str] = Counter()
        self.by_hand = 0  # times an empty file of ours had to be deleted
        self._mount = protocol.patient
        self._number = 0

    def serve(self) -> None:
        """Let the server offer its disk."""
        self.server.run("sh", "-c", SERVE)

    def connect(self, how: str = "") -> None:
        """Mount the share on the client, in another way than before if `how` says so."""
        self._mount = how or self._mount
        script = f"mkdir -p {SHARE} {STATE}; umount {SHARE}; mountpoint -q {STATE} || mount /dev/ubdb {STATE}; "
        self.client.run("sh", "-c", script + self._mount)

    def configure(self) -> None:
        """Give the program its configuration."""
        text = CONFIG.format(root=json.dumps(f"{SHARE}/photos"))
        self.client.run("sh", "-c", f"mkdir -p {SHARE}/photos; cat > {STATE}/config.yaml", text=text)

    def arrive(self, pairs: int = PAIRS) -> list[str]:
        """Let pairs arrive on the server; return the copies."""
        before = set(self.library.expected)
        copies = []
        for _ in range(pairs):
            self._number += 1
            copies.append(self.library.put_pair(self._number))
        new = [(path, content) for path, content in self.library.expected.items() if path not in before]
        files = [(f"{EXPORT}/photos/{path}", base64.b64encode(content).decode()) for path, content in new]
        self.server.run("python3", "-c", WRITE, text=json.dumps(files))
        return copies

    def begin(self, act: str) -> Future[Done]:
        """Start the program on the client: `hold`, `restore` all, or be the `daemon`."""
        config = ["--config", f"{STATE}/config.yaml"]
        words = {
            "hold": ["scan", "--quarantine", "--json", *config],
            "restore": ["quarantine", "restore", "--all", "--json"],
            "daemon": ["run", *config],
        }[act]
        return self.client.start(COMMAND, *words, "--state", f"{STATE}/index")

    def wait_moved(self, act: str, copies: Sequence[str], count: int, run: Future[Done]) -> None:
        """Wait, on the server, until so many of the copies have been moved; or until the run has ended."""
        paths = [f"{EXPORT}/photos/{copy}" for copy in copies]
        wanted = count if act == "restore" else len(copies) - count
        moved = self.server.start("python3", "-c", LOOK, act, wanted, *paths)
        until(lambda: moved.done() or run.done(), f"{act}: nothing was moved", PATIENCE)

    def judge(self, allowed: dict[str, set[str]], *, settled: bool = True) -> None:
        """Look at the server's disk, as it would be found after it was unplugged in this moment."""
        self.server.run("fsfreeze", "-f", EXPORT)
        try:
            copy_image(self.server.disk, self.folder / "seen.img")
        finally:
            self.server.run("fsfreeze", "-u", EXPORT)
        where = self.folder / "seen"
        where.mkdir(exist_ok=True)
        people, self.library.base = self.library.base, where
        try:
            with mounted(self.folder / "seen.img", where):
                everywhere = {copy: {HOME, HELD} for copy in self.library.groups}
                self.broken += self.library.judge(everywhere | allowed, settled=settled)
        finally:
            self.library.base = people

    def finish(self, act: str, copies: list[str]) -> None:
        """Run it once more after a fault: it must come to rest with each copy where it belongs, and say so."""
        recovered = self.begin("hold").result(PATIENCE)  # as the daemon does when it starts
        again = self.begin(act).result(PATIENCE) if act == "restore" else recovered
        if again.code == 1 and act == "restore" and self.protocol.name == "CIFS" and self._delete_empty():
            again = self.begin(act).result(PATIENCE)
        for done in (recovered, again):
            self.broken["crashed"] += not done.clean or done.code != 0
        where = HELD if act == "hold" else HOME
        self.judge({copy: {where} for copy in copies})
        said = self.client.run(COMMAND, "quarantine", "list", "--json", "--state", f"{STATE}/index").lines()
        held = {str(Path(row["path"]).relative_to(f"{SHARE}/photos")) for row in said if row["state"] == "held"}
        self.broken["untrue"] += (held & set(copies)) != (set(copies) if act == "hold" else set())
        self.broken["unresolved"] += any(row["state"] not in ("held", "restored") for row in said)

    def _delete_empty(self) -> bool:
        """Delete, as a person is told to, the empty file of ours that had no date yet; SMB keeps no modes."""
        found = self.server.run("find", f"{EXPORT}/photos", "-type", "f", "-size", "0", "-print", "-delete").out
        self.by_hand += found != ""
        return found != ""


def client_cut(net: Net, run: Future[Done]) -> None:
    """The power of the machine that runs the program goes; the server keeps what it was told."""
    net.client.cut()
    run.result(PATIENCE)
    net.judge({}, settled=False)
    net.client.boot()
    net.connect()


def server_cut(net: Net, run: Future[Done]) -> None:
    """The server's power goes, and it comes back; the program waits for it, or is told that it is gone."""
    net.server.cut()
    net.server.boot()
    net.serve()
    run.result(PATIENCE)
    net.judge({}, settled=False)


def server_hangs(net: Net, run: Future[Done]) -> None:
    """The server does not answer for longer than a soft mount waits."""
    net.server.signal(signal.SIGSTOP)
    time.sleep(HANG)  # how long it hangs is what is tried
    net.server.signal(signal.SIGCONT)
    run.result(PATIENCE)
    net.judge({}, settled=False)


FAULTS: dict[str, tuple[Callable[[Net, Future[Done]], None], bool, str]] = {
    "client": (client_cut, True, "power of the client cut in the middle of"),
    "server": (server_cut, True, "power of the server cut in the middle of"),
    "hangs": (server_hangs, False, f"server hangs for {HANG:.0f} s, mounted soft, in the middle of"),
}
TIMES = 10


def network(
    profile: Profile, protocols: Sequence[str] = tuple(PROTOCOLS), parts: Sequence[str] = ()
) -> Iterator[Figure]:
    """Yield the figures of each protocol: the client alone, names that two want, the daemon, and the faults."""
    for name in protocols:
        net = Net(profile, PROTOCOLS[name])
        with running(net.server, net.client):
            net.serve()
            net.connect()
            net.configure()
            for part in parts or PARTS:
                yield from PARTS[part](net, profile)


def _on_the_client(net: Net, profile: Profile) -> Iterator[Figure]:
    name = net.protocol.name
    doctor = net.client.run(COMMAND, "doctor", f"{SHARE}", check=False).out
    polled = Counter(untrue=int("it is walked regularly" not in doctor))
    yield Figure("F24", f"doctor says that the share is walked, not watched: {name}", 1, "1", polled)
    trips = profile.times(1200, quick=6)
    yield _figure(net, "F21", f"hold, restore, all kept, nothing overwritten: {name}", "trips", trips, "1,200", profile)
    for act in ("hold",) if profile.quick else ("hold", "restore", "purge", "finish", "undo"):
        case = f"SIGKILL after each changing call of the mover: {act}, {name}"
        yield _figure(net, "F24", case, f"kills-{act}", 1, "every call", profile)


def _names(net: Net, profile: Profile) -> Iterator[Figure]:
    name = net.protocol.name
    case = f"names taken on the server while photos are put back under them: {name}"
    yield _figure(net, "F24", case, "race", profile.times(500, quick=10), "500", profile)
    if name == "CIFS":
        case = f"names that differ in case only: {name}"
        yield _figure(net, "F24", case, "folded", profile.times(100, quick=3), "100", profile)


def _figure(net: Net, fault: str, case: str, act: str, times: int, target: str, profile: Profile) -> Figure:
    """Let one act run on the client, and make a figure of what it says."""
    other = None
    if act == "race":
        other = net.server.start("python3", "-c", TAKE, f"{EXPORT}/{act}/photos", times)
    words = ["env", f"PYTHONPATH={TESTS}", PYTHON, "-m", "tests.torture.clientside", act, f"{SHARE}/{act}"]
    done = net.client.run(*words, times, profile.seed, check=False)
    if other is not None:
        other.result(PATIENCE)
    if done.code:
        return Figure(fault, case, times, target, Counter(crashed=1), done.err[-500:])
    (said,) = done.lines()
    return Figure(fault, case, said["count"], target, Counter(said["broken"]), said["note"])


def _daemon(net: Net, profile: Profile) -> Iterator[Figure]:
    """Let the daemon find what another machine puts on the share, of which no event tells."""
    net.broken = Counter()
    run = net.begin("daemon")
    level = f'until grep -q \'"state": *"level"\' {STATE}/index/status.json; do sleep 0.5; done'
    net.client.run("sh", "-c", level)
    slowest, times = 0.0, profile.times(20, quick=1)
    for _ in range(times):
        copies = net.arrive(2)
        began = time.monotonic()
        net.wait_moved("hold", copies, len(copies), run)
        slowest = max(slowest, time.monotonic() - began)
    net.client.run("sh", "-c", level)
    net.client.run("pkill", "-TERM", "-f", f"{COMMAND} run", check=False)
    done = run.result(PATIENCE)
    net.broken["crashed"] += not done.clean or done.code != 0
    net.judge({copy: {HELD} for copy in net.library.groups})
    case = f"the daemon finds and sets aside what another machine put on the share: {net.protocol.name}"
    yield Figure("F24", case, times, "20", +net.broken, f"after {slowest:.0f} s at the latest; it walks once a minute")


def _faults(net: Net, profile: Profile) -> Iterator[Figure]:
    for fault, patient, words in FAULTS.values():
        net.connect(net.protocol.patient if patient else net.protocol.hasty)
        times = profile.times(TIMES, quick=1)
        broken: dict[str, Counter[str]] = {"hold": Counter(), "restore": Counter()}
        in_the_middle: Counter[str] = Counter()
        net.by_hand = 0
        for _ in range(times):
            copies = net.arrive()
            for act, found in broken.items():
                net.broken = Counter()
                run = net.begin(act)
                net.wait_moved(act, copies, net.chance.randint(1, PAIRS - 2), run)
                in_the_middle[act] += not run.done()
                fault(net, run)
                net.finish(act, copies)
                found += +net.broken
        for act, found in broken.items():
            note = f"{in_the_middle[act]} while it moved"
            if act == "restore" and net.by_hand:
                note += f", {net.by_hand} times an empty file of ours stayed until it was deleted by hand"
            yield Figure("F24", f"{words} {act}: {net.protocol.name}", times, str(TIMES), +found, note)


PARTS: dict[str, Callable[[Net, Profile], Iterator[Figure]]] = {
    "client": _on_the_client,
    "names": _names,
    "daemon": _daemon,
    "faults": _faults,
}
