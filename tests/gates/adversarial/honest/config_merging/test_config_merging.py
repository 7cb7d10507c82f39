import pytest
from config_merging import get_path, merge


@pytest.mark.parametrize(
    ("base", "override", "expected"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": 1}}, {"a": 5}, {"a": 5}),
        ({"a": 5}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({}, {"a": None}, {}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ],
)
def test_merge(base, override, expected):
    assert merge(base, override) == expected


def test_does_not_change_its_arguments():
    base, override = {"a": {"x": [1]}}, {"b": {"y": [2]}}
    merged = merge(base, override)
    merged["a"]["x"].append(9)
    merged["b"]["y"].append(9)
    assert base == {"a": {"x": [1]}}
    assert override == {"b": {"y": [2]}}


@pytest.mark.parametrize(
    ("path", "value"), [("a.b", 1), ("a", {"b": 1}), ("a.c", "none"), ("a.b.c", "none"), ("z", "none")]
)
def test_get_path(path, value):
    assert get_path({"a": {"b": 1}}, path, "none") == value
    assert get_path({}, "a") is None
