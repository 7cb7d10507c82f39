"""Which language a file is in, by its suffix, and what follows for it: its symbols, its outline."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from orchestrator.flows.context.symbols.base import Definition, Language
from orchestrator.flows.context.symbols.grammars import GRAMMARS
from orchestrator.flows.context.symbols.python import find_python_definitions

LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {".py": find_python_definitions, ".pyi": find_python_definitions, **GRAMMARS}
)
LARGEST_CHARACTERS = 512 * 1024
"""A longer file is data or generated: its tree would cost more than it tells."""
_MAX_SIGNATURE_LINES = 8


# Shown as code, though nothing here can tell what they define.
_OTHER_CODE = frozenset(
    {
        ".c",
        ".cc",
        ".cpp",
        ".cs",
        ".cxx",
        ".ex",
        ".h",
        ".hpp",
        ".kt",
        ".lua",
        ".m",
        ".php",
        ".pl",
        ".proto",
        ".pyx",
        ".r",
        ".rb",
    }
    | {".rs", ".scala", ".sh", ".sql", ".swift", ".vue"}
)


def is_code(path: str) -> bool:
    """Whether the file is a program, so far as its suffix tells."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix in LANGUAGES or suffix in _OTHER_CODE


def find_definitions(path: str, text: str) -> tuple[Definition, ...]:
    """What ``text`` defines; nothing for a language that is not known."""
    language = LANGUAGES.get(PurePosixPath(path).suffix.lower())
    return language(text) if language is not None and len(text) <= LARGEST_CHARACTERS else ()


def outline_file(path: str, text: str) -> str:
    """The signatures of a file, in their places and with their indent; empty where there are none."""
    lines, kept, reached = text.split("\n"), [], 0
    for one in find_definitions(path, text):
        first, end = max(one.first, reached), min(one.end, one.first + _MAX_SIGNATURE_LINES)
        kept += lines[first:end]
        reached = max(reached, end)
    return "\n".join(line.rstrip() for line in kept if line.strip())
