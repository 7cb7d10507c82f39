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

from blocks.format.errors import BlocksError
from blocks.format.gitignore import IgnoreRule, is_ignored, parse_rules
from blocks.format.limits import MAX_FILE_BYTES
from blocks.format.selection import BLOCKS_FOLDER, CONFIG, UNREADABLE, select_files
from blocks.format.snapshot import encode_content

_MAX_WALKED_FILES = 50_000
# What `git rev-parse --local-env-vars` lists: they point to the repository of a hook that calls us.
_HOOKS_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
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


ABSENT = "that git tracks and this checkout does not have (a sparse checkout, or deleted)"


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
    ``.blocks``: that may be a home folder. Raises ``GitRefusedError`` for a work tree that git does not read.
    """
    reasons: Counter[str] = Counter()
    lengths = {path: _measure_file(root / path) for path in _list_paths(root)}
    # Tracked and not there: left out by a sparse checkout, or deleted since.
    for path in [path for path, length in lengths.items() if length is None]:
        if not os.path.lexists(root / path):
            reasons[ABSENT] += 1
            del lengths[path]
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


class GitRefusedError(BlocksError):
    """git cannot say what belongs to this folder."""

    code = "source:git-refused"
    cure = (
        "Make `git status` work in this folder, then run it again. "
        "`--no-context` sends no files; the service then sees only the request."
    )


def find_git_root(start: Path) -> Path | None:
    """The top folder of the git work tree around ``start``; ``None`` outside of a work tree.

    Raises ``GitRefusedError`` where there is one that git does not read.
    """
    found = _run_git(start, "rev-parse", "--show-toplevel")
    return None if found is None else Path(os.fsdecode(found).rstrip("\n"))


def _run_git(folder: Path, *words: str) -> bytes | None:
    """What git prints; ``None`` outside of a work tree.

    Any other failure is an error in git's own words. To choose files in another way would send what git
    ignores, and leave out what it tracks.
    """
    # A hook sets where its repository is. Here the folder says it.
    environment = {name: value for name, value in os.environ.items() if name not in _HOOKS_VARIABLES}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            check=False,
            # Its words are compared below and shown, so they must not depend on the language.
            env=environment | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
        )
    except OSError as error:
        if not _has_git_folder(folder):
            return None
        raise GitRefusedError(
            f"{folder} is in a git work tree, and git cannot be run: {error.strerror}.",
            cure="Install git, or send no files with `--no-context`.",
        ) from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip()
    if "not a git repository" in said and not _has_git_folder(folder):
        return None
    # In a bare repository, or in .git itself, there is no work tree to read.
    words_of_git = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in said[:2000])
    raise GitRefusedError(f"git does not read {folder}: {words_of_git}")


def _has_git_folder(folder: Path) -> bool:
    return any(os.path.lexists(each / ".git") for each in (folder, *folder.parents))


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
