"""Frames of bytes with a length in front and a checksum behind."""

import struct
import zlib


def pack_frame(data: bytes) -> bytes:
    """Length in two bytes, the data, its CRC-32."""
    return struct.pack(">H", len(data)) + data + struct.pack(">I", zlib.crc32(data))


def unpack_frame(frame: bytes) -> bytes:
    """The data of a frame. Raises ``ValueError`` where it is damaged."""
    if len(frame) < 6:
        raise ValueError("too short for a frame")
    (size,) = struct.unpack(">H", frame[:2])
    data, tail = frame[2:-4], frame[-4:]
    if len(data) != size or struct.pack(">I", zlib.crc32(data)) != tail:
        raise ValueError("damaged frame")
    return data
