"""The repo around a block: which of its files go into the sandbox, and which modules the block may import."""

import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from gates.base import Candidate
from gates.harness.import_path import PACKAGES, REPO

__all__ = ["PACKAGES", "REPO", "list_importable_modules", "select_repo_files"]

# Files that configure pytest, coverage or Python's start. The harness loads none of them for a block's tests;
# they stay out all the same, so that no later version of a tool starts to read them.
_CONFIGURATION_NAMES = frozenset(
    {
        "conftest.py",
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        ".pytest.toml",
        "tox.ini",
        "setup.cfg",
        ".coveragerc",
        "sitecustomize.py",
        "usercustomize.py",
        "pyvenv.cfg",
        "entry_points.txt",
    }
)
_CONFIGURATION_SUFFIXES = frozenset({".pth", ".pyc", ".pyo", ".so", ".pyd", ".egg-link"})
_CONFIGURATION_FOLDERS = ("__pycache__", ".git")
_METADATA_SUFFIXES = (".dist-info", ".egg-info")
# Names at the top of the sandbox that belong to the harness.
_HARNESS_NAMES = frozenset(
    {"gates", "start", "block", "repo", "packages", "conftest", "sitecustomize", "usercustomize"}
)
_MAX_NAME_BYTES = 255


def select_repo_files(candidate: Candidate) -> dict[str, bytes]:
    """The repo's files for the sandbox: path below the repo's folder to bytes.

    Files that configure tools, and names that cannot be a path, are left out.
    """
    kept = {path: content for path, content in sorted(candidate.repo_files.items()) if _is_plain_file(path)}
    # A name cannot be a file and a folder at once; the snapshot is JSON and may claim that it is.
    folders = {str(parent) for path in kept for parent in PurePosixPath(path).parents}
    return {path: content for path, content in kept.items() if path not in folders}


def _is_plain_file(path: str) -> bool:
    return _is_relative_path(path) and not _configures_tools(PurePosixPath(path))


def _is_relative_path(path: str) -> bool:
    pure = PurePosixPath(path)
    try:
        sizes = [len(part.encode()) for part in pure.parts]
    except UnicodeEncodeError:
        return False
    if not sizes or max(sizes) > _MAX_NAME_BYTES or "\0" in path:
        return False
    leads_out = pure.is_absolute() or ".." in pure.parts
    # "./a" and "a//b" are other spellings of a path that may be there already.
    return not leads_out and str(pure) == path


def _configures_tools(path: PurePosixPath) -> bool:
    for folder in path.parts[:-1]:
        if folder in _CONFIGURATION_FOLDERS or folder.endswith(_METADATA_SUFFIXES):
            return True
    return path.name in _CONFIGURATION_NAMES or path.suffix in _CONFIGURATION_SUFFIXES


def list_repo_modules(files: Iterable[str]) -> frozenset[str]:
    """Top-level modules of a repo with these ``files``, by the names under which a block may import them."""
    paths = [path for path in files if _is_plain_file(path)]
    below_src = [path.removeprefix("src/") for path in paths]
    names = _top_level_names(paths) | _top_level_names(below_src)
    identifiers = frozenset(name for name in names if name.isidentifier())
    return identifiers - set(sys.stdlib_module_names) - _HARNESS_NAMES


def list_importable_modules(candidate: Candidate) -> frozenset[str]:
    """Top-level modules of the repo and its packages, but no names of the standard library or the harness."""
    names = set(list_repo_modules(select_repo_files(candidate)))
    if candidate.environment is not None:
        names |= {_module_name(entry) for entry in candidate.environment.iterdir()}
    identifiers = frozenset(name for name in names if name.isidentifier())
    return identifiers - set(sys.stdlib_module_names) - _HARNESS_NAMES


def _top_level_names(paths: Iterable[str]) -> set[str]:
    return {path.split("/")[0].removesuffix(".py") for path in paths if path.endswith(".py")}


def _module_name(entry: Path) -> str:
    """``name`` for ``name.py``, ``name/`` and ``name.cpython-311-x86_64-linux-gnu.so``; else empty."""
    if entry.is_dir() or entry.suffix in {".py", ".so"}:
        return entry.name.split(".")[0]
    return ""
