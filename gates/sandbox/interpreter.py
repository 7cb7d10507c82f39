"""The lean interpreter: a virtual environment with what the gates need inside, and nothing else, built once.

Its folder is ``.venv-sandbox`` beside the project, or what ``SANDBOX_VENV`` names. This module decides what
a job sees of the host: the interpreter's own files, the C library and time zones, all of it read-only.
"""

import json
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

from gates.sandbox.base import SandboxUnavailable
from gates.sandbox.stamp import STAMP

CURE = "Run `make setup` (or `python -m gates.sandbox.build`), which builds the lean interpreter once."


@dataclass(frozen=True, slots=True)
class Interpreter:
    """``venv`` is the lean environment on the host, ``executable`` the real binary below it.

    ``trees`` are host paths shown read-only under the same names; ``links`` (target, name) the symlinks of a
    merged /usr. ``environment`` is what it needs to start: where its own library is, if it was copied from
    where the loader looks.
    """

    venv: str
    executable: str
    version: str
    trees: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    environment: Mapping[str, str]


def interpreter_folder() -> Path:
    """Where the lean environment is, built or not."""
    return Path(settings.SANDBOX_VENV)


def _list_libraries() -> tuple[list[str], list[tuple[str, str]]]:
    """The C library's folders: real ones as trees, the links of a merged /usr as (target, name)."""
    trees, links = [], []
    for name in ("/usr/lib", "/usr/lib64", "/lib", "/lib64"):
        path = Path(name)
        if path.is_symlink():
            links.append((str(path.readlink()), name))
        elif path.is_dir():
            trees.append(name)
    return trees, links


def _list_runtime(base: Path, executable: Path, stdlib: Path) -> list[str]:
    """The files of the real interpreter."""
    # The binary alone: its folder may be all of /usr/bin.
    trees = [str(executable), str(stdlib)]
    library = sysconfig.get_config_var("INSTSONAME")
    trees += [str(path) for path in base.glob(f"lib*/{library}")]
    return trees


@cache
def find_interpreter(venv: str = "") -> Interpreter:
    """Find the lean interpreter.

    Raises ``SandboxUnavailable`` with the cure when it was not built, or is half built.
    """
    root = Path(venv) if venv else interpreter_folder()
    try:
        stamp = json.loads((root / STAMP).read_text())
        base, executable = Path(stamp["base_prefix"]), Path(stamp["executable"])
        stdlib = Path(stamp["stdlib"])
    except (OSError, ValueError, KeyError) as error:
        raise SandboxUnavailable(
            f"The sandbox's interpreter is not built in {root.name}.", cure=CURE
        ) from error
    if not executable.is_file():
        raise SandboxUnavailable("The Python under the sandbox's interpreter is gone.", cure=CURE)
    trees, links = _list_libraries()
    wanted = [*trees, *_list_runtime(base, executable, stdlib)]
    # Without the cache the loader searches every folder; without time zones honest code fails.
    wanted += [path for path in ("/etc/ld.so.cache", "/usr/share/zoneinfo") if Path(path).exists()]
    environment = {}
    if root.resolve() in base.resolve().parents:
        # A copied runtime does not have its library where the loader looks.
        environment["LD_LIBRARY_PATH"] = str(stdlib.parent)
    return Interpreter(
        str(root), str(executable), str(stamp["version"]), _drop_nested(wanted), tuple(links), environment
    )


def _drop_nested(paths: list[str]) -> tuple[str, ...]:
    """``paths`` without those that are inside another."""
    kept: list[str] = []
    # Sorted, a folder comes before what is inside it.
    for path in sorted(set(paths)):
        if not any(path.startswith(f"{other}/") for other in kept):
            kept.append(path)
    return tuple(kept)
