"""Finds the tests that assert nothing, from the syntax tree."""

import ast

from gates import syntax

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_CHECKING_CALLS = {"raises", "warns", "fail", "deprecated_call"}


def find_tests_without_assertion(source: str) -> tuple[tuple[str, int], ...]:
    """Name and line of every test function that neither asserts nor calls a function of its file that does.

    An assertion about constants alone does not count.
    """
    functions = [node for node in ast.walk(syntax.parse(source)) if isinstance(node, _Function)]
    asserting = _find_asserting_functions(functions)
    return tuple(
        (function.name, function.lineno)
        for function in functions
        if function.name.startswith("test") and function.name not in asserting
    )


def _find_asserting_functions(functions: list[_Function]) -> set[str]:
    """Names of the functions that assert, themselves or through others of the same file."""
    asserting = {function.name for function in functions if _has_assertion(function)}
    # Each round adds the direct callers, so after as many rounds as there are functions nothing is left to
    # add.
    for _ in functions:
        callers = {function.name for function in functions if _called_names(function) & asserting}
        if callers <= asserting:
            break
        asserting |= callers
    return asserting


def _has_assertion(function: _Function) -> bool:
    return any(_is_assertion(node) for node in ast.walk(function))


def _is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return any(isinstance(part, (ast.Name, ast.Call, ast.Attribute)) for part in ast.walk(node.test))
    if isinstance(node, ast.Call):
        name = _called_name(node)
        # A method like unittest's assertEqual; a bare function of such a name may do anything.
        is_assert_method = name.startswith("assert") and isinstance(node.func, ast.Attribute)
        return name in _CHECKING_CALLS or is_assert_method
    return False


def _called_names(function: ast.AST) -> set[str]:
    return {_called_name(node) for node in ast.walk(function) if isinstance(node, ast.Call)}


def _called_name(call: ast.Call) -> str:
    """The last part of what is called; empty where it has no name."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
