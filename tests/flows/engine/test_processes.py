"""The engine as it is deployed: Celery workers on threads and prefork, a dispatcher, a broker of their own,
and faults.

Stages are fakes; everything else is real. Waits are for conditions in the database, never for a time.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.engine import broker
from orchestrator.flows.engine.routes import Route
from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.repos.models import Repo
from tests.flows.engine.stack import Stack, running, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture
def stack(tmp_path) -> Iterator[Stack]:
    """A broker without workers."""
    with running(tmp_path) as stack:
        yield stack


@pytest.fixture
def demo(db) -> Repo:
    """A repo."""
    return Repo.objects.create(name="demo")


def ended(flows: list[Flow]) -> Callable[[], bool]:
    ids = [flow.pk for flow in flows]
    return lambda: Flow.objects.filter(pk__in=ids, finished_at__isnull=False).count() == len(ids)


def statuses(flows: list[Flow]) -> set[str]:
    return set(Flow.objects.filter(pk__in=[flow.pk for flow in flows]).values_list("status", flat=True))


def flows(repo: Repo, *scripts: str) -> list[Flow]:
    return [engine.create(repo, script, flow_type="scripted") for script in scripts]


def test_flows_survive_everything_that_gets_lost(stack, demo):
    threads = stack.worker("models", "google,openai,anthropic,control")
    stack.worker("gates", "gates", "prefork")
    # Without a dispatcher: what needs no sweep goes through by itself.
    plain = flows(demo, "a", "second: repair 1", "third: fail")
    until(ended(plain), "the end of flows without a dispatcher")
    assert sorted(Flow.objects.filter(pk__in=[f.pk for f in plain]).values_list("status", flat=True)) == [
        "failed",
        "passed",
        "passed",
    ]

    # Messages twice: the second loses its claim and does not fire the tail again.
    doubled = flows(demo, "first: sleep 0.5")
    for _ in range(3):
        broker.send_route(Route(tuple((stage.pk, stage.queue) for stage in doubled[0].stages.all())))
    until(ended(doubled), "the end of a flow sent four times")
    assert Attempt.objects.filter(stage__flow=doubled[0]).count() == 3

    leader = stack.dispatcher()
    stack.dispatcher()
    # Waits, tries again, a stage that kills its own process once, and one that does it always.
    hard = flows(demo, "first: park 0.3\nthird: flaky 1", "second: kill 1", "second: kill 9")
    until(ended(hard), "the end of flows that wait, fail and crash")
    assert [Flow.objects.get(pk=flow.pk).status for flow in hard] == ["passed", "passed", "failed"]
    assert Flow.objects.get(pk=hard[2].pk).error_code == "engine:worker-crashed"

    # The broker loses everything while flows are queued and running.
    many = flows(demo, *["first: sleep 0.2"] * 8)
    stack.redis.flushall()
    until(ended(many), "the end of flows after FLUSHALL")
    assert statuses(many) == {"passed"}
    assert Attempt.objects.filter(stage__flow__in=many).count() == 24

    # A worker dies by kill -9 with stages in its hands; so does the leading dispatcher.
    held = flows(demo, *["first: sleep 1"] * 4)
    until(lambda: Stage.objects.filter(flow__in=held, status="running").count() == 2, "two running stages")
    os.killpg(threads.pid, signal.SIGKILL)
    os.killpg(leader.pid, signal.SIGKILL)
    stack.worker("models2", "google,openai,anthropic,control")
    until(ended(held), "the end of flows whose worker died")
    assert statuses(held) == {"passed"}
    assert Attempt.objects.filter(stage__flow__in=held, outcome="passed").count() == 12
    assert Attempt.objects.filter(stage__flow__in=held).count() <= 14


@pytest.mark.slow
def test_sessions_of_the_database_may_be_cut(stack, demo):
    stack.worker("all", "google,openai,anthropic,control,gates")
    stack.dispatcher()
    cut = flows(demo, *["second: sleep 0.3"] * 6)
    until(lambda: Stage.objects.filter(flow__in=cut, status="running").exists(), "a running stage")
    with psycopg.connect(**_address()) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid NOT IN (pg_backend_pid(), %s)",
            [connection.connection.info.backend_pid],
        )
    until(ended(cut), "the end of flows whose sessions were cut")
    assert statuses(cut) == {"passed"}
    # The idle sessions of this process's pool were cut too: the next test must not get one.
    connection.close()
    connection.close_pool()


@pytest.mark.parametrize(
    ("pool", "kind"), [("threads", "first"), pytest.param("prefork", "second", marks=pytest.mark.slow)]
)
def test_a_worker_that_is_asked_to_leave_finishes_or_gives_back(stack, demo, pool, kind):
    stack.environment["ENGINE_LEASE_SECONDS"] = "600"  # nothing comes back because a lease ran out
    queues = {"first": "google", "second": "gates"}[kind]
    rest = stack.worker("rest", {"google": "gates,control", "gates": "google,control"}[queues])
    leaver = stack.worker("leaver", queues, pool)
    stack.dispatcher()
    short, long = flows(demo, f"{kind}: hold 1", f"{kind}: hold 600")
    running = Stage.objects.filter(flow__in=[short, long], kind=kind, status="running")
    until(lambda: running.count() == 2, "two running stages")
    os.kill(leaver.pid, signal.SIGTERM)
    until(lambda: leaver.poll() is not None, "the end of the worker")
    assert leaver.returncode == 0
    assert rest.poll() is None
    given_back = Stage.objects.get(flow=long, kind=kind)
    assert (given_back.status, given_back.crashes) == ("ready", 0)
    assert Attempt.objects.get(stage=given_back).error_code == "engine:worker-stopped"
    stack.worker("next", queues, pool)
    until(ended([short, long]), "the end of both flows")
    assert statuses([short, long]) == {"passed"}
    assert Attempt.objects.filter(stage__flow=short).count() == 3
    assert Attempt.objects.filter(stage__flow=long).count() == 4


@pytest.mark.slow
def test_an_idle_worker_leaves_at_once(stack, demo):
    idle = stack.worker("idle", "google")
    done = flows(demo, "x")
    until(lambda: Stage.objects.filter(flow__in=done, kind="first", status="passed").exists(), "a stage")
    os.kill(idle.pid, signal.SIGTERM)
    until(lambda: idle.poll() is not None, "the end of the worker")
    assert idle.returncode == 0
    assert not Attempt.objects.exclude(outcome="passed").exists()


def _address() -> dict[str, Any]:
    database = connection.settings_dict
    return {
        "host": database["HOST"],
        "port": database["PORT"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "dbname": database["NAME"],
        "autocommit": True,
    }
