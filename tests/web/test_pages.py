"""Pages for people, and what Kubernetes asks."""

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client

from orchestrator.flows.models import Flow
from orchestrator.ops.status import core_parts
from orchestrator.version import VERSION
from orchestrator.web.pages import flows
from tests import scenes
from tests.flows.engine.stack import running as broker_running

WHY = {"reason": "asked for by the team"}


@pytest.fixture
def sre(db) -> Client:
    """An SRE who has logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    return client


def test_health_and_ready(db):
    assert Client().get("/health").json() == {"status": "ok", "version": VERSION}
    answer = Client().get("/ready")
    assert (answer.status_code, answer.json()["failing"]) == (200, [])


def test_not_ready_names_the_failing_part(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = Client().get("/ready")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["redis"])
    assert Client().get("/health").status_code == 200


def test_not_ready_while_the_broker_or_the_database_takes_no_writes(db, settings, tmp_path):
    with broker_running(tmp_path) as stack:
        settings.REDIS_URL = stack.url
        assert Client().get("/ready").status_code == 200
        stack.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        answer = Client().get("/ready").json()
        assert answer["parts"]["redis"] == "refuses writes: ReadOnlyError"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE providers_budgetstate RENAME TO hidden")
    assert "database" in Client().get("/ready").json()["failing"]


def test_not_ready_while_a_migration_is_missing(db, monkeypatch):
    monkeypatch.setitem(core_parts.PARTS, "migrations", lambda: "1 not applied; run manage.py migrate")
    answer = Client().get("/ready")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["migrations"])


def test_a_database_that_is_away_is_asked_once(monkeypatch):
    monkeypatch.setitem(core_parts.PARTS, "database", lambda: "unreachable: OperationalError")
    monkeypatch.setitem(core_parts.PARTS, "migrations", lambda: pytest.fail("it was asked again"))
    parts = Client().get("/ready").json()["parts"]
    assert parts["migrations"] == "unknown: the database is away"


def test_the_open_pages_name_no_repo(db):
    scenes.run_through(scenes.make_flow(scenes.make_repo("secret-project")))
    for url in ("/", "/status/"):
        page = Client().get(url)
        assert page.status_code == 200
        assert b"secret-project" not in page.content
    assert "<dd>100.0 %</dd>" in Client().get("/status/").content.decode()


def test_pages_load_nothing_from_elsewhere(sre):
    flow = scenes.run_through(scenes.make_flow())
    for url in ("/", "/status/", "/onboarding/", f"/flows/{flow.id}/"):
        text = sre.get(url).content.decode()
        assert 'src="http' not in text
        assert 'href="http' not in text


def test_a_flow_is_for_staff(db):
    flow = scenes.make_flow()
    answer = Client().get(f"/flows/{flow.id}/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")
    assert Client().post(f"/flows/{flow.id}/cancel/").status_code == 302
    assert Flow.objects.get().status == "pending"


def test_a_flow_shows_stages_gates_cost_and_events(sre):
    flow = scenes.run_through(scenes.make_flow(request="# <script>alert(1)</script>"), gates_fail=True)
    page = sre.get(f"/flows/{flow.id}/").content.decode()
    for words in (
        "implement",
        "mutation",
        "The mutation gate failed",
        "Describe the limits",
        "capital_ratio.py",
        "stage.failed",
        "0.0405",
    ):
        assert words in page
    assert "<script>alert" not in page
    assert "Retry from the failed stage" in page
    assert "data-ended" in page
    assert "<html" not in sre.get(f"/flows/{flow.id}/", {"part": "body"}).content.decode()
    assert sre.get("/flows/task_none/").status_code == 404


def test_the_buttons_use_the_engines_verbs(sre):
    flow = scenes.make_flow()
    for verb, status in (("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled")):
        assert sre.post(f"/flows/{flow.id}/{verb}/", WHY).status_code == 302
        assert Flow.objects.get().status == status
    assert "Continue where it was cancelled" in sre.get(f"/flows/{flow.id}/").content.decode()
    assert sre.post(f"/flows/{flow.id}/retry/", WHY).status_code == 302
    assert Flow.objects.get().status == "running"
    # It runs now, so there is no wait to end.
    page = sre.post(f"/flows/{flow.id}/retry/", WHY, follow=True).content.decode()
    assert 'class="notice error"' in page
    # A link changes nothing.
    assert sre.get(f"/flows/{flow.id}/cancel/").status_code == 200
    assert Flow.objects.get().status == "running"


def test_a_page_says_that_the_database_is_away(sre, monkeypatch):
    def fail(*_: object) -> None:
        raise OperationalError("server closed the connection, password=hunter2")

    monkeypatch.setattr(flows, "_filter_flows", fail)
    sre.raise_request_exception = False
    answer = sre.get("/flows/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "database cannot be reached" in answer.content.decode()
    assert "hunter2" not in answer.content.decode()


def test_another_error_of_a_page_stays_an_internal_error(sre, monkeypatch):
    monkeypatch.setattr(flows, "_filter_flows", lambda *_: 1 / 0)
    sre.raise_request_exception = False
    answer = sre.get("/flows/")
    assert answer.status_code == 500
    assert "written to the log" in answer.content.decode()
