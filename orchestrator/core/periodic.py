"""Work that comes again and again, whether or not flows run. The dispatcher's leader looks when it is due.

A piece of work is a module with a constant and a line in ``PERIODIC_WORK``. It must be quick, because flows
wait for the dispatcher: what takes longer than a query sends a message to a worker. It is called at least
as often as it says, by a process that may die at any moment, so it must be safe to call twice.
"""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.registry import Registry


@dataclass(frozen=True, slots=True)
class PeriodicWork:
    """``run`` is called every ``seconds``; ``name`` says in the log what failed."""

    name: str
    seconds: float
    run: Callable[[], object]


PERIODIC_WORK: Registry[PeriodicWork] = Registry(
    "periodic work",
    {
        "late-costs": "orchestrator.flows.engine.sweep:LATE_COSTS",
        "retention": "orchestrator.ops.retention.schedule:WORK",
        "ci-tokens": "orchestrator.repos.ci_jobs.exchange:WORK",
        "old-deliveries": "orchestrator.ops.notifications.schedule:WORK",
        "incidents": "orchestrator.ops.incidents.schedule:WORK",
        "rollback-triggers": "orchestrator.ops.rollback.watch:WORK",
        "rollups": "orchestrator.ops.rollups.schedule:WORK",
        "reports": "orchestrator.ops.reports.schedule:WORK",
        "status": "orchestrator.ops.status.schedule:WORK",
        "onboarding": "onboarding.schedule:WORK",
        "repo-pages": "onboarding.paging.watch:WORK",
        "terraform-drift": "onboarding.drift:WORK",
        "read-access": "onboarding.read_access_renewal:WORK",
    },
)
