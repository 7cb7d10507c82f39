"""Which functions of a block an entry point reaches, from the syntax tree."""

import ast
from collections.abc import Iterable, Mapping

from gates import syntax

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def find_reached_functions(sources: Iterable[str], call: str) -> frozenset[str]:
    """Names of the functions in ``sources`` that ``call`` (``function`` or ``Class.method``) may run.

    It counts itself. Every mention of a function's name counts as a call of it, and every mention of a class
    as one of what Python calls by itself: too many rather than too few.
    """
    mentions: dict[str, set[str]] = {}
    called_by_python: dict[str, set[str]] = {}
    for node in (node for source in sources for node in ast.walk(syntax.parse(source))):
        if isinstance(node, _FUNCTIONS):
            mentions.setdefault(node.name, set()).update(_list_names(node))
        if isinstance(node, ast.ClassDef):
            special = {inner.name for inner in node.body if isinstance(inner, _FUNCTIONS)}
            called_by_python[node.name] = {name for name in special if name.startswith("__")}
    reached: set[str] = set()
    owner, _, name = call.rpartition(".")
    found = ({name} | called_by_python.get(owner, set())) & mentions.keys()
    while found:
        reached |= found
        named = {name for function in found for name in mentions[function]}
        named |= {name for each in named for name in called_by_python.get(each, ())}
        found = (named & mentions.keys()) - reached
    return frozenset(reached)


def find_reached_capabilities(
    sources: Iterable[str], uses: Mapping[str, Iterable[tuple[str, int]]], call: str
) -> frozenset[str]:
    """The capabilities that ``call`` may use.

    ``uses`` has capability and line of each use, by source. One outside of all functions counts for every
    call.
    """
    sources = tuple(sources)
    reached = find_reached_functions(sources, call)
    found: set[str] = set()
    for source in sources:
        functions = [node for node in ast.walk(syntax.parse(source)) if isinstance(node, _FUNCTIONS)]
        for capability, line in uses[source]:
            around = {node.name for node in functions if node.lineno <= line <= (node.end_lineno or line)}
            if not around or not around.isdisjoint(reached):
                found.add(capability)
    return frozenset(found)


def _list_names(function: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                names.add(name)
    return names
