"""Deployments with a past: flows that ran on other days, as the engine left them."""

from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from orchestrator.flows import engine
from orchestrator.flows.models import Flow, FlowEvent, GateResult
from orchestrator.repos.models import Repo
from providers.models import ProviderCall
from tests import scenes
from tests.onboarding import steps

REPOS = (
    ("compliance-service", "compliance"),
    ("financial-reporting", "reporting"),
    ("observability-platform", "observability"),
    ("auth-service", ""),
)


def move_back(flow: Flow, days_back: float, *, took: float = 0.0) -> None:
    """As if ``flow`` had ended so many days ago and had taken ``took`` seconds more than it did."""
    ago, longer = timedelta(days=days_back), timedelta(seconds=took)
    events = FlowEvent.objects.filter(flow=flow)
    events.filter(kind="flow.created").update(created_at=F("created_at") - longer)
    events.update(created_at=F("created_at") - ago)
    flow.refresh_from_db()
    Flow.objects.filter(pk=flow.pk).update(
        created_at=flow.created_at - ago - longer,
        finished_at=None if flow.finished_at is None else flow.finished_at - ago,
    )
    GateResult.objects.filter(flow=flow).update(created_at=F("created_at") - ago)
    ProviderCall.objects.filter(flow_id=flow.pk).update(created_at=F("created_at") - ago)


def tell_history() -> None:
    """Four days of flows, a day without any, a failure that was retried, and two repos."""
    auth = scenes.make_repo("auth-service")
    for back in (4, 3, 3, 1, 0.2, 0):
        move_back(scenes.run_through(scenes.make_flow(block_family="compliance")), back)
    move_back(scenes.run_through(scenes.make_flow(auth), gates_fail=True), 3)
    failed = scenes.run_through(scenes.make_flow(auth, block_family="tax"), gates_fail=True)
    engine.retry(failed.id)
    move_back(failed, 1)
    scenes.cancel_flow(scenes.make_flow(auth))


def tell_deployment(days: int = 12) -> list[Repo]:
    """Four repos over some days, of which one fails now and then: something on every chart."""
    # One has come by the portal; the others were registered by hand.
    if not Repo.objects.filter(name=REPOS[0][0]).exists():
        steps.onboard(REPOS[0][0])
    repos = [scenes.make_repo(name) for name, _ in REPOS]
    # From the oldest on, because ids of flows sort by the time they were made.
    for day in reversed(range(days)):
        for place, (repo, (_, family)) in enumerate(zip(repos, REPOS, strict=True)):
            if day % (place + 1) != place % 2:
                continue
            starter = f"person-{(day + place) % 5}"
            flow = scenes.make_flow(repo, block_family=family, created_by=starter)
            fails = (place, day % 6) == (2, 3) or (place, day % 8) == (3, 5)
            scenes.run_through(flow, gates_fail=fails)
            # Some of them are later than the target of two minutes.
            move_back(flow, day + 0.01, took=70 + 11 * ((day + place) % 7))
    Repo.objects.update(onboarded_at=timezone.now() - timedelta(days=days + 1))
    return repos
