"""What the product does all day, as scenes: each plays real functions or a real request.

Scenes follow each other: what the first ones make is what later ones find. Messages go nowhere, so the
dispatcher finds them lost; a year of ended flows is there already.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from rest_framework.test import APIClient

from orchestrator.celery import app
from orchestrator.core import outbox
from orchestrator.core.periodic import PERIODIC_WORK
from orchestrator.flows import engine
from orchestrator.flows.api import event_reader
from orchestrator.flows.engine import broker, capacity
from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.models.states import FlowStatus
from orchestrator.flows.scheduler.dispatcher import Dispatcher
from orchestrator.flows.stage_protocol import Repair
from orchestrator.flows.worker.heartbeat import RunningAttempt
from orchestrator.flows.worker.stage_context import LiveStageContext
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.observability.metrics import OrchestratorCollector
from orchestrator.ops.reports import archive
from orchestrator.ops.retention import removal
from orchestrator.ops.rollups import days
from orchestrator.ops.status import renewal
from orchestrator.repos import tokens
from orchestrator.repos.models import Repo
from tests import scenes

LIVE: Final = 120
"""How many flows live at once: what the dispatcher looks at may grow with them, and with nothing else."""
PAGE: Final = 51
"""How many rows a list reads: one more than it shows."""
_MODELS: Final = {kind: model for kind, _, model in scenes.STAGES}
_PROVIDERS: Final = frozenset({"google", "anthropic", "openai"})

SCENERY: Final = "/* scenery */"
"""How statements of the scenes themselves begin."""
Scene = Callable[[], object]


class BusyService:
    """One service with its clients and its dispatcher."""

    def __init__(self) -> None:
        self.repos = list(Repo.objects.order_by("pk")[:10])
        self.operator, self.ci = _make_client(None), _make_client(self.repos[3])
        self.browser = Client(SERVER_NAME="localhost")
        self.browser.force_login(User.objects.create_superuser("sre", "sre@example.org", "not-used"))
        self.dispatcher = Dispatcher()
        ended = Flow.objects.filter(pk__startswith="task_00").order_by("-pk").values_list("pk", flat=True)
        self.ended, self.older = ended[100], ended[1000]

    def list_scenes(self) -> Iterator[tuple[str, Scene]]:
        """All of them, in order."""
        yield from self.list_work()
        yield from self.list_looks()

    def list_work(self) -> Iterator[tuple[str, Scene]]:
        """The engine, the limiter, the dispatcher and the workers."""
        yield "flows are created", self._create_flows
        yield "the dispatcher sends", self._lead
        yield "stages run", self._run_stages
        yield "flows run to their end", self._run_through
        yield "calls are made, refused and lost", self._lose_calls
        yield "stages are parked, lost and overdue", self._leave_stages
        yield "people act on flows", self._act
        yield "the dispatcher finds what is due", self._lead
        yield "a follower reads events", self._follow
        for name, work in PERIODIC_WORK.items():
            yield f"periodic: {name}", work.run
        yield "the day is counted", days.count_due_days
        yield "what is due is removed", partial(removal.remove_due, seconds=5)
        yield "the status page is renewed", renewal.renew_status
        yield "reports are written", partial(archive.write_due_reports, seconds=5)
        yield "messages are delivered", self._deliver_messages
        yield "quotas are audited", partial(call_command, "audit_quota")
        yield "Prometheus scrapes", _scrape

    def list_looks(self) -> Iterator[tuple[str, Scene]]:
        """What people, CI and Prometheus ask for."""
        for address in self._list_api_addresses():
            yield f"GET /api/v1/{address}", partial(_get, self.operator, f"/api/v1/{address}")
        for address in (
            "flows/",
            "flows/?status=running",
            "flows/?status=paused",
            "flows/?since=1h",
            "whoami/",
        ):
            yield f"GET /api/v1/{address} by CI", partial(_get, self.ci, f"/api/v1/{address}")
        for address in self._list_pages():
            yield f"GET /{address}", partial(_get, self.browser, f"/{address}")

    def _list_api_addresses(self) -> list[str]:
        name, of_flow = self.repos[3].name, f"flows/{self.ended}/"
        filters = (
            "",
            "?limit=200",
            f"?repo={name}",
            "?status=passed",
            "?status=failed",
            "?status=running,waiting",
            "?status=paused",
            "?failed=true",
            f"?repo={name}&status=failed",
            f"?repo={name}&status=paused",
            "?author=person-7",
            "?author=token:test",
            "?author=nobody",
            f"?repo={name}&author=person-7",
            "?author=person-7&status=failed",
            "?family=family-1",
            "?family=none-such",
            f"?repo={name}&family=family-1",
            "?model=openai-model",
            "?model=none-such",
            "?since=1m",
            "?since=1h",
            "?since=7d",
            f"?repo={name}&since=1h",
            "?status=failed&since=1h",
            "?ordering=created_at",
            "?ordering=finished_at",
            "?ordering=-finished_at",
            f"?repo={name}&ordering=-finished_at",
            "?status=failed&ordering=-finished_at",
            f"?repo={name}&status=paused&ordering=finished_at",
            "?author=nobody&ordering=finished_at",
        )
        flow_parts = ("", "gates/", "calls/")
        return [
            *(f"flows/{one}" for one in filters),
            *(f"{of_flow}{part}" for part in flow_parts),
            "repos/",
            f"repos/{name}/",
            f"repos/{name}/config/",
            f"repos/{name}/ci-trusts/",
            "config/",
            "tokens/",
            "quota/",
            "webhooks/",
            "notifications/",
            "notifications/?status=waiting",
            "incidents/",
            "incidents/?status=open",
            "incidents/?severity=P1",
            "rollback/",
            "rollback/plan/",
            "onboarding/",
            "onboarding/rollout/",
            "reports/daily/",
            "reports/weekly/",
            "training/",
            "preflight/",
        ]

    def _list_pages(self) -> list[str]:
        name = self.repos[3].name
        flow_filters = (
            "",
            "?status=going",
            "?status=failed",
            "?status=paused",
            f"?repo={name}",
            "?repo=none-such",
            f"?repo={name}&status=paused",
            f"?before={self.older}",
            f"?repo={name}&status=failed&before={self.older}",
            f"?q={self.ended}",
            f"?q={name}",
            "?q=person-7",
            "?q=gate:mut",
            "?q=nothing+has+these+words",
            "?family=family-1",
            "?gate=mutation",
            "?gate=coverage&repo=" + name,
            "?model=none-such",
            "?ended=failed&from={day}&to={day}",
            "?ended=any&error=gate:mutation-failed&from={day}&to={day}",
            "?from={day}&to={day}",
            "?error=gate:mutation-failed",
            "?status=passed&from={day}&to={day}",
        )
        day = timezone.now().date().isoformat()
        lists = (
            "flows/flow/",
            f"flows/flow/?before={self.older}",
            "flows/flow/?status__exact=paused",
            f"flows/flow/?q={name}",
            "flows/stage/",
            f"flows/stage/?q={self.ended}",
            "flows/attempt/",
            f"flows/attempt/?q={self.ended}",
            "flows/stagewait/",
            "flows/flowevent/",
            f"flows/flowevent/?q={self.ended}",
            "flows/gateresult/",
            f"flows/gateresult/?q={self.ended}",
            "flows/block/",
            f"flows/flow/{self.ended}/change/",
            f"flows/flow/{self.ended}/history/",
            "providers/providercall/",
            "providers/providercall/?q=openai",
            "providers/providerstate/",
            "core/auditentry/",
            "core/auditentry/?q=sre",
            "core/outgoingevent/",
            "notifications/notification/",
            "notifications/notification/?status__exact=waiting",
            "notifications/deadletter/",
            "notifications/subscription/",
            "incidents/incident/",
            "reports/report/",
            "rollback/rollback/",
            "onboarding/onboardingrequest/",
            "repos/repo/",
            "repos/token/",
        )
        dashboards = ("reliability", "cost", "quality", "adoption", "roi")
        return [
            *(f"flows/{one.format(day=day)}" for one in flow_filters),
            f"flows/{self.ended}/",
            "status/",
            "status/feed.atom",
            "ready",
            "admin/",
            *(f"admin/{one}" for one in lists),
            *(f"dashboards/{one}/?days=90&compare=1" for one in dashboards),
            f"dashboards/repos/{name}/?days=90",
        ]

    def _create_flows(self) -> None:
        """CI creates flows by REST, each twice with the same key; some carry files."""
        for number in range(LIVE):
            body: dict[str, Any] = {
                "repo": self.repos[number % 10].name,
                "feature_request": f"# Ratio {number}",
            }
            if number % 3 == 0:
                body["context"] = {"files": {"a.py": f"n = {number}"}}
            for _ in range(2):
                key = {"Idempotency-Key": f"key-{number}"}
                answer = self.operator.post("/api/v1/flows/", body, format="json", headers=key)
                assert answer.status_code == 202, answer.content

    def _lead(self) -> None:
        assert self.dispatcher._lead()
        for _ in range(2):
            # Everything that is looked at from time to time is due.
            self.dispatcher._due.clear()
            self.dispatcher.tick()

    def _run_stages(self) -> None:
        for made in self._list_live(30):
            claim = scenes.start_kind(made, "context")
            work = LiveStageContext(RunningAttempt(claim))
            for kind in ("context", "plan"):
                work.read_output(kind)
                work.read_artifact(kind)
            work.read_budget("implement")
            assert work.settings is not None
            engine.renew_leases([(claim.stage_id, claim.token)])
            engine.record_progress(claim, "Half of it is done.", {})
            scenes.record_call(claim, "google", _MODELS["context"], "0.01")
            scenes.finish_stage(claim, model=_MODELS["context"])

    def _run_through(self) -> None:
        """To the end; some fail at a gate, and some have a round of repair before."""
        for number, made in enumerate(self._list_live(12)):
            if number % 3 == 0:
                self._ask_for_repair(made)
            scenes.run_through(made, gates_fail=number % 4 == 1)

    def _ask_for_repair(self, made: Flow) -> None:
        for kind in ("context", "plan", "implement"):
            if made.stages.filter(kind=kind, status="ready").exists():
                scenes.finish_stage(scenes.start_kind(made, kind))
        for claim in [scenes.start_stage(one) for one in made.stages.filter(status="ready")]:
            if claim.kind == "verify":
                again = Repair("Do better.", "implement", "gate:mutation-failed", "It failed.", "Try again.")
                engine.finish(claim, again, engine.Spent(""))
            else:
                scenes.finish_stage(claim)

    def _lose_calls(self) -> None:
        """Leases of calls run out, and a provider that was never called is."""
        for made in self._list_live(3):
            stage = made.stages.filter(status="ready").earliest("position")
            claim = scenes.start_stage(stage)
            scenes.reserve_call(claim, "anthropic", _MODELS["plan"], "0.01")

    def _leave_stages(self) -> None:
        live = self._list_live(40)
        for number, made in enumerate(live):
            claim = scenes.start_stage(made.stages.filter(status="ready").earliest("position"))
            if number % 4 == 0:
                provider = claim.queue if claim.queue in _PROVIDERS else "openai"
                scenes.park_stage(claim, "no room", provider=provider, seconds=-1)
            elif number % 4 == 1:
                scenes.park_stage(claim, "a pause", seconds=-1)
            elif number % 4 == 2:
                Stage.objects.filter(pk=claim.stage_id).update(lease_until=Now())
            else:
                engine.give_back_stage(claim.flow_id, claim.stage_id, claim.token)
        engine.take_stages_of_dead(["w@host"])
        Flow.objects.filter(pk=live[-1].pk).update(deadline_at=Now())

    def _act(self) -> None:
        first, second, third, *_ = [made.pk for made in self._list_live(10)]
        engine.pause(first, actor="sre", reason="to look")
        engine.set_priority(second, 5, actor="sre", reason="urgent")
        engine.resume(first, actor="sre", reason="looked")
        engine.cancel(third, actor="sre", reason="wrong")
        engine.retry(third, actor="sre")
        failed = Flow.objects.filter(status=FlowStatus.FAILED).order_by("-pk").first()
        assert failed is not None
        engine.retry(failed.pk, actor="sre")
        engine.hold("queue", "openai", actor="sre", reason="an incident")
        engine.hold_ready_stages(100)
        engine.release("queue", "openai", actor="sre", reason="over")
        engine.release_held_stages(100)
        capacity.list_awaited_providers()

    def _follow(self) -> None:
        for flow in (self.ended, *(made.pk for made in self._list_live(3))):
            event_reader.read_news({flow: 0})

    def _deliver_messages(self) -> None:
        made = self._list_live(1)[0]
        scenes.make_webhook(made.repo)
        engine.cancel(made.pk)
        outbox.deliver_due_events()
        # Nobody listens at the address of Slack here, so it is tried and kept for later.
        for target in ("#one", "#two"):
            delivery.notify_once(uuid4(), "slack", target, "Something happened.")
        for one in Notification.objects.raw(
            f"{SCENERY} SELECT id FROM notifications_notification ORDER BY id DESC LIMIT 3"
        ):
            delivery.deliver(one.pk)

    def _list_live(self, number: int) -> list[Flow]:
        """Flows whose stage is ready, oldest first. The product does not ask like that."""
        ready = "SELECT flow_id FROM flows_stage WHERE status = 'ready'"
        sql = f"{SCENERY} SELECT * FROM flows_flow WHERE status IN ('pending', 'running') AND id IN ({ready})"
        return list(Flow.objects.raw(f"{sql} ORDER BY id LIMIT %s", [number]))


@contextmanager
def run_service() -> Iterator[BusyService]:
    """A service with room for all, whose messages are taken and forgotten and whose far sides are away."""
    more = {"api_key": "k", "daily_token_quota": 10**9}
    providers = {name: {**limits, **more} for name, limits in settings.PROVIDERS.items()}
    usd = Decimal(10**6)
    plenty = {"DAILY_BUDGET_USD": usd, "REPO_USD_PER_DAY": usd, "REPO_TOKENS_PER_DAY": 10**9}
    away = {"SLACK_API_URL": "http://127.0.0.1:9", "PAGERDUTY_EVENTS_URL": "http://127.0.0.1:9"}
    with (
        override_settings(PROVIDERS=providers, ALLOWED_HOSTS=["*"], **plenty, **away),
        patch.object(broker, "send_route", return_value=True),
        patch.object(broker, "send_preparation", return_value=True),
        patch.object(app, "send_task"),
    ):
        service = BusyService()
        try:
            yield service
        finally:
            service.dispatcher._abdicate()


def _make_client(owner: Repo | None) -> APIClient:
    client = APIClient(SERVER_NAME="localhost")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.create_token('test', owner)[1]}")
    return client


def _get(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.content[:500]!r}"
    assert b"This takes too long" not in answer.content, address


def _scrape() -> None:
    registry = CollectorRegistry()
    registry.register(OrchestratorCollector())
    generate_latest(registry)
