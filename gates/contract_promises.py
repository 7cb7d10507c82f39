"""Whether a contract promises what its module offers, and nothing that nobody has shown."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gates import syntax
from gates.base import Candidate
from gates.harness.json_schema import resolve_reference

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_RAISING_CHECKS = frozenset({"raises", "assertRaises", "assertRaisesRegex"})
# More kinds of value than this in one place say nothing.
_MAX_KINDS = 3
_MAX_DEPTH = 8
_FUNCTION_MAKERS = frozenset({"cache", "lru_cache", "partial"})


@dataclass(frozen=True, slots=True)
class Promises:
    """What the text of a block shows: public calls, and the exceptions that its tests expect.

    ``inputs`` maps a public call to the number of arguments that it takes. ``parents`` maps an exception of
    the module to the names of its bases.
    """

    inputs: Mapping[str, int]
    expected: frozenset[str]
    parents: Mapping[str, frozenset[str]]

    @classmethod
    def read(cls, candidate: Candidate) -> "Promises":
        """From the text of a candidate that parses."""
        inputs: dict[str, int] = {}
        for node in list_definitions(syntax.parse(candidate.module)):
            if isinstance(node, _FUNCTIONS) and not node.name.startswith("_"):
                inputs[node.name] = _count_arguments(node)
            if isinstance(node, ast.ClassDef):
                inputs |= _list_methods(node)
        inputs |= {name: 1 for name in list_assigned_functions(candidate.module) if not name.startswith("_")}
        parents: dict[str, frozenset[str]] = {}
        for source in candidate.modules.values():
            for node in syntax.parse(source).body:
                if isinstance(node, ast.ClassDef):
                    parents[node.name] = frozenset(ast.unparse(base).split(".")[-1] for base in node.bases)
        return cls(inputs, frozenset(_list_expected(syntax.parse(candidate.tests))), parents)

    def find_gaps(self, contract: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Rule and message of each gap between the contract and the text."""
        promised = {entry["call"] for entry in contract["entrypoints"]}
        missing = sorted(self.inputs.keys() - promised)
        takes_something = any(entry["input"].get("properties") for entry in contract["entrypoints"])
        # Version 1 did not ask for every promise; but one that takes no input promises nothing.
        hides = not takes_something and any(self.inputs[call] for call in missing)
        if missing and (contract["contract"] >= 2 or hides):
            listed = ", ".join(missing[:5])
            yield (
                "unpromised",
                f"{listed}: promise it as an entry point, or give it a name that begins with _",
            )
        for entry in contract["entrypoints"]:
            if contract["contract"] >= 2:
                yield from self.find_unshown(entry)
            kinds = find_kinds(entry["output"])
            if len(kinds) > _MAX_KINDS:
                yield "vacuous", f"{entry['call']}: an output of {len(kinds)} types says nothing"

    def find_unshown(
        self, entry: Mapping[str, Any], seen: frozenset[str] = frozenset()
    ) -> Iterator[tuple[str, str]]:
        """Exceptions that an entry point names, not among ``seen``, that no test and no example shows."""
        shown = self.expected | seen | {example.get("raises", "") for example in entry.get("examples", [])}
        for name in entry.get("raises", []):
            # A test that expects a class shows those that it inherits from.
            if name not in shown and not any(name in self._list_bases(each) for each in shown):
                message = f"{entry['call']}: raises {name}, and no test or example shows it"
                yield "unshown", f"{message}; show it or leave it out"

    def _list_bases(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            new = self.parents.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        return found


def list_definitions(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, those below a condition at its top included."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, ast.If | ast.Try):
            below = [*node.body, *node.orelse, *getattr(node, "finalbody", [])]
            waiting += [*below, *(each for handler in getattr(node, "handlers", []) for each in handler.body)]


def list_assigned_functions(source: str) -> set[str]:
    """Names at the top of a module that are set to a function: a lambda, another function, a part of one."""
    tree = syntax.parse(source)
    functions = {node.name for node in tree.body if isinstance(node, _FUNCTIONS)}
    found: set[str] = set()
    for node in list_definitions(tree):
        match node:
            case ast.Assign(targets=targets, value=value) if _is_function(value, functions):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                if _is_function(value, functions):
                    found.add(name)
    return found


def _is_function(value: ast.expr, functions: Iterable[str]) -> bool:
    match value:
        case ast.Lambda():
            return True
        case ast.Name(id=name):
            return name in functions
        case ast.Call(func=called, args=[first, *_]):
            makes = ast.unparse(called).split(".")[-1] in _FUNCTION_MAKERS
            return makes and _is_function(first, functions)
    return False


def find_kinds(schema: Any) -> frozenset[str]:
    """The types of value that a schema of an output leaves open, ``null`` aside.

    A list leaves open what its items do, and an object what its properties do where none of them is narrower.
    """
    return _list_kinds(schema, schema, 0)


def _list_kinds(schema: Any, root: Any, depth: int) -> frozenset[str]:
    schema = resolve_reference(schema, root)
    kinds = _list_own_kinds(schema, root, depth)
    inner: list[Any] = []
    if kinds == {"array"} and isinstance(schema.get("items"), dict):
        inner = [schema["items"]]
    elif kinds == {"object"}:
        inner = list(schema.get("properties", {}).values())
    if inner and depth <= _MAX_DEPTH:
        return min((_list_kinds(each, root, depth + 1) for each in inner), key=len)
    return kinds


def _list_own_kinds(schema: Any, root: Any, depth: int) -> frozenset[str]:
    """The types that a schema itself names, or its options do."""
    schema = resolve_reference(schema, root)
    if not isinstance(schema, dict) or depth > _MAX_DEPTH or "const" in schema or "enum" in schema:
        return frozenset()
    options = [option for keyword in ("anyOf", "oneOf") for option in schema.get(keyword, [])]
    if options:
        return frozenset().union(*(_list_own_kinds(option, root, depth + 1) for option in options))
    given = schema.get("type", [])
    kinds = {given} if isinstance(given, str) else set(given)
    # JSON has one kind of number.
    return frozenset("number" if kind == "integer" else kind for kind in kinds - {"null"})


def _count_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def _list_methods(node: ast.ClassDef) -> dict[str, int]:
    """Public methods of a public class that are called, so no property."""
    if node.name.startswith("_"):
        return {}
    found = {}
    for inner in node.body:
        if not isinstance(inner, _FUNCTIONS) or inner.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator).split(".")[-1] for decorator in inner.decorator_list}
        if decorators.isdisjoint({"property", "cached_property", "setter", "deleter", "abstractmethod"}):
            found[f"{node.name}.{inner.name}"] = _count_arguments(inner)
    return found


def _list_expected(tests: ast.Module) -> Iterator[str]:
    """The exceptions that a test checks for, by name."""
    for node in ast.walk(tests):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[kinds, *_]):
                if name in _RAISING_CHECKS:
                    yield from _names_in(kinds)
            # Parametrized: the class is in a table.
            case ast.Tuple(elts=items) | ast.List(elts=items):
                for item in items:
                    yield from (each for each in _names_in(item) if each[:1].isupper())


def _names_in(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
