"""Tests that hold the code which they are to judge.

A test that compares a function with a copy of itself notices every change, and says nothing about what is
right: the copy has the same mistakes.
"""

import ast
import difflib
from collections import Counter
from collections.abc import Iterator

from gates import syntax
from gates.base import Candidate, Finding

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# A shorter function is soon written twice.
_FEWEST_PARTS, _MOST_PARTS = 40, 2000
_COPIED_SHARE = 0.8
# Shorter runs of equal parts are found in any two functions.
_SHORTEST_RUN = 6
_LONGEST_TEXT = 100_000


def find_copied_functions(candidate: Candidate) -> tuple[Finding, ...]:
    """A finding for each function of the block that its tests repeat, as code or as text."""
    originals = {
        node.name: shape
        for source in candidate.modules.values()
        for node in ast.walk(syntax.parse(source))
        if isinstance(node, _FUNCTIONS) and len(shape := list_parts(node.body)) >= _FEWEST_PARTS
    }
    found = []
    for line, parts in _list_passages(candidate.tests):
        for name, original in originals.items():
            if _is_copy(original, parts):
                message = f"the tests repeat the code of {name}; assert results that somebody worked out"
                found.append(Finding("copied-code", message, path=candidate.tests_path, line=line))
    return tuple(found)


def list_parts(body: list[ast.stmt]) -> list[str]:
    """What a function is made of, in order: kinds of nodes and literals, without names and docstrings."""
    parts: list[str] = []
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        parts += _walk_in_order(statement)
    return parts


def _walk_in_order(node: ast.AST) -> Iterator[str]:
    yield f"{type(node).__name__}:{node.value!r}" if isinstance(node, ast.Constant) else type(node).__name__
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "ctx", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk_in_order(child)


def _list_passages(tests: str) -> Iterator[tuple[int, list[str]]]:
    """Line and parts of each function of the tests, and of each that is in one of their texts."""
    for node in ast.walk(syntax.parse(tests)):
        if isinstance(node, _FUNCTIONS):
            yield node.lineno, list_parts(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "def " in node.value:
            yield from ((node.lineno, parts) for parts in _list_in_text(node.value))


def _list_in_text(text: str) -> Iterator[list[str]]:
    try:
        tree = syntax.parse(text[:_LONGEST_TEXT])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            yield list_parts(node.body)


def _is_copy(original: list[str], parts: list[str]) -> bool:
    wanted = _COPIED_SHARE * len(original)
    # Cheap, and false for almost every pair: the second look takes time by the product of the lengths.
    if (Counter(original) & Counter(parts)).total() < wanted:
        return False
    matcher = difflib.SequenceMatcher(None, original[:_MOST_PARTS], parts[:_MOST_PARTS], autojunk=False)
    equal = sum(match.size for match in matcher.get_matching_blocks() if match.size >= _SHORTEST_RUN)
    return equal >= min(wanted, _COPIED_SHARE * _MOST_PARTS)
