"""Names that generated files may have.

A name becomes a module, a folder and a path, so it is checked before it becomes any of them.
"""

import builtins
import keyword
import re
import sys

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable

_NAME = re.compile(r"[a-z][a-z0-9_]{1,59}")
_FAMILY = re.compile(r"[a-z][a-z0-9_-]{1,59}")
_TAKEN = frozenset(
    {
        # pytest, coverage, packaging tools and the interpreter load files of these names by themselves.
        *("conftest", "sitecustomize", "usercustomize", "setup", "pyproject", "tox", "noxfile", "coveragerc"),
        # The sandbox imports these; a block of the same name would replace them.
        *("pytest", "_pytest", "coverage", "hypothesis", "jsonschema", "pluggy", "iniconfig", "packaging"),
        *("attr", "attrs", "pygments", "referencing", "rpds", "yaml", "numpy", "pandas", "six"),
        *("typing_extensions", "setuptools", "pip", "start"),
        # The product's own packages, and words that say nothing about a block.
        *("orchestrator", "providers", "gates", "onboarding"),
        *("block", "blocks", "module", "main", "contract", "manifest", "test", "tests", "readme"),
        # Windows reserves these for devices, and a block may be checked out there.
        *("con", "nul", "aux", "prn"),
    }
)


def check_block_name(text: str) -> str:
    """A module name from what a model called the block: ``Capital-Ratio`` becomes ``capital_ratio``.

    Raises ``AnswerUnreadable`` (``answer:forbidden-name``) for keywords, the standard library, names that
    test runners load by themselves, and names that pytest would collect.
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.strip().lower().removesuffix(".py")).strip("_")
    problem = _find_problem(name)
    # The substitution above would turn a path or a look-alike letter into an innocent name.
    if "/" in text or "\\" in text or not text.isascii():
        problem = "is not a plain name"
    if problem:
        raise AnswerUnreadable(
            "answer:forbidden-name",
            f"The block name {text[:80]!r} {problem}.",
            "Choose another block_name: lower_snake_case, 2 to 60 letters, digits and underscores. "
            "It says what the block does.",
        )
    return name


def check_family_name(text: str) -> str:
    """A block family as a folder name. Raises ``AnswerUnreadable`` (``answer:forbidden-name``)."""
    name = re.sub(r"[^a-z0-9-]+", "_", text.strip().lower()).strip("_-")
    if "/" in text or "\\" in text or ".." in text or not text.isascii() or not _FAMILY.fullmatch(name):
        raise AnswerUnreadable(
            "answer:forbidden-name",
            f"The block family {text[:80]!r} is not a plain name.",
            "Choose another block_family: one lower-case word such as compliance or observability.",
        )
    return name


def check_private_name(text: str, block_name: str) -> str:
    """The name of a private module of the block; raises ``AnswerUnreadable`` as ``check_block_name`` does."""
    name = check_block_name(text)
    # Wherever the block is imported, its modules must not stand in for others.
    if not name.startswith(f"{block_name}_"):
        raise AnswerUnreadable(
            "answer:forbidden-name",
            f"The private module {text[:80]!r} does not begin with {block_name}_.",
            f"Begin the name of each private module with {block_name}_.",
        )
    return name


def describe_file(path: str) -> str:
    """What a file of a block is, for people: ``the tests`` for ``test_ledger.py``."""
    if path.endswith(".json"):
        return "the contract"
    if path.endswith(".md"):
        return "the documentation"
    return "the tests" if path.startswith("test_") else "the module"


def _find_problem(name: str) -> str:
    """Why ``name`` cannot be a module's name, as the end of a sentence; empty if it can."""
    if not _NAME.fullmatch(name):
        return "does not make a name of 2 to 60 letters, digits and underscores that starts with a letter"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "is a keyword"
    if name in sys.stdlib_module_names:
        return "shadows a module of the standard library"
    if name in _TAKEN or hasattr(builtins, name):
        return "is taken"
    if name.startswith("test_") or name.endswith("_test"):
        return "would be collected as a test"
    return ""
