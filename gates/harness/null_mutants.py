"""Null mutants: edits that change the code and nothing that it does. A test that kills one is reading code, or guessing."""

import ast
import random

from gates.harness.mutants import walk_expressions
from gates.harness.tree_edits import Edit, StatementPlace, list_statements

MINIMUM = 10


def draw_null_mutants(tree: ast.Module, lines: set[int], draw: random.Random, count: int = 12) -> list[Edit]:
    """``count`` edits at random places, in functions that tests reach (``lines``) where there are any.

    They look like what they stand among: some add a statement, as a sabotage does, some wrap a value, as a mutant does.
    """
    places = [
        place for place in list_statements(tree) if not isinstance(place.node, (ast.Import, ast.ImportFrom))
    ]
    reached = [
        place
        for place in places
        if place.function and lines.intersection(range(place.lines[0], place.lines[1] + 1))
    ]
    inserts = [_insert(place, draw) for place in reached]
    wraps = [edit for place in reached for edit in _wraps(place)] or [
        edit for place in places for edit in _wraps(place)
    ]
    chosen: list[Edit] = []
    for kind in (inserts, wraps):
        draw.shuffle(kind)
        chosen += kind[: count // 2]
    spare = [edit for edit in (*inserts, *wraps) if all(edit is not taken for taken in chosen)]
    chosen += spare[: count - len(chosen)]
    while chosen and len(chosen) < count:
        chosen.append(chosen[draw.randrange(len(chosen))])
    return chosen


def _insert(place: StatementPlace, draw: random.Random) -> Edit:
    name = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9))
    text = draw.choice(
        [
            f"{name} = type({name!r}, (), {{}})",
            f"for {name} in ():\n    raise {name}",
            f"if not 1 == 1.0:\n    raise {name}",
        ]
    )
    return Edit(
        "null",
        place.parent,
        place.field,
        place.index,
        (ast.parse(text).body[0], place.node),
        *place.lines,
        place.function,
    )


def _wraps(place: StatementPlace) -> list[Edit]:
    found = []
    for parent, field, index, node in walk_expressions(place.node):
        if isinstance(node, (ast.Constant, ast.BinOp, ast.Compare)) and isinstance(
            parent, (ast.Return, ast.Assign, ast.BinOp, ast.Compare, ast.Call)
        ):
            if field in ("targets", "func"):
                continue
            wrapped = ast.Subscript(ast.List([node], ast.Load()), ast.Constant(0), ast.Load())
            found.append(Edit("null", parent, field, index, (wrapped,), *place.lines, place.function))
    return found
