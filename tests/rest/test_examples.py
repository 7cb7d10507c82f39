"""Every operation has an example of what is sent and what is answered, and it is one of the real service.

``UPDATE_EXAMPLES=1 pytest tests/rest/test_examples.py`` writes the examples again from what the service
answers: review the difference.
"""

import json
import os
from datetime import date
from typing import Any

import jsonschema
import pytest
from django.test import Client
from django.utils import timezone

from onboarding import engine as onboarding_engine
from onboarding.step_protocol import Refused
from orchestrator.flows.evidence import keys
from orchestrator.ops.incidents import handling, opening
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.notifications.delivery import notify
from orchestrator.ops.rollback import enforcement, restoration
from orchestrator.ops.rollback.models import Rollback
from orchestrator.repos import halts, tokens
from orchestrator.repos.models import OnboardingPause
from orchestrator.rest.openapi import EXAMPLES, read_example
from tests import scenes
from tests.onboarding.steps import ask_for, pass_due_steps
from tests.rest.test_schema import list_operations, load_schema
from tests.web import story

REQUEST = "# Capital ratio\n\nReturn Tier 1 capital over risk-weighted assets, as a percentage.\n"
BODIES: dict[str, dict[str, Any]] = {
    "flows_edit": {"files": {"clip.py": "def clip(value: int) -> int:\n    return min(value, 10)\n"}},
    "flows_create": {
        "repo": "compliance-service",
        "feature_request": REQUEST,
        "block_family": "compliance",
        "context": {"files": {"src/assets.py": "RISK_WEIGHTS = {'cash': 0.0, 'loan': 1.0}\n"}},
    },
    "repos_register": {
        "name": "financial-reporting",
        "domain": "finance",
        "team_lead": "lead@example.org",
        "clone_url": "https://git.example.org/finance/financial-reporting.git",
    },
    "repos_config_put": {"gates.min_unit_coverage": 95, "max_repair_rounds": 1},
    "config_put": {"models.allowed": "claude-*,gpt-4*"},
    "quota_pause": {"reason": "Answers are garbled since 14:00."},
    "quota_resume": {"reason": "The provider says that it is repaired."},
    "notify_slack": {"channel": "engineering", "message": "Flows are paused until 15:00."},
    "notify_email": {
        "to": "lead@example.org",
        "subject": "Flows are paused",
        "body": "They are paused until 15:00.",
    },
    "tokens_create": {
        "name": "nightly build",
        "repo": "compliance-service",
        "scopes": ["flows:read", "flows:write", "blocks:read"],
    },
    "preflight_answer": {
        "phase": 6,
        "line": "autoscaler",
        "holds": True,
        "person": "SRE on call",
        "note": "kubectl get hpa: 5 to 20 pods, 70 %.",
    },
    "training_import": {"csv": "email,name,team,duty\nlead@example.org,Team Lead,payments,secondary\n"},
    "tokens_exchange": {"oidc_token": "eyJhbGciOiJSUzI1NiIs..."},
    "ci_trusts_create": {
        "issuer": "github",
        "repository": "example-org/compliance-service",
        "refs": ["refs/heads/main", "refs/tags/v*"],
    },
    "tokens_rotate": {"overlap_seconds": 3600},
    "webhooks_create": {
        "repo": "compliance-service",
        "url": "https://ci.example.org/hooks/blocks",
        "topics": ["flow.passed", "flow.failed"],
    },
    "webhooks_change": {"is_active": False},
    "incidents_open": {
        "title": "Flows of one repo fail since 14:00",
        "severity": "P2",
        "commander": "SRE lead",
        "repos": ["compliance-service"],
    },
    "incidents_hand_over": {"commander": "Engineering lead", "note": "The quota is the cause."},
    "incidents_set_severity": {"severity": "P1"},
    "incidents_resolve": {"text": "Flows pass again since 14:40."},
    "incidents_note": {"kind": "update", "text": "We know of it, and will say more by 14:30."},
    "incidents_review_change": {"root_cause": "A retry without an end used up the quota.", "finish": True},
    "incidents_action_add": {
        "text": "Bound the retries of the context stage",
        "owner": "Engineering lead",
        "due": "2026-12-04",
    },
    "incidents_report_alerts": {
        "version": "4",
        "receiver": "pagerduty-incident-commander",
        "groupKey": '{}/{page="incident-commander"}:{alertname="database_connections"}',
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "database_connections", "severity": "P1"},
                "annotations": {"summary": "195 database connections are in use: nearly all"},
                "startsAt": "2026-03-02T14:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
            }
        ],
    },
    "rollback_apply": {
        "kind": "manual",
        "reason": "The database is away every few minutes",
        "flows": "drain",
        "eta": "4 hours",
    },
    "rollback_vote": {"repo": "api-gateway", "role": "sre", "verdict": "go"},
    "rollback_restore": {"repo": "financial-reporting"},
    "rollback_decline": {"reason": "The vendor has raised the quota."},
    "rollback_announcement_send": {"body": "Orchestrator rollback in progress. New onboarding paused."},
    "onboarding_create": {
        "repo": "example-org/billing",
        "block_family": "payments",
        "team_lead": "lead@example.org",
        "clone_url": "https://github.com/example-org/billing.git",
    },
    "onboarding_batch": {
        "repos": "repo,block_family,team_lead\nexample-org/ledger,payments,lead@example.org\n",
        "wanted_on": "2026-12-09",
    },
    "onboarding_approve": {"reason": "The lead is on leave, and has agreed by telephone."},
    "onboarding_reject": {"reason": "The repo is archived next month."},
    "onboarding_retry": {"reason": "The CI workflow is there now."},
    "onboarding_cancel": {"reason": "It was the wrong repo."},
    "onboarding_offboard": {"reason": "The team has moved to another repo."},
    "onboarding_vote": {"role": "sre", "verdict": "go", "reason": "The fix is out since Tuesday."},
    "onboarding_close": {"reason": "A freeze until Monday."},
    "onboarding_open": {"reason": "The freeze is over."},
    "webhooks_replay": {"since": "2026-03-02T08:00:00Z"},
}
# Operations on a flow in another state than passed.
STATES = {"flows_retry": "failed", "flows_edit": "edited", "flows_cancel": "waiting"}
# Each on a request of its own, in the state that it needs.
REFERENCES = {
    "onboarding_read": "ready_request",
    "onboarding_approve": "new_request",
    "onboarding_reject": "rejected_request",
    "onboarding_retry": "failed_request",
    "onboarding_cancel": "cancelled_request",
    "onboarding_offboard": "ready_request",
}
NUMBERS = {"tokens": "token", "webhooks": "webhook", "incidents": "incident", "rollback": "rollback"}
# What each of these does can be done once, to a row of its own.
ONLY_ONCE = {
    "incidents_resolve": "ended",
    "rollback_decline": "asked",
    "rollback_announcement_send": "draft",
    "rollback_announcement_drop": "other_draft",
}
# Answers that are files, and one that needs a chain of alerts.
WITHOUT_ANSWER = {"flows_block", "flows_events", "alerts_test", "webhooks_delete", "tokens_revoke"}
WITHOUT_ANSWER |= {"tokens_exchange", "ci_trusts_delete"}


def tell_onboarding() -> dict[str, str]:
    """Requests by what is to be done to them."""
    ready = ask_for("auth-service", code_host_path="example-org/auth-service")
    onboarding_engine.approve(ready.pk, actor="lead@example.org")
    pass_due_steps()
    failed = ask_for("risk-engine", code_host_path="example-org/risk-engine")
    pass_due_steps(Refused("CI is not configured.", "Add a workflow, then retry."))
    found = {"ready_request": ready.reference, "failed_request": failed.reference}
    for name in ("new", "rejected", "cancelled"):
        found[f"{name}_request"] = ask_for(f"{name}-repo").reference
    return found


def open_portal() -> None:
    """End what keeps requests out: the rollback of the story."""
    for pause in OnboardingPause.objects.all():
        halts.resume_onboarding(pause.key)


def resolve_p1s() -> None:
    """Let a P1 be the last one, and resolved, so that people can say GO."""
    for incident in Incident.objects.filter(severity="P1").exclude(status="resolved"):
        handling.set_severity(incident.pk, "P2", actor="token:operator")
    last, _ = opening.open_incident("Answers are garbled", "P1", actor="token:operator")
    handling.resolve(last.pk, actor="token:operator")


# What has to be so before an operation, and would be in the way of others.
BEFORE = {"onboarding_create": open_portal, "onboarding_vote": resolve_p1s}


@pytest.fixture
def places(repo, settings) -> dict[str, str]:
    """What is put into the variable parts of the addresses."""
    settings.SLACK_BOT_TOKEN = "xoxb-1"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.SOAK_DAYS = settings.ROLLOUT_DAYS = (date(2026, 3, 2), date(2026, 3, 6))
    settings.ALLOWED_HOSTS = ["blocks.example.org", "testserver"]
    keys.current_key()
    passed = scenes.run_through(scenes.make_flow(repo, request=REQUEST, block_family="compliance"))
    failed = scenes.run_through(scenes.make_flow(repo, request=REQUEST), gates_fail=True)
    waiting = scenes.make_flow(repo, request=REQUEST)
    scenes.park_stage(scenes.start_kind(waiting, "context"), "google: no tokens", provider="google")
    message = notify("slack", "#engineering", "Hello.", actor="token:operator")
    token, _ = tokens.create_token("nightly build", repo, scopes=["flows:read"])
    webhook, delivery = scenes.make_webhook(repo)
    requests = tell_onboarding()
    incident, _ = opening.open_incident("Flows fail", "P1", actor="token:operator", repos=[repo])
    action = handling.add_action(incident.pk, "Watch the quota", owner="SRE lead", due=timezone.now().date())
    for name in ("api-gateway", "financial-reporting"):
        scenes.make_repo(name, team_lead=f"{name}@example.org")
    rolled_back = enforcement.apply_rollback("pilot", reason="Many flows fail", actor="token:operator")
    enforcement.finish_rollback(rolled_back.pk)
    for role, person in (("pm", "paula"), ("tl", "tom"), ("sre", "sam")):
        restoration.cast_vote(
            rolled_back.pk, "financial-reporting", role=role, verdict="go", actor=f"token:{person}"
        )
    drafts = list(rolled_back.announcements.values_list("pk", flat=True))
    # A trigger asks for the kind pilot, and there is one already.
    asked = Rollback.objects.create(
        kind="version", status="asked", trigger="quota", flows="drain", reason="96 % of the tokens are used",
        actor="orchestrator", incident=incident.pk,
    )  # fmt: skip
    # Of several incidents, each operation that ends one has one of its own.
    ended, _ = opening.open_incident("Latency is high", "P2", actor="token:operator")
    return requests | {
        "incident": str(incident.pk),
        "ended": str(ended.pk),
        "rollback": str(rolled_back.pk),
        "asked": str(asked.pk),
        "draft": str(drafts[0]),
        "other_draft": str(drafts[1]),
        "action_number": str(action.pk),
        "flow_id": passed.pk,
        "failed": failed.pk,
        "edited": story.tell_failed_flow().pk,
        "waiting": waiting.pk,
        "name": repo.name,
        "provider": "google",
        "number": str(message.pk),
        "token": str(token.pk),
        "webhook": str(webhook.pk),
        "delivery_number": str(delivery.pk),
        "kind": "people",
    }


def ask(client: Any, operation: dict[str, Any], places: dict[str, str]) -> Any:
    """What the service answers to the example of an operation."""
    name = operation["operationId"]
    BEFORE.get(name, lambda: None)()
    flow = STATES.get(name, "flow_id")
    number = ONLY_ONCE.get(name) or NUMBERS.get(name.partition("_")[0], "number")
    parts = {"flow_id": places[flow], "number": places[number]}
    parts["reference"] = places[REFERENCES.get(name, "new_request")]
    address = operation["path"].format(**places | parts)
    how = {"secure": True, "headers": {"Host": "blocks.example.org"}}
    if operation["method"] == "get":
        return client.get(address, **how)
    return getattr(client, operation["method"])(address, BODIES.get(name), format="json", **how)


def have_one_shape(first: Any, second: Any) -> bool:
    """Whether both have the same names with the same kinds of values; what one leaves open is left out."""
    match first, second:
        case (None, _) | (_, None) | ([], list()) | (list(), []):
            return True
        case dict(), dict():
            return first.keys() == second.keys() and all(
                have_one_shape(value, second[name]) for name, value in first.items()
            )
        case list(), list():
            return have_one_shape(first[0], second[0])
    return type(first) is type(second)


def shorten(value: Any) -> Any:
    """Long lists are cut, and files are a line: an example is read by people."""
    match value:
        case dict():
            return {
                name: shorten(inner) if name != "secret" else f"{inner[:4]}..."
                for name, inner in value.items()
            }
        case list():
            return [shorten(inner) for inner in value[:2]]
        case str() if len(value) > 400:
            return value[:60] + "..."
    return value


def test_every_operation_has_an_example(operator, places, django_capture_on_commit_callbacks) -> None:
    replay = f"/api/v1/flows/{places['flow_id']}/"
    for part in ("replay/", "gates/replay/"):
        operator.post(replay + part, headers={"Host": "blocks.example.org"}, secure=True)
    for operation in list_operations(load_schema()):
        name = operation["operationId"]
        wanted: dict[str, Any] = {"request": BODIES[name]} if name in BODIES else {}
        if name not in WITHOUT_ANSWER:
            answer = ask(operator, operation, places)
            assert 200 <= answer.status_code < 300, (name, answer.content)
            wanted["response"] = {"application/json": shorten(answer.json())}
        if name in WITHOUT_ANSWER - {"alerts_test"} and "request" not in wanted:
            continue
        if os.environ.get("UPDATE_EXAMPLES") and name != "alerts_test":
            text = json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
            (EXAMPLES / f"{name}.json").write_text(text, encoding="utf-8")
            read_example.cache_clear()
        found = read_example(name)
        assert found, f"{name} has no example"
        if name != "alerts_test":
            assert have_one_shape(found, wanted), (name, found, wanted)


def test_examples_have_the_described_shape(db) -> None:
    document = load_schema()
    checked = set()
    for operation in list_operations(document):
        bodies = [operation.get("requestBody", {"content": {}})]
        bodies += [answer for status, answer in operation["responses"].items() if status < "300"]
        for body in bodies:
            for content in body.get("content", {}).values():
                if "example" in content:
                    described = {**content["schema"], "components": document["components"]}
                    jsonschema.validate(content["example"], described)
                    checked.add(operation["operationId"])
    assert {path.stem for path in EXAMPLES.glob("*.json")} == checked
    assert Client().get("/api/v1/docs/").status_code == 200
