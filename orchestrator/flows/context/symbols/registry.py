"""Finds the language of a file by its suffix, and gives the file's definitions and outline.

A language is a function in a module of this folder, or a grammar and a query in ``grammars``. It has one line
in ``LANGUAGES`` and one for each suffix.
"""

from pathlib import PurePosixPath

from orchestrator.core.registry import Registry
from orchestrator.flows.context.symbols.base import Definition, Language

_GRAMMARS = "orchestrator.flows.context.symbols.grammars"

# tree-sitter and its grammars are imported only where a repo has files for them.
LANGUAGES: Registry[Language] = Registry(
    "language",
    {
        "python": "orchestrator.flows.context.symbols.python:find_python_definitions",
        "javascript": f"{_GRAMMARS}:JAVASCRIPT",
        "typescript": f"{_GRAMMARS}:TYPESCRIPT",
        "tsx": f"{_GRAMMARS}:TSX",
        "go": f"{_GRAMMARS}:GO",
        "java": f"{_GRAMMARS}:JAVA",
    },
)
SUFFIXES = {
    ".py": "python",
    ".pyi": "python",
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
    ".go": "go",
    ".java": "java",
}
LARGEST_CHARACTERS = 512 * 1024
"""A longer file is data or generated, and its syntax tree would cost more than it is worth."""
# A signature with many arguments may be longer; its first lines hold the name.
_MAX_SIGNATURE_LINES = 8

# Code as well, although no reader here finds what such files define.
_OTHER_CODE = frozenset(
    """
    .c .cc .cpp .cs .cxx .ex .h .hpp .kt .lua .m .php .pl .proto .pyx .r .rb .rs .scala .sh .sql .swift .vue
    """.split()  # noqa: SIM905 - quoted suffixes would be harder to read
)


def is_code(path: str) -> bool:
    """Whether the suffix is that of a programming language."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix in SUFFIXES or suffix in _OTHER_CODE


def find_definitions(path: str, text: str) -> tuple[Definition, ...]:
    """What ``text`` defines; empty for an unknown language or a file that is too long."""
    language = SUFFIXES.get(PurePosixPath(path).suffix.lower())
    if language is None or len(text) > LARGEST_CHARACTERS:
        return ()
    return LANGUAGES.get(language)(text)


def outline_file(path: str, text: str) -> str:
    """The signatures of a file in their order, with their indent; empty where there are none."""
    lines = text.split("\n")
    kept: list[str] = []
    reached = 0
    for definition in find_definitions(path, text):
        # Two definitions may share a line, and a class on one line holds its methods. No line is shown twice.
        first = max(definition.first, reached)
        end = min(definition.end, definition.first + _MAX_SIGNATURE_LINES)
        kept += lines[first:end]
        reached = max(reached, end)
    return "\n".join(line.rstrip() for line in kept if line.strip())
