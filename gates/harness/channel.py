"""Frames between the planner and its zygotes: a length of four bytes, then marshalled plain values.

Both ends are the harness's own. What a hostile child wrote travels inside as ``bytes`` and is parsed as JSON,
nothing richer.
"""

import marshal
import os
import struct
from typing import Any

_LENGTH = ">I"
_LENGTH_BYTES = struct.calcsize(_LENGTH)
_CHUNK_BYTES = 1 << 16
# A report is JSON and never begins like this.
_STARTED = "> "
_MAX_NAME = 200


def send(fd: int, value: Any) -> None:
    """Write one frame whole."""
    data = marshal.dumps(value)
    write_whole(fd, struct.pack(_LENGTH, len(data)) + data)


def receive(fd: int) -> Any:
    """Read one frame. Raises ``EOFError`` when the other end is gone."""
    (size,) = struct.unpack(_LENGTH, _read_exactly(fd, _LENGTH_BYTES))
    return marshal.loads(_read_exactly(fd, size))  # noqa: S302 - the harness wrote it


def write_whole(fd: int, data: bytes) -> None:
    """Write all of ``data``: a pipe takes only as much at a time as it has room for."""
    while data:
        data = data[os.write(fd, data) :]


def _read_exactly(fd: int, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(fd, min(size - len(parts), _CHUNK_BYTES))
        if not part:
            raise EOFError("the other end is gone")
        parts += part
    return bytes(parts)


def start_line(name: str) -> bytes:
    """What a child writes when it begins with a test or a call."""
    return f"{_STARTED}{name}\n".encode("utf-8", "replace")


def split_report(report: bytes) -> tuple[str, bytes]:
    """The name of what a child began last, empty where it began nothing; and its report proper."""
    last = b""
    while report.startswith(_STARTED.encode()):
        line, _, report = report.partition(b"\n")
        last = line.removeprefix(_STARTED.encode())
    return last.decode("utf-8", "replace")[:_MAX_NAME], report
