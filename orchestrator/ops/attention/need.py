"""What needs a person now, for the home of the admin: few lines, the most urgent first, each a link.

A source is a module and a line in ``NEED_SOURCES``. Each looks at rows that a partial index keeps few: what
is open, held, waiting or late. So the page costs the same with ten thousand flows and with a million.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from orchestrator.core.registry import Registry

MOST: Final = 5
"""Lines of one source; the list that they link to has all of them."""
_MOST_COUNTED: Final = 100


class Urgency(IntEnum):
    """How soon somebody has to look."""

    NOW = 1
    TODAY = 2
    KNOWN = 3


@dataclass(frozen=True, slots=True)
class Need:
    """One line: what it is about, since when or why, and where one does something about it."""

    urgency: Urgency
    words: str
    detail: str
    href: str


@dataclass(frozen=True, slots=True)
class NeedSource:
    """Who may see these lines, and who finds them; ``find`` gets the present moment."""

    permission: str
    find: Callable[[datetime], Iterator[Need]]


NEED_SOURCES: Registry[NeedSource] = Registry(
    "source of needs",
    {
        "incidents": "orchestrator.ops.attention.sources.incidents:INCIDENTS",
        "rollbacks": "orchestrator.ops.attention.sources.rollbacks:ROLLBACKS",
        "announcements": "orchestrator.ops.attention.sources.rollbacks:ANNOUNCEMENTS",
        "stuck flows": "orchestrator.ops.attention.sources.flows:STUCK_FLOWS",
        "holds": "orchestrator.ops.attention.sources.flows:HOLDS",
        "approvals": "onboarding.needs:APPROVALS",
        "reviews": "orchestrator.ops.attention.sources.incidents:REVIEWS",
        "dead letters": "orchestrator.ops.attention.sources.messages:DEAD_LETTERS",
        "paused flows": "orchestrator.ops.attention.sources.flows:PAUSED_FLOWS",
        "action items": "orchestrator.ops.attention.sources.incidents:ACTION_ITEMS",
    },
)


def list_needs(user: Any) -> list[Need]:
    """What ``user`` may see of it, the most urgent first."""
    now = timezone.now()
    found: list[Need] = []
    for name in NEED_SOURCES:
        source = NEED_SOURCES.get(name)
        if user.has_perm(source.permission):
            found += source.find(now)
    return sorted(found, key=lambda need: need.urgency)


def word_number(rows: QuerySet[Any], noun: str) -> str:
    """``3 flows``; empty for none. Hundreds are not counted: nobody needs to know how many."""
    number = len(rows.values_list("pk", flat=True)[:_MOST_COUNTED])
    if not number:
        return ""
    if number == 1:
        return f"1 {noun}"
    words = f"{number} {noun}s"
    return words if number < _MOST_COUNTED else f"At least {words}"
