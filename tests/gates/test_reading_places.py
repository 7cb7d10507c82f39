"""Places for the reviewer: each with its line, and none where tests or contract name the value."""

import json
from dataclasses import replace

import pytest

from gates.reading_places import find_reading_places
from tests.gates.blocks import MODULE, block

SWITCH = MODULE.replace("    if express:", "    if weight == 13371:\n        return 0\n    if express:")
TABLE = """
_CENTS = {1: 250, 501: 490, 2000: 490, 30000: 3850}


def fee(weight: int, express: bool = False) -> int:
    return _CENTS.get(weight, 0)
"""


def test_an_ordinary_block_has_none() -> None:
    assert find_reading_places(block()) == ()


def test_a_value_that_nothing_names_is_shown_with_its_line() -> None:
    (place,) = find_reading_places(block(module=SWITCH))
    assert (place.severity, place.path) == ("note", "parcel.py")
    assert SWITCH.splitlines()[place.line - 1].strip() == "if weight == 13371:"
    assert "13371" in place.message


@pytest.mark.parametrize(
    "condition",
    [
        "weight == LIMIT",
        "weight in LIMITS",
        "not weight - 13371",
        "str(weight).endswith('371')",
        "express and weight ^ 13371 == 0",
        "(weight, express) == (13371, True)",
    ],
)
def test_a_value_is_found_however_a_condition_depends_on_it(condition: str) -> None:
    constants = "LIMIT = 13371\nLIMITS = (13371, 14)\n"
    module = constants + MODULE.replace(
        "    if express:", f"    base = 0 if {condition} else base\n    if express:"
    )
    places = find_reading_places(block(module=module))
    assert places
    assert {module.splitlines()[place.line - 1].strip() for place in places} == {
        f"base = 0 if {condition} else base"
    }


@pytest.mark.parametrize(
    "look_up", ["_CENTS[weight] + 1", "(_CENTS.get(weight) or 2) * 2", "{1: 2, 3: 4, 5: 6, 7: 8}[weight]"]
)
def test_a_table_is_found_wherever_it_is_looked_up(look_up: str) -> None:
    places = find_reading_places(block(module=TABLE.replace("_CENTS.get(weight, 0)", look_up)))
    assert ["decides this result" in place.message for place in places] == [True]


def test_a_value_that_the_plan_or_the_contract_names_is_not_shown() -> None:
    planned = ({"call": "fee", "input": {"weight": 13371}, "output": 0},)
    assert find_reading_places(replace(block(module=SWITCH), planned_examples=planned)) == ()
    contract = json.dumps({"entrypoints": [{"examples": [{"input": {"weight": 13371}}]}]})
    assert find_reading_places(block(module=SWITCH, contract=contract)) == ()


def test_a_table_that_decides_a_result_is_shown() -> None:
    (place,) = find_reading_places(block(module=TABLE))
    assert "a table of 4 literal entries" in place.message
    assert TABLE.splitlines()[place.line - 1].strip().startswith("return _CENTS")


def test_a_private_module_is_read_too() -> None:
    candidate = replace(block(), private_modules={"parcel_rates": TABLE})
    assert [place.path for place in find_reading_places(candidate)] == ["parcel_rates.py"]
