"""Changes that happen and decoys look alike, and decoys change nothing."""

import ast
import marshal
import random
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from gates.harness.decoys import DecoySource, disguise_edit
from gates.harness.mutants import list_mutants
from gates.harness.tree_edits import Edit, compile_edits, compile_tree, list_statements, sabotage_statement
from tests.gates.blocks import MODULE

LINES = set(range(1, 99))
COUNT = 12


def _source(text: str = MODULE, seed: str = "seed") -> tuple[ast.Module, DecoySource]:
    tree = ast.parse(text)
    return tree, DecoySource(tree, list_mutants(tree), random.Random(seed))


def _fee(tree: ast.Module, edits: list[Edit]) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(marshal.loads(compile_edits(tree, edits, "x.py")), scope)  # noqa: S102, S302 - our own text
    fee: Callable[..., Any] = scope["fee"]
    return fee


def _results(fee: Callable[..., Any]) -> list[Any]:
    return [fee(weight, express) for weight, express in product((1, 501, 2500), (False, True))]


def test_null_mutants_change_the_code_and_nothing_that_it_does() -> None:
    tree, source = _source()
    honest = _results(_fee(tree, []))

    nulls = source.draw_null_mutants(LINES, COUNT)

    assert len(nulls) == COUNT
    for edit in nulls:
        decoys = source.draw_decoys(edit)
        changed = _fee(tree, [edit, *decoys])
        assert _results(changed) == honest
        assert compile_edits(tree, [edit, *decoys], "x.py") != compile_tree(tree, "x.py")
        with pytest.raises(ValueError, match="outside"):
            changed(0)


def test_half_of_the_null_mutants_have_the_shape_of_other_real_changes() -> None:
    tree, source = _source()
    honest = _results(_fee(tree, []))
    sabotages = [sabotage_statement(place, "qwertyuio") for place in list_statements(tree) if place.function]

    nulls = source.draw_null_mutants(LINES, COUNT, sabotages)

    raising = [edit for edit in nulls if "qwertyuio" in edit.describe()[1]]
    assert (len(nulls), len(raising)) == (COUNT, COUNT // 2)
    assert all(_results(_fee(tree, [edit])) == honest for edit in nulls)


def test_no_two_runs_carry_the_same_code() -> None:
    tree, source = _source()

    codes = {compile_edits(tree, source.draw_decoys(None), "x.py") for _ in range(50)}

    assert len(codes) == 50


def test_a_change_and_its_decoy_have_the_same_parts() -> None:
    tree = ast.parse(MODULE)
    edit = next(edit for edit in list_mutants(tree) if edit.operator == "comparison")
    draw = random.Random("seed")

    shown = [ast.dump(disguise_edit(edit, draw, happens=happens).new[0]) for happens in (True, False)]

    for node in (edit.old, edit.new[0]):
        assert all(ast.dump(node) in text for text in shown)


def test_a_disguised_change_happens() -> None:
    tree = ast.parse(MODULE)
    draw = random.Random("seed")
    honest = _results(_fee(tree, []))
    changed = 0
    for edit in list_mutants(tree):
        try:
            changed += _results(_fee(tree, [disguise_edit(edit, draw, happens=True)])) != honest
        except (TypeError, ValueError, UnboundLocalError):
            changed += 1

    assert changed > len(list_mutants(tree)) * 0.7


def test_draws_follow_from_the_seed() -> None:
    first, second, other = (_source(seed=seed)[1] for seed in ("seed", "seed", "other"))

    described = [
        [edit.describe() for edit in source.draw_null_mutants(LINES, COUNT)] for source in (first, second)
    ]

    assert described[0] == described[1]
    assert described[0] != [edit.describe() for edit in other.draw_null_mutants(LINES, COUNT)]


def test_code_without_anything_to_change_has_null_mutants_all_the_same() -> None:
    tree, source = _source("def fee(weight, express=None):\n    return None\n")

    nulls = source.draw_null_mutants(LINES, COUNT)

    assert len(nulls) == COUNT
    assert {_fee(tree, [edit])(1) for edit in nulls} == {None}


def test_a_sabotage_that_does_not_happen_is_a_decoy() -> None:
    tree = ast.parse(MODULE)
    honest = _results(_fee(tree, []))
    draw = random.Random("seed")

    for place in list_statements(tree):
        edit = sabotage_statement(place, "qwertyuio")
        assert _results(_fee(tree, [disguise_edit(edit, draw, happens=False)])) == honest
