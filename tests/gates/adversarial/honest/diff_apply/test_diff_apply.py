import pytest
from diff_apply import ConflictError, apply, diff
from hypothesis import given
from hypothesis import strategies as st

records = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3))


def test_diff():
    assert diff({"a": 1, "b": 2, "c": 3}, {"b": 5, "c": 3, "d": 4}) == [
        {"kind": "remove", "key": "a", "old": 1, "new": None},
        {"kind": "set", "key": "b", "old": 2, "new": 5},
        {"kind": "add", "key": "d", "old": None, "new": 4},
    ]
    assert diff({}, {}) == []


@given(records, records)
def test_round_trip(before, after):
    assert apply(before, diff(before, after)) == after


def test_does_not_change_the_record():
    record = {"a": 1}
    assert apply(record, [{"kind": "set", "key": "a", "old": 1, "new": 2}]) == {"a": 2}
    assert record == {"a": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "set", "key": "a", "old": 9, "new": 2}, "a is 1 and not 9"),
        ({"kind": "remove", "key": "b", "old": 2}, "b is None and not 2"),
        ({"kind": "add", "key": "a", "new": 2}, "a is there already"),
    ],
)
def test_conflict(change, message):
    with pytest.raises(ConflictError, match=f"^{message}$"):
        apply({"a": 1}, [change])
