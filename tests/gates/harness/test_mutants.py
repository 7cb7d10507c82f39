"""Mutants change what code does, each in one place."""

import ast

import pytest

from gates.harness.mutants import list_mutants
from gates.harness.tree_edits import compile_tree
from tests.gates.blocks import MODULE


def _changes(source: str, extended: bool = False) -> set[tuple[str, str]]:
    tree = ast.parse(source)
    return {(edit.operator, edit.describe()[1]) for edit in list_mutants(tree, extended)}


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("def f(a):\n    return a + 1\n", ("binary-operator", "a - 1")),
        ("def f(a):\n    return a + 1\n", ("number", "2")),
        ("def f(a):\n    return a\n", ("return-none", "return None")),
        ("def f(a):\n    return a < 3\n", ("comparison", "a <= 3")),
        ("def f(a):\n    return a < 3\n", ("comparison", "a >= 3")),
        ("def f(a):\n    return a and 3\n", ("boolean-operator", "a or 3")),
        ("def f(a):\n    return not a\n", ("drop-unary", "a")),
        ("def f(a):\n    return 1 if a else 2\n", ("negate-condition", "1 if not a else 2")),
        ("def f(a):\n    b = a\n    return b\n", ("assign-none", "b = None")),
        ("def f(a):\n    a += 2\n    return a\n", ("augmented-operator", "a -= 2")),
        ("def f(a):\n    a += 2\n    return a\n", ("augmented-to-plain", "a = 2")),
        ("def f(a):\n    a.clear()\n", ("delete-statement", "pass")),
        ("def f(a):\n    raise ValueError(a)\n", ("delete-statement", "pass")),
        ("def f(a):\n    return min(a, 1)\n", ("swapped-call", "max(a, 1)")),
        ("def f(a):\n    return g(a)\n", ("argument-none", "g(None)")),
        ("def f(a):\n    return g(x=a)\n", ("drop-keyword", "g()")),
        ("def f(a):\n    for b in a:\n        break\n", ("break-continue", "continue")),
        ("RATE = 8\n", ("number", "9")),
        ("NAMES = {'a': True}\n", ("string", "'XXaXX'")),
        ("NAMES = {'a': True}\n", ("boolean", "False")),
    ],
)
def test_operator(source: str, change: tuple[str, str]) -> None:
    assert change in _changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring, 1 + 1."""\n',
        "import decimal\nfrom json import loads\n",
        "def f(a: 'int' = None) -> 'int':\n    ...\n",
        "if __name__ == '__main__':\n    main()\n",
        "def f(a):\n    return None\n",
    ],
)
def test_what_stays_as_it_is(source: str) -> None:
    assert _changes(source) == set()


@pytest.mark.parametrize(
    "source",
    ["def f(wait):\n    time.sleep(wait + 1)\n", "async def f():\n    await asyncio.sleep(0)\n"],
)
def test_how_long_code_waits_is_not_changed(source: str) -> None:
    assert _changes(source, extended=True) == set()


def test_a_lambda_is_a_function_of_the_name_that_it_is_kept_under() -> None:
    tree = ast.parse("fee = lambda weight: weight + 1\nRATE = 1\nSTEPS = {'a': lambda x: x - 2}\n")

    by_change = {edit.describe()[0]: edit.function for edit in list_mutants(tree)}

    assert by_change["weight + 1"] == "fee"
    assert by_change["x - 2"] == "STEPS"
    assert by_change["'a'"] == ""


def test_pragmas_hide_nothing() -> None:
    hidden = MODULE.replace("\n    ", "  # pragma: no mutate\n    ").replace(
        '"""  # pragma: no mutate', '"""'
    )

    assert _changes(hidden) == _changes(MODULE)


def test_second_choices_only_where_asked_for() -> None:
    assert ("number", "0") not in _changes("RATE = 1\n")
    assert ("number", "0") in _changes("RATE = 1\n", extended=True)


def test_every_mutant_compiles_to_other_code() -> None:
    tree = ast.parse(MODULE)
    honest = compile_tree(tree, "x.py")

    assert all(edit.compile(tree, "x.py") != honest for edit in list_mutants(tree))
    assert compile_tree(tree, "x.py") == honest  # and the tree is as it was
