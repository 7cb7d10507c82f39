import pytest
from config_layers import merge_layers


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        ([], {}),
        ([{"a": 1}, {"a": 2, "b": 3}], {"a": 2, "b": 3}),
        ([{"a": 1, "b": 2}, {"a": None, "c": None}], {"b": 2}),
        ([{"a": {"x": 1, "y": 2}}, {"a": {"y": None, "z": 3}}], {"a": {"x": 1, "z": 3}}),
        ([{"a": 1}, {"a": {"x": 1}}], {"a": {"x": 1}}),
        ([{"a": {"x": 1}}, {"a": 1}], {"a": 1}),
    ],
)
def test_layers(layers, merged):
    assert merge_layers(layers) == merged


def test_layers_stay_as_they_were():
    below = {"a": {"x": 1}}
    assert merge_layers([below, {"a": {"x": 2}}]) == {"a": {"x": 2}}
    assert below == {"a": {"x": 1}}
