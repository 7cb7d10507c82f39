"""A block as tar.gz whose bytes follow from its files alone: no times, owners, machine names, and no compressor's taste.

Deflate data is stored, not compressed: what a compressor makes differs between its versions, and leaves bits that mean
nothing. So anyone can build the same archive from the same files, and a changed bit anywhere in it shows.
"""

import io
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no flags, no time, no operating system
_STORED = 0xFFFF


def pack(files: Mapping[str, bytes]) -> bytes:
    """``files`` as tar.gz, in the order of their paths."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
            tar.addfile(entry, io.BytesIO(content))
    return gzipped(buffer.getvalue())


def gzipped(raw: bytes) -> bytes:
    """``raw`` in a gzip member of stored blocks (RFC 1951, 3.2.4; RFC 1952)."""
    return b"".join((_HEADER, *_blocks(raw), struct.pack("<II", zlib.crc32(raw), len(raw) & 0xFFFFFFFF)))


def _blocks(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), _STORED):
        part = raw[start : start + _STORED]
        final = start + _STORED >= len(raw)
        yield struct.pack("<BHH", final, len(part), len(part) ^ 0xFFFF) + part


def unpack(packed: bytes) -> dict[str, bytes]:
    """Path to bytes of an archive of ours."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        return {
            entry.name: content.read() for entry in tar if (content := tar.extractfile(entry)) is not None
        }
