"""The runner of our mutation engine: which mutants run, what is loaded, what is counted."""

import ast
import importlib
import marshal
import sys
from pathlib import Path

from gates.harness.mutants import list_mutants
from tests.mutation.__main__ import Outcome, flatten_results, list_modules, order_mutants
from tests.mutation.plugin import MutantFinder

ROOT = Path(__file__).resolve().parents[2]


def test_a_mutant_is_loaded_in_place_of_its_module(monkeypatch, tmp_path):
    (tmp_path / "sums.py").write_text("def double(n):\n    return n * 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    code = marshal.dumps(compile("def double(n):\n    return n * 3\n", "sums.py", "exec"))
    monkeypatch.setattr(sys, "meta_path", [MutantFinder("sums", code), *sys.meta_path])
    # Only now is there something to import.
    sums = importlib.import_module("sums")

    assert sums.double(2) == 6
    monkeypatch.delitem(sys.modules, "sums")


def test_every_module_and_its_tests_exist():
    for module, tests in list_modules().items():
        for path in (module, *tests):
            assert (ROOT / path).is_file(), path


def test_the_order_is_random_complete_and_the_same_each_time():
    mutants = list_mutants(ast.parse("\n".join(f"a{n} = {n}" for n in range(100))))
    ordered = order_mutants(mutants)
    assert ordered == order_mutants(mutants) != mutants
    assert sorted(ordered, key=lambda mutant: mutant.first) == mutants


def test_the_rate_is_that_of_the_mutants_that_ran():
    outcomes = [Outcome("a/b.py", 10, 4, 3, ("x",)), Outcome("c.py", 1, 1, 1, ())]
    figures = flatten_results(outcomes)
    assert (figures["mutants"], figures["killed"], figures["rate"]) == (5, 4, 80.0)
    assert (figures["a.b_found"], figures["a.b_mutants"], figures["a.b_rate"]) == (10, 4, 75.0)
