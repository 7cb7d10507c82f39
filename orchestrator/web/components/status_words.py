"""The headline of the status page: the worst that is known, in a few words."""

from collections.abc import Mapping
from typing import Any

from orchestrator.ops.status.parts import Level


def choose_headline(worst: Level, record: Mapping[str, Any] | None) -> str:
    """The words at the top. "Everything works" only where every part is ok and no incident is open."""
    if worst is Level.DOWN:
        return "Something is down"
    # What people have opened counts also where every figure is still good.
    if record and record["incidents"]:
        return "Works in part"
    if record and record["current"]:
        return "Maintenance is under way"
    return "Everything works" if worst is Level.OK else "Works in part"
