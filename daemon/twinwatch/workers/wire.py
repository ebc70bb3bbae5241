"""The messages between the daemon and a worker: one JSON object in one packet, checked as if an enemy had sent it.

Never pickle: a worker that a hostile picture has taken over must not be able to run code in the daemon.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

MAX_MESSAGE = 64 * 1024
"""Bytes; a reading has about 1 KiB. Also below what a Unix socket's buffer takes in one packet."""

_MAX_DEPTH = 8


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the packet for a message; raise ValueError when it is too long or has a number that JSON has not."""
    packet = _ENCODER.encode(message).encode()
    if len(packet) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(packet)} bytes")
    return packet


def decode(packet: bytes) -> dict[str, Any]:
    """Return the message in a packet; raise ValueError on anything but one small object of finite, printable values."""
    if len(packet) > MAX_MESSAGE:
        raise ValueError("an overlong message")
    try:
        message = _DECODER.decode(packet.decode())
    except RecursionError:
        raise ValueError("a message nested too deep") from None
    if not isinstance(message, dict):
        raise ValueError("not an object")
    _check(message, 0)
    return message


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _check(value: object, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("a message nested too deep")
    match value:
        case str():
            value.encode()  # a lone surrogate would fail later, in the index or the log
        case bool() | None:
            pass
        case int() if not -(1 << 63) <= value < 1 << 63:
            raise ValueError("a number that no column holds")
        case float() if not math.isfinite(value):
            raise ValueError("a number that is not finite")
        case list():
            for item in value:
                _check(item, depth + 1)
        case dict():
            for key, item in value.items():
                key.encode()
                _check(item, depth + 1)
