"""Mutation operators over the syntax tree: small changes that a good test notices.

Code that runs on import (tables, defaults) is mutated too. Docstrings, annotations, decorators, imports, the
parts of f-strings and ``if __name__ == "__main__"`` stay as they are. Pragmas are comments, so they hide
nothing.
"""

import ast
import copy
from collections.abc import Iterator

from gates.harness.block_lines import find_place
from gates.harness.tree_edits import Edit, StatementPlace, list_statements, name_in_module

_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.MatMult: ast.Mult,
}
# Where there are two, the first moves the boundary by one and the second turns the comparison round.
_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_SWAPPED_CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "lower": "upper",
    "upper": "lower",
    "startswith": "endswith",
    "endswith": "startswith",
    "lstrip": "rstrip",
    "rstrip": "lstrip",
    "append": "remove",
    "add": "discard",
}
_SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "type_comment", "ctx"}
_BLOCKS = {"body", "orelse", "finalbody", "handlers", "cases"}
_WITH_EXPRESSIONS = (ast.expr, ast.keyword, ast.comprehension, ast.arguments, ast.withitem)


def list_mutants(tree: ast.Module, extended: bool = False) -> list[Edit]:
    """Every mutant of ``tree``, in source order.

    ``extended`` adds second choices, for blocks with few places to change.
    """
    found: list[Edit] = []
    for place in list_statements(tree):
        if _is_main_guard(place.node) or isinstance(place.node, (ast.Import, ast.ImportFrom)):
            continue
        found += _mutate_statement(place)
        first, last = place.lines
        lambdas = _name_lambdas(place)
        for parent, field, index, node in walk_expressions(place.node):
            function = place.function or lambdas.get(id(node), "")
            for operator, new in _mutate_expression(node, extended):
                found.append(Edit(operator, parent, field, index, (new,), first, last, function))
    return found


def _name_lambdas(place: StatementPlace) -> dict[int, str]:
    """What is inside a lambda of a module, by id, and the name that the lambda has or is kept under.

    A function that is written as a lambda is judged like any other.
    """
    if place.function:
        return {}
    name = f"lambda in line {find_place(place.node.lineno)[1]}"
    match place.node:
        case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
            name = target
    name = name_in_module(name, place.node.lineno)
    expressions = [node for *_, node in walk_expressions(place.node)]
    lambdas = [node for node in expressions if isinstance(node, ast.Lambda)]
    return {id(inner): name for each in lambdas for inner in ast.walk(each)}


def _is_main_guard(node: ast.stmt) -> bool:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    return ast.unparse(node.test.left) == "__name__"


def walk_expressions(node: ast.AST) -> Iterator[tuple[ast.AST, str, int, ast.AST]]:
    """Every expression of one statement with its place (parent, field, index), nested statements left out."""
    # The parts of an f-string and of a pattern cannot be replaced by any expression.
    if isinstance(node, (ast.JoinedStr, ast.pattern)):
        return
    for field, value in ast.iter_fields(node):
        is_block = field in _BLOCKS and isinstance(value, list)
        if is_block or field in _SKIPPED_FIELDS:
            continue
        children = enumerate(value) if isinstance(value, list) else ((-1, value),)
        for index, child in children:
            if isinstance(child, ast.expr):
                yield node, field, index, child
            if isinstance(child, _WITH_EXPRESSIONS) and not _is_wait(child):
                yield from walk_expressions(child)


def _is_wait(node: ast.AST) -> bool:
    """Whether ``node`` is a call of ``sleep``: how long code waits shows in no result."""
    match node:
        case ast.Call(func=ast.Name(id="sleep") | ast.Attribute(attr="sleep")):
            return True
    return False


def _mutate_statement(place: StatementPlace) -> Iterator[Edit]:
    node = place.node

    def replace_by(operator: str, new: ast.stmt) -> Edit:
        return Edit(operator, place.parent, place.field, place.index, (new,), *place.lines, place.function)

    none = ast.Constant(None)
    match node:
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield replace_by("return-none", ast.Return(none))
        case ast.Assign(targets=[ast.Name() | ast.Attribute() | ast.Subscript()], value=value):
            if place.function and not _is_none(value):
                yield replace_by("assign-none", ast.Assign(node.targets, none))
        case ast.AugAssign(target=target, op=op, value=value):
            yield replace_by("augmented-operator", ast.AugAssign(target, _BINARY[type(op)](), value))
            yield replace_by("augmented-to-plain", ast.Assign([target], value))
        case ast.Expr() | ast.Raise() | ast.Delete() if place.function and _does_something(node):
            yield replace_by("delete-statement", ast.Pass())
        case ast.Break():
            yield replace_by("break-continue", ast.Continue())
        case ast.Continue():
            yield replace_by("continue-break", ast.Break())
        case ast.Assert():
            yield replace_by("delete-assert", ast.Pass())


def _does_something(node: ast.stmt) -> bool:
    """Whether a statement has an effect that a test may miss when it is gone."""
    return not isinstance(node, ast.Expr) or (isinstance(node.value, ast.Call) and not _is_wait(node.value))


def _mutate_expression(  # noqa: C901 - one case for each kind of node
    node: ast.AST, extended: bool
) -> Iterator[tuple[str, ast.AST]]:
    """Operator and new node of each mutant of one expression."""
    match node:
        case ast.Constant(value=value):
            yield from _mutate_constant(value, extended)
        case ast.BinOp(left=left, op=op, right=right):
            yield "binary-operator", ast.BinOp(left, _BINARY[type(op)](), right)
            if extended:
                yield "left-operand", left
                yield "right-operand", right
        case ast.Compare():
            yield from _mutate_comparison(node)
        case ast.BoolOp(op=op, values=values):
            swapped = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "boolean-operator", ast.BoolOp(swapped, values)
            if extended:
                for operand in values:
                    yield "boolean-operand", operand
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield "drop-unary", operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "negate-condition", ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Lambda(args=args, body=body) if not _is_none(body):
            yield "lambda-none", ast.Lambda(args, ast.Constant(None))
        case ast.Call() if not _is_wait(node):
            yield from _mutate_call(node)


def _mutate_comparison(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for index, sign in enumerate(node.ops):
        for other in _COMPARE[type(sign)]:
            signs = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield "comparison", ast.Compare(node.left, signs, node.comparators)


def _mutate_constant(value: object, extended: bool) -> Iterator[tuple[str, ast.AST]]:
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


def _mutate_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    for index, argument in enumerate(node.args):
        if isinstance(argument, ast.Starred) or _is_none(argument):
            continue
        arguments = [*node.args[:index], ast.Constant(None), *node.args[index + 1 :]]
        yield "argument-none", ast.Call(node.func, arguments, node.keywords)
    for index, keyword in enumerate(node.keywords):
        # `**options` has no name and may be empty anyway.
        if keyword.arg:
            keywords = [*node.keywords[:index], *node.keywords[index + 1 :]]
            yield "drop-keyword", ast.Call(node.func, node.args, keywords)
    match node.func:
        case ast.Name(id=name) if name in _SWAPPED_CALLS:
            yield "swapped-call", _swap_callee(node, "id", _SWAPPED_CALLS[name])
        case ast.Attribute(attr=name) if name in _SWAPPED_CALLS:
            yield "swapped-call", _swap_callee(node, "attr", _SWAPPED_CALLS[name])


def _swap_callee(node: ast.Call, field: str, name: str) -> ast.Call:
    # A copy, because the tree still holds the original.
    function = copy.copy(node.func)
    setattr(function, field, name)
    return ast.Call(function, node.args, node.keywords)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
