"""Stand-ins: functions that keep their signature and return other values of the same shape.

Tests that pass on a stand-in look at no result, or pretend to.
"""

import ast
from collections.abc import Iterable, Iterator

from gates.harness.tree_edits import Edit

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_OWN_SCOPE = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)
# A value of the same type that equals the first as rarely as can be. An expression, because a name in the
# module would be seen by its tests; the walrus gives it a name to call itself by.
_OTHER_VALUE = """
(other_value := lambda v:
    v if v is None
    else ([m for m in type(v) if m is not v] or [v])[0] if hasattr(type(v), '__members__')
    else (not v) if isinstance(v, bool)
    else v + 1 if isinstance(v, (int, float, complex)) or type(v).__name__ in ('Decimal', 'Fraction')
    else v + 'x' if isinstance(v, str)
    else v + b'x' if isinstance(v, (bytes, bytearray))
    else [other_value(i) for i in v] or [0] if isinstance(v, list)
    else type(v)(*[other_value(i) for i in v]) if isinstance(v, tuple) and hasattr(v, '_fields')
    else tuple([other_value(i) for i in v]) or (0,) if isinstance(v, tuple)
    else {k: other_value(i) for k, i in v.items()} or {'x': 0} if isinstance(v, dict)
    else type(v)([other_value(i) for i in v] or [0]) if isinstance(v, (set, frozenset))
    else v + v.resolution if hasattr(v, 'resolution') and hasattr(v, '__add__')
    else v.replace(microsecond=(v.microsecond + 1) % 1000000) if hasattr(v, 'microsecond')
    else __import__('dataclasses').replace(v, **{
        n: other_value(getattr(v, n)) for n, f in v.__dataclass_fields__.items() if f.init
    }) if hasattr(v, '__dataclass_fields__') and not isinstance(v, type)
    else map(other_value, v) if hasattr(v, '__next__')
    else v
)(value)
"""


def list_stand_ins(tree: ast.Module, calls: Iterable[str]) -> list[Edit]:
    """A stand-in for each of ``calls`` (``function`` or ``Class.method``) that returns anything."""
    found = []
    for call in calls:
        function = _find_function(tree, call)
        if function is not None and (edit := _replace_results(function, call)):
            found.append(edit)
    return found


def _find_function(tree: ast.Module, call: str) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    owner, _, name = call.rpartition(".")
    holders: list[ast.Module | ast.ClassDef] = [tree]
    if owner:
        holders = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner]
    for holder in holders:
        for node in holder.body:
            if isinstance(node, _FUNCTIONS) and node.name == name:
                return node
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=ast.Lambda() as value):
                    if target == name:
                        return value
    return None


def _replace_results(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, call: str) -> Edit | None:
    """All results of a function at once."""
    edit: Edit | None = None
    if isinstance(function, ast.Lambda):
        body = function.body
        first, last = body.lineno, body.end_lineno or body.lineno
        return Edit("stand-in", function, "body", -1, (_other_value(body),), first, last, call)
    for node in _walk_own(function):
        match node:
            case ast.Return(value=ast.Constant(value=None)) | ast.Return(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                first, last = node.lineno, node.end_lineno or node.lineno
                new = _other_value(value)
                edit = Edit("stand-in", node, "value", -1, (new,), first, last, call, edit)
    return edit


def _walk_own(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a function but those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _OWN_SCOPE):
            yield child
            yield from _walk_own(child)


def _other_value(value: ast.expr) -> ast.expr:
    call = ast.parse(_OTHER_VALUE.strip(), mode="eval").body
    call.args = [value]  # type: ignore[attr-defined]
    return call
