"""The JSON of every endpoint, byte for byte, against ``answers.json``: the shape that scripts rely on.

Values that differ from run to run (ids, times, measured seconds) are replaced by a word, but a time keeps its
form. ``UPDATE_ANSWERS=1 pytest tests/rest/test_answer_shapes.py`` writes the file again: review its
difference.
"""

import json
import os
import re
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestrator.flows.evidence import keys
from orchestrator.flows.timing import estimates
from orchestrator.ops.incidents import opening
from orchestrator.repos import repo_settings, tokens
from providers import breaker
from tests import scenes

ANSWERS = Path(__file__).with_name("answers.json")
_VOLATILE = (
    (re.compile(r"task_[0-9a-z]{20}"), "task_ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)"), r"TIME\2"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"[0-9a-f]{64}"), "SHA256"),
    (re.compile(r'("(?:id|stage_id)":) ?\d+'), r"\1NUMBER"),
    (re.compile(r'("(?:replaces|incident)":) ?\d+'), r"\1NUMBER"),
    (re.compile(r"blk_[\w-]{43}"), "blk_SECRET"),
    (re.compile(r"/tokens/\d+/"), "/tokens/NUMBER/"),
    (re.compile(r"/incident(s?)/\d+/"), r"/incident\1/NUMBER/"),
    (re.compile(r"[Ii]ncident \d+"), "incident NUMBER"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?|\d\d:\d\d(?= UTC|\])|PIR_\d{4}-\d\d-\d\d"), "WHEN"),
    (re.compile(r"\*\*Date:\*\* [0-9-]+"), "**Date:** DAY"),
    (re.compile(r'("[a-z0-9_]*seconds":) ?[0-9.]+'), r"\1SECONDS"),
    (re.compile(r'("needs":) ?\[[0-9,]*\]'), r"\1[NUMBERS]"),
    (re.compile(r'("stage_overlap":) ?[0-9.]+'), r"\1RATIO"),
    (re.compile(r'("bound_by":) ?"[^"]*"'), r'\1"WORDS"'),
    (re.compile(r'("public_key":) ?"[^"]*"'), r'\1"PEM"'),
    (re.compile(r"cursor=[^\"&]+"), "cursor=CURSOR"),
)
_MESSAGE = {"channel": "engineering", "message": "Hello."}
# Answers whose order of rows does not belong to their shape, or whose files have tests of their own.
_FILES = re.compile(r'"files":\{.*\}')


def hide_volatile_values(text: str) -> str:
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return _FILES.sub('"files":FILES', text)


@pytest.fixture
def asked(api, operator, repo, django_capture_on_commit_callbacks, monkeypatch) -> dict[str, str]:
    """Every endpoint's answer in every state that changes its shape, by what was asked."""
    monkeypatch.setattr("orchestrator.celery.app.send_task", lambda *args, **options: None)
    passed = scenes.run_through(scenes.make_flow())
    failed = scenes.run_through(scenes.make_flow(), gates_fail=True)
    waiting = scenes.make_flow()
    scenes.park_stage(scenes.start_kind(waiting, "context"), "google: no tokens", provider="google")
    repo_settings.set_value(repo, "context.max_size_kb", 100, actor="x")
    keys.current_key()
    # Another test may have read what stages took a moment ago.
    estimates.recent_times.forget()
    found: dict[str, str] = {}

    def note(name, answer):
        body = answer.content.decode()
        assert len(json.loads(body)) >= 1
        headers = "".join(
            f" {name}={answer[name]}" for name in ("Location", "Content-Type") if name in answer
        )
        found[name] = hide_volatile_values(f"{answer.status_code}{headers} {body}")

    note("flows", api.get("/api/v1/flows/"))
    note("flows limit", api.get("/api/v1/flows/?limit=1"))
    for name, flow in (("passed", passed), ("failed", failed), ("waiting", waiting)):
        for part in ("", "gates/", "calls/", "evidence/"):
            note(f"{name} {part}", api.get(f"/api/v1/flows/{flow.id}/{part}"))
    for part in ("replay/", "gates/replay/"):
        note(f"no {part}", api.get(f"/api/v1/flows/{passed.id}/{part}"))
        note(f"post {part}", api.post(f"/api/v1/flows/{passed.id}/{part}"))
        note(f"get {part}", api.get(f"/api/v1/flows/{passed.id}/{part}"))
    note("post replay of waiting", api.post(f"/api/v1/flows/{waiting.id}/replay/"))
    note("cancel", api.post(f"/api/v1/flows/{waiting.id}/cancel/"))
    note("cancel passed", api.post(f"/api/v1/flows/{passed.id}/cancel/"))
    note("retry", api.post(f"/api/v1/flows/{failed.id}/retry/"))
    body = {"feature_request": "# Add\nTwo numbers.", "context": {"files": {"a.py": "A = 1\n"}}}
    note("create", api.post("/api/v1/flows/", body, format="json"))
    note("create empty", api.post("/api/v1/flows/", {"feature_request": ""}, format="json"))
    note("keys", api.get("/api/v1/evidence/keys/"))
    note("repos", operator.get("/api/v1/repos/"))
    note("repo", api.get(f"/api/v1/repos/{repo.name}/"))
    note("register", operator.post("/api/v1/repos/", {"name": "other", "domain": "d"}, format="json"))
    note("config", api.get(f"/api/v1/repos/{repo.name}/config/"))
    note("organisation config", api.get("/api/v1/config/"))
    note("put config", api.put(f"/api/v1/repos/{repo.name}/config/", {"max_repair_rounds": 1}, format="json"))
    note("whoami", api.get("/api/v1/whoami/"))
    made = api.post("/api/v1/tokens/", {"name": "ci", "scopes": ["flows:read"]}, format="json")
    note("new token", made)
    note("token", api.get(f"/api/v1/tokens/{made.json()['id']}/"))
    note("tokens", api.get("/api/v1/tokens/?limit=1"))
    note("rotate", api.post(f"/api/v1/tokens/{made.json()['id']}/rotate/"))
    note("quota", api.get("/api/v1/quota/"))
    note("notifications", operator.get("/api/v1/notifications/"))
    incident = operator.post("/api/v1/incidents/", {"title": "Flows fail", "severity": "P1"}, format="json")
    note("incident", incident)
    note("incidents", operator.get("/api/v1/incidents/"))
    number = incident.json()["id"]
    note("acknowledge", operator.post(f"/api/v1/incidents/{number}/acknowledge/"))
    note("resolve", operator.post(f"/api/v1/incidents/{number}/resolve/"))
    note("acknowledge resolved", operator.post(f"/api/v1/incidents/{number}/acknowledge/"))
    for part in ("timeline/", "diagnosis/", "review/"):
        note(f"incident {part}", operator.get(f"/api/v1/incidents/{number}/{part}"))
    note("notify without settings", operator.post("/api/v1/notify/slack/", _MESSAGE, format="json"))
    note("notify as a repo", api.post("/api/v1/notify/slack/", _MESSAGE, format="json"))
    note("test an alert without settings", operator.post("/api/v1/alerts/watchdog/test/"))
    note("pause", operator.post("/api/v1/quota/google/pause/", {"reason": "why"}, format="json"))
    breaker.resume_provider("google", actor="x", reason="over")
    return found


def test_every_answer_keeps_its_shape(asked):
    if os.environ.get("UPDATE_ANSWERS"):
        ANSWERS.write_text(json.dumps(asked, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    expected = json.loads(ANSWERS.read_text(encoding="utf-8"))
    assert asked.keys() == expected.keys()
    for name, answer in expected.items():
        assert asked[name] == answer, name


@pytest.mark.parametrize("url", ["/api/v1/flows/", "/api/v1/repos/", "/api/v1/tokens/", "/api/v1/incidents/"])
def test_a_list_costs_as_many_queries_with_one_row_as_with_many(
    operator, repo, django_assert_num_queries, url
):
    scenes.run_through(scenes.make_flow())
    opening.open_incident("Flows fail", "P1", actor="x", repos=[repo])
    operator.get(url)
    with CaptureQueriesContext(connection) as with_one:
        operator.get(url)
    for number in range(5):
        other = scenes.make_repo(f"repo-{number}")
        scenes.make_flow(other)
        tokens.create_token("ci", other)
        opening.open_incident("Flows fail", "P1", actor="x", repos=[other])
    with django_assert_num_queries(len(with_one)):
        operator.get(url)
