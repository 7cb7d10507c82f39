"""A sealed block as it lies somewhere: a folder, or a tar.gz whose every byte follows from its files."""

import io
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from blocks.cli import unpack
from blocks.cli.errors import Exit, Failure

MAX_BYTES = 64 * 1024 * 1024
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED = 0xFFFF


def read(path: Path) -> tuple[dict[str, bytes], str]:
    """The files of the block under ``path``, and what is wrong with what they lie in; raises ``Failure`` where none are."""
    try:
        if path.is_dir():
            return _folder(path), ""
        with path.open("rb") as file:
            return opened(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise _unreadable(path, error.strerror or "it cannot be read") from error
    except ValueError as error:
        raise _unreadable(path, str(error)) from error


def opened(packed: bytes) -> tuple[dict[str, bytes], str]:
    """The files of an archive, and what is wrong with the archive around them; raises ``ValueError`` for no archive.

    Checksums are not asked while reading, so that a changed file is found by its name; the archive is then built anew.
    """
    if len(packed) > MAX_BYTES:
        raise ValueError(f"it is over {MAX_BYTES // 1024 // 1024} MB")
    raw, files = _stored(packed), dict[str, bytes]()
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as tar:
            for member in tar:
                if odd := _odd(member, files):
                    raise ValueError(f"{member.name[:80]!r} in it {odd}")
                content = tar.extractfile(member)
                files[member.name] = content.read() if content is not None else b""
    except (tarfile.TarError, OSError, UnicodeError, EOFError) as error:
        raise ValueError(f"its tar cannot be read: {error}") from error
    try:
        again = pack(files)
    except (ValueError, tarfile.TarError) as error:
        raise ValueError(f"its tar cannot be read: {error}") from error
    return files, _around(packed, again)


def _odd(member: tarfile.TarInfo, files: Mapping[str, bytes]) -> str:
    """What is wrong with a member of an archive that may only hold plain files, each once."""
    if not unpack.inside(member.name):
        return "is no path inside the block"
    if member.issym() or member.islnk():
        return "is a link"
    # A sparse file says how large it is without its bytes: exabytes out of a few hundred.
    if not member.isreg() or member.issparse():
        return "is no plain file"
    return "is there twice" if member.name in files else ""


def _around(packed: bytes, again: bytes) -> str:
    """How an archive differs from the one that its own files make; empty where it does not."""
    if packed == again:
        return ""
    if packed.startswith(again):
        return f"{len(packed) - len(again):,} bytes were appended to the archive"
    if again.startswith(packed):
        return f"the archive is cut off: it ends after {len(packed):,} of {len(again):,} bytes"
    place = next((n for n, (one, other) in enumerate(zip(packed, again, strict=False)) if one != other), 0)
    return f"the archive around the files was changed, from byte {place:,} on"


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of ``files``: the same files, the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
            tar.addfile(entry, io.BytesIO(content))
    return gzipped(buffer.getvalue())


def gzipped(raw: bytes) -> bytes:
    """``raw`` in one gzip member of stored blocks."""
    return b"".join((_HEADER, *_blocks(raw), struct.pack("<II", zlib.crc32(raw), len(raw) & 0xFFFFFFFF)))


def _blocks(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), _STORED):
        part = raw[start : start + _STORED]
        yield struct.pack("<BHH", start + _STORED >= len(raw), len(part), len(part) ^ 0xFFFF) + part


def _stored(packed: bytes) -> bytes:
    """What stored blocks hold, wherever they should be: header, lengths and checksum are compared later, as a whole."""
    parts, start = [], len(_HEADER)
    while start < len(packed) - 8:
        parts.append(packed[start + 5 : min(start + 5 + _STORED, len(packed) - 8)])
        start += 5 + _STORED
    if not parts:
        raise ValueError("it is not a sealed block")
    return b"".join(parts)


def _folder(root: Path) -> dict[str, bytes]:
    files, size = {}, 0
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{name!r} in it is a link or no plain file")
        if path.is_file():
            size += path.stat().st_size
            if size > MAX_BYTES:
                raise ValueError(f"it is over {MAX_BYTES // 1024 // 1024} MB")
            files[name] = path.read_bytes()
    return files


def _unreadable(path: Path, why: str) -> Failure:
    return Failure(
        f"{path} is not a sealed block: {why}.",
        cure="Name the folder of a block, .blocks/catalog/<family>/<name>, or its tar.gz; fetch it again if it was changed.",
        code="evidence:unreadable",
        exit_code=Exit.FAILED,
    )
