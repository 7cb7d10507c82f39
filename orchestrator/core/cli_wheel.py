"""The wheel of `blocks`, packed from the package that this process runs: its version is never another.

The name, the metadata and the entry point are those of the installed distribution; the files are those of the
package. The same files give the same bytes, so a hash that somebody wrote down holds on every replica.
"""

import base64
import functools
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

import blocks

DISTRIBUTION: Final = "multi-llm-blocks"
_PACKAGE: Final = Path(blocks.__file__).parent
_SUFFIXES: Final = frozenset({".py", ".typed"})
# What building in place leaves behind.
_BUILT: Final = frozenset({"build", "__pycache__"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: orchestrator\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True, slots=True)
class Wheel:
    """The wheel: its file name, its bytes, and their SHA-256 in hexadecimal."""

    name: str
    version: str
    sha256: str
    content: bytes = field(repr=False)


@functools.cache
def pack_wheel() -> Wheel:
    """The wheel of the running version."""
    found = metadata.distribution(DISTRIBUTION)
    stem = f"{DISTRIBUTION.replace('-', '_')}-{found.version}"
    folder = f"{stem}.dist-info"
    files = dict(_read_package())
    for name in ("METADATA", "entry_points.txt"):
        files[f"{folder}/{name}"] = (found.read_text(name) or "").encode()
    files[f"{folder}/WHEEL"] = _WHEEL.encode()
    files[f"{folder}/RECORD"] = _list_records(files, f"{folder}/RECORD").encode()
    content = _pack(files)
    return Wheel(f"{stem}-py3-none-any.whl", found.version, hashlib.sha256(content).hexdigest(), content)


def _read_package() -> Iterator[tuple[str, bytes]]:
    for path in sorted(_PACKAGE.rglob("*")):
        below = path.relative_to(_PACKAGE)
        if path.suffix in _SUFFIXES and not _BUILT & set(below.parts):
            yield f"{_PACKAGE.name}/{below.as_posix()}", path.read_bytes()


def _list_records(files: dict[str, bytes], own: str) -> str:
    """Each file with its digest and size; the list names itself without them."""
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{own},,\n"])


def _pack(files: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, content)
    return raw.getvalue()
