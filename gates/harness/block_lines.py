"""One numbering of lines over all modules of a block, so that the harness sees a block as one syntax tree.

Lines of the block's main module keep their numbers. Those of its first private module begin at
``LINES_PER_MODULE``, of the second at twice that, and so on. Compiled code carries these numbers too, so what
runs, raises or is measured says by its line alone in which module it is.
"""

import ast
import re
from collections.abc import Mapping, Sequence

# More lines than a file of the largest size can have.
LINES_PER_MODULE = 1_000_000
MAX_PRIVATE_MODULES = 8
# As pytest shows a frame whose file is not there.
_PLACE_WITHOUT_SOURCE = re.compile(
    r"^(?P<place>\S*?(?P<name>\w+)\.py:(?P<line>\d+): in .*)\n    \?\?\?$", re.MULTILINE
)
_LINE_IN_TEXT = re.compile(r"(\.py:|\bline )([1-8]\d{6})\b")


def find_place(line: int) -> tuple[int, int]:
    """The number of the module that ``line`` is in, 0 for the block's own, and its line there.

    coverage.py writes the entry and the exit of a function as a negative line, which stays negative.
    """
    module, inner = divmod(abs(line), LINES_PER_MODULE)
    return module, inner if line >= 0 else -inner


def show_lines(text: str) -> str:
    """A traceback with the lines that its readers know."""
    return _LINE_IN_TEXT.sub(lambda found: f"{found[1]}{find_place(int(found[2]))[1]}", text)


def show_sources(text: str, sources: Mapping[str, str]) -> str:
    """A traceback with the lines of the block's modules, which a child cannot read.

    ``sources`` is by name.
    """

    def show(found: re.Match[str]) -> str:
        lines = sources.get(found["name"], "").splitlines()
        number = int(found["line"])
        source = lines[number - 1].strip() if 0 < number <= len(lines) else "???"
        return f"{found['place']}\n    {source}"

    return _PLACE_WITHOUT_SOURCE.sub(show, text)


def join_modules(trees: Sequence[ast.Module]) -> ast.Module:
    """The trees of all modules as one; they are used up."""
    joined = trees[0]
    for number, tree in enumerate(trees[1:], start=1):
        ast.increment_lineno(tree, number * LINES_PER_MODULE)
        joined.body += tree.body
    return joined


def split_modules(joined: ast.Module, count: int) -> list[ast.Module]:
    """The statements of each of ``count`` modules as trees that can be compiled."""
    if count == 1:
        return [joined]
    bodies: list[list[ast.stmt]] = [[] for _ in range(count)]
    for statement in joined.body:
        bodies[find_place(statement.lineno)[0]].append(statement)
    return [ast.Module(body, []) for body in bodies]
