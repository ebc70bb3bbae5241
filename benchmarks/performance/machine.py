"""The machine and the programs of a run, in a few lines: figures without them say little."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("twinwatch", "pillow", "numpy", "imagehash", "blake3", "czkawka", "faiss-cpu", "pybktree", "psycopg")


def describe() -> Iterator[str]:
    """Yield what the page says of the machine."""
    model = _line(Path("/proc/cpuinfo"), "model name") or platform.machine()
    memory = int((_line(Path("/proc/meminfo"), "MemTotal") or "0 kB").split()[0]) >> 20
    system = f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    yield f"{os.cpu_count()} x {model}, {memory} GiB of memory, {system}"
    yield ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield f"djpeg: {_djpeg()}"
    busy = os.getloadavg()[1]
    others = "other programs kept the machine busy" if busy > 3 else "little else was at work"
    yield f"load average at the end of the run: {busy:.1f}, {others}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _djpeg() -> str:
    done = subprocess.run(["djpeg", "-version"], capture_output=True, text=True, input="", check=False)
    return (done.stderr or done.stdout).splitlines()[0].strip()


def _line(path: Path, key: str) -> str:
    for line in path.read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""
