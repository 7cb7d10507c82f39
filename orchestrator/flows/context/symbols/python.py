"""Definitions of Python files: classes and functions wherever a block of statements may hold them, constants of the module."""

import ast
import warnings
from collections.abc import Iterator

from gates import syntax
from orchestrator.flows.context.symbols.base import Definition


def find_python_definitions(text: str) -> tuple[Definition, ...]:
    """Classes, functions, methods, and names in capitals that the module assigns."""
    try:
        with warnings.catch_warnings():
            # What is odd about a repo's literals is not for our log.
            warnings.simplefilter("ignore")
            tree = syntax.parse(text)
        return tuple(_defined(tree.body, 0))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def _defined(body: list[ast.stmt], depth: int) -> Iterator[Definition]:
    for node in body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                yield Definition(node.name, first - 1, max(node.lineno, node.body[0].lineno - 1))
                if isinstance(node, ast.ClassDef) and depth < 4:
                    yield from _defined(node.body, depth + 1)
            case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)) if (
                name.isupper()
            ):
                yield Definition(name, node.lineno - 1, node.lineno)
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other) if depth < 4:
                yield from _defined([*inner, *other], depth + 1)
