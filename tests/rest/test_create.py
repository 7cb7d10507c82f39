"""POST /api/v1/flows/: what is taken, what is refused, and that the same request twice is one flow."""

import base64
import json

import pytest

from blocks.format import snapshot
from orchestrator.flows.models import Blob, Flow
from tests import scenes

URL = "/api/v1/flows/"


def read_problem(answer, status: int, code: str) -> dict:
    """The problem document of ``answer``, which must be complete."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"urn:blocks:problem:{code}"
    assert body["title"]
    assert body["detail"]
    return body


def post_flow(client, body, **headers):
    return client.post(URL, body, format="json", headers=headers)


def test_a_good_request_is_accepted_with_its_address(api, repo):
    answer = post_flow(
        api, {"repo": repo.name, "feature_request": "# Ratio\nCompute it.", "block_family": "compliance"}
    )
    assert answer.status_code == 202
    flow = Flow.objects.get()
    assert answer["Location"] == f"http://testserver/api/v1/flows/{flow.id}/"
    assert answer.json()["status"] == "pending"
    assert answer.json()["title"] == "Ratio"
    assert flow.block_family == "compliance"
    assert flow.created_by == "token:test"
    assert [s.kind for s in flow.stages.order_by("position")][:3] == ["context", "plan", "implement"]


def test_the_settings_in_force_are_frozen_into_the_flow(api, repo):
    api.put(f"/api/v1/repos/{repo.name}/config/", {"gates.min_unit_coverage": 95}, format="json")
    post_flow(api, {"feature_request": "x"})
    frozen = Flow.objects.get().settings
    assert frozen["gates.min_unit_coverage"] == 95
    assert frozen["architect.model"]


def test_a_token_of_one_repo_need_not_name_it_but_an_operator_must(api, operator, repo):
    assert post_flow(api, {"feature_request": "x"}).json()["repo"] == repo.name
    read_problem(post_flow(operator, {"feature_request": "x"}), 422, "request:invalid")


def test_what_is_stored_of_a_request_is_redacted_and_a_replay_is_still_the_same(api):
    body = {"feature_request": "# Ratio\n\nAsk https://bank.example with password: Xy7%tresor-Kq2\n"}
    first = post_flow(api, body, **{"Idempotency-Key": "one"})
    flow = Flow.objects.get()
    assert flow.feature_request == "# Ratio\n\nAsk https://bank.example with password: [REDACTED]\n"
    assert "tresor" not in str(Flow.objects.values())
    again = post_flow(api, body, **{"Idempotency-Key": "one"})
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("text", ["", "  \n\t", None, 7])
def test_an_empty_request_is_refused(api, text):
    assert read_problem(post_flow(api, {"feature_request": text}), 422, "flow:empty-request")["cure"]
    assert not Flow.objects.exists()


def test_sixty_four_kilobytes_are_taken_and_one_byte_more_is_not(api):
    assert post_flow(api, {"feature_request": "é" * (32 * 1024)}).status_code == 202
    read_problem(post_flow(api, {"feature_request": "é" * (32 * 1024) + "x"}), 413, "flow:request-too-large")


def test_a_body_that_is_not_utf8_is_refused(api):
    answer = api.generic("POST", URL, b'{"feature_request": "\xff"}', content_type="application/json")
    read_problem(answer, 400, "request:not-utf8")


@pytest.mark.parametrize("raw", [b"{", b"[1]", b'{"a": NaN}', b'"x"'])
def test_a_body_that_is_no_json_object_is_refused(api, raw):
    read_problem(api.generic("POST", URL, raw, content_type="application/json"), 400, "request:malformed")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_text_that_no_database_can_hold_is_refused_and_its_escape_in_source_is_not(api, text):
    answer = api.generic(
        "POST", URL, json.dumps({"feature_request": text}).encode(), content_type="application/json"
    )
    read_problem(answer, 400, "request:not-utf8")
    assert post_flow(api, {"feature_request": "the escape \\u0000 as text"}).status_code == 202


def test_another_media_type_is_refused(api):
    read_problem(
        api.generic("POST", URL, b"x=1", content_type="application/x-www-form-urlencoded"),
        415,
        "request:unsupported-media-type",
    )


def test_unknown_and_foreign_repos(api, operator):
    scenes.make_repo("other")
    read_problem(post_flow(operator, {"repo": "nowhere", "feature_request": "x"}), 404, "repo:unknown")
    foreign = read_problem(post_flow(api, {"repo": "other", "feature_request": "x"}), 403, "auth:wrong-repo")
    absent = read_problem(post_flow(api, {"repo": "nowhere", "feature_request": "x"}), 403, "auth:wrong-repo")
    assert foreign.keys() == absent.keys()


def test_a_repo_that_is_off_or_not_in_the_allowlist_or_paused(api, repo, settings):
    settings.REPO_ALLOWLIST = ("somebody-else",)
    read_problem(post_flow(api, {"feature_request": "x"}), 403, "repo:disabled")
    settings.REPO_ALLOWLIST = (repo.name,)
    assert post_flow(api, {"feature_request": "x"}).status_code == 202
    repo.paused = True
    repo.save()
    read_problem(post_flow(api, {"feature_request": "x"}), 403, "repo:paused")
    repo.enabled = False
    repo.save()
    read_problem(post_flow(api, {"feature_request": "x"}), 403, "repo:disabled")


def test_unknown_flow_type_family_field(api):
    body = read_problem(
        post_flow(api, {"feature_request": "x", "flow_type": "magic"}), 422, "flow:unknown-type"
    )
    assert "plan_impl_review_docs" in body["cure"]
    read_problem(
        post_flow(api, {"feature_request": "x", "block_family": "../up"}), 422, "flow:invalid-family"
    )
    read_problem(post_flow(api, {"feature_request": "x", "feture": 1}), 422, "request:unknown-field")


def test_a_missing_key_names_its_variable(api, settings):
    settings.PROVIDERS = {**settings.PROVIDERS, "openai": {**settings.PROVIDERS["openai"], "api_key": ""}}
    body = read_problem(post_flow(api, {"feature_request": "x"}), 503, "provider:missing-key")
    assert "OPENAI_API_KEY" in body["cure"]
    assert "ANTHROPIC" not in body["cure"]


def test_context_is_kept_as_sent(api):
    files = {"logo.png": {"base64": base64.b64encode(b"\x89PNG\0").decode()}, "a/b.py": "print(1)\n"}
    assert post_flow(api, {"feature_request": "x", "context": {"files": files}}).status_code == 202
    packed = bytes(Flow.objects.get().snapshot.content)
    assert snapshot.unpack(packed) == {"a/b.py": b"print(1)\n", "logo.png": b"\x89PNG\0"}


def test_the_same_files_are_stored_once_however_they_were_sent(api):
    for files in ({"a.py": "x", "b.py": "y"}, {"b.py": {"base64": "eQ=="}, "a.py": "x"}):
        assert post_flow(api, {"feature_request": "x", "context": {"files": files}}).status_code == 202
    assert len({flow.snapshot_id for flow in Flow.objects.all()}) == Blob.objects.count() == 1


def test_no_word_of_files_is_another_thing_than_no_files(api):
    for context, carried in ((None, None), ({}, None), ({"files": {}}, b"{}")):
        assert post_flow(api, {"feature_request": "x", "context": context}).status_code == 202
        snapshot = Flow.objects.first().snapshot
        assert (None if snapshot is None else bytes(snapshot.content)) == carried


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", "a//b", "", "a\\b", "x" * 501, "./a"])
def test_context_paths_stay_inside_the_repo(api, path):
    read_problem(
        post_flow(api, {"feature_request": "x", "context": {"files": {path: "x"}}}),
        422,
        "context:invalid-path",
    )


@pytest.mark.parametrize(
    "context",
    [[], "x", {"file": {}}, {"files": []}, {"files": {"a": 1}}, {"files": {"a": {"base64": "???"}}}],
)
def test_context_of_another_shape_is_refused(api, context):
    read_problem(post_flow(api, {"feature_request": "x", "context": context}), 422, "context:invalid")


def test_context_over_six_megabytes_is_refused(api):
    files = {f"f{n}.txt": "x" * 1024 * 1024 for n in range(6)}
    assert post_flow(api, {"feature_request": "x", "context": {"files": files}}).status_code == 202
    read_problem(
        post_flow(api, {"feature_request": "x", "context": {"files": files | {"more": "x"}}}),
        413,
        "context:too-large",
    )


def test_a_body_over_twelve_megabytes_is_refused(api):
    read_problem(post_flow(api, {"feature_request": "x" * (13 * 1024 * 1024)}), 413, "request:body-too-large")


def test_the_same_key_and_body_give_the_same_flow(api):
    first = post_flow(api, {"feature_request": "x"}, **{"Idempotency-Key": "job-1"})
    again = post_flow(api, {"feature_request": "x"}, **{"Idempotency-Key": "job-1"})
    assert again.status_code == 202
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Flow.objects.count() == 1


def test_the_same_key_with_another_body_is_a_conflict(api):
    post_flow(api, {"feature_request": "x"}, **{"Idempotency-Key": "job-1"})
    body = read_problem(
        post_flow(api, {"feature_request": "y"}, **{"Idempotency-Key": "job-1"}),
        409,
        "flow:idempotency-conflict",
    )
    assert body["flow"] == Flow.objects.get().id


def test_a_key_belongs_to_one_repo(api, as_token):
    other = as_token(scenes.make_repo("other"))
    post_flow(api, {"feature_request": "x"}, **{"Idempotency-Key": "job-1"})
    assert post_flow(other, {"feature_request": "y"}, **{"Idempotency-Key": "job-1"}).status_code == 202


def test_a_replay_is_answered_although_the_repo_is_off_by_now(api, repo):
    post_flow(api, {"feature_request": "x"}, **{"Idempotency-Key": "job-1"})
    repo.enabled = False
    repo.save()
    assert post_flow(api, {"feature_request": "x"}, **{"Idempotency-Key": "job-1"}).status_code == 202


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_malformed_key_is_refused(api, key):
    read_problem(
        post_flow(api, {"feature_request": "x"}, **{"Idempotency-Key": key}), 400, "idempotency:invalid-key"
    )


def test_an_unknown_model_is_refused_where_it_is_set_and_where_it_is_used(api, repo, settings):
    body = read_problem(
        api.put(f"/api/v1/repos/{repo.name}/config/", {"architect.model": "deep-9"}, format="json"),
        422,
        "provider:unknown-model",
    )
    assert "claude-" in body["cure"]
    settings.ARCHITECT_MODEL = "deep-9"
    read_problem(post_flow(api, {"feature_request": "x"}), 422, "provider:unknown-model")


@pytest.mark.parametrize(
    "raw",
    [
        '{"repo": "compliance-service", "feature_request": "# A", "feature_request": "# B"}',
        '{"repo": "compliance-service", "feature_request": "# A", "context": {"files": {"a": "", "a": ""}}}',
    ],
)
def test_a_name_that_comes_twice_is_refused(api, raw):
    body = read_problem(api.post(URL, raw, content_type="application/json"), 400, "request:malformed")
    assert "comes twice" in body["detail"]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("flows/?stauts=failed", "status"),
        ("flows/?limit=3&order=id", "limit"),
        ("repos/?nmae=x", "cursor"),
        ("whoami/?verbose=1", "none"),
    ],
)
def test_a_parameter_that_does_not_exist_is_refused(api, path, known):
    body = read_problem(api.get(f"/api/v1/{path}"), 400, "request:unknown-parameter")
    assert known in body["cure"]
