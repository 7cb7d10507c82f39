"""Places of a block that a reviewer should read twice: values that nothing names, and tables of results.

A condition on a value that no test and no example ever mentions may be a hidden switch. A table of literal
results may hold the answers to the tests in place of a computation. Both are honest more often than not, so
they are notes with a line, and the reviewer judges.
"""

import ast
import json
from collections.abc import Iterator
from typing import Any

from gates import syntax
from gates.base import Candidate, Finding

# Every program compares with these.
_COMMON_VALUES: frozenset[Any] = frozenset({-1, 0, 1, 2, "", "__main__"})
_FEWEST_ENTRIES = 4
_MAX_PLACES = 20


def find_reading_places(candidate: Candidate) -> tuple[Finding, ...]:
    """Notes for the reviewer, by file and line. ``candidate`` has files that parse."""
    named = _list_constants(syntax.parse(candidate.tests)) | _list_contract_values(candidate)
    found = []
    for path, source in candidate.modules.items():
        tree = syntax.parse(source)
        found += [
            Finding(
                "reading-unnamed-value", message, "note", path, node.lineno, node.end_lineno or node.lineno
            )
            for node, message in _find_unnamed_values(tree, named)
        ]
        found += [
            Finding(
                "reading-result-table", message, "note", path, node.lineno, node.end_lineno or node.lineno
            )
            for node, message in _find_result_tables(tree)
        ]
    return tuple(found[:_MAX_PLACES])


def _list_constants(tree: ast.AST) -> set[Any]:
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {value for value in constants if isinstance(value, int | float | str)}


def _list_contract_values(candidate: Candidate) -> set[Any]:
    found: set[Any] = set()
    try:
        waiting: list[Any] = [json.loads(candidate.contract), *candidate.planned_examples]
    except (ValueError, RecursionError):
        return found
    while waiting:
        value = waiting.pop()
        match value:
            case dict():
                waiting += [*value.keys(), *value.values()]
            case list() | tuple():
                waiting += value
            case int() | float() | str():
                found.add(value)
    return found


def _find_unnamed_values(tree: ast.Module, named: set[Any]) -> Iterator[tuple[ast.expr, str]]:
    """Literals that a condition compares with, and that neither tests nor contract nor plan have."""
    for node in ast.walk(tree):
        operands: list[ast.expr] = []
        match node:
            case ast.Compare(left=left, comparators=comparators):
                operands = [left, *comparators]
            case ast.MatchValue(value=value):
                operands = [value]
        for operand in operands:
            for value in sorted(_list_constants(operand) - named - _COMMON_VALUES, key=repr):
                yield (
                    operand,
                    f"a condition compares with {value!r}, which no test, example or contract names",
                )


def _find_result_tables(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Look-ups in literal tables whose entry is what a function returns."""
    tables = {
        target.id: len(_list_entries(node.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and len(_list_entries(node.value)) >= _FEWEST_ENTRIES
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Return) and node.value is not None):
            continue
        match node.value:
            case (
                ast.Subscript(value=ast.Name(id=name))
                | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"))
            ) if name in tables:
                yield node.value, f"a table of {tables[name]} literal entries decides this result"


def _list_entries(value: ast.expr) -> list[ast.expr]:
    """The entries of a literal table; none where any of them is computed."""
    match value:
        case ast.Dict(values=entries) | ast.List(elts=entries) | ast.Tuple(elts=entries):
            is_literal = not any(isinstance(node, ast.Name | ast.Call) for node in ast.walk(value))
            return entries if is_literal else []
    return []
