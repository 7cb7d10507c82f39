"""Flows while the pooler before PostgreSQL is killed and started again: a real PgBouncer, real workers."""

import time

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.models import Attempt, Flow
from orchestrator.repos.models import Repo
from tests import pgbouncer
from tests.flows.engine.stack import running, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
    pytest.mark.skipif(pgbouncer.PROGRAM is None, reason="needs PgBouncer: apt install pgbouncer"),
]


@pytest.fixture
def pooler():
    """A PgBouncer before the server of the tests, in the mode and with the role that the product needs."""
    own = connection.settings_dict
    target = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"], "password": own["PASSWORD"]}
    target |= {"dbname": own["NAME"]}
    with connection.cursor() as cursor:
        pgbouncer.set_plan_mode(cursor, "force_generic_plan")
    with pgbouncer.start_pgbouncer(target, pgbouncer.SESSION_OPTIONS) as found:
        yield found
    with connection.cursor() as cursor:
        pgbouncer.set_plan_mode(cursor, "DEFAULT")


def list_running() -> list[int]:
    return list(Attempt.objects.filter(outcome="running").values_list("id", flat=True))


def test_flows_run_through_restarts_of_the_pooler(pooler, tmp_path):
    address = f"postgres://postgres@127.0.0.1:{pooler.port}/{pgbouncer.NAME}"
    with running(tmp_path, {"DATABASE_URL": address}) as stack:
        # Longer than the pooler is away: what a worker holds stays its own.
        stack.lease = "30"
        stack.worker("models", "google,openai,anthropic,control")
        stack.worker("gates", "gates", "prefork")
        stack.dispatcher()
        repo = Repo.objects.create(name="demo")
        flows: list[Flow] = []
        under_way: list[int] = []
        for _ in range(2):
            flows += [
                engine.create(repo, "first: sleep 0.3\nthird: sleep 0.3", flow_type="scripted")
                for _ in range(8)
            ]
            until(list_running, "work in the middle")
            under_way += list_running()
            # By now the worker knows what it has taken, and is not done with it.
            time.sleep(0.2)
            pooler.kill()
            time.sleep(1.5)
            pooler.start()
        until(lambda: Flow.objects.filter(status="passed").count() == len(flows), "the end of all flows")
    # A worker that was cut off keeps its result or gives the stage back as soon as somebody answers. Nobody
    # has to wait for its lease, and nothing counts as a crash.
    codes = Attempt.objects.filter(id__in=under_way).values_list("error_code", flat=True)
    assert set(codes) <= {"", "engine:worker-stopped"}
    # Each stage has one result, however many attempts an outage has cost.
    passed = Attempt.objects.filter(stage__flow__in=flows, outcome="passed")
    assert passed.count() == 3 * len(flows)
    assert passed.values("stage").distinct().count() == 3 * len(flows)
