"""Edits of a syntax tree that can be made, compiled and taken back: what mutants, sabotages and null mutants are made of."""

import ast
import marshal
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Edit:
    """One change at one place. ``parent.field[index]`` (or ``parent.field`` where ``index`` is -1) becomes ``new``.

    ``first`` to ``last`` are the lines whose execution reaches the place; ``function`` is the dotted name of the innermost
    function around it, empty for code that runs on import.
    """

    operator: str
    parent: ast.AST
    field: str
    index: int
    new: tuple[ast.AST, ...]
    first: int
    last: int
    function: str

    @property
    def old(self) -> ast.AST:
        value = getattr(self.parent, self.field)
        old: ast.AST = value[self.index] if self.index >= 0 else value
        return old

    def compiled(self, tree: ast.Module, filename: str) -> bytes:
        """The tree with this edit as marshalled code. The tree is the same afterwards. Raises what ``compile`` raises."""
        before = getattr(self.parent, self.field)
        for node in self.new:
            ast.copy_location(node, self.old)
            ast.fix_missing_locations(node)
        changed: Any = self.new[0]
        if self.index >= 0:
            changed = [*before[: self.index], *self.new, *before[self.index + 1 :]]
        setattr(self.parent, self.field, changed)
        try:
            return compile_tree(tree, filename)
        finally:
            setattr(self.parent, self.field, before)

    def texts(self) -> tuple[str, str]:
        """What stood there, what stands there now."""
        return ast.unparse(self.old), "\n".join(
            ast.unparse(ast.fix_missing_locations(node)) for node in self.new
        )


def compile_tree(tree: ast.Module, filename: str) -> bytes:
    """Compile a tree to what a child can load."""
    return marshal.dumps(compile(tree, filename, "exec", dont_inherit=True))


@dataclass(frozen=True)
class StatementPlace:
    """A statement in its list, with where it belongs."""

    node: ast.stmt
    parent: ast.AST
    field: str
    index: int
    function: str

    @property
    def lines(self) -> tuple[int, int]:
        """First and last line of the statement itself, without the blocks below it."""
        bodies = [getattr(self.node, field, None) for field in ("body", "cases", "handlers")]
        starts = [
            body[0].lineno if hasattr(body[0], "lineno") else body[0].pattern.lineno
            for body in bodies
            if body
        ]
        last = min([line - 1 for line in starts] or [self.node.end_lineno or self.node.lineno])
        return self.node.lineno, max(self.node.lineno, last)


def list_statements(tree: ast.Module) -> list[StatementPlace]:
    """Every statement, docstrings and bare constants aside, in source order. Comments and pragmas change nothing here."""
    found: list[StatementPlace] = []
    _walk(tree, "", found)
    return sorted(found, key=lambda place: (place.node.lineno, place.node.col_offset))


def _walk(parent: ast.AST, function: str, found: list[StatementPlace]) -> None:
    for field in ("body", "orelse", "finalbody"):
        block = getattr(parent, field, None)
        for index, node in enumerate(block if isinstance(block, list) else []):
            if not isinstance(node, ast.stmt) or (
                isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            ):
                continue
            found.append(StatementPlace(node, parent, field, index, function))
            inner = function
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = f"{function}.{node.name}" if function else node.name
            elif isinstance(node, ast.ClassDef) and function:
                inner = f"{function}.{node.name}"
            _walk(node, inner, found)
    for nested in (*getattr(parent, "handlers", []), *getattr(parent, "cases", [])):
        _walk(nested, function, found)


def sabotage_statement(place: StatementPlace, name: str) -> Edit:
    """An edit that makes reaching ``place`` fatal, past any ``except Exception`` of the block.

    The raised class is made on the spot, so that nothing in the module's namespace announces it.
    """
    text = f"raise type({name!r}, (BaseException,), {{}})({name!r})"
    first, last = place.lines
    new = (ast.parse(text).body[0], place.node)
    if isinstance(place.node, ast.ImportFrom) and place.node.module == "__future__":
        new = (place.node, new[0])
    return Edit("sabotage", place.parent, place.field, place.index, new, first, last, place.function)
