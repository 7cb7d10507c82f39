import json

from infra.pipeline import may_apply


def plan(*actions):
    change = {"address": "bucket.a", "type": "bucket", "change": {"actions": list(actions), "after": None}}
    return json.dumps({"resource_changes": [change]})


def test_protected_resources_stay():
    assert may_apply(plan("delete")) == (False, ["bucket.a: would be deleted"])


def test_a_replacement_is_a_creation():
    assert may_apply(plan("delete", "create")) == (True, [])
