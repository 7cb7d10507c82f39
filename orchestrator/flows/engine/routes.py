"""The way of a message: the stages that follow each other from one on, as far as one message can carry them.

A way is straight while one stage has one that needs it and nothing else. Where it forks, the branches end it.
Where branches meet, no message can know which of them is the last: the finish of that one sends a new one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.core import database
from orchestrator.core.sql import load_statements

_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class RouteStep:
    """A stage that is ready or still to come; ``needs`` are the ids of those that it needs."""

    stage_id: int
    queue: str
    needs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Stage id and queue: a ``chain`` of at least one, and the ``fork`` at its end, of none or several."""

    chain: tuple[tuple[int, str], ...]
    fork: tuple[tuple[int, str], ...] = ()


def plan_route(first: int, steps: Iterable[RouteStep]) -> Route:
    """The way from the stage ``first``; raises ``KeyError`` if it is not one of ``steps``."""
    known = {step.stage_id: step for step in steps}
    behind: dict[int, list[RouteStep]] = {}
    for step in known.values():
        for needed in step.needs:
            behind.setdefault(needed, []).append(step)
    chain = [known[first]]
    while len(following := behind.get(chain[-1].stage_id, [])) == 1 and len(following[0].needs) == 1:
        chain.append(following[0])
    alone = [step for step in following if len(step.needs) == 1]
    return Route(
        tuple((step.stage_id, step.queue) for step in chain),
        tuple((step.stage_id, step.queue) for step in alone),
    )


def list_routes(flow_id: str, stages: Iterable[int] | None = None) -> list[Route]:
    """The ways from those of ``stages`` that are ready; without ``stages``, from each that counts as sent."""
    rows = database.fetch_rows(_SQL["list_remaining_stages"], {"flow": flow_id})
    steps = [RouteStep(row.id, row.queue, tuple(row.needs)) for row in rows]
    wanted = frozenset(stages) if stages is not None else frozenset(row.id for row in rows if row.sent)
    return [plan_route(row.id, steps) for row in rows if row.ready and row.id in wanted]
