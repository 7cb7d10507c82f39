"""One side of ``ops_scale``: ``python -m bench.ops_scale_driver FLOWS``, a deployment with so many flows.

It seeds its database, counts the days, and says so by an empty object. For each line that it reads it makes a
round of scrapes and pages, and answers with seconds and statements of each.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import cache, partial
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

import psycopg  # noqa: E402 - Django comes first
from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.test import Client  # noqa: E402
from prometheus_client import CollectorRegistry, generate_latest  # noqa: E402

from bench.scale import choose_size  # noqa: E402
from bench.stored_flows import NEW_ID, NUMBERS, compose_insert  # noqa: E402
from gates.base import GateReport, Verdict  # noqa: E402
from orchestrator.flows import engine  # noqa: E402
from orchestrator.flows.engine import Spent  # noqa: E402
from orchestrator.flows.models import Attempt, Flow, FlowEvent, GateResult, Stage  # noqa: E402
from orchestrator.flows.stage_protocol import Done  # noqa: E402
from orchestrator.ops.dashboards.description import DASHBOARDS  # noqa: E402
from orchestrator.ops.observability.metrics import OrchestratorCollector  # noqa: E402
from orchestrator.ops.rollups import days  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402
from providers import limiter  # noqa: E402
from providers.base import Usage  # noqa: E402
from providers.limiter import ReservationRequest  # noqa: E402
from providers.models import ProviderCall  # noqa: E402

REPOS, FAMILIES = 10, 4
DAYS = choose_size(full=360, small=3)
_USD = Decimal("0.0213")
# Copied rows: the time is that of the original, moved back so that the flows are spread evenly over the days.
_MOVED = "old.{column} - make_interval(secs => (%(flows)s - n) * %(seconds)s)"
_SCORED = ("mutation", "coverage")
# Those that no constraint needs.
_LIST_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index
WHERE indrelid::regclass::text = ANY (%s)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
# Lists of the cockpit by name: the newest page, one in the middle, filters, and each kind of search.
LISTS = {
    "flows": "flows/flow/",
    "flows_older": "flows/flow/?before={middle}",
    "flows_by_status": "flows/flow/?status__exact=passed",
    "flows_of_none": "flows/flow/?status__exact=paused",
    "flows_by_id": "flows/flow/?q={middle}",
    "flows_by_repo": "flows/flow/?q=repo-3",
    "flows_by_person": "flows/flow/?q=person-7",
    "flows_by_error": "flows/flow/?q=gate:mut",
    "flows_by_words": "flows/flow/?q=nothing+has+these+words",
    "stages": "flows/stage/",
    "attempts": "flows/attempt/",
    "waits": "flows/stagewait/",
    "events": "flows/flowevent/",
    "events_of_flow": "flows/flowevent/?q={middle}",
    "gate_results": "flows/gateresult/",
    "calls": "providers/providercall/",
    "calls_by_provider": "providers/providercall/?q=openai",
    "audit_trail": "core/auditentry/",
}


class StatementCount:
    """How many statements this process has sent, by Django and by the door to raw SQL."""

    def __init__(self) -> None:
        self.sent = 0
        execute = psycopg.Cursor.execute

        def count_and_execute(cursor: Any, *arguments: Any, **options: Any) -> Any:
            self.sent += 1
            return execute(cursor, *arguments, **options)

        psycopg.Cursor.execute = count_and_execute  # type: ignore[method-assign, assignment]


def run_template() -> str:
    """One flow that the engine runs to its end, with calls and gates; its id."""
    repo = Repo.objects.create(name="repo-0")
    flow = engine.create(repo, "# Scale\nA flow to copy.", block_family="family-0", created_by="person-0")
    while stage := flow.stages.filter(status="ready").order_by("position").first():
        claim = engine.claim(stage.pk, "bench@host")
        assert claim is not None  # noqa: S101 - nobody else works here
        if stage.queue in ("anthropic", "openai", "google"):
            _record_call(claim, stage.queue)
        gates = _judge() if stage.kind == "verify" else ()
        engine.finish(claim, Done(gates=gates), Spent(""))
    flow.refresh_from_db()
    assert flow.status == "passed", flow.status  # noqa: S101
    return str(flow.pk)


def _record_call(claim: Any, provider: str) -> None:
    wanted = ReservationRequest(
        provider,
        f"{provider}-model",
        tokens=200,
        nano_usd=limiter.to_nano_usd(_USD),
        timeout_seconds=60,
        digest=f"{claim.stage_id:064d}",
        repo=claim.repo,
        stage_kind=claim.kind,
        flow_id=claim.flow_id,
        stage_id=claim.stage_id,
        attempt_id=claim.attempt_id,
    )
    admitted = limiter.acquire(wanted)
    assert isinstance(admitted, limiter.Admitted), admitted  # noqa: S101
    used = Usage(input_tokens=100, output_tokens=100)
    limiter.settle(admitted.call_id, provider, used, _USD, {}, latency_ms=900)


def _judge() -> tuple[GateReport, ...]:
    passed = Verdict("passed")
    scored = [
        GateReport(gate, passed, summary="passed", score=Decimal(90), threshold=Decimal(60))
        for gate in _SCORED
    ]
    return (GateReport("contract", passed, summary="passed"), *scored)


def seed_flows(flows: int) -> None:
    """Store ``flows`` copies of a flow over the days, in several repos and families, with what days count."""
    template = run_template()
    repos = [Repo.objects.get(name="repo-0")]
    repos += [Repo.objects.create(name=f"repo-{number}") for number in range(1, REPOS)]
    values: dict[str, str | float] = {"template": template, "low": 1, "high": flows, "flows": flows}
    values["seconds"] = DAYS * 86400 / flows
    first = repos[0].pk
    store_copies(_compose_copies(first), values)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def store_copies(statements: list[str], values: dict[str, str | float]) -> None:
    """Run INSERTs of many rows; the indexes are built when all rows are there, as a restore does it."""
    tables = [statement.split()[2] for statement in statements]
    with connection.cursor() as cursor:
        # The copies are as consistent as the original: checking each would take most of the time.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(_LIST_INDEXES, [tables])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        for statement in statements:
            cursor.execute(statement, values)
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute("SET session_replication_role = origin")


def _compose_copies(first_repo: int) -> list[str]:
    moved = {
        Flow: ("created_at", "started_at", "finished_at", "deadline_at"),
        FlowEvent: ("created_at",),
        GateResult: ("created_at",),
        ProviderCall: ("created_at", "settled_at", "lease_until"),
        Stage: ("ready_at", "started_at", "finished_at", "sent_at"),
        Attempt: ("started_at", "finished_at"),
    }
    replaced: dict[type[models.Model], dict[str, str]] = {
        model: {column: _MOVED.format(column=column) for column in columns}
        for model, columns in moved.items()
    }
    replaced[Flow] |= {
        "id": NEW_ID,
        "repo_id": f"{first_repo} + n %% {REPOS}",
        "block_family": f"'family-' || n %% {FAMILIES}",
        "created_by": "'person-' || n %% 40",
        # One of a hundred has failed, for the lists; days count events.
        "status": "CASE WHEN n %% 100 = 0 THEN 'failed' ELSE old.status END",
        "error_code": "CASE WHEN n %% 100 = 0 THEN 'gate:mutation-failed' ELSE '' END",
    }
    replaced[Stage] |= {"flow_id": NEW_ID}
    replaced[Attempt] |= {"stage_id": "copied.id", "token": "gen_random_uuid()"}
    replaced[FlowEvent] |= {"flow_id": NEW_ID, "stage_id": "NULL"}
    replaced[GateResult] |= {"flow_id": NEW_ID, "stage_id": "copied.id"}
    replaced[ProviderCall] |= {
        "id": "gen_random_uuid()",
        "flow_id": NEW_ID,
        # Plain ids, of stages that are not copied; each is the stage of one call.
        "stage_id": "-(n * 10 + old.stage_id %% 10)",
        "attempt_id": "-(n * 10 + old.attempt_id %% 10)",
        "repo": f"'repo-' || n %% {REPOS}",
    }

    def copy(model: type[models.Model], where: str, join: str = "") -> str:
        table = model._meta.db_table
        return compose_insert(model, replaced[model], f"{table} AS old, {NUMBERS} {join} WHERE {where}")

    own = "old.flow_id = %(template)s"
    # The attempt at the verification stands for those of both stages.
    of_stage = "old.stage_id = (SELECT id FROM flows_stage WHERE flow_id = %(template)s AND kind = 'verify')"
    ends = "old.kind IN ('flow.created', 'flow.passed')"
    copied = f"JOIN flows_stage AS copied ON copied.flow_id = {NEW_ID} AND copied.kind = 'verify'"
    return [
        copy(Flow, "old.id = %(template)s"),
        # Days, pages and scrapes read neither the other stages nor their events.
        copy(Stage, f"{own} AND old.kind IN ('verify', 'seal')"),
        copy(
            Attempt,
            f"{of_stage} AND copied.kind IN ('verify', 'seal')",
            f"JOIN flows_stage AS copied ON copied.flow_id = {NEW_ID}",
        ),
        copy(FlowEvent, f"{own} AND {ends}"),
        copy(GateResult, own, copied),
        copy(ProviderCall, own),
    ]


def make_round(client: Client, count: StatementCount) -> dict[str, dict[str, float]]:
    """Seconds and statements of a scrape and of each dashboard."""
    registry = CollectorRegistry()
    registry.register(OrchestratorCollector())
    found = {"scrape": measure_call(count, lambda: generate_latest(registry))}
    for dashboard in DASHBOARDS:
        address = f"/dashboards/{dashboard.name}/?days=90&compare=1"
        found[dashboard.name] = measure_call(count, partial(_open_page, client, address))
    found["repo"] = measure_call(count, lambda: _open_page(client, "/dashboards/repos/repo-3/?days=90"))
    found["admin"] = measure_call(count, lambda: _open_page(client, "/admin/"))
    middle = find_middle_flow()
    for name, path in LISTS.items():
        address = f"/admin/{path.format(middle=middle)}"
        found[f"list_{name}"] = measure_call(count, partial(_open_page, client, address))
    return found


@cache
def find_middle_flow() -> str:
    """The id of the flow with as many before it as after it."""
    ids = Flow.objects.order_by("pk").values_list("pk", flat=True)
    return str(ids[Flow.objects.count() // 2])


def _open_page(client: Client, address: str) -> None:
    answer = client.get(address)
    if answer.status_code != 200 or b"This takes too long" in answer.content:
        raise RuntimeError(f"{address}: {answer.status_code}")


def measure_call(count: StatementCount, call: Callable[[], object]) -> dict[str, float]:
    """Seconds and statements of ``call``."""
    sent, begun = count.sent, time.perf_counter()
    call()
    return {"seconds": time.perf_counter() - begun, "statements": count.sent - sent}


def serve_rounds() -> None:
    """Seed, say so, and make a round for each line."""
    begun = time.perf_counter()
    seed_flows(int(sys.argv[1]))
    seeded = time.perf_counter()
    days.count_due_days(seconds=3600)
    connection.cursor().execute("VACUUM ANALYZE")
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "not-used"))
    count = StatementCount()
    make_round(client, count)
    took = {"seed_seconds": seeded - begun, "count_seconds": time.perf_counter() - seeded}
    sys.stdout.write(json.dumps(took) + "\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        # The present day is counted as it would be by the dispatcher: a long measurement must not find more
        # and more that is newer.
        days.count_due_days()
        sys.stdout.write(json.dumps(make_round(client, count)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve_rounds()
