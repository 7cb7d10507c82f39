"""Which functions of a block an entry point reaches, from the syntax tree."""

import ast
from collections.abc import Iterable

from gates import syntax

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def find_reached_functions(sources: Iterable[str], call: str) -> frozenset[str]:
    """Names of the functions in ``sources`` that ``call`` (``function`` or ``Class.method``) may run.

    It counts itself.
    Every mention of a function's name counts as a call of it: too many rather than too few.
    """
    mentions: dict[str, set[str]] = {}
    nodes = [node for source in sources for node in ast.walk(syntax.parse(source))]
    for node in nodes:
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
