"""Imports a block and its tests from code objects that were compiled before any of their lines ran."""

import importlib.abc
import importlib.machinery
import importlib.util
import marshal
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def load_codes(folder: Path, modules: Sequence[str], code: bytes) -> dict[str, tuple[Path, types.CodeType]]:
    """What a ``CodeImporter`` takes, from ``code`` as ``tree_edits.compile_modules`` gives it."""
    codes = marshal.loads(code)  # noqa: S302 - compiled by the planner
    return {name: (folder / f"{name}.py", each) for name, each in zip(modules, codes, strict=True)}


class CodeImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A finder and loader for the modules of ``codes``: name to the file that they claim, and their code."""

    def __init__(self, codes: dict[str, tuple[Path, types.CodeType]]) -> None:
        self.codes = codes

    def install(self) -> None:
        """Put it in front of every other finder."""
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, _path: Any = None, _target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.codes:
            return None
        path, _ = self.codes[fullname]
        # The file is real, so that tracebacks and coverage find the lines.
        return importlib.util.spec_from_file_location(fullname, path, loader=self)

    def exec_module(self, module: types.ModuleType) -> None:
        # Nobody needs it again, and the block must not find it here.
        _, code = self.codes.pop(module.__name__)
        __tracebackhide__ = True
        exec(code, module.__dict__)  # noqa: S102 - this is what the sandbox is for
