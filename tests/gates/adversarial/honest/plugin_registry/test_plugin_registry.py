import pytest
from plugin_registry import Exporter, export


@pytest.mark.parametrize(
    ("name", "rows", "text"),
    [
        ("json", [], "[]"),
        ("json", [{"b": 1, "a": 2}], '[{"a": 2, "b": 1}]'),
        ("text", [{"b": 1, "a": 2}, {"c": 3}], "a=2 b=1\nc=3"),
        ("text", [], ""),
    ],
)
def test_export(name, rows, text):
    assert export(name, rows) == text


def test_unknown():
    with pytest.raises(LookupError, match="^no exporter 'xml'; there are json, text$"):
        export("xml", [])


def test_abstract():
    with pytest.raises(TypeError):
        Exporter()
