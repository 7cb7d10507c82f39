"""Edits of a syntax tree that can be made, compiled and taken back.

Mutants, sabotages and null mutants are made of them.
"""

import ast
import marshal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gates.harness.block_lines import find_place, split_modules

_BLOCK_FIELDS = ("body", "orelse", "finalbody")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_EXPRESSION_PARTS = (ast.expr, ast.keyword, ast.comprehension, ast.withitem)


@dataclass(frozen=True)
class Edit:
    """One change at one place.

    ``parent.field[index]`` (or ``parent.field`` where ``index`` is -1) becomes ``new``.

    ``first`` to ``last`` are the lines whose execution reaches the place. ``function`` is the dotted name of
    the innermost function around it, empty for code that runs on import, with ``1:`` and so on in front of it
    in a private module. ``also`` is a second change, made at the same time.
    """

    operator: str
    parent: ast.AST
    field: str
    index: int
    new: tuple[ast.AST, ...]
    first: int
    last: int
    function: str
    also: "Edit | None" = None

    @property
    def old(self) -> ast.AST:
        value = getattr(self.parent, self.field)
        old: ast.AST = value[self.index] if self.index >= 0 else value
        return old

    @property
    def parts(self) -> tuple["Edit", ...]:
        """The change itself and the one made with it."""
        return (self, *self.also.parts) if self.also else (self,)

    def compile(self, tree: ast.Module, filename: str) -> bytes:
        """The tree with this edit as marshalled code.

        The tree is the same afterwards. Raises what ``compile`` raises.
        """
        return compile_edits(tree, self.parts, filename)

    def describe(self) -> tuple[str, str]:
        """The source before and after."""
        before, after = [], []
        for part in self.parts:
            new_nodes = [ast.fix_missing_locations(node) for node in part.new]
            before.append(ast.unparse(part.old))
            after.append("\n".join(ast.unparse(node) for node in new_nodes))
        return "; ".join(before), "; ".join(after)

    def put_in(self) -> Any:
        """Make the change in the tree. Returns what was there, for ``take_out``."""
        before = getattr(self.parent, self.field)
        for node in self.new:
            ast.copy_location(node, self.old)
            ast.fix_missing_locations(node)
        changed: Any = self.new[0]
        if self.index >= 0:
            changed = [*before[: self.index], *self.new, *before[self.index + 1 :]]
        setattr(self.parent, self.field, changed)
        return before

    def take_out(self, before: Any) -> None:
        """Undo ``put_in``."""
        setattr(self.parent, self.field, before)


@contextmanager
def put_in_edits(edits: Iterable[Edit]) -> Iterator[None]:
    """Make all of ``edits`` in their tree, which is the same afterwards.

    Edits of one list of statements must each put one statement in place of one, so that no place moves.
    """
    undo = []
    # In place and back again: a copy of the whole tree for each edit would cost more than compiling it.
    try:
        for edit in edits:
            undo.append((edit, edit.put_in()))
        yield
    finally:
        for edit, before in reversed(undo):
            edit.take_out(before)


def compile_edits(tree: ast.Module, edits: Iterable[Edit], filename: str) -> bytes:
    """The tree with all of ``edits`` as marshalled code. Raises what ``compile`` raises."""
    with put_in_edits(edits):
        return compile_tree(tree, filename)


def compile_tree(tree: ast.Module, filename: str) -> bytes:
    """Compile a tree to what can be loaded."""
    return marshal.dumps(compile(tree, filename, "exec", dont_inherit=True))


def compile_modules(tree: ast.Module, filenames: Sequence[str]) -> bytes:
    """The code of each module in ``tree``, as ``code_importer.load_codes`` reads it in a child."""
    modules = split_modules(tree, len(filenames))
    codes = [
        compile(module, filename, "exec", dont_inherit=True)
        for module, filename in zip(modules, filenames, strict=True)
    ]
    return marshal.dumps(codes)


def compile_smallest(tree: ast.Module, edit: Edit) -> bytes | None:
    """The top-level statements that an edit changes, compiled with it; ``None`` where they are as before.

    To compare edits with each other: the whole module would take many times as long.
    """
    before = _compile_statements(tree, edit)
    undo = [(part, part.put_in()) for part in edit.parts]
    try:
        after = _compile_statements(tree, edit)
    finally:
        for part, old in reversed(undo):
            part.take_out(old)
    return None if after == before else after


def _compile_statements(tree: ast.Module, edit: Edit) -> bytes:
    changed = []
    for number, node in enumerate(tree.body):
        first, last = node.lineno, node.end_lineno or node.lineno
        if any(first <= part.first <= last for part in edit.parts):
            changed.append((number, node))
    code = compile_tree(ast.Module([node for _, node in changed], []), "<edit>")
    # Two statements of one module may be the same text.
    return marshal.dumps([number for number, _ in changed]) + code


@dataclass(frozen=True)
class StatementPlace:
    """A statement at ``parent.field[index]``, in ``function`` (empty for code that runs on import)."""

    node: ast.stmt
    parent: ast.AST
    field: str
    index: int
    function: str

    @property
    def lines(self) -> tuple[int, int]:
        """First and last line of the statement itself, without the blocks below it."""
        first = self.node.lineno
        inner = list(self._first_inner_lines())
        last = min(inner) - 1 if inner else self.node.end_lineno or first
        return first, max(first, last)

    def _first_inner_lines(self) -> Iterator[int]:
        for field in ("body", "cases", "handlers"):
            block = getattr(self.node, field, None)
            if block:
                # A `case` has no line of its own; its pattern has.
                yield block[0].lineno if hasattr(block[0], "lineno") else block[0].pattern.lineno

    def is_reached_by(self, lines: set[int]) -> bool:
        """Whether one of ``lines`` is a line of the statement itself."""
        first, last = self.lines
        return not lines.isdisjoint(range(first, last + 1))


def list_statements(tree: ast.Module) -> list[StatementPlace]:
    """Every statement, docstrings and bare constants aside, in source order.

    Comments and pragmas change nothing here.
    """
    places = _walk_statements(tree, "")
    return sorted(places, key=lambda place: (place.node.lineno, place.node.col_offset))


def _walk_statements(parent: ast.AST, function: str) -> Iterator[StatementPlace]:
    for field in _BLOCK_FIELDS:
        block = getattr(parent, field, None)
        # A lambda and a conditional expression have a body that is not a list.
        if not isinstance(block, list):
            continue
        for index, node in enumerate(block):
            if not isinstance(node, ast.stmt) or _is_bare_constant(node):
                continue
            yield StatementPlace(node, parent, field, index, function)
            yield from _walk_statements(node, _name_inside(node, function))
    for nested in (*getattr(parent, "handlers", []), *getattr(parent, "cases", [])):
        yield from _walk_statements(nested, function)


def _is_bare_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _name_inside(node: ast.stmt, function: str) -> str:
    """The dotted name of the function in which the statements below ``node`` run; empty on import.

    That of a private module has the module's number before a colon.
    """
    # A class body runs where it stands, so at the top of a module it adds no name.
    names_scope = isinstance(node, _FUNCTIONS) or (isinstance(node, ast.ClassDef) and function)
    if not names_scope:
        return function
    name: str = node.name  # type: ignore[attr-defined]
    return f"{function}.{name}" if function else name_in_module(name, node.lineno)


def name_in_module(name: str, line: int) -> str:
    """The name of what is at the top of a module, as ``Edit.function`` has it."""
    module, _ = find_place(line)
    return f"{module}:{name}" if module else name


def sabotage_statement(place: StatementPlace, name: str) -> Edit:
    """An edit that makes reaching ``place`` fatal, past any ``except Exception`` of the block.

    The raised class is made on the spot, so that nothing in the module's namespace announces it.
    """
    text = f"raise type({name!r}, (BaseException,), {{}})({name!r})"
    first, last = place.lines
    raising = ast.parse(text).body[0]
    new = (raising, place.node)
    # Nothing may come before a __future__ import.
    if isinstance(place.node, ast.ImportFrom) and place.node.module == "__future__":
        new = (place.node, raising)
    return Edit("sabotage", place.parent, place.field, place.index, new, first, last, place.function)


def sabotage_parts(place: StatementPlace) -> Iterator[Edit]:
    """Edits that end the process where a part of ``place`` is computed that a run may leave out.

    These are the arms of conditional expressions, the later operands of ``and`` and ``or``, and the bodies of
    lambdas. No line tells whether they ran.
    """
    first, last = place.lines
    for node in _walk_own_expressions(place.node):
        for field, index in _list_optional_parts(node):
            leave = ast.parse("__import__('os')._exit(0)", mode="eval").body
            yield Edit("sabotage", node, field, index, (leave,), first, last, place.function)


def _walk_own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement without those of the statements below it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        # The parts of an f-string have the place of the whole.
        if not isinstance(node, ast.JoinedStr):
            waiting += [each for each in ast.iter_child_nodes(node) if isinstance(each, _EXPRESSION_PARTS)]


def _list_optional_parts(node: ast.AST) -> list[tuple[str, int]]:
    match node:
        case ast.IfExp():
            return [("body", -1), ("orelse", -1)]
        case ast.BoolOp(values=values):
            return [("values", index) for index in range(1, len(values))]
        case ast.Lambda():
            return [("body", -1)]
    return []
