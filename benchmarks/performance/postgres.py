"""The same search in PostgreSQL: a server of our own, as small as it gets, and what its process spends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_USER = "postgres"  # a server does not run as root


@contextmanager
def server(hashes: NDArray[np.uint64]) -> Iterator[Server | None]:
    """Run a server that knows these hashes; None where no PostgreSQL, or no psycopg, is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs or find_spec("psycopg") is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_user = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, _USER)
    data, log = folder / "data", folder / "log"
    options = f"-k {folder} -c listen_addresses= -c max_parallel_workers_per_gather=0 -c shared_buffers=512MB"
    control = [*as_user, str(programs[-1] / "pg_ctl"), "-D", str(data)]
    make = [*as_user, str(programs[-1] / "initdb"), "-D", str(data), "-A", "trust", "-U", _USER]
    try:
        for command in (make, [*control, "-l", str(log), "-o", options, "-w", "start"]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # a pipe would stay open with the server
        try:
            yield Server(folder, hashes)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder)


class Server:
    """A table of hashes, asked with `bit_count`: PostgreSQL has no index for the number of bits that differ."""

    def __init__(self, folder: Path, hashes: NDArray[np.uint64]) -> None:
        """Fill the table."""
        import psycopg

        self._connection = psycopg.connect(host=str(folder), user=_USER, dbname=_USER, autocommit=True)
        self._connection.execute("CREATE TABLE photo (hash bit(64) NOT NULL)")
        with self._connection.cursor().copy("COPY photo FROM STDIN") as copy:
            for value in map(int, hashes):
                copy.write(f"{value:064b}\n")
        self._connection.execute("VACUUM ANALYZE photo")

    def ask(self, eight: Sequence[int], radius: int) -> set[int]:
        """Return the known hashes within a radius of any of these."""
        near = " OR ".join(f"bit_count(hash # B'{own:064b}') <= {radius:d}" for own in eight)
        rows = self._connection.execute(f"SELECT hash::text FROM photo WHERE {near}").fetchall()  # noqa: S608
        return {int(value, 2) for (value,) in rows}

    def clock(self) -> Callable[[], float]:
        """Return a clock of the seconds of processor that this connection's process of the server has taken."""
        times = Path(f"/proc/{self._connection.info.backend_pid}/schedstat")
        return lambda: int(times.read_text().split()[0]) / 1e9
