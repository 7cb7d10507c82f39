"""Tokens over REST: shown once, with scopes and an end, rotated without downtime, revoked at once."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.repos import tokens
from orchestrator.repos.models import Token
from orchestrator.repos.scopes import DESCRIPTIONS
from tests import scenes
from tests.rest.test_create import read_problem

DOCS = Path(__file__).parents[2] / "docs/how-to"
URL = "/api/v1/tokens/"
CI = ["flows:read", "flows:write", "blocks:read"]


def make(client, **fields):
    return client.post(URL, {"name": "ci", "scopes": CI, **fields}, format="json")


def hold(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def test_a_secret_is_shown_once_and_kept_as_a_digest(api, repo):
    answer = make(api)
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    made = answer.json()
    secret = made.pop("secret")
    assert answer["Location"] == f"http://testserver{URL}{made['id']}/"
    assert (made["repo"], made["operator"], made["scopes"]) == (repo.name, False, CI)
    assert (made["status"], made["created_by"], made["last_used_at"]) == ("live", "token:test", None)
    # 90 days, where nothing else is asked for.
    assert 89 < (datetime.fromisoformat(made["expires_at"]) - timezone.now()).days + 1 <= 90
    assert secret not in json.dumps(list(Token.objects.values()), default=str)
    assert secret.encode() not in api.get(URL).content
    assert api.get(f"{URL}{made['id']}/").json() == made


def test_where_and_when_it_was_used_last(api):
    made = make(api).json()
    client = hold(made["secret"])
    assert client.get("/api/v1/whoami/", REMOTE_ADDR="192.0.2.7").json()["scopes"] == CI
    shown = api.get(f"{URL}{made['id']}/").json()
    assert shown["last_used_from"] == "192.0.2.7"
    assert datetime.fromisoformat(shown["last_used_at"]) > timezone.now() - timedelta(minutes=1)
    # To the minute: the next call writes nothing.
    client.get("/api/v1/whoami/", REMOTE_ADDR="192.0.2.8")
    assert api.get(f"{URL}{made['id']}/").json()["last_used_from"] == "192.0.2.7"


def test_an_expired_token_says_so(api):
    secret = make(api).json()["secret"]
    Token.objects.filter(name="ci").update(expires_at=timezone.now())
    answer = hold(secret).get("/api/v1/flows/")
    body = read_problem(answer, 401, "auth:expired-token")
    assert "successor" in body["cure"]
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert api.get(URL, {"live": "false"}).json()["results"][0]["status"] == "expired"
    assert [row["name"] for row in api.get(URL, {"live": "true"}).json()["results"]] == ["test"]
    # A use that was refused does not count.
    assert Token.objects.get(name="ci").last_used_at is None


def test_both_secrets_work_until_the_overlap_is_over(api):
    made = make(api).json()
    answer = api.post(f"{URL}{made['id']}/rotate/", {"overlap_seconds": 3600}, format="json")
    assert answer.status_code == 201
    successor = answer.json()
    assert successor["replaces"] == made["id"]
    assert (successor["name"], successor["scopes"], successor["repo"]) == ("ci", CI, made["repo"])
    for one in (made, successor):
        assert hold(one["secret"]).get("/api/v1/flows/").status_code == 200
    old = api.get(f"{URL}{made['id']}/").json()
    left = datetime.fromisoformat(old["expires_at"]) - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    # The old one is in use still, which its row tells.
    assert old["last_used_at"]
    lifetimes = [
        datetime.fromisoformat(one["expires_at"]) - datetime.fromisoformat(one["created_at"])
        for one in (made, successor)
    ]
    assert abs(lifetimes[0] - lifetimes[1]) < timedelta(seconds=5)


def test_a_token_is_rotated_once_unless_the_secret_was_lost(api):
    made = make(api).json()
    rotate = f"{URL}{made['id']}/rotate/"
    first = api.post(rotate, {}, format="json").json()
    body = read_problem(api.post(rotate, {}, format="json"), 409, "token:replaced")
    assert str(first["id"]) in body["detail"]
    assert api.delete(f"{URL}{first['id']}/").status_code == 204
    second = api.post(rotate, {}, format="json").json()
    lives = datetime.fromisoformat(second["expires_at"]) - timezone.now()
    assert lives > timedelta(days=89)
    assert api.delete(f"{URL}{made['id']}/").status_code == 204
    read_problem(api.post(rotate, {}, format="json"), 409, "token:not-live")
    over = {"overlap_seconds": 7 * 86400 + 1}
    read_problem(api.post(f"{URL}{second['id']}/rotate/", over, format="json"), 422, "request:invalid")


def test_of_many_who_rotate_at_once_one_does(transactional_db):
    token, _ = tokens.create_token("ci", scenes.make_repo())

    def rotate(_: int) -> bool:
        try:
            tokens.rotate_token(token, created_by="x")
        except tokens.TokenReplaced:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(rotate, range(4))) == 1
    assert Token.objects.count() == 2


def test_a_revoked_token_ends_at_once(api):
    made = make(api).json()
    client = hold(made["secret"])
    assert client.get("/api/v1/whoami/").status_code == 200
    assert api.delete(f"{URL}{made['id']}/").status_code == 204
    read_problem(client.get("/api/v1/whoami/"), 401, "auth:unknown-token")
    assert api.delete(f"{URL}{made['id']}/").status_code == 204
    assert api.get(f"{URL}{made['id']}/").json()["status"] == "revoked"


def test_nobody_gives_more_than_they_have(as_token, repo):
    _, secret = tokens.create_token("owner", repo, scopes=["flows:read", "repo:admin"])
    owner = hold(secret)
    body = read_problem(make(owner), 403, "token:scope-not-held")
    assert "blocks:read, flows:write" in body["detail"]
    assert make(owner, scopes=["flows:read"]).status_code == 201
    # Nor by rotating a token that may do more.
    stronger, _ = tokens.create_token("stronger", repo)
    read_problem(owner.post(f"{URL}{stronger.pk}/rotate/", {}, format="json"), 403, "token:scope-not-held")
    read_problem(make(owner, scopes=["flows:read", "org:admin"]), 422, "token:operator-scope")


def test_the_reach_of_repos_and_operators(api, operator, as_token, repo):
    other = as_token(scenes.make_repo("other"))
    foreign = make(other).json()
    read_problem(make(api, repo="other"), 403, "auth:wrong-repo")
    read_problem(make(api, operator=True), 403, "auth:operators-only")
    for call in (api.get, api.delete):
        read_problem(call(f"{URL}{foreign['id']}/"), 404, "token:not-found")
    assert {row["repo"] for row in api.get(URL).json()["results"]} == {repo.name}
    read_problem(make(operator), 422, "request:invalid")
    assert make(operator, repo="other").json()["repo"] == "other"
    of_operator = make(operator, operator=True, scopes=["ops:read"], expires_at=None).json()
    assert (of_operator["repo"], of_operator["operator"], of_operator["expires_at"]) == (None, True, None)
    rows = operator.get(URL, {"operator": "true"}).json()["results"]
    assert {row["name"] for row in rows} == {"ci", "test"}
    # Tokens of operators are out of reach for an operator without org:admin.
    limited = hold(tokens.create_token("limited", scopes=["repo:admin"])[1])
    assert all(not row["operator"] for row in limited.get(URL).json()["results"])
    read_problem(limited.get(f"{URL}{of_operator['id']}/"), 404, "token:not-found")
    read_problem(make(limited, operator=True), 403, "auth:missing-scope")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"scopes": []},
        {"scopes": ["flows:delete"]},
        {"scopes": ["all"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "soon"},
        {"operator": True, "repo": "compliance-service"},
    ],
)
def test_what_is_refused(api, wrong):
    read_problem(make(api, **wrong), 422, "request:invalid")
    assert Token.objects.count() == 1


def read_requests(page: str) -> list[tuple[str, str, dict]]:
    """Method, path and body of each ``curl`` of a page of ``docs/how-to``."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"^curl -X (\w+) \"\$BLOCKS_API_URL(\S+)\"[^\n']*(?:'(.*)')?", text, re.M)
    return [(method.lower(), path, json.loads(body or "{}")) for method, path, body in found]


def test_the_page_about_tokens_does_what_it_says(as_token):
    client = as_token(scenes.make_repo("auth-service"))
    (create, create_path, new), (rotate, path, overlap), (revoke, same_path, _) = read_requests(
        "manage-tokens.md"
    )
    made = getattr(client, create)(create_path, new, format="json").json()
    for method, written, body, status in (
        (rotate, path, overlap, 201),
        (revoke, same_path, None, 204),
    ):
        real = written.replace("/12/", f"/{made['id']}/")
        assert getattr(client, method)(real, body, format="json").status_code == status
    page = (DOCS / "manage-tokens.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([a-z:]+)` \| (.*) \|$", page, re.M)) == DESCRIPTIONS
    for line in re.findall(r"^manage\.py (create_token .*)$", page, re.M):
        call_command(*line.split(), stdout=StringIO())
