"""Tag policy: each operator on both sides, which resources count, order, refusals."""

import pytest

from tag_policy import MAX_TAGS, Verdict, Violation, tag_policy


def resource(address="a", action="create", type="bucket", **tags):
    return {"address": address, "type": type, "action": action, "tags": tags}


def rule(key, operator="prefix", value="", **types):
    return {"key": key, "operator": operator, "value": value, **types}


def allowed(actual, operator, value):
    return tag_policy([resource(env=actual)], [rule("env", operator, value)]).allowed


def test_nothing_to_check_is_allowed():
    assert tag_policy([], []) == Verdict((), 0, True)


def test_the_whole_verdict():
    plan = [resource("b", owner="", ttl="8"), resource("a", env="test"), resource("c", env="prod", ttl="7")]
    rules = [rule("ttl", "at_most", "7"), rule("env", "one_of", "dev,prod")]
    assert tag_policy(plan, rules) == Verdict(
        violations=(
            Violation("a", "env", "'test' is not one_of 'dev,prod'"),
            Violation("a", "ttl", "missing"),
            Violation("b", "env", "missing"),
            Violation("b", "ttl", "'8' is not at_most '7'"),
        ),
        checked=3,
        allowed=False,
    )


@pytest.mark.parametrize(
    ("actual", "operator", "value", "expected"),
    [
        ("prod", "equals", "prod", True),
        ("Prod", "equals", "prod", False),
        ("production", "equals", "prod", False),
        ("dev", "one_of", "dev,prod", True),
        ("prod", "one_of", "dev,prod", True),
        ("ev,pr", "one_of", "dev,prod", False),
        ("", "one_of", "dev,prod", False),
        ("team-data", "prefix", "team-", True),
        ("data-team-", "prefix", "team-", False),
        ("anything", "prefix", "", True),
        ("6", "at_most", "7", True),
        ("7", "at_most", "7", True),
        ("8", "at_most", "7", False),
        ("10", "at_most", "9", False),
        ("-1", "at_most", "7", False),
        ("one", "at_most", "7", False),
        ("1", "at_most", "many", False),
    ],
)
def test_operators(actual, operator, value, expected):
    assert allowed(actual, operator, value) is expected


def test_an_empty_tag_is_there():
    assert tag_policy([resource(owner="")], [rule("owner")]).allowed


@pytest.mark.parametrize(("action", "checked"), [("create", 1), ("update", 1), ("delete", 0), ("no-op", 0)])
def test_only_what_is_created_or_updated_is_checked(action, checked):
    verdict = tag_policy([resource(action=action)], [rule("owner")])
    assert (verdict.checked, len(verdict.violations), verdict.allowed) == (checked, checked, not checked)


def test_a_rule_may_be_for_some_types():
    rules = [rule("owner", types=["bucket", "queue"])]
    plan = [resource("a", type="bucket"), resource("b", type="role"), resource("c", type="queue")]
    assert [violation.address for violation in tag_policy(plan, rules).violations] == ["a", "c"]


def test_no_types_mean_all():
    assert not tag_policy([resource()], [rule("owner", types=[])]).allowed
    assert not tag_policy([resource()], [rule("owner", types=None)]).allowed


def test_a_rule_for_other_types_does_not_end_the_check():
    assert not tag_policy([resource()], [rule("owner", types=["role"]), rule("env")]).allowed


def test_the_same_violation_is_listed_once():
    assert len(tag_policy([resource()], [rule("owner"), rule("owner", "equals", "x")]).violations) == 1


def test_two_rules_on_one_key_are_told_apart_in_order():
    rules = [rule("env", "prefix", "y"), rule("env", "equals", "z")]
    problems = [violation.problem for violation in tag_policy([resource(env="x")], rules).violations]
    assert problems == ["'x' is not equals 'z'", "'x' is not prefix 'y'"]


def test_an_address_listed_twice_is_refused():
    with pytest.raises(ValueError, match="^a: listed twice$"):
        tag_policy([resource(), resource(action="no-op")], [])


def test_an_unknown_action_is_refused():
    with pytest.raises(ValueError, match="^a: unknown action 'read'$"):
        tag_policy([resource(action="read")], [])


@pytest.mark.parametrize("key", ["", "1st", "a b", "a" * 64, "env\n"])
def test_a_malformed_key_is_refused(key):
    with pytest.raises(ValueError, match="^rule 2: malformed key "):
        tag_policy([], [rule("Cost.center-2_x"), rule(key)])


def test_the_longest_key_is_fine():
    assert tag_policy([], [rule("a" * 63)]).allowed


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match="^rule 1: unknown operator 'matches'$"):
        tag_policy([], [rule("env", "matches", "x")])


def test_tags_must_be_a_mapping():
    with pytest.raises(ValueError, match="^a: tags must be a mapping$"):
        tag_policy([resource() | {"tags": ["env"]}], [])


def test_a_resource_has_at_most_fifty_tags():
    assert tag_policy([resource(**{f"t{n}": "" for n in range(50)})], []).allowed
    with pytest.raises(ValueError, match="^a: more than 50 tags$"):
        tag_policy([resource(**{f"t{n}": "" for n in range(MAX_TAGS + 1)})], [])
