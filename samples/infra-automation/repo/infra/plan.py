"""Reads ``terraform show -json`` into the little that checks need."""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Resource:
    """One resource that a plan touches."""

    address: str
    type: str
    action: str
    tags: dict[str, str] = field(default_factory=dict)


def read_plan(text: str) -> list[Resource]:
    """Resources in the order of the plan. A replacement counts as a creation."""
    resources = []
    for change in json.loads(text)["resource_changes"]:
        actions = change["change"]["actions"]
        action = "create" if "create" in actions else actions[0]
        after = change["change"].get("after") or {}
        resources.append(Resource(change["address"], change["type"], action, after.get("tags") or {}))
    return resources
