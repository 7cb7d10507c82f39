"""The pre-flight from the doors that people use, on a live system: pass, fail, ask a person."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, User
from django.db import OperationalError
from django.utils import timezone

from orchestrator.flows.worker import presence
from orchestrator.ops.alerts import alert_test
from orchestrator.ops.alerts.alert_test import AlertTest, AlertTestFailed
from orchestrator.ops.alerts.models import AlertTestResult
from orchestrator.ops.preflight import running
from orchestrator.ops.preflight.checks import database, flowengine, storage
from orchestrator.ops.preflight.models import PersonAnswer
from orchestrator.web.roles import write_groups
from tests import scenes
from tests.ops.training import records
from tests.rest.conftest import as_token, keys, operator, repo  # noqa: F401 - fixtures

SECRET = "sk-ant-api03-never-shown"


def read_lines(client, phase=6):
    """The lines of the pre-flight by their keys."""
    answer = client.get(f"/api/v1/preflight/?phase={phase}")
    assert answer.status_code == 200
    return {line["key"]: line for line in answer.json()["lines"]}


def test_every_line_that_does_not_pass_says_what_to_do(operator):  # noqa: F811
    for phase in (6, 7):
        answer = operator.get(f"/api/v1/preflight/?phase={phase}").json()
        assert answer["lines"]
        assert (answer["phase"], answer["ready"]) == (phase, False)
        assert answer["passed"] + answer["failed"] + answer["asked"] == len(answer["lines"])
        for line in answer["lines"]:
            assert line["found"], line
            assert bool(line["cure"]) == (line["outcome"] != "pass"), line
    assert {"repo-api-gateway", "g6"} & set(read_lines(operator, 6)) == {"repo-api-gateway"}
    assert {"repo-api-gateway", "g6"} & set(read_lines(operator, 7)) == {"g6"}
    assert operator.get("/api/v1/preflight/?phase=5").status_code == 400


def test_keys_are_present_and_never_shown(operator, settings):  # noqa: F811
    settings.PROVIDERS = {
        name: {**limits, "api_key": SECRET if name == "anthropic" else ""}
        for name, limits in settings.PROVIDERS.items()
    }
    found = read_lines(operator)
    outcomes = [found[f"env-{name}-api-key"]["outcome"] for name in ("anthropic", "openai", "google")]
    assert outcomes == ["pass", "fail", "fail"]
    assert SECRET not in operator.get("/api/v1/preflight/").content.decode()


def test_the_environment_is_compared_and_guards_are_not_a_matter_of_opinion(operator, settings):  # noqa: F811
    settings.QUALITY_GATE_MODE = "advisory"
    settings.MIN_UNIT_COVERAGE = 95
    settings.CONTEXT_MAX_SIZE_KB = 181
    settings.ARCHITECT_MODEL = "claude-opus-4-5"
    found = read_lines(operator)
    assert found["env-quality-gate-mode"]["outcome"] == "fail"
    assert found["env-quality-gate-mode"]["cure"] == "Set QUALITY_GATE_MODE=strict and restart."
    # Stricter than the runbook is good, too; a larger bundle is not.
    assert found["env-min-unit-coverage"]["outcome"] == "pass"
    assert found["env-context-max-size-kb"]["outcome"] == "fail"
    assert (found["env-architect-model"]["outcome"], found["env-architect-model"]["found"]) == (
        "ask",
        "is claude-opus-4-5",
    )


def test_quotas_and_breaker(operator, settings):  # noqa: F811
    assert read_lines(operator)["quota-openai"]["outcome"] == "pass"
    openai = settings.PROVIDERS["openai"] | {"daily_token_quota": 2_000_000}
    settings.PROVIDERS = settings.PROVIDERS | {"openai": openai}
    settings.CIRCUIT_BREAKER_THRESHOLD = 90
    found = read_lines(operator)
    assert "OPENAI_DAILY_TOKEN_QUOTA=1500000" in found["quota-openai"]["cure"]
    assert (found["circuit-breaker"]["outcome"], found["circuit-breaker"]["found"]) == (
        "fail",
        "pauses at 90 %",
    )


def test_replicas_are_hosts_with_beating_workers(operator, monkeypatch):  # noqa: F811
    # Tests of other processes have workers, too.
    monkeypatch.setattr(presence, "KEY", f"{presence.KEY}:{uuid4()}")
    workers = []
    for host in range(flowengine.LEAST_REPLICAS):
        # Two workers of one host are one replica.
        for process in (1, 2):
            monkeypatch.setattr(presence.socket, "gethostname", lambda name=f"pod:{host}": name)
            monkeypatch.setattr(presence.os, "getpid", lambda number=process: number)
            workers.append(presence.Presence(["openai"]))
            workers[-1].beat()
    try:
        assert read_lines(operator)["replicas"]["outcome"] == "pass"
        with redis.Redis.from_url(django_settings.REDIS_URL) as broker:
            for process in (1, 2):
                broker.zincrby(presence.KEY, -presence.SILENT_SECONDS - 1, f"openai pod:0:{process}")
        found = read_lines(operator)["replicas"]
        assert (found["outcome"], found["found"]) == ("fail", "workers beat on 4 hosts")
    finally:
        for worker in workers:
            worker.leave()


def test_the_database_speaks_for_itself(operator, settings):  # noqa: F811
    found = read_lines(operator)
    bound = int(re.search(r"\d+", found["connection-pool"]["found"])[0])
    assert (found["connection-pool"]["outcome"] == "pass") == (bound >= database.LEAST_CONNECTIONS)
    # The server of the tests archives nothing and has no replicas.
    assert found["backups"]["found"].startswith("archive_mode is off")
    assert found["read-replicas"]["found"].startswith("0 of 0 replicas")
    settings.DB_MAX_OVERFLOW = 50
    assert read_lines(operator)["max-overflow"]["outcome"] == "pass"


def test_a_bucket_is_judged_by_its_own_check(operator, settings, monkeypatch):  # noqa: F811
    assert read_lines(operator)["object-lock"]["found"].startswith("no bucket is configured")

    class FakeBucket:
        problems: tuple = ()

        def list_problems(self):
            return self.problems

    bucket = FakeBucket()
    settings.CONTEXT_BUNDLE_BUCKET = "context-bundles-prod"
    monkeypatch.setattr(storage.bucket_store, "open_configured", lambda: bucket)
    names = ("bucket", "object-lock", "versioning", "lifecycle")
    assert [read_lines(operator)[name]["outcome"] for name in names] == ["pass"] * 4
    make = storage.bucket_store.SetupProblem
    bucket.problems = (make("evidence.E004", "Shorter than 7 years.", "Set Years: 7.", serious=True),)
    assert [read_lines(operator)[name]["outcome"] for name in names] == ["pass", "fail", "pass", "pass"]
    bucket.problems = (make("evidence.E001", "It does not answer.", "Repair it.", serious=True),)
    assert [read_lines(operator)[name]["outcome"] for name in names] == ["fail"] * 4


def test_an_alert_passes_by_its_newest_test_of_the_last_day(operator, monkeypatch):  # noqa: F811
    address = "/api/v1/alerts/budget_burn_rate/test/"
    assert read_lines(operator)["alert-budget_burn_rate"]["found"] == "was never tested"
    good = AlertTest("budget_burn_rate", ("slack-ops-alerts",), 1.5)
    monkeypatch.setattr(alert_test, "run_alert_test", lambda _: good)
    assert operator.post(address).status_code == 200
    found = read_lines(operator)["alert-budget_burn_rate"]
    assert found["outcome"] == "pass"
    assert "slack-ops-alerts accepted it after 1.5 s" in found["found"]
    AlertTestResult.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert read_lines(operator)["alert-budget_burn_rate"]["outcome"] == "fail"

    def fail(_):
        raise AlertTestFailed("slack-ops-alerts has not accepted it.")

    assert operator.post(address).status_code == 200
    monkeypatch.setattr(alert_test, "run_alert_test", fail)
    assert operator.post(address).status_code == 502
    found = read_lines(operator)["alert-budget_burn_rate"]
    assert found["outcome"] == "fail"
    assert "has not accepted" in found["found"]
    assert "blocks alerts test budget_burn_rate" in found["cure"]


def test_rotation_and_training_are_answered_from_records(operator):  # noqa: F811
    names = (
        "on-call-primary",
        "on-call-secondary",
        "on-call-commander",
        "on-call-module",
        "on-call-exercise",
    )
    assert {read_lines(operator)[name]["outcome"] for name in names} == {"fail"}
    people = [("a", "primary"), ("b", "primary"), ("c", "primary"), ("d", "secondary"), ("e", "secondary")]
    records.add_people(*[(name, "sre", duty) for name, duty in [*people, ("f", "commander")]])
    records.import_csv("modules", records.MODULES, actor="x")
    for name in "abcdef":
        records.add_scores(name, 80, 80, 80, 80)
    records.add_session("tabletop", "exercise", *"abcde")
    found = read_lines(operator)
    assert [found[name]["outcome"] for name in names] == ["pass", "pass", "pass", "pass", "fail"]
    assert found["on-call-exercise"]["found"] == "5 of 6 on call; missing: F"


def test_the_repos_of_the_soak(operator, settings):  # noqa: F811
    scenes.make_repo("api-gateway")
    scenes.make_repo("auth-service", paused=True)
    scenes.make_repo("data-pipelines", enabled=False)
    found = read_lines(operator)
    states = {
        name: found[f"repo-{name}"]["found"] for name in ("api-gateway", "auth-service", "data-pipelines")
    }
    assert states == {"api-gateway": "enabled", "auth-service": "paused", "data-pipelines": "not enabled"}
    assert found["repo-infra-automation"]["found"] == "not registered"
    settings.REPO_ALLOWLIST = ("auth-service",)
    assert read_lines(operator)["repo-api-gateway"]["found"] == "not enabled"


def test_a_check_that_cannot_look_fails_and_the_others_go_on(operator, monkeypatch, settings):  # noqa: F811
    def fail():
        raise OperationalError("connection to postgres://user:password@db failed")

    monkeypatch.setattr(database.health_metrics, "read_connections", fail)
    settings.REDIS_URL = "redis://:password@127.0.0.1:1/0"
    found = read_lines(operator)
    assert found["connection-pool"]["found"] == "cannot be looked at: OperationalError"
    assert found["replicas"]["found"] == "cannot be looked at: ConnectionError"
    assert found["quota-google"]["outcome"] == "pass"
    assert "password" not in operator.get("/api/v1/preflight/").content.decode()


def test_what_a_person_says_counts_for_30_days_and_its_phase(operator):  # noqa: F811
    body = {"phase": 6, "line": "autoscaler", "holds": True, "person": "Ann", "note": "5 to 20"}
    send = "/api/v1/preflight/answers/"
    assert operator.post(send, body, format="json").status_code == 201
    found = read_lines(operator)["autoscaler"]
    assert (found["outcome"], found["answer"]["person"], found["answer"]["recorded_by"]) == (
        "pass",
        "Ann",
        "token:test",
    )
    assert found["answer"]["created_at"]
    assert read_lines(operator, 7)["autoscaler"]["outcome"] == "ask"
    operator.post(send, body | {"holds": False}, format="json")
    found = read_lines(operator)["autoscaler"]
    assert (found["outcome"], bool(found["cure"])) == ("fail", True)
    PersonAnswer.objects.update(created_at=timezone.now() - running.ANSWER_LASTS - timedelta(minutes=1))
    assert read_lines(operator)["autoscaler"]["outcome"] == "ask"


def test_nobody_answers_for_what_the_system_sees(operator):  # noqa: F811
    body = {"phase": 6, "line": "replicas", "holds": True, "person": "Ann"}
    answer = operator.post("/api/v1/preflight/answers/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "preflight:answers-itself")
    answer = operator.post("/api/v1/preflight/answers/", body | {"line": "g6"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "preflight:unknown-line")
    assert not PersonAnswer.objects.exists()


@pytest.mark.parametrize(("group", "may_answer"), [("SRE", True), (None, False)])
def test_the_page_shows_lines_and_takes_answers(client, db, group, may_answer):
    write_groups()
    user = User.objects.create_user("ann", "ann@example.org", "pw", first_name="Ann", last_name="Example")
    if group:
        user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    page = client.get("/preflight/")
    assert page.status_code == (200 if may_answer else 403)
    body = {"phase": 6, "line": "autoscaler", "holds": "yes", "note": "<b>5 to 20</b>"}
    answer = client.post("/preflight/answer/", body)
    assert answer.status_code == (302 if may_answer else 403)
    if not may_answer:
        return
    assert answer["Location"] == "/preflight/?phase=6#autoscaler"
    text = client.get("/preflight/?phase=6").content.decode()
    assert "Not ready for phase 6" in text
    assert "Confirmed by Ann Example on" in text
    assert "&lt;b&gt;5 to 20" in text
    assert "system sees" not in text
    refused = client.post("/preflight/answer/", body | {"line": "replicas"}, follow=True).content.decode()
    assert "kubectl scale deployment flowengine" in refused
    assert client.get("/preflight/?phase=x").status_code == 400
