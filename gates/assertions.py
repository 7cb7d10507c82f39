"""Which tests assert nothing, told from the syntax tree."""

import ast

from gates import syntax

_CHECKS = {"raises", "warns", "fail", "deprecated_call"}


def find_tests_without_assertion(source: str) -> tuple[tuple[str, int], ...]:
    """Name and line of every test function that neither asserts nor calls a function of its file that does.

    An assertion about constants alone counts for nothing.
    """
    functions = [
        node
        for node in ast.walk(syntax.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    asserting = {
        function.name for function in functions if any(_asserts(node) for node in ast.walk(function))
    }
    for _ in functions:
        grown = asserting | {function.name for function in functions if _calls(function) & asserting}
        if grown == asserting:
            break
        asserting = grown
    return tuple(
        (function.name, function.lineno)
        for function in functions
        if function.name.startswith("test") and function.name not in asserting
    )


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return any(isinstance(part, (ast.Name, ast.Call, ast.Attribute)) for part in ast.walk(node.test))
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in _CHECKS or (name.startswith("assert") and isinstance(node.func, ast.Attribute))
    return False


def _calls(function: ast.AST) -> set[str]:
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
