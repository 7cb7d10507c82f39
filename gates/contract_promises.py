"""Whether a contract promises what its module offers, and nothing that nobody has shown."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gates import syntax
from gates.base import Candidate

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_RAISING_CHECKS = frozenset({"raises", "assertRaises", "assertRaisesRegex"})
# More kinds of value than this in one place say nothing.
_MAX_KINDS = 3


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
        for node in syntax.parse(candidate.module).body:
            if isinstance(node, _FUNCTIONS) and not node.name.startswith("_"):
                inputs[node.name] = _count_arguments(node)
            if isinstance(node, ast.ClassDef):
                inputs |= _list_methods(node)
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
            kinds = entry["output"].get("type")
            if isinstance(kinds, list) and len(set(kinds) - {"null"}) > _MAX_KINDS:
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
