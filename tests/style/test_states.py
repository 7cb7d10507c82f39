"""Tests bring flows and calls into a state by the engine and the limiter, as the product does.

A status that a test writes into a row may be one that the product never reaches, with columns that do not
fit it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.style.measure import ROOT

# Function to the reason why it writes a status itself.
WRITERS = {
    "tests/flows/engine/test_forks.py:test_the_database_refuses_an_early_join_and_a_second_one": (
        "it tests the guards that refuse the write"
    ),
    "tests/flows/engine/test_verbs.py:test_a_move_outside_the_table_is_refused_by_the_database": (
        "it tests the trigger that refuses the write"
    ),
    "tests/onboarding/test_states.py:test_a_forbidden_move_is_refused_by_the_database": (
        "it tests the trigger that refuses the write"
    ),
}
# Only the engine makes these rows, and only the limiter makes calls; each has a status from its first moment.
ROWS = frozenset({"Flow", "Stage", "Attempt", "ProviderCall"})
FIELDS = frozenset({"status", "outcome"})
MAKERS = frozenset({"create", "bulk_create", "get_or_create", "update_or_create"})
TABLES = r"(?:flows_(?:flow|stage|attempt)|providers_providercall)\b"
# An INSERT, or a status among the columns that an UPDATE sets; its conditions may name one.
SQL = re.compile(
    rf"\bINSERT\s+INTO\s+{TABLES}|\bUPDATE\s+{TABLES}(?:(?!\bWHERE\b).)*\b(?:status|outcome)\s*=[^=]",
    re.IGNORECASE | re.DOTALL,
)


def find_writes(node: ast.AST, function: str = "") -> Iterator[tuple[str, int]]:
    """The outermost function and the line of each place that writes a status, or makes a row that has one."""
    if _writes_status(node):
        yield function, getattr(node, "lineno", 0)
    if isinstance(node, ast.FunctionDef):
        function = function or node.name
    for child in ast.iter_child_nodes(node):
        yield from find_writes(child, function)


def _writes_status(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="update"), keywords=given):
            return any(keyword.arg in FIELDS for keyword in given)
        case ast.Call(func=ast.Attribute(attr=verb, value=ast.Attribute(value=ast.Name(id=model)))):
            return model in ROWS and verb in MAKERS
        case ast.Call(func=ast.Name(id=model)):
            return model in ROWS
        case ast.Attribute(attr=field, ctx=ast.Store()):
            return field in FIELDS
        case ast.Constant(value=str(text)):
            return SQL.search(text) is not None
    return False


@pytest.mark.parametrize(
    "text",
    [
        "stage.status = 'passed'",
        "attempt.outcome, attempt.model = 'failed', 'm'",
        "flow.stages.filter(kind='plan').update(wait_reason='x', status='waiting')",
        "Flow.objects.create(repo=repo)",
        "Stage.objects.bulk_create(Stage(flow=flow) for flow in flows)",
        "cursor.execute('UPDATE flows_stage SET token = NULL, status = %s WHERE id = 1')",
        "cursor.execute('INSERT INTO providers_providercall (id) VALUES (1)')",
    ],
)
def test_a_write_is_found(text: str) -> None:
    assert list(find_writes(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "flow.stages.filter(status='waiting').update(not_before=now)",
        "assert stage.status == 'passed'",
        "cursor.execute('UPDATE flows_stage SET lease_until = now() WHERE status = %s')",
        "settings.FLOW_TYPES = {}",
    ],
)
def test_a_read_or_a_move_of_time_is_none(text: str) -> None:
    assert not list(find_writes(ast.parse(text)))


def test_no_test_writes_a_status_but_those_that_test_the_guards() -> None:
    found: dict[str, int] = {}
    # The examples above are texts that this module parses.
    for path in sorted(set((ROOT / "tests").rglob("*.py")) - {Path(__file__).resolve()}):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function, line in find_writes(tree):
            found[f"{path.relative_to(ROOT).as_posix()}:{function}"] = line
    assert {place: line for place, line in found.items() if place not in WRITERS} == {}
    assert found.keys() >= WRITERS.keys(), "these do not write any more: take them off the list"


def test_no_sql_of_the_tests_writes_a_status() -> None:
    files: list[Path] = sorted((ROOT / "tests").rglob("*.sql"))
    assert [str(path) for path in files if SQL.search(path.read_text(encoding="utf-8"))] == []
