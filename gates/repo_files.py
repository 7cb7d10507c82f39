"""The repo around a block: which of its files go into the sandbox, and what of it the block may import."""

import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from gates.base import Candidate
from gates.harness.import_path import PACKAGES, REPO

__all__ = ["PACKAGES", "REPO", "list_importable_modules", "select_repo_files"]

# Nothing loads these for a block's tests; they stay out all the same, so that no later change of a tool brings them to life.
_STEERING = frozenset(
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
    }
    | {"usercustomize.py", "pyvenv.cfg", "entry_points.txt"}
)
_STEERING_SUFFIXES = frozenset({".pth", ".pyc", ".pyo", ".so", ".pyd", ".egg-link"})
_STEERING_FOLDERS = ("__pycache__", ".git")
_OURS = frozenset(
    {"gates", "start", "block", "repo", "packages", "conftest", "sitecustomize", "usercustomize"}
)
_MAX_NAME_BYTES = 255


def select_repo_files(candidate: Candidate) -> dict[str, bytes]:
    """Path below the repo's folder in the sandbox to bytes: the snapshot without what steers tools or cannot be a path."""
    kept = {path: content for path, content in sorted(candidate.repo_files.items()) if _harmless(path)}
    # A name cannot be a file and a folder; the snapshot is JSON and may say so.
    folders = {str(parent) for path in kept for parent in PurePosixPath(path).parents}
    return {path: content for path, content in kept.items() if path not in folders}


def _harmless(path: str) -> bool:
    pure = PurePosixPath(path)
    try:
        sizes = [len(part.encode()) for part in pure.parts]
    except UnicodeEncodeError:
        return False
    if (
        not sizes
        or max(sizes) > _MAX_NAME_BYTES
        or "\0" in path
        or pure.is_absolute()
        or ".." in pure.parts
        or str(pure) != path
    ):
        return False
    folders = pure.parts[:-1]
    steered = any(part in _STEERING_FOLDERS or part.endswith((".dist-info", ".egg-info")) for part in folders)
    return not steered and pure.name not in _STEERING and pure.suffix not in _STEERING_SUFFIXES


def list_importable_modules(candidate: Candidate) -> frozenset[str]:
    """Top-level modules of the repo and of its packages, but for names that are the standard library's or the harness's."""
    names = {
        *_top_level(path.removeprefix("src/") for path in select_repo_files(candidate)),
        *_top_level(select_repo_files(candidate)),
    }
    if candidate.environment is not None:
        names |= {_module(entry) for entry in candidate.environment.iterdir()}
    return frozenset(name for name in names if name.isidentifier()) - set(sys.stdlib_module_names) - _OURS


def _top_level(paths: Iterable[str]) -> set[str]:
    return {path.split("/")[0].removesuffix(".py") for path in paths if path.endswith(".py")}


def _module(entry: Path) -> str:
    """``name`` for ``name.py``, ``name/`` and ``name.cpython-311-x86_64-linux-gnu.so``."""
    return entry.name.split(".")[0] if entry.is_dir() or entry.suffix in {".py", ".so"} else ""
