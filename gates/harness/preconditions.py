"""Preconditions over several arguments: one expression of a small language that only computes.

``k <= len(values)`` says what a JSON Schema cannot. The language is a part of Python's, read from its syntax
tree and evaluated here, so that the expression of a contract runs no code.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

MAX_CHARACTERS = 500
_MAX_ITEMS = 100_000
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "len": len,
    "max": max,
    "min": min,
    "number": Decimal,
    "round": round,
    "set": lambda items: list({repr(item): item for item in items}.values()),
    "sorted": sorted,
    "sum": sum,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


class Precondition:
    """An expression over the arguments of an entry point.

    Raises ``ValueError`` for what is not in the language: names, numbers, texts, ``[]``, comparisons,
    ``and``, ``or``, ``not``, arithmetic without powers, one ``for`` in ``all``, ``any`` and the like, and the
    functions above.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"longer than {MAX_CHARACTERS} characters")
        try:
            self._body = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise ValueError(f"not an expression: {text[:80]!r}") from error
        for node in ast.walk(self._body):
            _check_node(node)

    def list_names(self) -> frozenset[str]:
        """The arguments that it is about."""
        bound: set[str] = set()
        read: set[str] = set()
        for node in ast.walk(self._body):
            if isinstance(node, ast.Name):
                (bound if isinstance(node.ctx, ast.Store) else read).add(node.id)
        return frozenset(read - bound - _FUNCTIONS.keys())

    def holds(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the arguments satisfy it; an expression that cannot be evaluated does not hold."""
        # An argument that may be left out is None.
        values: dict[str, Any] = dict.fromkeys(self.list_names()) | dict(arguments)
        try:
            return bool(_evaluate(self._body, _Scope(values, iter(range(_MAX_ITEMS)))))
        except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError):
            return False


class _Scope(dict[str, Any]):
    """The values by their names. ``left`` counts the items that may still be looked at, of all loops."""

    def __init__(self, values: Mapping[str, Any], left: Iterator[int]) -> None:
        super().__init__(values)
        self.left = left


_ALLOWED_NODES = (
    ast.BoolOp,
    ast.boolop,
    ast.BinOp,
    ast.UnaryOp,
    ast.unaryop,
    ast.Compare,
    ast.Call,
    ast.GeneratorExp,
    ast.comprehension,
    ast.Name,
    ast.expr_context,
    ast.Subscript,
    ast.List,
    ast.Tuple,
)


def _check_node(node: ast.AST) -> None:
    match node:
        case ast.Constant(value=value) if value is None or isinstance(value, (bool, int, float, str)):
            return
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            return
        case ast.GeneratorExp(generators=generators) if len(generators) > 1:
            raise ValueError("more than one for")
        case ast.comprehension(target=target, is_async=is_async):
            if is_async or not isinstance(target, ast.Name):
                raise ValueError("a for binds one name")
        case ast.operator():
            if type(node) not in _OPERATORS:
                raise ValueError(f"{type(node).__name__} is not in the language of preconditions")
        case ast.cmpop():
            return
        case ast.Call() | _ if isinstance(node, ast.Call) or not isinstance(node, _ALLOWED_NODES):
            raise ValueError(f"{type(node).__name__} is not in the language of preconditions")


def _evaluate(node: ast.AST, names: _Scope) -> Any:  # noqa: C901 - one case for each node
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_evaluate(value, names) for value in values)
        case ast.BoolOp(values=values):
            return any(_evaluate(value, names) for value in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _evaluate(operand, names)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, names)
        case ast.UnaryOp(operand=operand):
            return +_evaluate(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _apply(op, _evaluate(left, names), _evaluate(right, names))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compare([_evaluate(part, names) for part in (left, *comparators)], ops)
        case ast.Subscript(value=value, slice=index):
            return _evaluate(value, names)[_evaluate(index, names)]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_evaluate(item, names) for item in items]
        case ast.GeneratorExp(elt=element, generators=[generator]):
            return _list_items(element, generator, names)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_evaluate(argument, names) for argument in arguments))
    raise ValueError("not in the language")


def _apply(op: ast.operator, left: Any, right: Any) -> Any:
    # A text times a number could fill the memory.
    if isinstance(op, ast.Mult | ast.Mod) and not all(
        isinstance(side, int | float | Decimal) for side in (left, right)
    ):
        raise TypeError("only numbers are multiplied")
    return _OPERATORS[type(op)](left, right)


def _compare(values: list[Any], ops: list[ast.cmpop]) -> bool:
    pairs = zip(ops, values, values[1:], strict=False)
    return all(_COMPARISONS[type(op)](left, right) for op, left, right in pairs)


def _list_items(element: ast.expr, generator: ast.comprehension, names: _Scope) -> list[Any]:
    found = []
    target = generator.target
    if not isinstance(target, ast.Name):
        raise TypeError("a for binds one name")
    for item in _evaluate(generator.iter, names):
        # Of all loops together: one inside another would look at each item as often as there are items.
        if next(names.left, None) is None:
            raise ValueError("too many items")
        inner = _Scope({**names, target.id: item}, names.left)
        if all(_evaluate(condition, inner) for condition in generator.ifs):
            found.append(_evaluate(element, inner))
    return found
