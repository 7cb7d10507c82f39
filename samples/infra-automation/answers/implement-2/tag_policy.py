"""Tag policy: which resources of a Terraform plan break the rules on tags, before anything is applied.

Works on what ``terraform show -json`` calls ``resource_changes``, cut down to address, type, action and tags. Rules are
data, not code: a fixed set of operators, each with its own meaning.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ACTIONS = ("create", "update", "delete", "no-op")
MAX_TAGS = 50
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "equals": lambda actual, wanted: actual == wanted,
    "one_of": lambda actual, wanted: actual in wanted.split(","),
    "prefix": lambda actual, wanted: actual.startswith(wanted),
    "at_most": lambda actual, wanted: actual.isdecimal() and wanted.isdecimal() and int(actual) <= int(wanted),
}


@dataclass(frozen=True)
class Violation:
    """A rule that a resource breaks, and how: ``missing`` or the value that was found."""

    address: str
    key: str
    problem: str


@dataclass(frozen=True)
class Verdict:
    """Violations by address, then key. ``checked`` resources were looked at; deleted and unchanged ones are not."""

    violations: tuple[Violation, ...]
    checked: int
    allowed: bool


@dataclass(frozen=True)
class _Rule:
    key: str
    operator: str
    value: str
    types: frozenset[str]


def tag_policy(resources: Sequence[Mapping[str, object]], rules: Sequence[Mapping[str, object]]) -> Verdict:
    """Check the ``resources`` that a plan creates or updates against ``rules``.

    A resource is ``{"address", "type", "action", "tags": {key: value}}``; a rule is ``{"key", "operator", "value", "types"}``
    where no ``types`` means all of them. Raises ``ValueError`` for an unknown action or operator, a malformed key,
    too many tags, and an address that is listed twice.
    """
    parsed = [_rule(number, rule) for number, rule in enumerate(rules, start=1)]
    violations: list[Violation] = []
    seen: set[str] = set()
    checked = 0
    for resource in resources:
        address, action = str(resource["address"]), str(resource["action"])
        if address in seen:
            raise ValueError(f"{address}: listed twice")
        if action not in ACTIONS:
            raise ValueError(f"{address}: unknown action {action!r}")
        seen.add(address)
        if action in {"create", "update"}:
            checked += 1
            violations.extend(_check(address, str(resource["type"]), _tags(address, resource["tags"]), parsed))
    ordered = sorted(set(violations), key=lambda violation: (violation.address, violation.key, violation.problem))
    return Verdict(tuple(ordered), checked, not ordered)


def _rule(number: int, rule: Mapping[str, object]) -> _Rule:
    key, operator = str(rule["key"]), str(rule["operator"])
    if not _KEY.fullmatch(key):
        raise ValueError(f"rule {number}: malformed key {key!r}")
    if operator not in OPERATORS:
        raise ValueError(f"rule {number}: unknown operator {operator!r}")
    types = rule.get("types", [])
    names = [str(name) for name in types] if isinstance(types, list) else []
    return _Rule(key, operator, str(rule["value"]), frozenset(names))


def _tags(address: str, tags: object) -> dict[str, str]:
    if not isinstance(tags, Mapping):
        raise ValueError(f"{address}: tags must be a mapping")
    if len(tags) > MAX_TAGS:
        raise ValueError(f"{address}: more than {MAX_TAGS} tags")
    return {str(key): str(value) for key, value in tags.items()}


def _check(address: str, kind: str, tags: Mapping[str, str], rules: Sequence[_Rule]) -> list[Violation]:
    violations = []
    for rule in rules:
        if rule.types and kind not in rule.types:
            continue
        actual = tags.get(rule.key)
        if actual is None:
            violations.append(Violation(address, rule.key, "missing"))
        elif not OPERATORS[rule.operator](actual, rule.value):
            violations.append(Violation(address, rule.key, f"{actual!r} is not {rule.operator} {rule.value!r}"))
    return violations
