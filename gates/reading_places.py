"""Places of a block that a reviewer should read twice: values that nothing names, and tables of results.

A condition on a value that no test and no example ever mentions may be a hidden switch. A table of literal
results may hold the answers to the tests in place of a computation. Both are honest more often than not, so
they are notes with a line, and the reviewer judges.
"""

import ast
import json
from collections.abc import Iterable, Iterator
from typing import Any

from gates import syntax
from gates.base import Candidate, Finding

# Every program compares with these.
_COMMON_VALUES: frozenset[Any] = frozenset({-1, 0, 1, 2, "", "__main__"})
_FEWEST_ENTRIES = 4
# Of one condition.
_MAX_VALUES = 5
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
    """Literals on which a condition depends, and that neither tests nor contract nor plan have.

    A constant of the module counts with the literals that it is set to.
    """
    constants = {
        target.id: _list_constants(value)
        for target, value in _list_assignments(tree.body)
        if not any(isinstance(node, ast.Call) for node in ast.walk(value))
    }
    for condition in _list_conditions(tree):
        values = _list_constants(condition)
        for node in ast.walk(condition):
            if isinstance(node, ast.Name):
                values |= constants.get(node.id, set())
        for value in sorted(values - named - _COMMON_VALUES, key=repr)[:_MAX_VALUES]:
            yield condition, f"a condition depends on {value!r}, which no test, example or contract names"


def _list_conditions(tree: ast.Module) -> Iterator[ast.expr]:
    """Expressions that decide what happens, each once: the outermost of those inside each other."""
    seen: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                found = [test]
            case ast.comprehension(ifs=tests):
                found = tests
            case ast.MatchValue(value=value):
                found = [value]
            case ast.match_case(guard=ast.expr() as guard):
                found = [guard]
            case ast.Compare() | ast.BoolOp():
                found = [node]
            case _:
                continue
        # A walk meets what is outside first.
        for condition in found:
            if id(condition) not in seen:
                seen |= {id(inner) for inner in ast.walk(condition)}
                yield condition


def _list_assignments(body: Iterable[ast.stmt]) -> Iterator[tuple[ast.Name, ast.expr]]:
    for node in body:
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((target, value) for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                yield target, value


def _find_result_tables(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Look-ups in literal tables inside functions: what is in the table is what comes out."""
    every = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    tables = {target.id: len(_list_entries(value)) for target, value in _list_assignments(every)}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            match node:
                case ast.Subscript(value=table, slice=index, ctx=ast.Load()):
                    is_fixed = isinstance(index, ast.Constant | ast.Slice)
                case ast.Call(func=ast.Attribute(value=table, attr="get" | "pop" | "setdefault")):
                    is_fixed = False
                case _:
                    continue
            size = tables.get(table.id, 0) if isinstance(table, ast.Name) else len(_list_entries(table))
            if size >= _FEWEST_ENTRIES and not is_fixed:
                yield node, f"a table of {size} literal entries decides this result"


def _list_entries(value: ast.expr) -> list[ast.expr]:
    """The entries of a literal table; none where any of them is computed."""
    match value:
        case ast.Dict(values=entries) | ast.List(elts=entries) | ast.Tuple(elts=entries):
            is_literal = not any(isinstance(node, ast.Name | ast.Call) for node in ast.walk(value))
            return entries if is_literal else []
    return []
