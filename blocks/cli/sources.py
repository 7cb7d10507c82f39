"""The repo's files that go along with a feature request: what git would track, within a size, never what looks like a secret."""

import base64
import os
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from blocks.cli.ignore import Rule, ignored, rules
from blocks.cli.place import FOLDER

MAX_TOTAL_BYTES = 6 * 1024 * 1024
MAX_FILE_BYTES = 512 * 1024
MAX_FILES = 5000
CONFIG = f"{FOLDER}/config.yml"
_SECRET_NAMES = frozenset(
    {
        ".env",
        ".netrc",
        "_netrc",
        ".npmrc",
        ".pypirc",
        ".htpasswd",
        ".pgpass",
        ".git-credentials",
        ".dockercfg",
        "credentials",
    }
    | {
        "credentials.json",
        "client_secret.json",
        "secrets.yml",
        "secrets.yaml",
        "secrets.json",
        "secrets.toml",
        "kubeconfig",
    }
    | {"id_rsa", "id_dsa", "id_ed25519", "id_ecdsa"}
)
_SECRET_ENDS = (
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".ppk",
    ".tfstate",
    ".tfvars",
    ".env",
    ".ovpn",
)
_SECRET_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".docker"})
_BINARY_ENDS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".ico",
    ".pdf",
    ".zip",
    ".gz",
    ".jar",
    ".so",
    ".dll",
    ".woff",
    ".woff2",
    ".mp4",
    ".pyc",
)
# Without git, what nobody tracks: virtual environments, caches, what builds leave.
_MADE_FOLDERS = frozenset(
    {
        "__pycache__",
        "node_modules",
        "bower_components",
        "build",
        "dist",
        "target",
        "out",
        "htmlcov",
        "site-packages",
        "venv",
        "env",
    }
)


CLOSED = "that are links, unreadable or unnameable"
_MAX_WALKED = 50_000


@dataclass(frozen=True, slots=True)
class Sources:
    """``files`` as the service takes them; ``reasons`` says how many were left out and why."""

    files: dict[str, Any] = field(repr=False)
    size: int
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """How many files were left out."""
        return sum(self.reasons.values())

    @property
    def told(self) -> str:
        """What was left out and why, for people; empty where nothing was."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())


def collect(root: Path) -> Sources:
    """The sources below ``root``, smallest first until the size is reached.

    In a git work tree those that git tracks or would track; elsewhere all that no ``.gitignore`` names, without hidden folders,
    virtual environments and what builds leave. Nothing where there is neither git nor ``.blocks``: that may be anybody's home.
    """
    reasons: Counter[str] = Counter()
    lengths = {name: _length(root / name) for name in _names(root)}
    files: dict[str, Any] = {}
    size = 0
    for name in choose(lengths, reasons):
        content = _content(root / name)
        if content is None or len(content) != lengths[name]:
            reasons[CLOSED] += 1
        else:
            files[name], size = text_or_base64(content), size + len(content)
    return Sources(dict(sorted(files.items())), size, dict(sorted(reasons.items())))


def choose(lengths: Mapping[str, int | None], reasons: Counter[str]) -> list[str]:
    """Which of the paths go along, smallest first until the size is reached; why the others do not is counted in ``reasons``.

    ``lengths`` in bytes, ``None`` for what is no plain file. The service chooses from a clone in the same way.
    """
    wanted = [
        (length, name) for name in lengths if (length := _wanted(name, lengths[name], reasons)) is not None
    ]
    chosen: list[str] = []
    size = 0
    for length, name in sorted(wanted):
        if len(chosen) >= MAX_FILES:
            reasons[f"beyond {MAX_FILES:,} files"] += 1
        elif size + length > MAX_TOTAL_BYTES:
            reasons[f"beyond {MAX_TOTAL_BYTES >> 20} MB in all"] += 1
        else:
            chosen.append(name)
            size += length
    return chosen


def _wanted(name: str, length: int | None, reasons: Counter[str]) -> int | None:
    """The length of a file that may go along; else why not, counted."""
    path = PurePosixPath(name.lower())
    if path.parts[0] == FOLDER:
        # Blocks and schemas are ours; the configuration names the packages that blocks may use.
        return length if name == CONFIG else None
    if _looks_secret(path):
        reasons["that look like secrets"] += 1
    elif path.name.endswith(_BINARY_ENDS):
        reasons["binary"] += 1
    elif not _sendable(name) or length is None:
        reasons[CLOSED] += 1
    elif length > MAX_FILE_BYTES:
        reasons[f"over {MAX_FILE_BYTES >> 10} KB"] += 1
    else:
        return length
    return None


def _looks_secret(path: PurePosixPath) -> bool:
    named = (
        path.name in _SECRET_NAMES
        or path.name.startswith((".env.", "service-account"))
        or path.name.endswith(_SECRET_ENDS)
    )
    return named or not _SECRET_FOLDERS.isdisjoint(path.parts[:-1])


def _sendable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\\" not in name and len(name) <= 500


def _length(path: Path) -> int | None:
    """The size of a plain file; ``None`` for anything else."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _content(path: Path) -> bytes | None:
    """The bytes of a plain file, one more than the limit at most. Links are not followed: they may lead out of the repo."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None


def _names(root: Path) -> list[str]:
    """Paths relative to ``root``, with slashes, sorted."""
    names = _tracked(root)
    if names is not None:
        return sorted(names)
    return sorted(islice(_walked(root), _MAX_WALKED)) if (root / CONFIG).is_file() else []


def _tracked(root: Path) -> set[str] | None:
    """What git tracks below ``root`` or would track; ``None`` without git or outside of a work tree."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        found = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    if found.returncode != 0:
        return None
    return {name for name in found.stdout.decode("utf-8", "surrogateescape").split("\0") if name}


def _walked(root: Path, below: str = "", above: tuple[Rule, ...] = ()) -> Iterator[str]:
    """What lies below a folder and is not ignored."""
    try:
        entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
    except OSError:
        return
    own = _content(root / below / ".gitignore")
    in_force = [*above, *rules((own or b"").decode("utf-8", "replace"), below)]
    for entry in entries:
        path, is_folder = below + entry.name, entry.is_dir(follow_symlinks=False)
        if ignored(path, in_force, is_folder=is_folder):
            continue
        if not is_folder:
            yield path
        elif path == FOLDER or not _made(entry):
            yield from _walked(root, f"{path}/", tuple(in_force))


def _made(entry: "os.DirEntry[str]") -> bool:
    name = entry.name.lower()
    unwanted = name.startswith(".") or name in _MADE_FOLDERS or name.endswith(".egg-info")
    return unwanted or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))


def text_or_base64(content: bytes) -> Any:
    """A text, or ``{"base64": ...}`` for bytes that no text of JSON and PostgreSQL can hold."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    return {"base64": base64.b64encode(content).decode()} if "\0" in text else text
