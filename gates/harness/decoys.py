"""Decoys: changes that are in the code and never happen.

A change is disguised as ``new if 3 < 5 else old``, a decoy as ``old if 3 < 5 else new``: who compares code
sees the same in both, and they cost the same. Every run carries decoys, the honest one included, so that no
digest of code, no list of constants and no source tells an original from a mutant. Python compiles such a
comparison as it stands; a model of them all would have to run the code, and that is to test it.
"""

import ast
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gates.harness.tree_edits import Edit, list_statements, sabotage_statement

_HIGHEST_NUMBER = 999
_NAME_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def disguise_edit(edit: Edit, draw: random.Random, *, happens: bool) -> Edit:
    """``edit`` behind a condition: it happens, or it is a decoy."""
    also = disguise_edit(edit.also, draw, happens=happens) if edit.also else None
    condition, holds = _draw_condition(draw)
    old = edit.old
    if isinstance(old, ast.stmt):
        changed = [node for node in edit.new if isinstance(node, ast.stmt)]
        branches = (changed, [old]) if happens == holds else ([old], changed)
        return replace(edit, new=(ast.If(condition, *branches),), also=also)
    values = (edit.new[0], old) if happens == holds else (old, edit.new[0])
    new = ast.IfExp(condition, *values)  # type: ignore[arg-type]
    return replace(edit, new=(new,), also=also)


def _draw_condition(draw: random.Random) -> tuple[ast.expr, bool]:
    """A comparison of two numbers, and whether it holds."""
    small, large = sorted(draw.sample(range(_HIGHEST_NUMBER), 2))
    sign, holds = draw.choice([(ast.Lt(), True), (ast.Gt(), False), (ast.NotEq(), True), (ast.Eq(), False)])
    return ast.Compare(ast.Constant(small), [sign], [ast.Constant(large)]), holds


class DecoySource:
    """Draws decoys for one module.

    ``edits`` are the changes that may be disguised; where a module admits none, a sabotage that never happens
    takes their place.
    """

    def __init__(self, tree: ast.Module, edits: Iterable[Edit], draw: random.Random) -> None:
        self.draw = draw
        self.edits = list(edits)
        places = [place for place in list_statements(tree) if is_changeable(place.node)]
        self.sabotages = [sabotage_statement(place, draw_name(draw)) for place in places]
        self._by_function: dict[str, list[Edit]] = {}
        for edit in self.edits or self.sabotages:
            self._by_function.setdefault(edit.function, []).append(edit)

    def draw_decoys(self, edit: Edit | None, *, values_only: bool = False) -> list[Edit]:
        """One decoy for each function, at another statement than ``edit``.

        ``values_only`` leaves out those that would add a branch to a measurement.
        """
        taken: set[int] = set()
        for part in edit.parts if edit else ():
            taken |= {part.first, part.last}
        decoys = []
        for edits in self._by_function.values():
            chosen = self.draw.choice(edits)
            free = chosen.first not in taken and chosen.last not in taken
            if free and not (values_only and isinstance(chosen.old, ast.stmt)):
                decoys.append(disguise_edit(chosen, self.draw, happens=False))
                taken |= {chosen.first, chosen.last}
        return decoys

    def draw_null_mutants(self, lines: set[int], count: int, like: Sequence[Edit] = ()) -> list[Edit]:
        """``count`` changes that never happen, where tests reach them (``lines``), at places of real ones.

        They are as many as asked for wherever there is a statement at all: the same place twice is still a
        run of its own, with other decoys around it. Up to half of them have the shapes of ``like``, the real
        changes that are not of this source.
        """
        shaped = self._choose([edit for edit in like if _is_reached(edit, lines)], count // 2)
        candidates: Sequence[Edit] = []
        for edits in (self.edits, self.sabotages):
            reached = [edit for edit in edits if edit.function and _is_reached(edit, lines)]
            # Code that runs on import is reached by every test.
            candidates = reached or [edit for edit in edits if not edit.function]
            if candidates:
                break
        if not candidates:
            return []
        chosen = shaped + self._choose(candidates, count - len(shaped))
        while len(chosen) < count:
            chosen.append(self.draw.choice(candidates))
        return [replace(disguise_edit(edit, self.draw, happens=False), operator="null") for edit in chosen]

    def _choose(self, edits: Sequence[Edit], count: int) -> list[Edit]:
        return self.draw.sample(edits, min(count, len(edits)))


def _is_reached(edit: Edit, lines: set[int]) -> bool:
    return not lines.isdisjoint(range(edit.first, edit.last + 1))


def is_changeable(node: ast.stmt) -> bool:
    """Whether a statement may be put behind a condition."""
    return not (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def draw_name(draw: random.Random) -> str:
    """A name that a block can neither know nor expect."""
    return "".join(draw.choices(_NAME_LETTERS, k=9))
