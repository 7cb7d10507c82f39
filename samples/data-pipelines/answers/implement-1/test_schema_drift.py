"""Schema drift: the types of a table that has settled, and which of them may widen."""

import pytest

from schema_drift import TYPES, WIDENINGS, Change, Drift, Severity, schema_drift


def column(name, type="string", nullable=False):
    return {"name": name, "type": type, "nullable": nullable}


@pytest.mark.parametrize("type", TYPES)
def test_equal_schemas_have_not_drifted(type):
    columns = [column("id", type), column("note", nullable=True)]
    assert schema_drift(columns, columns) == Drift((), True, "none")


@pytest.mark.parametrize(
    ("old", "new"), [("int32", "int64"), ("int32", "decimal"), ("int64", "decimal"), ("date", "timestamp")]
)
def test_widening_is_a_warning(old, new):
    assert new in WIDENINGS[old]
    drift = schema_drift([column("c", old)], [column("c", new)])
    assert drift == Drift((Change("c", "widened", Severity.WARNING, old, new),), True, "minor")


@pytest.mark.parametrize(("old", "new"), [("int64", "float64"), ("string", "date"), ("int64", "int32")])
def test_other_types_break(old, new):
    drift = schema_drift([column("c", old)], [column("c", new)])
    assert drift == Drift((Change("c", "retyped", Severity.BREAKING, old, new),), False, "major")


def test_breaking_changes_come_first():
    drift = schema_drift([column("a", "int32"), column("b")], [column("a", "int64"), column("b", "date")])
    assert [change.column for change in drift.changes] == ["b", "a"]


def test_names_are_compared_without_case_and_outer_spaces():
    assert schema_drift([column("Customer_ID ")], [column("customer_id")]).changes == ()


def test_columns_may_come_and_go():
    drift = schema_drift([column("old", "date")], [column("new", "int32")])
    assert drift.changes == (
        Change("old", "removed", Severity.BREAKING, "date", ""),
        Change("new", "added", Severity.INFO, "", "int32"),
    )
