"""Null mutants: edits that change the code and nothing that it does.

A test that kills one is reading code, or guessing.
"""

import ast
import random
from collections.abc import Iterator

from gates.harness.mutants import walk_expressions
from gates.harness.tree_edits import Edit, StatementPlace, list_statements

MINIMUM = 10
_WRAPPED = (ast.Constant, ast.BinOp, ast.Compare)
_WRAPPED_IN = (ast.Return, ast.Assign, ast.BinOp, ast.Compare, ast.Call)


def draw_null_mutants(tree: ast.Module, lines: set[int], draw: random.Random, count: int = 12) -> list[Edit]:
    """``count`` edits at random places, in functions that tests reach (``lines``) where there are any.

    They look like the edits around them: some add a statement, as a sabotage does, some wrap a value, as a
    mutant does.
    """
    places = [place for place in list_statements(tree) if not _is_import(place.node)]
    reached = [place for place in places if place.function and place.is_reached_by(lines)]
    inserts = [_insert_statement(place, draw) for place in reached]
    wraps = _wrap_all(reached) or _wrap_all(places)
    chosen: list[Edit] = []
    # Half of each shape, as far as there are enough.
    for kind in (inserts, wraps):
        draw.shuffle(kind)
        chosen += kind[: count // 2]
    taken = {id(edit) for edit in chosen}
    spare = [edit for edit in (*inserts, *wraps) if id(edit) not in taken]
    chosen += spare[: count - len(chosen)]
    # A tiny block has fewer places than are needed; the same edit twice is still a run that has to survive.
    while chosen and len(chosen) < count:
        chosen.append(chosen[draw.randrange(len(chosen))])
    return chosen


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _insert_statement(place: StatementPlace, draw: random.Random) -> Edit:
    """Put a statement without effect in front of ``place``; its shape and its name are drawn."""
    name = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9))
    # All three compile to real code and have no effect.
    text = draw.choice(
        [
            f"{name} = type({name!r}, (), {{}})",
            f"for {name} in ():\n    raise {name}",
            f"if not 1 == 1.0:\n    raise {name}",
        ]
    )
    new = (ast.parse(text).body[0], place.node)
    return Edit("null", place.parent, place.field, place.index, new, *place.lines, place.function)


def _wrap_all(places: list[StatementPlace]) -> list[Edit]:
    return [edit for place in places for edit in _wrap_values(place)]


def _wrap_values(place: StatementPlace) -> Iterator[Edit]:
    """Turn each value of a statement into the first item of a list of it."""
    for parent, field, index, node in walk_expressions(place.node):
        # A target is not a value, and a wrapped callee would change the traceback of a call.
        if field in ("targets", "func"):
            continue
        if isinstance(node, _WRAPPED) and isinstance(parent, _WRAPPED_IN):
            wrapped = ast.Subscript(ast.List([node], ast.Load()), ast.Constant(0), ast.Load())
            yield Edit("null", parent, field, index, (wrapped,), *place.lines, place.function)
