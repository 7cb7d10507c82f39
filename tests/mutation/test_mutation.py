"""The runner of our mutation engine: which mutants run, what is loaded, what is counted."""

import ast
import importlib
import marshal
import sys
from pathlib import Path

import pytest

from gates.harness.mutants import list_mutants
from tests.mutation.__main__ import (
    Outcome,
    Survivor,
    describe_mutant,
    flatten_results,
    list_modules,
    order_mutants,
    read_equivalents,
)
from tests.mutation.changed_code import find_changes, list_functions, load_changes
from tests.mutation.forked_runs import Reach
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


def compile_module(text: str):
    return compile(ast.parse(text), "sums.py", "exec", dont_inherit=True)


def test_a_loaded_function_gets_the_code_of_its_mutant(monkeypatch, tmp_path):
    text = "import functools\n\n\n@functools.cache\ndef double(n):\n    return n * 2\n"
    path = tmp_path / "wrapped.py"
    path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    wrapped = importlib.import_module("wrapped")
    kept = wrapped.double

    old, new = (compile(ast.parse(one), str(path), "exec") for one in (text, text.replace("* 2", "* 3")))
    changes = find_changes(old, new)
    assert changes is not None
    functions = list_functions(str(path))
    assert load_changes(changes, functions)
    # A module that has imported it before calls the mutant, too.
    assert kept(2) == 6
    # What is loaded now is not what the file says, so a second mutant of it is refused.
    assert not load_changes(changes, functions)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("def f():\n    return 1\n", "def f():\n    return 2\n", ["f"]),
        (
            "class A:\n    def f(self):\n        return 1\n",
            "class A:\n    def f(self):\n        return 2\n",
            ["A.f"],
        ),
        (
            "def f():\n    def g():\n        return 1\n    return g\n",
            "def f():\n    def g():\n        return 2\n    return g\n",
            ["f"],
        ),
        ("X = 1\n", "X = 2\n", None),
        ("X = 1\n", "X = True\n", None),
        ("def f(a=1):\n    return a\n", "def f(a=2):\n    return a\n", None),
        ("class A:\n    x = 1\n", "class A:\n    x = 2\n", None),
    ],
)
def test_only_changes_inside_functions_can_be_loaded(old, new, found):
    changes = find_changes(compile_module(old), compile_module(new))
    names = None if changes is None else [change.old.co_qualname for change in changes]
    assert names == found


def test_the_fastest_tests_that_reach_the_lines_come_first():
    reach = Reach(
        {"slow": 2.0, "quick": 0.1, "elsewhere": 0.01}, {"a.py": {1: ["slow"], 2: ["quick", "slow"]}}
    )
    assert reach.order_tests("a.py", range(1, 3)) == ["quick", "slow"]
    assert reach.order_tests("a.py", [3]) == []
    assert reach.order_tests("b.py", [1]) == []
    assert reach.order_tests("a.py") == ["quick", "slow"]
    assert reach.order_tests() == ["elsewhere", "quick", "slow"]


def test_every_equivalent_names_a_mutant_that_exists():
    described = set()
    for path in list_modules():
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        described |= {describe_mutant(path, tree, mutant).change for mutant in list_mutants(tree)}
    assert read_equivalents().keys() <= described


def test_a_mutant_of_what_runs_on_import_is_called_after_what_is_defined_there():
    tree = ast.parse("LIMIT: int = 3\n\n\ndef cut(n=4):\n    return n\n\n\nclass Cut:\n    code = 5\n")
    changes = {describe_mutant("a.py", tree, mutant).change for mutant in list_mutants(tree)}
    assert {"a.py import LIMIT: 3 -> 4", "a.py import cut: 4 -> 5", "a.py import code: 5 -> 6"} <= changes
    assert "a.py cut: return n -> return None" in changes


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
    survivor = Survivor(1, "a/b.py f: 1 -> 0")
    outcomes = [
        Outcome("providers/limiter.py", 10, 4, 3, (survivor,)),
        Outcome("providers/admission.py", 1, 1, 1, ()),
    ]
    figures = flatten_results(outcomes)
    assert [figures[key] for key in ("found", "mutants", "killed", "unexplained", "rate")] == [
        11,
        5,
        4,
        1,
        80.0,
    ]
    assert (figures["modules"], figures["modules_sampled"]) == (2, 1)
    of_module = [figures[f"providers.limiter_{key}"] for key in ("found", "mutants", "killed", "rate")]
    assert of_module == [10, 4, 3, 75.0]


def test_a_run_of_one_module_keeps_the_figures_of_the_others():
    first = flatten_results([Outcome("providers/limiter.py", 10, 10, 9, (Survivor(1, "unexplained"),))])
    gone = {"providers.gone_found": 5.0, "providers.gone_mutants": 5.0}
    both = flatten_results([Outcome("providers/admission.py", 4, 4, 4, ())], first | gone)
    assert [both[key] for key in ("found", "killed", "modules")] == [14, 13, 2]
    assert both["providers.limiter_rate"] == 90.0
    assert not both.keys() & gone.keys()
