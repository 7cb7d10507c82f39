"""What generated code may take from the standard library and the test tools, and what each name needs.

``names.txt`` lists every name; what is not listed is refused. A new name is a word in that file.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources

TEST_TOOLS = frozenset(
    {"http.server", "hypothesis", "hypothesis.strategies", "pytest", "unittest", "unittest.mock"}
)


@cache
def load_library() -> Mapping[str, Mapping[str, str]]:
    """Module to its public names, each with the capability that it needs; empty for none."""
    text = resources.files(__package__).joinpath("names.txt").read_text(encoding="utf-8")
    library: dict[str, dict[str, str]] = {}
    default, names = "", {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        words = line
        # A line that is not indented begins a module.
        if not line.startswith(" "):
            head, _, words = line.partition(": ")
            module, _, default = head.partition("@")
            names = library.setdefault(module, {})
        for word in words.split():
            name, mark, capability = word.partition("@")
            names[name] = capability if mark else default
    return library


ALLOWED_TEST_MODULES = frozenset(load_library())
ALLOWED_MODULES = ALLOWED_TEST_MODULES - TEST_TOOLS
# Packages on the way to a module of the list: "urllib" of "urllib.parse".
PACKAGES = frozenset(
    ".".join(parts[:length])
    for parts in (module.split(".") for module in ALLOWED_TEST_MODULES)
    for length in range(1, len(parts))
)


def is_library_module(path: str) -> bool:
    """Whether ``path`` names a module that may be imported, or a package on the way to one."""
    return path in ALLOWED_TEST_MODULES or path in PACKAGES


def is_public_name(module: str, name: str) -> bool:
    """Whether ``module.name`` may be used: a listed name or a listed module below."""
    return name in load_library().get(module, {}) or is_library_module(f"{module}.{name}")


def needed_capability(path: str) -> str:
    """The capability that a name of the list needs; empty for none and for what is not listed."""
    module, _, name = path.rpartition(".")
    return load_library().get(module, {}).get(name, "")
