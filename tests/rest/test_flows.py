"""Flows over REST: list, show, follow, judge, fetch, cancel, retry."""

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.signals import request_finished
from django.db import OperationalError, close_old_connections
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.flows.api import event_reader, event_stream, follower_seats
from orchestrator.flows.engine import broker
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


def leave_stream(answer) -> None:
    """Close the answer without the test's connection, as Django's own test client does."""
    request_finished.disconnect(close_old_connections)
    answer.close()
    request_finished.connect(close_old_connections)


def read_stream(answer) -> str:
    """The whole text of a stream that ends; its loop runs in this thread and sees the test's transaction."""

    async def collect() -> bytes:
        return b"".join([part async for part in answer])

    try:
        return async_to_sync(collect)().decode()
    finally:
        leave_stream(answer)


def read_frames(answer) -> list[dict[str, str]]:
    """The frames of a stream that ends."""
    text = read_stream(answer)
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
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_SECONDS", 0.01)
    monkeypatch.setattr(event_reader, "POLL_SECONDS", 0.0)
    flow = scenes.make_flow()
    seat = follower_seats.seats.take("somebody")
    stream = event_stream.EventStream(flow.id, flow.events.latest("id").id, seat)

    async def follow() -> None:
        parts = aiter(stream)
        assert await anext(parts) == "retry: 1000\n\n"
        assert await anext(parts) == ": still here\n\n"
        await sync_to_async(scenes.cancel_flow)(flow)
        rest = "".join([part async for part in parts])
        assert "event: flow.cancelled" in rest
        assert rest.endswith('event: end\ndata: {"status": "cancelled"}\n\n')

    async_to_sync(follow)()
    stream.close()


def test_more_followers_than_a_token_may_have_are_told_when_to_ask_again(api, operator, settings):
    settings.FOLLOWERS_PER_TOKEN, settings.FOLLOWERS_PER_PROCESS = 2, 4
    flow = scenes.make_flow()
    held = [api.get(f"{URL}{flow.id}/events/") for _ in range(2)]
    refused = api.get(f"{URL}{flow.id}/events/")
    body = read_problem(refused, 429, "events:too-many-followers")
    assert refused["Retry-After"] == "5"
    assert "instead" in body["cure"]
    # Another token is not concerned until the process itself has no room.
    held += [operator.get(f"{URL}{flow.id}/events/") for _ in range(2)]
    assert operator.get(f"{URL}{flow.id}/events/").status_code == 503
    # A follower who leaves makes room, once.
    leave_stream(held[0])
    leave_stream(held[0])
    held.append(api.get(f"{URL}{flow.id}/events/"))
    assert [answer.status_code for answer in held] == [200] * 5
    assert api.get(f"{URL}{flow.id}/events/").status_code == 429
    for answer in held:
        leave_stream(answer)


def test_a_follower_with_a_long_history_gets_all_of_it(api, monkeypatch):
    monkeypatch.setattr(event_reader, "BATCH", 3)
    flow = scenes.run_through(scenes.make_flow())
    found = read_frames(api.get(f"{URL}{flow.id}/events/"))
    assert [int(frame["id"]) for frame in found[:-1]] == list(flow.events.values_list("id", flat=True))


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


def test_a_database_that_is_away_is_not_an_internal_error(api, monkeypatch):
    def fail(*_: object) -> None:
        raise OperationalError("connection to server at 10.0.0.1 failed: password=hunter2")

    monkeypatch.setattr(tokens, "find_token", fail)
    answer = api.get(URL)
    body = read_problem(answer, 503, "service:database-away")
    assert answer["Retry-After"] == "5"
    assert "hunter2" not in json.dumps(body)


def test_a_request_does_not_wait_for_the_broker(api, monkeypatch, django_capture_on_commit_callbacks):
    asked, go_on = threading.Event(), threading.Event()

    def freeze(*_: object, **__: object) -> None:
        asked.set()
        go_on.wait(20)
        raise OSError

    monkeypatch.setattr(broker.app, "send_task", freeze)
    monkeypatch.setattr(broker, "_waiting", None)
    broker.send_in_background()
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.post(URL, {"feature_request": "# Ratio\nOf capital."}, format="json")
    assert answer.status_code == 202
    assert asked.wait(20)
    assert not go_on.is_set()
    go_on.set()
