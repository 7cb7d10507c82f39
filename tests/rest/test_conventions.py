"""What holds for every operation: filters, orders, sparse fields, entity tags, limits, absolute addresses."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.flows.models import Flow
from orchestrator.repos import tokens
from orchestrator.rest import rate_limits
from providers.models import ProviderCall
from tests import scenes
from tests.rest.test_create import post_flow, read_problem

URL = "/api/v1/flows/"
HOOK = {"url": "https://ci.example.org/hooks", "topics": ["flow.failed"]}
TRUST = {"issuer": "gitlab", "repository": "group/project", "refs": ["refs/heads/main"]}


def list_ids(client, query: str) -> list[str]:
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_flows_are_filtered_by_author_family_and_model(operator, repo):
    passed = scenes.run_through(scenes.make_flow(repo, block_family="compliance", created_by="token:ci"))
    other = scenes.make_flow(repo, block_family="observability", created_by="person")
    assert list_ids(operator, "author=token:ci") == [passed.pk]
    assert list_ids(operator, "family=observability") == [other.pk]
    assert list_ids(operator, "model=gpt-4-turbo") == [passed.pk]
    assert list_ids(operator, "model=none-such") == []
    assert list_ids(operator, "family=observability&author=token:ci") == []


def test_flows_are_filtered_by_when_they_were_created(operator, repo):
    old, new = scenes.make_flow(repo), scenes.make_flow(repo)
    Flow.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=5))
    assert list_ids(operator, "created_after=2h") == [new.pk]
    assert list_ids(operator, "created_before=2h") == [old.pk]
    moment = (timezone.now() - timedelta(hours=3)).isoformat().replace("+", "%2B")
    assert list_ids(operator, f"created_after={moment}") == [new.pk]
    read_problem(operator.get(f"{URL}?created_before=yesterday"), 400, "request:invalid-filter")


@pytest.mark.parametrize("offset", ["-22:30", "%2B23:59", "-24:00"])
def test_a_time_with_an_odd_offset_is_read_or_refused(operator, repo, offset):
    """Python reads offsets up to a day, PostgreSQL only those below 16 hours."""
    scenes.make_flow(repo)
    answer = operator.get(f"{URL}?created_after=2026-01-01T00:00:00{offset}")
    if offset == "-24:00":
        read_problem(answer, 400, "request:invalid-filter")
    else:
        assert (answer.status_code, len(answer.json()["results"])) == (200, 1)


def test_lists_are_ordered_as_asked(operator, repo):
    first, second = (scenes.run_through(scenes.make_flow(repo)) for _ in range(2))
    running = scenes.make_flow(repo)
    assert list_ids(operator, "ordering=created_at") == [first.pk, second.pk, running.pk]
    Flow.objects.filter(pk=first.pk).update(finished_at=timezone.now() + timedelta(seconds=5))
    # Only what has ended has an end to be ordered by.
    assert list_ids(operator, "ordering=-finished_at") == [first.pk, second.pk]
    page = operator.get(f"{URL}?ordering=finished_at&limit=1").json()
    assert [row["id"] for row in page["results"]] == [second.pk]
    assert [row["id"] for row in operator.get(page["next"]).json()["results"]] == [first.pk]
    body = read_problem(operator.get(f"{URL}?ordering=title"), 400, "request:invalid-filter")
    assert "finished_at" in body["cure"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=ten", "failed=perhaps", "cursor=cD1hYmM%3D%00", "wait=5", "fields=", "fields=x"],
)
def test_a_wrong_value_is_refused(operator, query):
    assert operator.get(f"{URL}?{query}").status_code == 400


def test_a_cursor_of_another_list_is_refused(operator, repo):
    # "p=abc", where repos are sought by a number.
    read_problem(operator.get("/api/v1/repos/?cursor=cD1hYmM%3D"), 400, "request:invalid-cursor")


def test_only_the_named_fields_are_sent_and_computed(operator, repo, django_assert_max_num_queries):
    flow = scenes.run_through(scenes.make_flow(repo))
    assert operator.get(f"{URL}?fields=id,status").json()["results"] == [{"id": flow.pk, "status": "passed"}]
    assert operator.get(f"/api/v1/repos/{repo.name}/?fields=phase").json() == {"phase": "org"}
    # The token, and the flow with its repo: no stages, calls or block.
    with django_assert_max_num_queries(3):
        assert operator.get(f"{URL}{flow.pk}/?fields=id").json() == {"id": flow.pk}
    body = read_problem(operator.get(f"{URL}?fields=id,colour"), 400, "request:invalid-filter")
    assert "colour" in body["detail"]
    assert "cost_usd" in body["cure"]


def test_addresses_are_absolute(api, repo):
    made = post_flow(api, {"feature_request": "x"})
    flow = made.json()["id"]
    assert made["Location"] == made.json()["url"] == f"http://testserver{URL}{flow}/"
    assert made.json()["html_url"] == f"http://testserver/flows/{flow}/"
    assert (
        api.get(f"/api/v1/repos/{repo.name}/").json()["html_url"].endswith(f"/dashboards/repos/{repo.name}/")
    )


def test_who_asks_again_is_told_that_nothing_has_changed(api, repo):
    flow = scenes.make_flow(repo)
    for address in (f"{URL}{flow.pk}/", URL, f"/api/v1/repos/{repo.name}/", "/api/v1/quota/"):
        first = api.get(address)
        again = api.get(address, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b""), address
        assert again["RateLimit-Remaining"]
    before = api.get(f"{URL}{flow.pk}/")["ETag"]
    scenes.start_kind(flow, "context")
    assert api.get(f"{URL}{flow.pk}/", headers={"If-None-Match": before}).status_code == 200


def test_settings_that_somebody_has_changed_are_not_overwritten(api, operator, repo):
    address = f"/api/v1/repos/{repo.name}/config/"
    read = api.get(address)
    tag = {"If-Match": read["ETag"]}
    changed = api.put(address, {"max_repair_rounds": 1}, format="json", headers=tag)
    assert changed.status_code == 200
    body = read_problem(
        api.put(address, {"max_repair_rounds": 0}, format="json", headers=tag),
        412,
        "request:changed-meanwhile",
    )
    assert "Read it again" in body["cure"]
    assert api.get(address).json()["config"]["max_repair_rounds"]["value"] == 1
    assert api.get(address)["ETag"] == changed["ETag"]
    tag = {"If-Match": changed["ETag"]}
    assert api.put(address, {"max_repair_rounds": 0}, format="json", headers=tag).status_code == 200
    # What holds for all repos is shown in the settings of each.
    tag = {"If-Match": api.get(address)["ETag"]}
    operator.put("/api/v1/config/", {"context.max_size_kb": 100}, format="json")
    assert api.put(address, {}, format="json", headers=tag).status_code == 412


def test_a_caller_that_asks_too_often_is_told_when_to_come_back(api, operator, settings, monkeypatch):
    settings.API_REQUESTS_PER_MINUTE = 3
    now = [600.0]
    monkeypatch.setattr(rate_limits, "counts", rate_limits.RequestCounts(lambda: now[0]))
    left = [api.get("/api/v1/whoami/")["RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    now[0] += 20
    refused = api.get("/api/v1/whoami/")
    read_problem(refused, 429, "request:throttled")
    assert (refused["Retry-After"], refused["RateLimit-Reset"]) == ("40", "40")
    assert refused["RateLimit-Policy"] == "3;w=60"
    # Others are not held up, and the next minute is a new one.
    assert operator.get("/api/v1/whoami/").status_code == 200
    now[0] += 41
    assert api.get("/api/v1/whoami/").status_code == 200


def test_requests_without_a_token_count_by_network(db, settings, monkeypatch):
    settings.API_REQUESTS_PER_MINUTE = 2
    monkeypatch.setattr(rate_limits, "counts", rate_limits.RequestCounts(lambda: 600.0))
    address = "/api/v1/evidence/keys/"
    places = [f"2001:db8:1:2::{number}" for number in (1, 2, 3)]
    asked = [APIClient(REMOTE_ADDR=place).get(address).status_code for place in places]
    assert asked == [200, 200, 429]
    assert APIClient(REMOTE_ADDR="2001:db8:1:3::1").get(address).status_code == 200


def test_lists_of_every_resource_are_paged_and_have_the_named_fields_only(api, repo):
    for number in range(3):
        body = {"url": f"https://ci.example.org/hooks/{number}", "topics": ["flow.failed"]}
        assert api.post("/api/v1/webhooks/", body, format="json").status_code == 201
        trust = {"issuer": "gitlab", "repository": f"group/project-{number}", "refs": ["refs/heads/main"]}
        assert api.post(f"/api/v1/repos/{repo.name}/ci-trusts/", trust, format="json").status_code == 201
        assert api.post("/api/v1/tokens/", {"name": "n", "scopes": ["flows:read"]}, format="json")
    for address in ("/api/v1/webhooks/", f"/api/v1/repos/{repo.name}/ci-trusts/", "/api/v1/tokens/"):
        page = api.get(address, {"limit": 2, "fields": "id"}).json()
        rest = api.get(page["next"]).json()
        found = page["results"] + rest["results"]
        assert len(page["results"]) == 2, address
        assert [set(row) for row in found] == [{"id"}] * len(found), address
        ids = [row["id"] for row in found]
        assert ids == sorted(ids, reverse=True), address
        assert len(set(ids)) >= 3, address
    read_problem(api.get("/api/v1/webhooks/?fields=secret"), 400, "request:invalid-filter")


def test_all_fields_with_a_mistake_are_named_at_once(api):
    wrong = {"feature_request": " ", "flow_type": "magic", "block_family": "../up", "feture": 1, "context": 5}
    body = read_problem(post_flow(api, wrong), 422, "request:unknown-field")
    assert set(body["errors"]) == set(wrong)
    body = read_problem(post_flow(api, {"block_family": "../up"}), 422, "flow:empty-request")
    assert set(body["errors"]) == {"feature_request", "block_family"}


@pytest.mark.parametrize(
    ("address", "body", "wrong"),
    [
        ("tokens/", {"name": 5, "scopes": ["flows:read"], "operator": 0}, {"name", "operator"}),
        (
            "webhooks/",
            {"url": "https://a.example.org/b", "topics": ["flow.failed"], "is_active": "yes"},
            {"is_active"},
        ),
        ("tokens/1/rotate/", {"overlap_seconds": "60"}, {"overlap_seconds"}),
        ("tokens/1/rotate/", {"overlap_seconds": True}, {"overlap_seconds"}),
        ("notify/slack/", {"channel": "general", "message": 7.5}, {"message"}),
        (
            "repos/compliance-service/ci-trusts/",
            {"issuer": "gitlab", "repository": "a/b", "refs": [5]},
            {"refs"},
        ),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_converted(operator, repo, address, body, wrong):
    scenes.make_repo()
    token, _ = tokens.create_token("nightly", repo, scopes=["flows:read"])
    address = f"/api/v1/{address}".replace("/1/", f"/{token.pk}/")
    problem = read_problem(operator.post(address, body, format="json"), 422, "request:invalid")
    assert set(problem["errors"]) == wrong


def test_a_default_that_is_written_out_is_the_same_request(api, repo):
    key = {"Idempotency-Key": "job-7"}
    first = post_flow(api, {"feature_request": "x"}, **key)
    whole = {
        "repo": repo.name,
        "feature_request": "x",
        "flow_type": "plan_impl_review_docs",
        "block_family": "",
        "context": None,
    }
    again = post_flow(api, whole, **key)
    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["id"] == first.json()["id"]
    assert Flow.objects.count() == 1
    other = post_flow(api, {"feature_request": "x", "block_family": "compliance"}, **key)
    read_problem(other, 409, "flow:idempotency-conflict")


def test_a_flow_has_the_family_that_its_plan_has_chosen(operator, repo):
    flow = scenes.make_flow(repo)
    scenes.finish_stage(scenes.start_kind(flow, "context"))
    claim = scenes.start_kind(flow, "plan")
    scenes.record_call(claim, "anthropic", "claude-sonnet-4-5", "0.02")
    assert operator.get(f"{URL}{flow.pk}/").json()["block_family"] == ""
    scenes.finish_stage(claim, block_family="compliance")
    assert operator.get(f"{URL}{flow.pk}/").json()["block_family"] == "compliance"
    assert list_ids(operator, "family=compliance") == [flow.pk]
    flow.refresh_from_db()
    assert (flow.asked_family, ProviderCall.objects.count()) == ("", 1)
    # The caller's own wins over the plan's.
    asked = scenes.make_flow(repo, block_family="observability")
    scenes.finish_stage(scenes.start_kind(asked, "context"))
    scenes.finish_stage(scenes.start_kind(asked, "plan"), block_family="compliance")
    asked.refresh_from_db()
    assert (asked.block_family, asked.asked_family) == ("observability", "observability")
    assert json.loads(operator.get(f"{URL}?fields=block_family").content)["results"][0] == {
        "block_family": "observability"
    }
