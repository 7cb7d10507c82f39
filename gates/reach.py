"""Which functions of a module an entry point reaches, from the syntax tree."""

import ast

from gates import syntax

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def find_reached_functions(source: str, call: str) -> frozenset[str]:
    """Names of the functions that ``call`` (``function`` or ``Class.method``) may run, itself included.

    Every mention of a function's name counts as a call of it: too many rather than too few.
    """
    mentions: dict[str, set[str]] = {}
    for node in ast.walk(syntax.parse(source)):
        if isinstance(node, _FUNCTIONS):
            mentions.setdefault(node.name, set()).update(_list_names(node))
    reached: set[str] = set()
    found = {call.rpartition(".")[2]} & mentions.keys()
    while found:
        reached |= found
        named = {name for function in found for name in mentions[function]}
        found = (named & mentions.keys()) - reached
    return frozenset(reached)


def _list_names(function: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                names.add(name)
    return names
