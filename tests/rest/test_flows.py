"""Flows over REST: list, show, follow, judge, fetch, cancel, retry."""

import hashlib
import io
import json
import tarfile
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.flows.api import event_stream
from orchestrator.flows.models import Flow
from orchestrator.repos import tokens
from orchestrator.repos.models import Token
from tests import scenes
from tests.rest.test_create import read_problem

URL = "/api/v1/flows/"


def listed_ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_without_a_token_with_a_wrong_one_and_with_a_revoked_one(db, repo):
    nobody = APIClient()
    body = read_problem(nobody.get(URL), 401, "auth:missing-token")
    assert "create_token" in body["cure"]
    nobody.credentials(HTTP_AUTHORIZATION="Bearer blk_wrong")
    assert read_problem(nobody.get(URL), 401, "auth:unknown-token")
    token, secret = tokens.create_token("t", repo)
    nobody.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert nobody.get(URL).status_code == 200
    tokens.revoke_token(token)
    answer = nobody.get(URL)
    read_problem(answer, 401, "auth:unknown-token")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_is_kept_as_its_digest_only_and_its_use_is_noted(repo):
    token, secret = tokens.create_token("t", repo)
    assert token.last_used_at is None
    assert secret not in json.dumps(list(Token.objects.values()), default=str)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    client.get(URL)
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_filters(operator):
    ours, other = scenes.make_repo(), scenes.make_repo("other")
    passed = scenes.run_through(scenes.make_flow(ours))
    failed = scenes.run_through(scenes.make_flow(other), gates_fail=True)
    old = scenes.make_flow(ours)
    Flow.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=2))
    assert listed_ids(operator.get(URL)) == [old.id, failed.id, passed.id]
    assert listed_ids(operator.get(URL, {"failed": "true"})) == [failed.id]
    assert listed_ids(operator.get(URL, {"status": "passed,pending"})) == [old.id, passed.id]
    assert listed_ids(operator.get(URL, {"repo": "other"})) == [failed.id]
    assert listed_ids(operator.get(URL, {"since": "1h"})) == [failed.id, passed.id]
    assert listed_ids(operator.get(URL, {"since": (timezone.now() - timedelta(hours=3)).isoformat()})) == [
        old.id,
        failed.id,
        passed.id,
    ]
    read_problem(operator.get(URL, {"status": "done"}), 400, "request:invalid-filter")
    read_problem(operator.get(URL, {"since": "yesterday"}), 400, "request:invalid-filter")
    read_problem(operator.get(URL, {"since": "999999d"}), 400, "request:invalid-filter")
    read_problem(operator.get(URL, {"since": "9" * 400 + "s"}), 400, "request:invalid-filter")
    read_problem(operator.get(URL, {"since": "2026-99-99T00:00"}), 400, "request:invalid-filter")


def test_pages_follow_each_other_without_gap_or_repeat(operator):
    made = [scenes.make_flow().id for _ in range(5)]
    first = operator.get(URL, {"limit": 2})
    assert listed_ids(first) == [made[4], made[3]]
    newer = scenes.make_flow().id
    second = operator.get(first.json()["next"])
    third = operator.get(second.json()["next"])
    assert listed_ids(second) + listed_ids(third) == [made[2], made[1], made[0]]
    assert third.json()["next"] is None
    assert listed_ids(operator.get(second.json()["previous"])) != [newer]
    read_problem(operator.get(URL, {"cursor": "nonsense"}), 400, "request:invalid-cursor")


def test_a_token_sees_its_own_repo_only(api, as_token, repo):
    own, foreign = scenes.make_flow(repo), scenes.make_flow(scenes.make_repo("other"))
    assert listed_ids(api.get(URL)) == [own.id]
    for path in ("", "events/", "gates/", "calls/", "evidence/", "block/"):
        read_problem(api.get(f"{URL}{foreign.id}/{path}"), 404, "flow:not-found")
    for verb in ("cancel/", "retry/"):
        read_problem(api.post(f"{URL}{foreign.id}/{verb}"), 404, "flow:not-found")
    read_problem(api.get(f"{URL}task_none/"), 404, "flow:not-found")


def test_a_flow_shows_stages_attempts_cost_and_block(api):
    flow = scenes.run_through(scenes.make_flow())
    body = api.get(f"{URL}{flow.id}/").json()
    kinds = [kind for kind, _, _ in scenes.STAGES]
    assert [stage["kind"] for stage in body["stages"]] == kinds
    assert body["cost_by_provider"] == {"anthropic": "0.0426", "google": "0.0024", "openai": "0.0405"}
    assert body["cost_usd"] == "0.0855"
    implement = body["stages"][2]
    assert implement["cost_usd"] == "0.0405"
    assert implement["attempts"][0]["model"] == "gpt-4-turbo"
    assert body["block"]["name"] == "capital_ratio"


def test_a_stage_that_waits_says_why(api):
    flow = scenes.make_flow()
    reason = "google: tokens of the minute are used up"
    scenes.park_stage(scenes.start_kind(flow, "context"), reason, provider="google")
    stage = api.get(f"{URL}{flow.id}/").json()["stages"][0]
    assert stage["wait_reason"] == reason
    assert stage["not_before"]


def test_a_failed_flow_says_why_and_how_to_fix_it(api):
    flow = scenes.run_through(scenes.make_flow(), gates_fail=True)
    error = api.get(f"{URL}{flow.id}/").json()["error"]
    assert error["code"] == "gate:mutation-failed"
    assert error["cure"]
    gates = {row["gate"]: row for row in api.get(f"{URL}{flow.id}/gates/").json()["gates"]}
    assert gates["mutation"]["verdict"] == "failed"
    assert gates["mutation"]["findings"][0]["line"] == 12
    assert gates["coverage"]["score"] == "97.20"


def test_calls_show_tokens_and_cost_but_no_answer(api):
    flow = scenes.run_through(scenes.make_flow())
    calls = api.get(f"{URL}{flow.id}/calls/").json()["calls"]
    assert len(calls) == 5
    assert calls[0]["tokens"]["input"] == 100
    assert "response" not in calls[0]


def read_frames(answer) -> list[dict[str, str]]:
    """The frames of a stream that ends."""
    text = b"".join(answer.streaming_content).decode()
    parts = (part for part in text.split("\n\n") if part.startswith(("id:", "event:")))
    return [_parse_frame(part) for part in parts]


def _parse_frame(frame: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in frame.splitlines())


def test_events_come_in_order_and_end(api):
    flow = scenes.run_through(scenes.make_flow())
    answer = api.get(f"{URL}{flow.id}/events/", headers={"Accept": "text/event-stream"})
    assert answer["Content-Type"] == "text/event-stream"
    found = read_frames(answer)
    assert found[0]["event"] == "flow.created"
    assert found[-2]["event"] == "flow.passed"
    assert found[-1] == {"event": "end", "data": '{"status": "passed"}'}
    numbers = [int(frame["id"]) for frame in found[:-1]]
    assert numbers == sorted(set(numbers))
    data = json.loads(found[1]["data"])
    assert data["stage"]["kind"] == "context"


def test_events_go_on_after_the_last_one_seen(api):
    flow = scenes.run_through(scenes.make_flow())
    everything = read_frames(api.get(f"{URL}{flow.id}/events/"))
    middle = everything[3]["id"]
    for how in ({"headers": {"Last-Event-ID": middle}}, {"query_params": {"after": middle}}):
        assert read_frames(api.get(f"{URL}{flow.id}/events/", **how)) == everything[4:]
    read_problem(api.get(f"{URL}{flow.id}/events/", {"after": "-1"}), 400, "request:invalid-event-id")


def test_a_quiet_stream_is_kept_alive(api, monkeypatch):
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_SECONDS", 0.0)
    monkeypatch.setattr(event_stream, "POLL_SECONDS", 0.0)
    flow = scenes.make_flow()
    stream = event_stream.stream_events(flow.id, flow.events.latest("id").id)
    assert next(stream) == "retry: 1000\n\n"
    assert next(stream) == ": still here\n\n"
    scenes.cancel_flow(flow)
    assert "event: flow.cancelled" in next(part for part in stream if not part.startswith(":"))
    assert "event: end" in next(stream)


def test_the_block_comes_as_tar_with_a_manifest_that_holds(api):
    flow = scenes.run_through(scenes.make_flow())
    answer = api.get(f"{URL}{flow.id}/block/")
    assert answer["Content-Type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    manifest = json.loads(files.pop("manifest.json"))
    assert {
        path: hashlib.sha256(content).hexdigest()
        for path, content in files.items()
        if "attestations" not in path
    } == {path: entry["sha256"] for path, entry in manifest["files"].items()}
    assert answer.content == api.get(f"{URL}{flow.id}/block/").content


def test_no_block_yet_and_never(api):
    read_problem(api.get(f"{URL}{scenes.make_flow().id}/block/"), 409, "flow:no-block")
    failed = scenes.run_through(scenes.make_flow(), gates_fail=True)
    assert failed.id in read_problem(api.get(f"{URL}{failed.id}/block/"), 404, "flow:no-block")["cure"]


def test_evidence_as_json_and_as_zip(api):
    flow = scenes.run_through(scenes.make_flow())
    files = api.get(f"{URL}{flow.id}/evidence/").json()["files"]
    assert "manifest.json" in files
    for answer in (
        api.get(f"{URL}{flow.id}/evidence/", {"format": "zip"}),
        api.get(f"{URL}{flow.id}/evidence/", headers={"Accept": "application/zip"}),
    ):
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert sorted(archive.namelist()) == sorted(files)


def test_cancel_once_again_and_too_late(api):
    flow = scenes.make_flow()
    for _ in range(2):
        answer = api.post(f"{URL}{flow.id}/cancel/")
        assert answer.status_code == 200
        assert answer.json()["status"] == "cancelled"
    read_problem(api.post(f"{URL}{scenes.run_through(scenes.make_flow()).id}/cancel/"), 409, "flow:ended")


def test_retry_a_failed_flow_and_no_other(api):
    failed = scenes.run_through(scenes.make_flow(), gates_fail=True)
    answer = api.post(f"{URL}{failed.id}/retry/")
    assert answer.status_code == 202
    assert answer.json()["status"] == "running"
    read_problem(api.post(f"{URL}{failed.id}/retry/"), 409, "flow:not-failed")


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_methods_that_are_not_there(api, method):
    read_problem(getattr(api, method)(URL), 405, "request:method-not-allowed")


def test_addresses_that_are_not_there(api):
    read_problem(api.get("/api/v1/nothing/"), 404, "request:not-found")
    read_problem(APIClient().post("/api/v1/flows"), 404, "request:not-found")
