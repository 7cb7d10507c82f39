"""Repos, settings and quota over REST."""

from orchestrator.repos.models import Repo
from tests import scenes
from tests.rest.test_create import read_problem


def test_operators_register_repos_once(operator, api):
    body = {"name": "financial-reporting", "domain": "reporting", "team_lead": "lead@example.org"}
    first = operator.post("/api/v1/repos/", body, format="json")
    assert first.status_code == 201
    assert first["Location"] == "http://testserver/api/v1/repos/financial-reporting/"
    assert operator.post("/api/v1/repos/", body, format="json").status_code == 200
    read_problem(operator.post("/api/v1/repos/", {"name": "Not Good"}, format="json"), 422, "request:invalid")
    read_problem(api.post("/api/v1/repos/", {"name": "mine"}, format="json"), 403, "auth:operators-only")
    assert Repo.objects.count() == 2


def test_a_pilot_is_registered_as_one(operator, settings):
    settings.PILOT_REPOS = ("first",)
    assert operator.post("/api/v1/repos/", {"name": "first"}, format="json").json()["phase"] == "pilot"
    assert operator.post("/api/v1/repos/", {"name": "second"}, format="json").json()["phase"] == "org"


def test_each_sees_what_is_within_reach(operator, api, repo):
    scenes.make_repo("other")
    assert [row["name"] for row in operator.get("/api/v1/repos/").json()["results"]] == ["other", repo.name]
    assert [row["name"] for row in api.get("/api/v1/repos/").json()["results"]] == [repo.name]
    read_problem(api.get("/api/v1/repos/other/"), 403, "auth:wrong-repo")
    read_problem(operator.get("/api/v1/repos/nowhere/"), 404, "repo:unknown")
    assert api.get("/api/v1/whoami/").json() == {
        "name": "test",
        "operator": False,
        "repo": repo.name,
        "scopes": ["flows:read", "flows:write", "blocks:read", "config:write", "repo:admin"],
        "expires_at": None,
    }


def test_settings_show_value_source_and_history(api, repo):
    url = f"/api/v1/repos/{repo.name}/config/"
    shown = api.put(
        url, {"context.max_size_kb": 100, "context.pruning.enabled": "true"}, format="json"
    ).json()
    assert shown["config"]["context.max_size_kb"] == {"value": 100, "source": "repo", "note": ""}
    assert shown["config"]["architect.model"]["source"] == "env"
    assert {(row["key"], row["actor"]) for row in shown["history"]} == {
        ("context.max_size_kb", "token:test"),
        ("context.pruning.enabled", "token:test"),
    }
    read_problem(
        api.put(url, {"gates.min_unit_coverage": 10}, format="json"), 422, "config:below-organisation"
    )
    read_problem(api.put(url, {"nothing": 10}, format="json"), 422, "config:unknown-key")


def test_an_owner_neither_enables_a_repo_nor_sets_the_organisations_values(api, operator, repo):
    url = f"/api/v1/repos/{repo.name}/config/"
    read_problem(api.put(url, {"enabled": True}, format="json"), 403, "auth:operators-only")
    read_problem(
        api.put("/api/v1/config/", {"gates.min_unit_coverage": 95}, format="json"), 403, "auth:operators-only"
    )
    assert operator.put("/api/v1/config/", {"gates.min_unit_coverage": 95}, format="json").status_code == 200
    assert api.get(url).json()["config"]["gates.min_unit_coverage"] == {
        "value": 95,
        "source": "org",
        "note": "",
    }
    assert operator.put(url, {"enabled": False}, format="json").json()["enabled"] is False


def test_quota_shows_every_provider(api):
    body = api.get("/api/v1/quota/").json()
    assert [one["provider"] for one in body["providers"]] == ["anthropic", "openai", "google"]
    for one in body["providers"]:
        assert one["left_tokens"] == one["limit_tokens"]
        assert one["admits"] is True
    assert body["daily_budget_usd"] == "50"
