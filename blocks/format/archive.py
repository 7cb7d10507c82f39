"""A block as tar.gz whose bytes follow from its files alone: no times, owners or machine names, and no
compressor.

Deflate data is stored, not compressed: what a compressor writes differs between its versions, and has
bits without meaning. So anyone can build the same archive from the same files, and a changed bit anywhere
in it shows.
"""

import io
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blocks.format.errors import FormatError
from blocks.format.limits import MAX_BLOCK_BYTES, MIB
from blocks.format.paths import is_safe_path

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no flags, no time, no operating system
_GZIP_TRAILER_BYTES = 8  # CRC-32 and length
_STORED_HEADER = struct.Struct("<BHH")  # whether it is the last one, length, complement of the length
_STORED_BYTES = 0xFFFF  # the most that a stored block can hold


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds. ``damage`` says how it differs from the one that ``files`` make; empty where
    it does not.
    """

    files: Mapping[str, bytes] = field(repr=False)
    damage: str


def pack(files: Mapping[str, bytes]) -> bytes:
    """``files`` as tar.gz, in the order of their paths. Raises ``FormatError`` for a path that tar cannot
    hold.
    """
    buffer = io.BytesIO()
    try:
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path, content in sorted(files.items()):
                # Everything else that tar records stays at its default: owner 0, no names, no links.
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
                tar.addfile(entry, io.BytesIO(content))
    except (ValueError, tarfile.TarError) as error:
        raise FormatError(f"it cannot be packed: {error}") from error
    return wrap_gzip(buffer.getvalue())


def unpack(packed: bytes) -> dict[str, bytes]:
    """Path to bytes of an archive; raises ``FormatError`` for one that differs in any byte from what
    ``pack`` makes.
    """
    found = read(packed)
    if found.damage:
        raise FormatError(found.damage)
    return dict(found.files)


def read(packed: bytes) -> Archive:
    """The files of an archive that may be damaged; raises ``FormatError`` where no files can be told from it.

    Checksums are not checked while reading, so that a changed file is found by its name against the
    manifest. Afterwards the archive is built again from its files and compared as a whole.
    """
    if len(packed) > MAX_BLOCK_BYTES:
        raise FormatError(f"it is over {MAX_BLOCK_BYTES // MIB} MB")
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_unwrap_gzip(packed)), mode="r:") as tar:
            for member in tar:
                _check_member(member, files)
                content = tar.extractfile(member)
                files[member.name] = b"" if content is None else content.read()
        # Anyone can build an archive from its files, so comparing the two covers every byte around them.
        again = pack(files)
    except (tarfile.TarError, OSError, EOFError, UnicodeError) as error:
        raise FormatError(f"its tar cannot be read: {error}") from error
    return Archive(files, _describe_damage(packed, again))


def _check_member(member: tarfile.TarInfo, files: Mapping[str, bytes]) -> None:
    """Raise ``FormatError`` for everything except a plain file inside the block that was not there before."""
    if problem := _find_problem(member, files):
        raise FormatError(f"{member.name[:80]!r} in it {problem}")


def _find_problem(member: tarfile.TarInfo, files: Mapping[str, bytes]) -> str:
    if not is_safe_path(member.name):
        return "is not a path inside the block"
    if member.issym() or member.islnk():
        return "is a link"
    # A sparse file says how large it is without its bytes: exabytes out of a few hundred.
    if not member.isreg() or member.issparse():
        return "is not a plain file"
    return "is there twice" if member.name in files else ""


def _describe_damage(packed: bytes, again: bytes) -> str:
    if packed == again:
        return ""
    if packed.startswith(again):
        return f"{len(packed) - len(again):,} bytes were appended to the archive"
    if again.startswith(packed):
        return f"the archive is cut off: it ends after {len(packed):,} of {len(again):,} bytes"
    pairs = enumerate(zip(packed, again, strict=False))
    first = next((place for place, (one, other) in pairs if one != other), 0)
    return f"the archive around the files was changed, from byte {first:,} on"


def wrap_gzip(raw: bytes) -> bytes:
    """``raw`` in one gzip member of stored blocks (RFC 1951, 3.2.4; RFC 1952)."""
    trailer = struct.pack("<II", zlib.crc32(raw), len(raw) & 0xFFFFFFFF)
    return b"".join((_GZIP_HEADER, *_split_into_blocks(raw), trailer))


def _split_into_blocks(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), _STORED_BYTES):
        part = raw[start : start + _STORED_BYTES]
        is_last = start + _STORED_BYTES >= len(raw)
        yield _STORED_HEADER.pack(is_last, len(part), len(part) ^ _STORED_BYTES) + part


def _unwrap_gzip(packed: bytes) -> bytes:
    # The blocks are taken from where ``wrap_gzip`` puts them. Header, lengths and checksum are not looked
    # at: the comparison of the whole archive covers them. Nothing is inflated, so there is no bomb to go
    # off.
    parts = []
    start, end = len(_GZIP_HEADER), len(packed) - _GZIP_TRAILER_BYTES
    while start < end:
        content = start + _STORED_HEADER.size
        parts.append(packed[content : min(content + _STORED_BYTES, end)])
        start = content + _STORED_BYTES
    if not parts:
        raise FormatError("it is not a sealed block")
    return b"".join(parts)
