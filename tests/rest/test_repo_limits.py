"""What one repo may use beside tokens and money, and who decides it."""

import threading

import pytest
from django.db import connection

from orchestrator.flows import engine
from orchestrator.flows.models import Blob, Flow
from orchestrator.repos import repo_settings
from tests import scenes
from tests.rest.test_create import post_flow, read_problem


def set_limit(operator, repo, **limits) -> None:
    body = {f"budget.{name}": value for name, value in limits.items()}
    answer = operator.put(f"/api/v1/repos/{repo.name}/config/", body, format="json")
    assert answer.status_code == 200, answer.content


def test_open_flows_are_bounded_and_the_answer_says_whose_limit_it_is(api, operator, repo):
    set_limit(operator, repo, open_flows=2)
    first = post_flow(api, {"feature_request": "one"}).json()["id"]
    post_flow(api, {"feature_request": "two"})
    answer = post_flow(api, {"feature_request": "three"})
    body = read_problem(answer, 429, "repo:too-many-open-flows")
    assert body["detail"] == f"repo {repo.name} has 2 open flows, which is all that it may have."
    assert int(answer["Retry-After"]) > 0
    # Another repo is not concerned, and one that ends makes room.
    other = scenes.make_repo("other")
    assert post_flow(operator, {"repo": other.name, "feature_request": "x"}).status_code == 202
    assert engine.cancel(first)
    assert post_flow(api, {"feature_request": "three"}).status_code == 202
    # A flow that has ended takes a place again when it is retried.
    read_problem(api.post(f"/api/v1/flows/{first}/retry/"), 429, "repo:too-many-open-flows")


def test_flows_a_minute_are_bounded_and_a_repeated_request_is_none(api, operator, repo):
    set_limit(operator, repo, flows_minute=2)
    assert post_flow(api, {"feature_request": "a"}, **{"Idempotency-Key": "k"}).status_code == 202
    assert post_flow(api, {"feature_request": "b"}).status_code == 202
    answer = post_flow(api, {"feature_request": "c"})
    body = read_problem(answer, 429, "repo:too-many-flows")
    assert f"repo {repo.name} has started its 2 flows" in body["detail"]
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert post_flow(api, {"feature_request": "a"}, **{"Idempotency-Key": "k"}).status_code == 202
    Flow.objects.update(created_at="2026-01-01T00:00:00Z")
    assert post_flow(api, {"feature_request": "c"}).status_code == 202


def test_what_a_repo_keeps_is_bounded_and_the_same_bytes_count_once(api, operator, repo):
    set_limit(operator, repo, stored_mb=1)
    files = {"notes.txt": "something to keep"}
    assert post_flow(api, {"feature_request": "a", "context": {"files": files}}).status_code == 202
    assert Blob.objects.get().repo_id == repo.pk
    Blob.objects.update(size=999_990)
    assert post_flow(api, {"feature_request": "b", "context": {"files": files}}).status_code == 202
    answer = post_flow(api, {"feature_request": "c", "context": {"files": {"notes.txt": "other " * 9}}})
    body = read_problem(answer, 413, "repo:storage-full")
    assert f"repo {repo.name} keeps 1.0 of its 1.0 MB" in body["detail"]
    assert post_flow(api, {"feature_request": "without files"}).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_many_requests_at_once_do_not_pass_a_limit_together(repo):
    limits = repo_settings.read_limits(repo.name)
    limits = repo_settings.RepoLimits(limits.tokens_day, limits.usd_day, 5, 100, limits.stored_bytes)
    refused: list[engine.RepoLimitReached] = []

    def work() -> None:
        for _ in range(3):
            try:
                engine.create(repo, "x", limits=limits)
            except engine.RepoLimitReached as error:
                refused.append(error)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Flow.objects.count() == 5
    assert len(refused) == 13


def test_a_repo_cannot_raise_what_costs_others(api, operator, repo):
    url = f"/api/v1/repos/{repo.name}/config/"
    for key in ("budget.tokens_day", "budget.usd_day", "budget.open_flows", "models.allowed", "enabled"):
        read_problem(api.put(url, {key: 10**9}, format="json"), 403, "auth:operators-only")
    read_problem(api.put(url, {"max_repair_rounds": 9}, format="json"), 422, "config:below-organisation")
    dear = "claude-opus-4-1"
    refused = read_problem(
        api.put(url, {"architect.model": dear}, format="json"), 422, "config:model-not-allowed"
    )
    assert f"models.allowed {dear}" in refused["cure"]
    # What costs no more than the organisation's own models costs others nothing.
    assert api.put(url, {"architect.model": "gpt-4.1"}, format="json").status_code == 200
    # The organisation decides: from then on the repo may choose it, and no longer when it is taken back.
    assert (
        operator.put("/api/v1/config/", {"models.allowed": "claude-opus-*"}, format="json").status_code == 200
    )
    assert api.put(url, {"architect.model": dear}, format="json").status_code == 200
    # The cure keeps what is allowed already.
    other = read_problem(
        api.put(url, {"architect.model": "o1-pro"}, format="json"), 422, "config:model-not-allowed"
    )
    assert "models.allowed claude-opus-*,o1-pro`" in other["cure"]
    operator.put("/api/v1/config/", {"models.allowed": ""}, format="json")
    shown = api.get(url).json()["config"]["architect.model"]
    assert (shown["value"], shown["source"]) == ("claude-sonnet-4-5", "env")
    assert "not in models.allowed" in shown["note"]
    assert repo_settings.read_value(repo.name, "architect.model") == "claude-sonnet-4-5"


def test_the_organisation_may_give_all_repos_or_one_more(operator, repo):
    operator.put("/api/v1/config/", {"budget.tokens_day": 10}, format="json")
    other = scenes.make_repo("other")
    set_limit(operator, repo, tokens_day=30, usd_day="7.5")
    found = repo_settings.read_limits(repo.name)
    assert (found.tokens_day, str(found.usd_day)) == (30, "7.5")
    assert repo_settings.read_limits(other.name).tokens_day == 10
    # A share of the whole, where nobody has said more.
    assert repo_settings.read_limits(other.name).usd_day == 25


def test_a_value_that_would_not_count_is_refused_or_explained(api, operator, repo, settings):
    read_problem(
        operator.put("/api/v1/config/", {"gates.min_unit_coverage": 50}, format="json"),
        422,
        "config:below-organisation",
    )
    settings.REPO_ALLOWLIST = ("another",)
    answer = operator.put(f"/api/v1/repos/{repo.name}/config/", {"enabled": True}, format="json").json()
    assert answer["config"]["enabled"]["note"] == "REPO_ALLOWLIST does not name this repo"
