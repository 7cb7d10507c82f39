"""What the harness answers is parsed into values with bounds, or does not count as a result."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.errors import HarnessFailed
from gates.measurements import (
    LineRange,
    MutantStatus,
    parse_contract_calls,
    parse_coverage,
    parse_mutation,
)
from tests.gates import harness_answers

MUTANT = {
    **harness_answers.MUTANT,
    "covered_by": ["test_parcel.py::test_fee"],
    "compared": 40,
    "differing": 3,
    "example": "fee(1) gives 2 instead of 1",
}
MUTATION = {**harness_answers.MUTATION, "mutants": [MUTANT]}
COVERAGE: dict[str, Any] = {
    "exit": 0,
    "tests": {"test_parcel.py::test_fee": {"outcome": "passed", "seconds": 0.01, "text": ""}},
    "errors": [],
    "skipped_modules": 0,
    "second_run": {"test_parcel.py::test_fee": "passed"},
    "statements": 10,
    "executed": 9,
    "inner_statements": 8,
    "inner_executed": 7,
    "uncovered": [[3, 4]],
    "branches": 4,
    "branches_taken": 3,
    "reports": {"coverage.json": "{}", "coverage.xml": "<coverage/>"},
    "sabotages": 8,
    "sabotages_killed": 7,
    "sabotages_survived": [[3, 4]],
    "unreached_parts": [{"line": 3, "source": "base + 1"}],
    "unrun": 0,
    "feasible": True,
    "nulls": 10,
    "nulls_killed": 0,
}
CONTRACT: dict[str, Any] = {
    "entrypoints": [
        {
            "call": "fee",
            "tried": 201,
            "drawn": 200,
            "admitted": 31,
            "examples": 1,
            "distinct": 31,
            "results": 30,
            "example_results": 0,
            "raised": ["ValueError"],
            "normal": 200,
            "breached": 1,
            "breaches": [{"kind": "contract", "input": {"weight": 1}, "why": "raised", "example": False}],
        }
    ]
}
ANSWERS = [
    pytest.param(parse_coverage, COVERAGE, id="coverage"),
    pytest.param(parse_mutation, MUTATION, id="mutation"),
    pytest.param(parse_contract_calls, CONTRACT, id="contract"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every part of a JSON value."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in members:
        yield from _places(item, (*path, key))


def _replace_part(answer: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(answer)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = new
    return changed


def test_an_honest_coverage_answer_becomes_values() -> None:
    measured = parse_coverage(COVERAGE)
    assert measured.tests["test_parcel.py::test_fee"].outcome == "passed"
    assert measured.uncovered == measured.sabotages_survived == (LineRange(3, 4),)
    assert (measured.sabotages, measured.sabotages_killed, measured.feasible) == (8, 7, True)


def test_an_honest_mutation_answer_becomes_values() -> None:
    (mutant,) = parse_mutation(MUTATION).mutants
    assert mutant.status is MutantStatus.KILLED
    assert not mutant.status.is_missed
    assert mutant.covered_by == ("test_parcel.py::test_fee",)


def test_an_honest_contract_answer_becomes_values() -> None:
    measured = parse_contract_calls(CONTRACT)
    assert (measured.tried, measured.breached) == (201, 1)
    assert measured.entry_points[0].breaches[0].arguments == {"weight": 1}


@pytest.mark.parametrize(("parse", "answer"), ANSWERS)
@given(data=st.data())
def test_a_damaged_answer_is_parsed_or_no_result(
    parse: Callable[[Any], object], answer: Any, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(_places(answer))))
    damaged = _replace_part(answer, path, data.draw(JSON))
    try:
        parsed = parse(damaged)
    except HarnessFailed:
        return
    # What is left is a sound value, which a database stores.
    json.dumps(str(parsed)).encode()
    assert "\0" not in str(parsed)


@pytest.mark.parametrize(("parse", "answer"), ANSWERS)
def test_every_missing_part_is_no_result(parse: Callable[[Any], object], answer: dict[str, Any]) -> None:
    for name in answer:
        with pytest.raises(HarnessFailed, match="malformed"):
            parse({key: value for key, value in answer.items() if key != name})


@pytest.mark.parametrize(
    ("parse", "answer", "path", "new"),
    [
        (parse_coverage, COVERAGE, ("executed",), 11),
        (parse_coverage, COVERAGE, ("branches_taken",), 5),
        (parse_coverage, COVERAGE, ("sabotages_killed",), 9),
        (parse_coverage, COVERAGE, ("statements",), -1),
        (parse_coverage, COVERAGE, ("statements",), True),
        (parse_coverage, COVERAGE, ("statements",), 10**9),
        (parse_coverage, COVERAGE, ("feasible",), "yes"),
        (parse_coverage, COVERAGE, ("uncovered", 0), [4, 3]),
        (parse_coverage, COVERAGE, ("uncovered", 0), [0, 3]),
        (parse_coverage, COVERAGE, ("tests", "test_parcel.py::test_fee", "outcome"), "pas\0sed"),
        (parse_coverage, COVERAGE, ("tests", "test_parcel.py::test_fee", "seconds"), float("nan")),
        (parse_coverage, COVERAGE, ("tests", "test_parcel.py::test_fee", "seconds"), float("inf")),
        (parse_coverage, COVERAGE, ("second_run", "test_parcel.py::test_fee"), "fine"),
        (parse_mutation, MUTATION, ("nulls_run",), 13),
        (parse_mutation, MUTATION, ("nulls_killed",), 13),
        (parse_mutation, MUTATION, ("mutants", 0, "status"), "Passed"),
        (parse_mutation, MUTATION, ("mutants", 0, "line"), 0),
        (parse_mutation, MUTATION, ("mutants", 0, "covered_by"), "all"),
        (parse_mutation, MUTATION, ("mutants", 0, "differing"), 41),
        (parse_contract_calls, CONTRACT, ("entrypoints", 0, "breached"), 202),
        (parse_contract_calls, CONTRACT, ("entrypoints", 0, "breaches", 0, "kind"), "other"),
    ],
)
def test_what_is_out_of_bounds_is_no_result(
    parse: Callable[[Any], object], answer: Any, path: tuple[Any, ...], new: Any
) -> None:
    with pytest.raises(HarnessFailed, match="malformed"):
        parse(_replace_part(answer, path, new))


def test_text_loses_what_no_database_stores() -> None:
    answer = _replace_part(MUTATION, ("mutants", 0, "replacement"), "a\0b\ud800c")
    assert parse_mutation(answer).mutants[0].replacement == "a?b?c"
