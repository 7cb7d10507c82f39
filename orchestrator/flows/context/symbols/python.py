"""Finds the definitions of Python files: classes, functions and constants, also below ``if`` and ``try``."""

import ast
import warnings
from collections.abc import Iterator

from gates import syntax
from orchestrator.flows.context.symbols.base import Definition

_MAX_DEPTH = 4
"""Deeper definitions are details."""


def find_python_definitions(text: str) -> tuple[Definition, ...]:
    """Classes, functions, methods, and names in capitals that are assigned."""
    try:
        with warnings.catch_warnings():
            # A repo may have odd literals; warnings about them do not belong in the log of the service.
            warnings.simplefilter("ignore")
            tree = syntax.parse(text)
        return tuple(_walk_body(tree.body, 0))
    # The parser raises the last two for text that is nested too deeply; such a file only has no outline.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def _walk_body(body: list[ast.stmt], depth: int) -> Iterator[Definition]:
    for node in body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield _locate_definition(node)
                if isinstance(node, ast.ClassDef) and depth < _MAX_DEPTH:
                    yield from _walk_body(node.body, depth + 1)
            case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)) if (
                name.isupper()
            ):
                yield Definition(name, node.lineno - 1, node.lineno)
            # A definition may depend on a version, or on an import that may fail.
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other) if depth < _MAX_DEPTH:
                yield from _walk_body([*inner, *other], depth + 1)


def _locate_definition(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Definition:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    # Where the body is on the same line, the signature is that line.
    end = max(node.lineno, node.body[0].lineno - 1)
    return Definition(node.name, first - 1, end)
