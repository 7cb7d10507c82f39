"""The repo's files that go along with a feature request: what git tracks, within a size, never what looks like a secret."""

import base64
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.cli.place import FOLDER, git_root

MAX_TOTAL_BYTES = 6 * 1024 * 1024
MAX_FILE_BYTES = 512 * 1024
MAX_FILES = 5000
_SECRET_NAMES = {".env", ".netrc", ".npmrc", ".pypirc", ".htpasswd", "id_rsa", "id_ed25519", "id_ecdsa", "credentials"}
_SECRET_ENDS = (".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx")
_BINARY_ENDS = (".png", ".jpg", ".jpeg", ".gif", ".ico", ".pdf", ".zip", ".gz", ".jar", ".so", ".dll", ".woff", ".woff2", ".mp4")


@dataclass(frozen=True, slots=True)
class Sources:
    """``files`` as the service takes them; ``left_out`` counts what was too large, binary, or looked like a secret."""

    files: dict[str, Any] = field(repr=False)
    size: int
    left_out: int


def _tracked(root: Path) -> list[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, capture_output=True, check=False)
    if found.returncode != 0:
        return []
    names = found.stdout.decode("utf-8", "surrogateescape").split("\0")
    return sorted({name for name in names if name})


def _unwanted(name: str) -> bool:
    path = PurePosixPath(name.lower())
    looks_secret = path.name in _SECRET_NAMES or path.name.startswith(".env.") or path.name.endswith(_SECRET_ENDS)
    return looks_secret or path.name.endswith(_BINARY_ENDS) or path.parts[0] == FOLDER or not _sendable(name)


def _sendable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\\" not in name and len(name) <= 500


def _content(path: Path) -> bytes | None:
    """The bytes of a plain file of a sensible size. Links are not followed: they may lead out of the repo."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def collect(start: Path) -> Sources:
    """The sources of the git work tree around ``start``, smallest first until the size is reached; empty outside of one."""
    root = git_root(start)
    if root is None:
        return Sources({}, 0, 0)
    names, files, size = _tracked(root), {}, 0
    found = ((name, _content(root / name)) for name in names if not _unwanted(name))
    by_size = sorted(
        ((name, content) for name, content in found if content is not None), key=lambda pair: (len(pair[1]), pair[0])
    )
    for name, content in by_size[:MAX_FILES]:
        if size + len(content) > MAX_TOTAL_BYTES:
            break
        files[name], size = _text_or_base64(content), size + len(content)
    return Sources(dict(sorted(files.items())), size, len(names) - len(files))


def _text_or_base64(content: bytes) -> Any:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    return {"base64": base64.b64encode(content).decode()} if "\0" in text else text
