"""Names that generated files may have. A name becomes a module, a folder and a path, so it is checked before it is any."""

import builtins
import keyword
import re
import sys

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable

_NAME = re.compile(r"[a-z][a-z0-9_]{1,59}")
_FAMILY = re.compile(r"[a-z][a-z0-9_-]{1,59}")
_TAKEN = frozenset(
    {
        # what pytest, coverage and the interpreter load by themselves when a file of this name lies about
        *("conftest", "sitecustomize", "usercustomize", "setup", "pyproject", "tox", "noxfile", "coveragerc"),
        # what the sandbox itself imports
        *(
            "pytest",
            "_pytest",
            "coverage",
            "hypothesis",
            "jsonschema",
            "pluggy",
            "iniconfig",
            "packaging",
            "attr",
            "attrs",
        ),
        *(
            "pygments",
            "referencing",
            "rpds",
            "yaml",
            "numpy",
            "pandas",
            "six",
            "typing_extensions",
            "setuptools",
            "pip",
            "start",
        ),
        # our own packages, and words that say nothing
        *(
            "orchestrator",
            "providers",
            "gates",
            "onboarding",
            "block",
            "blocks",
            "module",
            "main",
            "contract",
            "manifest",
        ),
        *("test", "tests", "readme", "con", "nul", "aux", "prn"),
    }
)


def check_block_name(text: str) -> str:
    """A module name from what a model called the block: ``Capital-Ratio`` becomes ``capital_ratio``.

    Raises ``Unreadable`` (``answer:forbidden-name``) for keywords, the standard library, what test runners load by
    themselves, and what pytest would collect.
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.strip().lower().removesuffix(".py")).strip("_")
    why = _why_not(name)
    if "/" in text or "\\" in text or not text.isascii():
        why = "is not a plain name"
    if why:
        raise AnswerUnreadable(
            "answer:forbidden-name",
            f"The block name {text[:80]!r} {why}.",
            "Choose another block_name: lower_snake_case, 2 to 60 letters, digits and underscores, telling what the block does.",
        )
    return name


def check_family_name(text: str) -> str:
    """A block family as a folder name. Raises ``Unreadable`` (``answer:forbidden-name``)."""
    name = re.sub(r"[^a-z0-9-]+", "_", text.strip().lower()).strip("_-")
    if "/" in text or "\\" in text or ".." in text or not text.isascii() or not _FAMILY.fullmatch(name):
        raise AnswerUnreadable(
            "answer:forbidden-name",
            f"The block family {text[:80]!r} is not a plain name.",
            "Choose another block_family: one lower-case word such as compliance or observability.",
        )
    return name


def _why_not(name: str) -> str:
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
