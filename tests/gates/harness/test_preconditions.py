"""Preconditions are a small language, evaluated without running code."""

from typing import Any

import pytest

from gates.harness.preconditions import Precondition

HOLDS: list[tuple[str, dict[str, Any]]] = [
    ("k <= len(values)", {"k": 1, "values": [1]}),
    ("low is None or low <= high", {"high": 3}),
    ("all(0 <= x < n for x in rows if x != 9) and n != 3", {"n": 5, "rows": [1, 2, 9]}),
    ("number(paid) <= number(due) * 2", {"paid": "1.50", "due": "0.75"}),
    ("len(set(names)) == len(names)", {"names": ["a", "b"]}),
    ("name in ['a', 'b'] and not rows['a'][0] % 2", {"name": "b", "rows": {"a": [4]}}),
]
REFUSED = [
    "9 ** 9",
    "1 << 5",
    "values.count(1)",
    "__import__('os')",
    "print(1)",
    "lambda: 1",
    "[x for x in values]",
    "f'{a}'",
    "len(x=1)",
    "all(a for a in b for c in d)",
    "(x := 1)",
    "(1",
    "a" * 501,
]


@pytest.mark.parametrize(("text", "arguments"), HOLDS)
def test_what_holds(text: str, arguments: dict[str, Any]) -> None:
    assert Precondition(text).holds(arguments)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_in_the_language_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Precondition(text)


def test_what_cannot_be_evaluated_does_not_hold() -> None:
    assert not Precondition("k <= len(values)").holds({"k": 1, "values": 5})
    assert not Precondition("'a' * n == ''").holds({"n": 10**9})
    assert not Precondition("1 / n == 1").holds({"n": 0})


def test_the_names_are_the_arguments() -> None:
    assert Precondition("all(x < k for x in values)").list_names() == {"k", "values"}
