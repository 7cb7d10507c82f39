"""Mutation operators over the syntax tree: small changes that a good test notices.

Code that runs on import (tables, defaults) is mutated too. Left alone: docstrings, annotations, decorators, imports, the parts
of f-strings, and ``if __name__ == "__main__"``. Pragmas are comments, so they hide nothing.
"""

import ast
import copy
from collections.abc import Iterator

from gates.harness.tree_edits import Edit, StatementPlace, list_statements

_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.MatMult: ast.Mult,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}  # fmt: skip
_SWAPPED_CALLS = {
    "min": "max", "max": "min", "any": "all", "all": "any", "lower": "upper", "upper": "lower", "startswith": "endswith",
    "endswith": "startswith", "lstrip": "rstrip", "rstrip": "lstrip", "append": "remove", "add": "discard",
}  # fmt: skip
_SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "type_comment", "ctx"}
_BLOCKS = {"body", "orelse", "finalbody", "handlers", "cases"}


def list_mutants(tree: ast.Module, extended: bool = False) -> list[Edit]:
    """Every mutant of ``tree``, in source order. ``extended`` adds second choices, for blocks with few places to change."""
    found: list[Edit] = []
    for place in list_statements(tree):
        if _is_main_guard(place.node) or isinstance(place.node, (ast.Import, ast.ImportFrom)):
            continue
        found += _of_statement(place)
        for parent, field, index, node in walk_expressions(place.node):
            first, last = place.lines
            for operator, new in _of_expression(node, extended):
                found.append(Edit(operator, parent, field, index, (new,), first, last, place.function))
    return found


def _is_main_guard(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and ast.unparse(node.test.left) == "__name__"
    )


def walk_expressions(node: ast.AST) -> Iterator[tuple[ast.AST, str, int, ast.AST]]:
    """Every expression of one statement with its place, nested statements left out."""
    for field, value in ast.iter_fields(node):
        if (
            field in _SKIPPED_FIELDS
            or (field in _BLOCKS and isinstance(value, list))
            or isinstance(node, (ast.JoinedStr, ast.pattern))
        ):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((-1, value),):
            if isinstance(child, ast.expr):
                yield node, field, index, child
            if isinstance(child, (ast.expr, ast.keyword, ast.comprehension, ast.arguments, ast.withitem)):
                yield from walk_expressions(child)


def _of_statement(place: StatementPlace) -> Iterator[Edit]:
    node = place.node

    def edit(operator: str, new: ast.stmt) -> Edit:
        return Edit(operator, place.parent, place.field, place.index, (new,), *place.lines, place.function)

    none = ast.Constant(None)
    match node:
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield edit("return-none", ast.Return(none))
        case ast.Assign(targets=[ast.Name() | ast.Attribute() | ast.Subscript()], value=value) if (
            place.function and not _is_none(value)
        ):
            yield edit("assign-none", ast.Assign(node.targets, none))
        case ast.AugAssign(target=target, op=op, value=value):
            yield edit("augmented-operator", ast.AugAssign(target, _BINARY[type(op)](), value))
            yield edit("augmented-to-plain", ast.Assign([target], value))
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Delete() if place.function:
            yield edit("delete-statement", ast.Pass())
        case ast.Break():
            yield edit("break-continue", ast.Continue())
        case ast.Continue():
            yield edit("continue-break", ast.Break())
        case ast.Assert():
            yield edit("delete-assert", ast.Pass())


def _of_expression(node: ast.AST, extended: bool) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901 - one case for each node
    match node:
        case ast.Constant(value=value):
            yield from _of_constant(value, extended)
        case ast.BinOp(left=left, op=op, right=right):
            yield "binary-operator", ast.BinOp(left, _BINARY[type(op)](), right)
            if extended:
                yield "left-operand", left
                yield "right-operand", right
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for index, sign in enumerate(ops):
                for other in _COMPARE[type(sign)]:
                    yield (
                        "comparison",
                        ast.Compare(left, [*ops[:index], other(), *ops[index + 1 :]], comparators),
                    )
        case ast.BoolOp(op=op, values=values):
            yield "boolean-operator", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            if extended:
                for operand in values:
                    yield "boolean-operand", operand
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield "drop-unary", operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "negate-condition", ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Lambda(args=args, body=body) if not _is_none(body):
            yield "lambda-none", ast.Lambda(args, ast.Constant(None))
        case ast.Call():
            yield from _of_call(node)


def _of_constant(value: object, extended: bool) -> Iterator[tuple[str, ast.AST]]:
    match value:
        case bool():
            yield "boolean", ast.Constant(not value)
        case int() | float():
            yield "number", ast.Constant(value + 1)
            if extended:
                yield "number", ast.Constant(value - 1)
        case str():
            yield "string", ast.Constant(f"XX{value}XX")
            if extended and value:
                yield "string-empty", ast.Constant("")
        case bytes():
            yield "bytes", ast.Constant(b"XX" + value)


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    for index, argument in enumerate(node.args):
        if not isinstance(argument, ast.Starred) and not _is_none(argument):
            yield (
                "argument-none",
                ast.Call(
                    node.func,
                    [*node.args[:index], ast.Constant(None), *node.args[index + 1 :]],
                    node.keywords,
                ),
            )
    for index, keyword in enumerate(node.keywords):
        if keyword.arg:
            yield (
                "drop-keyword",
                ast.Call(node.func, node.args, [*node.keywords[:index], *node.keywords[index + 1 :]]),
            )
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in _SWAPPED_CALLS:
        function = copy.copy(node.func)
        setattr(function, "id" if isinstance(function, ast.Name) else "attr", _SWAPPED_CALLS[name])
        yield "swapped-call", ast.Call(function, node.args, node.keywords)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
