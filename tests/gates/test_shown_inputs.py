"""Literal calls of the tests, with the tables of parametrized ones."""

from gates.shown_inputs import list_shown_inputs
from tests.gates.blocks import SOUND, TESTS, block


def test_calls_are_found_with_the_rows_of_their_tables() -> None:
    shown = list_shown_inputs(SOUND, "fee")

    assert {"weight": 501} in shown
    assert {"weight": 2100, "express": True} in shown
    # These are expected to fail.
    assert {"weight": 0} not in shown


def test_what_is_computed_is_left_out_and_what_is_not_called_too() -> None:
    tests = f"{TESTS}\n\ndef test_more():\n    for weight in range(3):\n        fee(weight)\n    fee(7, express=False)\n"

    shown = list_shown_inputs(block(tests=tests), "fee")

    assert {"weight": 7, "express": False} in shown
    assert all(isinstance(each["weight"], int) for each in shown)
    assert list_shown_inputs(SOUND, "toll") == []


def test_methods_are_found_by_their_names() -> None:
    module = "class Rates:\n    def fee(self, weight: int) -> int:\n        return weight\n"

    assert {"weight": 500} in list_shown_inputs(block(module=module), "Rates.fee")
