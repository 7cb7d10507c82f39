"""The inputs that the tests of a block give to its functions, as far as they are literal."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from gates import syntax
from gates.base import Candidate

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MAX_INPUTS = 200


def list_shown_inputs(candidate: Candidate, call: str) -> list[dict[str, Any]]:
    """Arguments by name of each literal call of ``call`` in the tests that is not expected to fail."""
    parameters = _find_parameters(candidate.modules.values(), call)
    if parameters is None:
        return []
    tests = syntax.parse(candidate.tests)
    functions = [node for node in ast.walk(tests) if isinstance(node, _FUNCTIONS)]
    found = (
        arguments
        for function in functions
        for row in _list_rows(function)
        for arguments in _list_calls(function, call.rpartition(".")[2], parameters, row)
    )
    return list(islice(found, _MAX_INPUTS))


def _find_parameters(sources: Iterable[str], call: str) -> list[str] | None:
    owner, _, name = call.rpartition(".")
    for source in sources:
        body: list[ast.stmt] = syntax.parse(source).body
        if owner:
            classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == owner]
            body = [inner for node in classes for inner in node.body]
        for node in body:
            if isinstance(node, _FUNCTIONS) and node.name == name:
                names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                return names[1:] if owner else names
    return None


def _list_rows(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mapping[str, Any]]:
    """The rows of a literal table with which a test is parametrized; one empty row for any other test."""
    rows: list[Mapping[str, Any]] = [{}]
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(attr="parametrize"), args=[names, table, *_]):
                read = list(_read_table(names, table))
                rows = [{**row, **more} for row in rows for more in read] or rows
    yield from rows[:_MAX_INPUTS]


def _read_table(names: ast.expr, table: ast.expr) -> Iterator[dict[str, Any]]:
    try:
        named = ast.literal_eval(names)
        entries = list(table.elts) if isinstance(table, ast.List | ast.Tuple) else []
    except (ValueError, TypeError, SyntaxError):
        return
    keys = [each.strip() for each in named.split(",")] if isinstance(named, str) else list(named)
    for entry in entries:
        items = entry.elts if len(keys) > 1 and isinstance(entry, ast.List | ast.Tuple) else [entry]
        row = {}
        for key, item in zip(keys, items, strict=False):
            try:
                row[key] = ast.literal_eval(item)
            except (ValueError, TypeError, SyntaxError):
                continue
        yield row


def _list_calls(
    function: ast.AST, name: str, parameters: list[str], row: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    failing = {id(inner) for node in ast.walk(function) if _expects_failure(node) for inner in ast.walk(node)}
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called == name:
                arguments = None if id(node) in failing else _bind(node, parameters, row)
                if arguments is not None:
                    yield arguments


def _expects_failure(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and any("aises" in ast.unparse(item) for item in node.items)


def _bind(call: ast.Call, parameters: list[str], row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of a call by name; ``None`` where one of them is computed."""
    given = [*zip(parameters, call.args, strict=False)]
    given += [(keyword.arg or "", keyword.value) for keyword in call.keywords]
    bound = {}
    for name, value in given:
        if isinstance(value, ast.Name) and value.id in row:
            bound[name] = row[value.id]
            continue
        try:
            bound[name] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError):
            return None
    return bound
