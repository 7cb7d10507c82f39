"""The files of a folder that are sent along with a request: what git tracks or would track, without
following a link.
"""

import os
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from blocks.format.gitignore import IgnoreRule, is_ignored, parse_rules
from blocks.format.limits import MAX_FILE_BYTES
from blocks.format.selection import BLOCKS_FOLDER, CONFIG, UNREADABLE, select_files
from blocks.format.snapshot import encode_content

_MAX_WALKED_FILES = 50_000
# Without git nothing says what is tracked: virtual environments, caches and build output never are.
_GENERATED_FOLDERS = frozenset(
    {
        "__pycache__",
        "bower_components",
        "build",
        "dist",
        "env",
        "htmlcov",
        "node_modules",
        "out",
        "site-packages",
        "target",
        "venv",
    }
)


@dataclass(frozen=True, slots=True)
class CollectedFiles:
    """``files`` in the form that the service takes, ``size`` in bytes; ``reasons`` counts the files left
    out, by reason.
    """

    files: dict[str, Any] = field(repr=False)
    size: int
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """How many files were left out."""
        return sum(self.reasons.values())

    def describe_left_out(self) -> str:
        """What was left out and why, for people; empty where nothing was."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())


def collect_files(root: Path) -> CollectedFiles:
    """The files below ``root`` that are sent.

    In a git work tree those that git tracks or would track. Elsewhere all that no ``.gitignore`` names,
    without hidden folders, virtual environments and build output. Nothing where there is neither git nor
    ``.blocks``: that may be a home folder.
    """
    reasons: Counter[str] = Counter()
    lengths = {path: _measure_file(root / path) for path in _list_paths(root)}
    files: dict[str, Any] = {}
    size = 0
    for path in select_files(lengths, reasons):
        content = _read_file(root / path)
        # A file that changed since it was measured could break the limits.
        if content is None or len(content) != lengths[path]:
            reasons[UNREADABLE] += 1
            continue
        files[path] = encode_content(content)
        size += len(content)
    return CollectedFiles(dict(sorted(files.items())), size, dict(sorted(reasons.items())))


def find_git_root(start: Path) -> Path | None:
    """The top folder of the git work tree around ``start``; ``None`` without git or outside of a work
    tree.
    """
    found = _run_git(start, "rev-parse", "--show-toplevel")
    return None if found is None else Path(os.fsdecode(found).rstrip("\n"))


def _run_git(folder: Path, *words: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _measure_file(path: Path) -> int | None:
    """The size of a plain file in bytes; ``None`` for anything else."""
    try:
        # `lstat`, so that a link counts as a link and is left out, wherever it leads.
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _read_file(path: Path) -> bytes | None:
    """The bytes of a plain file, at most one more than the limit; ``None`` where it cannot be read."""
    try:
        # Links may lead out of the repo, and between measuring and opening a file may become one. A pipe
        # must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None


def _list_paths(root: Path) -> list[str]:
    """Paths relative to ``root``, with slashes, sorted."""
    listing = _run_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listing is not None:
        # A set: in the middle of a merge git lists a path once for each side.
        return sorted({os.fsdecode(path) for path in listing.split(b"\0") if path})
    if not (root / CONFIG).is_file():
        return []
    return sorted(islice(_walk_folder(root, "", ()), _MAX_WALKED_FILES))


def _walk_folder(root: Path, below: str, above: tuple[IgnoreRule, ...]) -> Iterator[str]:
    """Every file below the folder ``below`` that is not ignored; ``above`` are the rules of the folders
    around it.
    """
    try:
        entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
    except OSError:
        return
    own = _read_file(root / below / ".gitignore") or b""
    # Rules of an inner folder come last and win over those around it.
    rules = (*above, *parse_rules(own.decode("utf-8", "replace"), below))
    for entry in entries:
        path = below + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        # An ignored folder is not entered, so a rule inside it cannot bring a file back: git has it that way.
        if is_ignored(path, rules, is_folder=is_folder):
            continue
        if not is_folder:
            yield path
        elif path == BLOCKS_FOLDER or not _is_generated(entry):
            yield from _walk_folder(root, f"{path}/", rules)


def _is_generated(entry: "os.DirEntry[str]") -> bool:
    name = entry.name.lower()
    if name.startswith(".") or name in _GENERATED_FOLDERS or name.endswith(".egg-info"):
        return True
    return os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
