"""Schema drift: each kind of change with its severity, their order, versions, refusals."""

import pytest

from schema_drift import TYPES, Change, Drift, Severity, schema_drift

BREAKING, WARNING, INFO = Severity.BREAKING, Severity.WARNING, Severity.INFO


def column(name, type="string", nullable=False):
    return {"name": name, "type": type, "nullable": nullable}


def only(agreed, arrived):
    """The one change between two columns called ``c``."""
    (change,) = schema_drift([column("c", *agreed)], [column("c", *arrived)]).changes
    return change


def test_equal_schemas_have_not_drifted():
    columns = [column("id", "int64"), column("note", nullable=True)]
    assert schema_drift(columns, columns) == Drift((), True, "none")


def test_two_empty_schemas_are_equal():
    assert schema_drift([], []) == Drift((), True, "none")


def test_all_changes_come_worst_first_then_by_column_and_kind():
    agreed = [column("z", "int32"), column("a", "date"), column("m"), column("gone", "boolean"), column("n", nullable=True)]
    arrived = [column("z", "string", nullable=True), column("a", "timestamp"), column("m"), column("n"), column("new", "date")]
    assert schema_drift(agreed, arrived) == Drift(
        changes=(
            Change("gone", "removed", BREAKING, "boolean", ""),
            Change("z", "nullable", BREAKING, "required", "nullable"),
            Change("z", "retyped", BREAKING, "int32", "string"),
            Change("a", "widened", WARNING, "date", "timestamp"),
            Change("n", "required", INFO, "nullable", "required"),
            Change("new", "added", INFO, "", "date"),
        ),
        compatible=False,
        bump="major",
    )


@pytest.mark.parametrize(
    ("old", "new"), [("int32", "int64"), ("int32", "decimal"), ("int64", "decimal"), ("date", "timestamp")]
)
def test_widening_is_a_warning_and_narrowing_breaks(old, new):
    assert only((old,), (new,)) == Change("c", "widened", WARNING, old, new)
    assert only((new,), (old,)) == Change("c", "retyped", BREAKING, new, old)


@pytest.mark.parametrize(("old", "new"), [("int64", "float64"), ("string", "date"), ("boolean", "int32")])
def test_other_types_break(old, new):
    assert only((old,), (new,)) == Change("c", "retyped", BREAKING, old, new)


@pytest.mark.parametrize("type", TYPES)
def test_every_type_is_known(type):
    assert schema_drift([column("c", type)], [column("c", type)]).changes == ()


def test_becoming_nullable_breaks():
    assert only(("string", False), ("string", True)) == Change("c", "nullable", BREAKING, "required", "nullable")


def test_becoming_required_is_information():
    assert only(("string", True), ("string", False)) == Change("c", "required", INFO, "nullable", "required")


def test_staying_nullable_is_no_change():
    assert schema_drift([column("c", nullable=True)], [column("c", nullable=True)]).changes == ()


def test_a_new_order_alone_is_a_warning():
    drift = schema_drift([column("a"), column("b")], [column("b"), column("a")])
    assert drift == Drift((Change("*", "reordered", WARNING, "a,b", "b,a"),), True, "patch")


def test_a_new_order_is_not_worth_a_word_beside_other_changes():
    drift = schema_drift([column("a"), column("b")], [column("b"), column("a"), column("c")])
    assert [change.kind for change in drift.changes] == ["added"]


def test_names_are_compared_without_case_and_outer_spaces():
    assert schema_drift([column("Customer_ID ")], [column("customer_id")]).changes == ()


@pytest.mark.parametrize(
    ("agreed", "arrived", "bump", "compatible"),
    [
        ([column("a")], [], "major", False),
        ([], [column("a")], "minor", True),
        ([column("a", "int32")], [column("a", "int64")], "minor", True),
        ([column("a", nullable=True)], [column("a")], "patch", True),
    ],
)
def test_the_part_of_the_version_to_raise(agreed, arrived, bump, compatible):
    drift = schema_drift(agreed, arrived)
    assert (drift.bump, drift.compatible) == (bump, compatible)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_column_without_a_name_is_refused_by_its_position(name):
    with pytest.raises(ValueError, match="^agreed: column 2 has no name$"):
        schema_drift([column("a"), column(name)], [])


def test_an_unknown_type_is_refused_on_its_side():
    with pytest.raises(ValueError, match="^arrived: column 'a' has the unknown type 'blob'$"):
        schema_drift([], [column("A", "blob")])


def test_names_that_differ_only_in_case_are_refused():
    with pytest.raises(ValueError, match="^agreed: columns 1 and 3 are both 'id'$"):
        schema_drift([column("id"), column("b"), column("ID")], [])
