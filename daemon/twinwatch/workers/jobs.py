"""The jobs a worker can do. The one module that knows imaging and proof; imported in children only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twinwatch import imaging, proof
from twinwatch.content import digest_of
from twinwatch.photo import Metric
from twinwatch.proof import comparators


def warm() -> Mapping[str, Any]:
    """Load every decoder and library that a job may need; return what this worker can do."""
    imaging.warm()
    proof.warm()
    return {"algorithm": imaging.algorithm(), "formats": imaging.formats()}


def _digest(fd: int) -> Mapping[str, Any]:
    return {"digest": digest_of(fd).hex()}


def _read(fd: int) -> Mapping[str, Any]:
    return imaging.read(fd, proof.remember).to_json()


def _prove(fd_a: int, fd_b: int) -> Mapping[str, Any]:
    return proof.prove(fd_a, fd_b).to_json()


def _measure(fd_a: int, fd_b: int, *metrics: str) -> Mapping[str, Any]:
    answers = comparators.measure(fd_a, fd_b, [Metric(name) for name in metrics])
    return {str(metric): answer and answer.to_json() for metric, answer in answers.items()}


JOBS = {"digest": _digest, "read": _read, "prove": _prove, "measure": _measure}
