import json

import pytest
from feature_toggle import Flag, _bucket, evaluate


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (Flag("a"), False),
        (Flag("a", enabled=True), True),
        (Flag("a", enabled=True, percentage=0), False),
        (Flag("a", enabled=True, percentage=0, allowed=frozenset({"ann"})), True),
        (Flag("a", enabled=False, allowed=frozenset({"ann"})), False),
    ],
)
def test_flag(flag, expected):
    assert flag.is_on_for("ann") is expected


def test_buckets():
    assert [_bucket("a", user) for user in ("ann", "bob", "cy")] == [26, 31, 15]
    assert Flag("a", True, 26).is_on_for("ann") is False
    assert Flag("a", True, 27).is_on_for("ann") is True


def test_evaluate():
    document = json.dumps(
        [
            {"name": "x", "enabled": True},
            {"name": "y", "enabled": True, "percentage": 0, "allowed": ["ann"]},
            {"name": "z"},
        ]
    )
    assert evaluate(document, "ann") == {"x": True, "y": True, "z": False}
    assert evaluate(document, "bob") == {"x": True, "y": False, "z": False}


@pytest.mark.parametrize(("document", "message"), [("{", "not JSON: "), ("{}", "not a list of flags")])
def test_malformed(document, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        evaluate(document, "ann")


def test_name_is_needed():
    with pytest.raises(KeyError):
        evaluate("[{}]", "ann")
