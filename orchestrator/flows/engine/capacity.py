"""Stages that wait for room at a provider: which wait, which were released and have not called yet.

A stage that is released keeps ``waits_for``: that is its turn, so it need not wait behind the others. A new
stage does wait (``sum_stages_ahead``), because one that needs little room would otherwise always overtake
one that needs more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from orchestrator.core import database
from orchestrator.core.sql import load_statements

_PER_REPO: Final = 50  # heads of a repo that one look considers; the next look is a tenth of a second away
_TURN_SECONDS: Final = 30.0  # a turn that is not taken in this time keeps its room from nobody

_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class WaitingStage:
    """A stage that waits for room: for one call of so many tokens and nano-USD."""

    id: int
    repo_id: int
    priority: int
    has_cost: bool
    """Whether calls of its flow have been paid."""
    tokens: int
    nano_usd: int


def list_awaited_providers() -> Sequence[Any]:
    """The providers for whose room any stage waits: ``provider``; of all its stages the least need of each
    kind: ``tokens``, ``nano_usd``.
    """
    return database.fetch_rows(_SQL["list_awaited_providers"], {})


def list_waiting_stages(provider: str) -> list[WaitingStage]:
    """The first that wait for ``provider``, of every repo: by priority, by whether their flows have been paid
    for, by age.
    """
    return [
        WaitingStage(*row)
        for row in database.fetch_rows(
            _SQL["list_waiting_stages"], {"provider": provider, "limit": _PER_REPO}
        )
    ]


def sum_open_grants(provider: str) -> Any:
    """Sum what released stages will ask for that have not called yet: ``calls``, ``tokens``, ``nano_usd``."""
    return database.fetch_rows(_SQL["sum_open_grants"], {"provider": provider, "seconds": _TURN_SECONDS})[0]


def grant_room(stages: Collection[int]) -> int:
    """Make these stages ready, with their turn, their flows' deadlines moved by the wait; how many."""
    # Fewer than asked for where a flow is locked or was cancelled meanwhile: the next look asks again.
    return len(database.fetch_rows(_SQL["grant_room"], {"stages": list(stages)})) if stages else 0


def find_late_stages(now: datetime, limit: int) -> Sequence[Any]:
    """Stages whose expected time has passed without room: id, provider, tokens, nano_usd."""
    return database.fetch_rows(_SQL["find_late_stages"], {"now": now, "limit": limit})


def update_wait_reason(stage_id: int, reason: str, until: datetime) -> None:
    """Say why a stage still waits, and until when."""
    database.fetch_rows(_SQL["update_wait_reason"], {"stage": stage_id, "reason": reason, "until": until})


def sum_stages_ahead(provider: str, stage_id: int) -> Any:
    """Sum the other stages that wait for ``provider``, or are on their way to it with their turn: ``stages``,
    and the least ``tokens`` that one of them is known to need.
    """
    return database.fetch_rows(_SQL["sum_stages_ahead"], {"provider": provider, "stage": stage_id})[0]
