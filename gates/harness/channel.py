"""Frames between the planner and its zygotes: a length of four bytes, then marshalled plain values.

Both ends are ours. What a hostile child wrote travels inside as ``bytes`` and is parsed as JSON, nothing richer.
"""

import marshal
import os
import struct
from typing import Any


def send(fd: int, value: Any) -> None:
    """Write one frame whole."""
    data = marshal.dumps(value)
    data = struct.pack(">I", len(data)) + data
    while data:
        data = data[os.write(fd, data) :]


def receive(fd: int) -> Any:
    """Read one frame. Raises ``EOFError`` when the other end is gone."""
    (size,) = struct.unpack(">I", _exactly(fd, 4))
    return marshal.loads(_exactly(fd, size))  # noqa: S302 - frames are written by our own processes only


def _exactly(fd: int, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(fd, min(size - len(parts), 1 << 16))
        if not part:
            raise EOFError("the other end is gone")
        parts += part
    return bytes(parts)
