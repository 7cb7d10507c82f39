"""The list of names is that of the interpreter: each exists, and none is a module that came in by an import."""

import importlib
import sys
from types import ModuleType

import pytest

from gates.allowlist.library import is_library_module, load_library
from gates.allowlist.words import INTROSPECTION

MODULES = sorted(module for module in load_library() if not module.startswith("hypothesis"))


@pytest.mark.parametrize("module", MODULES)
def test_names_exist_and_are_the_modules_own(module: str) -> None:
    loaded = importlib.import_module(module)

    for name in load_library()[module]:
        # HTTPMethod and the like come with 3.11; names that later versions drop may be missing there.
        if not hasattr(loaded, name):
            assert sys.version_info < (3, 11, 7) or sys.version_info >= (3, 12), name
            continue
        assert not name.startswith("_")
        assert not isinstance(getattr(loaded, name), ModuleType) or is_library_module(f"{module}.{name}")
        assert name not in INTROSPECTION
