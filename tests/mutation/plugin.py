"""A pytest plugin that loads one mutated module in place of the original (``-p tests.mutation.plugin``).

``MUTANT_MODULE`` is its dotted name and ``MUTANT_CODE`` a file with its marshalled code. pytest imports a
plugin that is named with ``-p`` before Django and the tests, so nothing has imported the original yet.
"""

import importlib.abc
import importlib.util
import marshal
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class MutantFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the mutated module, and leaves every other one to Python."""

    def __init__(self, name: str, code: bytes) -> None:
        self.name = name
        self.code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The original's specification with this loader, or ``None`` for another module."""
        if fullname != self.name:
            return None
        # The original's specification knows whether the module is a package and where its parts are.
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None:
            spec.loader = self
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Python makes the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant as the body of ``module``."""
        exec(marshal.loads(self.code), module.__dict__)  # noqa: S102, S302 - written by the runner a moment ago


if "MUTANT_MODULE" in os.environ:
    mutant = Path(os.environ["MUTANT_CODE"]).read_bytes()
    sys.meta_path.insert(0, MutantFinder(os.environ["MUTANT_MODULE"], mutant))
