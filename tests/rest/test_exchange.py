"""Keyless CI: what the OIDC token of a job is exchanged for, and every forged one that is not."""

import base64
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from orchestrator.repos import tokens
from orchestrator.repos.ci_jobs import exchange, signing_keys
from orchestrator.repos.ci_jobs.claims import CLAIM_READERS
from orchestrator.repos.models import CiTrust, Token
from tests import scenes
from tests.repos.ci_jobs.issuer import AUDIENCE, describe_key, make_key, run_issuer
from tests.rest.test_create import read_problem
from tests.rest.test_tokens import read_requests

URL = "/api/v1/tokens/exchange/"


@pytest.fixture
def issuer(settings):
    """An issuer that operators have named as GitHub, and a service with an audience."""
    cache.clear()
    with run_issuer() as running:
        settings.CI_OIDC_AUDIENCE = AUDIENCE
        settings.CI_OIDC_ISSUERS = {running.url: "github"}
        yield running


@pytest.fixture
def trust(issuer, repo) -> CiTrust:
    return make_trust(issuer, repo)


def make_trust(issuer, repo, **fields) -> CiTrust:
    wanted = {
        "issuer": issuer.url,
        "repository": "example-org/auth-service",
        "refs": ["refs/heads/main", "refs/tags/v*"],
        "scopes": ["flows:read", "flows:write"],
    }
    return CiTrust.objects.create(repo=repo, **{**wanted, **fields})


def ask(token: str, **more):
    return APIClient().post(URL, {"oidc_token": token, **more}, format="json")


def refuse(token: str, *, code="exchange:invalid-token", status=401, because=""):
    before = Token.objects.count()
    body = read_problem(ask(token), status, code)
    assert because in body["detail"], body["detail"]
    assert Token.objects.count() == before
    return body


@pytest.mark.parametrize("key", ["rsa1", "ec1"])
def test_a_job_gets_a_token_of_its_repo_for_15_minutes(issuer, trust, key):
    answer = ask(issuer.sign(issuer.github_claims(), key))
    assert answer.status_code == 201, answer.content
    assert answer["Cache-Control"] == "no-store"
    made = answer.json()
    assert (made["repo"], made["operator"]) == ("compliance-service", False)
    assert made["scopes"] == ["flows:read", "flows:write"]
    assert made["name"] == "github:example-org/auth-service@main"
    assert made["created_by"] == "oidc:repo:example-org/auth-service:ref:refs/heads/main"
    left = datetime.fromisoformat(made["expires_at"]) - timezone.now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    job = APIClient()
    job.credentials(HTTP_AUTHORIZATION=f"Bearer {made['secret']}")
    body = {"feature_request": "# Ratio\nOf capital."}
    started = job.post("/api/v1/flows/", body, format="json")
    assert started.status_code == 202
    assert job.get(started["Location"]).json()["created_by"] == f"token:{made['name']}"
    # Nothing beyond its scopes, and no lasting token.
    read_problem(job.get("/api/v1/tokens/"), 403, "auth:missing-scope")
    Token.objects.filter(pk=made["id"]).update(expires_at=timezone.now())
    read_problem(job.get("/api/v1/flows/"), 401, "auth:expired-token")


def test_a_job_of_gitlab(issuer, repo, settings):
    settings.CI_OIDC_ISSUERS = {issuer.url: "gitlab"}
    make_trust(issuer, repo, repository="group/sub/auth-service", environment="production")
    claims = issuer.gitlab_claims(environment="production")
    made = ask(issuer.sign(claims)).json()
    assert made["name"] == "gitlab:group/sub/auth-service@main"
    tag = issuer.gitlab_claims(environment="production", ref="v1.2", ref_type="tag")
    assert ask(issuer.sign(tag)).json()["name"] == "gitlab:group/sub/auth-service@refs/tags/v1.2"
    # A branch that is called as a tag is a branch.
    branch = issuer.gitlab_claims(environment="production", ref="v1.2")
    refuse(issuer.sign(branch), code="exchange:no-trust", status=403)
    for source in ("merge_request_event", "external_pull_request_event"):
        proposed = issuer.gitlab_claims(environment="production", pipeline_source=source)
        refuse(issuer.sign(proposed), because="nobody has accepted")
    odd = issuer.gitlab_claims(environment="production", ref_type="merge_request")
    refuse(issuer.sign(odd), because="neither a branch nor a tag")


def write_part(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forge(header, claims, sign=lambda text: b"") -> str:
    text = f"{write_part(header)}.{write_part(claims)}"
    return f"{text}.{base64.urlsafe_b64encode(sign(text.encode())).rstrip(b'=').decode()}"


def test_forged_tokens_are_refused(issuer, trust):
    claims = issuer.github_claims()
    pem = make_key("rsa1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    listed = json.dumps(describe_key("rsa1")).encode()
    for secret in (pem, pem.strip(), listed):
        shared = forge(
            {"alg": "HS256", "kid": "rsa1"},
            claims,
            lambda text, secret=secret: hmac.new(secret, text, hashlib.sha256).digest(),
        )
        refuse(shared, because="not signed with one of RS256, ES256")
    for name in ("none", "None", "", None, "PS256", "RS512", "EdDSA"):
        refuse(forge({"alg": name, "kid": "rsa1"}, claims))
    # No signature, and one by another key under a known name; and with that key beside it.
    refuse(forge({"alg": "RS256", "kid": "rsa1"}, claims))
    other = jwt.encode(claims, make_key("rsa2"), algorithm="RS256", headers={"kid": "rsa1"})
    refuse(other, because="does not hold")
    refuse(issuer.sign(claims, "rsa2"), because="a key that its issuer does not list")
    for header in ({"jwk": describe_key("rsa2")}, {"jku": f"{issuer.url}/keys"}, {"x5u": issuer.url}):
        refuse(jwt.encode(claims, make_key("rsa2"), algorithm="RS256", headers={"kid": "rsa1", **header}))
    # The name of one kind of key and the signature of another.
    refuse(jwt.encode(claims, make_key("ec1"), algorithm="ES256", headers={"kid": "rsa1"}))
    refuse(jwt.encode(claims, make_key("rsa1"), algorithm="RS256", headers={"kid": "ec1"}))
    refuse(jwt.encode(claims, make_key("rsa1"), algorithm="RS256"), because="does not name its key")
    # Claims of one token under the signature of another.
    head, _, signature = issuer.sign(claims).split(".")
    refuse(f"{head}.{write_part({**claims, 'ref': 'refs/heads/other'})}.{signature}", because="does not hold")
    for odd in ("x", "..", "a.b.c", head, f"{head}.{head}", "é.é.é", "A" * 8192):
        refuse(odd)
    refuse(forge({"alg": "RS256", "kid": "rsa1", "crit": ["exp"]}, claims))


def test_the_throttle_stops_guesses_and_nobody_else(issuer, trust):
    for _ in range(30):
        refuse("a.b.c")
    answer = ask(issuer.sign(issuer.github_claims()))
    read_problem(answer, 429, "request:throttled")
    assert int(answer["Retry-After"]) >= 1
    elsewhere = APIClient().post(
        URL, {"oidc_token": issuer.sign(issuer.github_claims())}, format="json", REMOTE_ADDR="192.0.2.9"
    )
    assert elsewhere.status_code == 201


class Seconds(int):
    """From now; read when the test runs, so that its name is the same in every process."""


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"aud": "https://github.com/example-org"}, "its audience is not"),
        ({"aud": [AUDIENCE, "https://elsewhere.example.org"]}, "its audience is not"),
        ({"aud": [AUDIENCE]}, "its audience is not"),
        ({"aud": AUDIENCE + "/"}, "its audience is not"),
        ({"aud": None}, "does not hold"),
        ({"iss": "https://token.actions.githubusercontent.com"}, "its issuer is not one of"),
        ({"iss": None}, "does not name"),
        ({"exp": Seconds(-40), "iat": Seconds(-400)}, "has expired"),
        ({"exp": None}, "does not hold"),
        ({"exp": "soon"}, "does not hold"),
        ({"exp": 10**30}, ""),
        ({"iat": None}, "does not hold"),
        ({"iat": Seconds(3600), "exp": Seconds(7200)}, "does not hold"),
        ({"nbf": Seconds(3600)}, "does not hold"),
        ({"exp": Seconds(90_000)}, "lives longer than a day"),
        ({"sub": None}, "does not hold"),
        ({"sub": 7}, "does not hold"),
        ({"repository": None}, "claim repository"),
        ({"repository": ["example-org/auth-service"]}, "claim repository"),
        ({"repository": "example-org/auth-service\n"}, "claim repository"),
        ({"repository_id": None}, "claim repository_id"),
        ({"repository_id": ""}, "claim repository_id"),
        ({"ref": None}, "claim ref"),
        ({"ref": "x" * 300}, "claim ref"),
        ({"event_name": None}, "claim event_name"),
        ({"event_name": "pull_request"}, "nobody has accepted"),
        ({"event_name": "pull_request_target"}, "nobody has accepted"),
        ({"environment": 3}, "claim environment"),
    ],
    ids=str,
)
def test_a_token_that_is_not_right_is_refused(issuer, trust, changed, because):
    now = int(time.time())
    claims = {name: now + value if isinstance(value, Seconds) else value for name, value in changed.items()}
    body = refuse(issuer.sign(issuer.github_claims(**claims)), because=because)
    assert AUDIENCE in body["cure"]


@pytest.mark.parametrize(
    "changed",
    [
        {"repository": "example-org/other", "repository_id": "9"},
        {"repository": "example-org/auth-service-2"},
        {"repository": "somebody/auth-service"},
        {"ref": "refs/heads/main2"},
        {"ref": "refs/heads/feature/main"},
        {"ref": "refs/pull/7/merge"},
        {"ref": "refs/pull/7/head"},
        {"ref": "main"},
        {"ref": "refs/heads/v1"},
        {"ref": "refs/heads/MAIN"},
    ],
    ids=str,
)
def test_a_job_that_no_repo_trusts_is_refused(issuer, trust, changed):
    claims = issuer.github_claims(**changed)
    body = refuse(issuer.sign(claims), code="exchange:no-trust", status=403)
    assert claims["repository"] in body["detail"]


def test_an_environment_that_is_named_must_be_the_jobs(issuer, repo):
    make_trust(issuer, repo, environment="production")
    for environment in (None, "staging", "Production"):
        claims = issuer.github_claims(environment=environment)
        refuse(issuer.sign(claims), code="exchange:no-trust", status=403)
    assert ask(issuer.sign(issuer.github_claims(environment="production"))).status_code == 201


def test_the_same_claims_of_another_issuer_are_refused(issuer, trust, settings):
    """An issuer speaks for itself only."""
    with run_issuer() as second:
        settings.CI_OIDC_ISSUERS = {issuer.url: "github", second.url: "github"}
        refuse(second.sign(second.github_claims()), code="exchange:no-trust", status=403)
        # It cannot sign for the first one either, though the keys have the same names.
        second.published = ["rsa2"]
        claims = second.github_claims(iss=issuer.url)
        refuse(second.sign(claims, "rsa2", kid="rsa1"), because="does not hold")


def test_an_oidc_token_is_exchanged_once(issuer, trust):
    token = issuer.sign(issuer.github_claims())
    assert ask(token).status_code == 201
    refuse(token, code="exchange:used", status=409)
    # The same id under another signature, and a token without an id.
    again = issuer.github_claims(jti="one", exp=int(time.time()) + 200)
    assert ask(issuer.sign({**again, "exp": again["exp"] + 1}, "ec1")).status_code == 201
    refuse(issuer.sign(again), code="exchange:used", status=409)
    nameless = issuer.github_claims(jti=None)
    # ECDSA gives another signature each time, for the same claims.
    assert ask(issuer.sign(nameless, "ec1")).status_code == 201
    refuse(issuer.sign(nameless, "ec1"), code="exchange:used", status=409)
    # Also when the first token has ended, and long after.
    Token.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    exchange.remove_old_tokens()
    refuse(token, code="exchange:used", status=409)


def test_of_many_exchanges_of_one_token_one_succeeds(transactional_db, issuer):
    make_trust(issuer, scenes.make_repo())
    token = issuer.sign(issuer.github_claims())

    def run(_: int) -> int:
        try:
            return ask(token).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(run, range(6))) == [201] + [409] * 5


def test_a_name_that_others_took_opens_nothing(issuer, trust):
    assert ask(issuer.sign(issuer.github_claims())).status_code == 201
    trust.refresh_from_db()
    assert trust.repository_id == "123456"
    taken = issuer.github_claims(repository_id="654321")
    refuse(issuer.sign(taken), code="exchange:no-trust", status=403)
    # GitHub's names have no case.
    renamed = issuer.github_claims(repository="Example-Org/Auth-Service")
    assert ask(issuer.sign(renamed)).status_code == 201


def test_two_repositories_that_come_at_once_do_not_share_a_trust(issuer, trust, monkeypatch):
    """The first has not written its number yet when the second is matched."""
    find = exchange._find_trust

    def find_and_lose(verified, repo_name):
        found = find(verified, repo_name)
        CiTrust.objects.update(repository_id="1")
        return found

    monkeypatch.setattr(exchange, "_find_trust", find_and_lose)
    refuse(issuer.sign(issuer.github_claims()), code="exchange:no-trust", status=403)


def test_the_repo_is_named_where_several_trust_the_job(issuer, trust):
    make_trust(issuer, scenes.make_repo("other"), scopes=["flows:read"])
    body = refuse(issuer.sign(issuer.github_claims()), code="exchange:several-repos", status=422)
    assert "compliance-service, other" in body["detail"]
    made = ask(issuer.sign(issuer.github_claims()), repo="other").json()
    assert (made["repo"], made["scopes"]) == ("other", ["flows:read"])
    body = read_problem(ask(issuer.sign(issuer.github_claims()), repo="third"), 403, "exchange:no-trust")


def test_the_issuer_is_away(issuer, trust):
    issuer.answer = "down"
    answer = ask(issuer.sign(issuer.github_claims()))
    read_problem(answer, 503, "exchange:keys-away")
    assert int(answer["Retry-After"]) == signing_keys.RETRY_SECONDS


def test_a_service_without_an_audience_exchanges_nothing(issuer, trust, settings):
    settings.CI_OIDC_AUDIENCE = ""
    body = read_problem(ask(issuer.sign(issuer.github_claims(aud=""))), 503, "exchange:not-configured")
    assert "CI_OIDC_AUDIENCE" in body["cure"]


def test_an_owner_says_which_jobs_are_trusted(api, as_token, issuer, repo):
    url = f"/api/v1/repos/{repo.name}/ci-trusts/"
    wanted = {"issuer": "github", "repository": "example-org/auth-service", "refs": ["refs/heads/main"]}
    made = api.post(url, wanted, format="json").json()
    assert (made["issuer"], made["repository_id"], made["environment"]) == (issuer.url, "", "")
    assert made["scopes"] == ["blocks:read", "flows:read", "flows:write"]
    assert api.get(url).json()["results"] == [made]
    secret = ask(issuer.sign(issuer.github_claims())).json()["secret"]
    job = APIClient()
    job.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert job.get("/api/v1/whoami/").status_code == 200
    # The token of a job is not rotated into a lasting one.
    number = Token.objects.get(trust=made["id"]).pk
    read_problem(api.post(f"/api/v1/tokens/{number}/rotate/", {}, format="json"), 409, "token:of-ci-job")
    other = as_token(scenes.make_repo("other"))
    read_problem(other.delete(f"{url}{made['id']}/"), 403, "auth:wrong-repo")
    read_problem(other.delete(f"/api/v1/repos/other/ci-trusts/{made['id']}/"), 404, "token:unknown-trust")
    assert api.delete(f"{url}{made['id']}/").status_code == 204
    read_problem(job.get("/api/v1/whoami/"), 401, "auth:unknown-token")


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "jenkins"},
        {"issuer": "https://elsewhere.example.org"},
        {"repository": "auth-service"},
        {"repository": "example-org/auth service"},
        {"repository": "*/*"},
        {"refs": []},
        {"refs": ["main"]},
        {"refs": ["*"]},
        {"refs": ["refs/*"]},
        {"refs": ["refs/pull/*"]},
        {"refs": ["refs/heads/[a-z]"]},
        {"refs": ["refs/heads/ma\nin"]},
        {"refs": ["refs/heads/main"] * 21},
        {"scopes": []},
        {"scopes": ["repo:admin"]},
        {"scopes": ["ops:write"]},
        {"scopes": ["all"]},
    ],
    ids=str,
)
def test_a_trust_that_is_too_wide_or_odd_is_refused(api, issuer, repo, wrong):
    good = {"issuer": "github", "repository": "example-org/auth-service", "refs": ["refs/heads/main"]}
    answer = api.post(f"/api/v1/repos/{repo.name}/ci-trusts/", {**good, **wrong}, format="json")
    read_problem(answer, 422, "request:invalid")
    assert not CiTrust.objects.exists()


def test_an_owner_gives_jobs_no_more_than_they_have(issuer, repo):
    _, secret = tokens.create_token("owner", repo, scopes=["flows:read", "repo:admin"])
    owner = APIClient()
    owner.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    wanted = {"issuer": "github", "repository": "example-org/auth-service", "refs": ["refs/heads/main"]}
    url = f"/api/v1/repos/{repo.name}/ci-trusts/"
    read_problem(owner.post(url, wanted, format="json"), 403, "token:scope-not-held")
    assert owner.post(url, {**wanted, "scopes": ["flows:read"]}, format="json").status_code == 201


def test_old_tokens_of_jobs_are_removed_and_no_others(issuer, trust):
    ask(issuer.sign(issuer.github_claims()))
    lasting, _ = tokens.create_token("ci", trust.repo, expires_at=timezone.now())
    Token.objects.update(expires_at=timezone.now() - exchange.KEPT)
    exchange.remove_old_tokens()
    assert [row.pk for row in Token.objects.all()] == [lasting.pk]


def test_every_vendor_of_the_settings_is_there(settings):
    assert set(settings.CI_VENDORS) == set(CLAIM_READERS)


def test_the_page_about_keyless_ci_does_what_it_says(as_token, issuer):
    owner = as_token(scenes.make_repo("auth-service"))
    (create, path, wanted), (exchange_, exchange_path, body) = read_requests("keyless-ci.md")
    assert getattr(owner, create)(path, wanted, format="json").status_code == 201
    assert body.keys() == {"oidc_token"}
    sent = {"oidc_token": issuer.sign(issuer.github_claims(ref="refs/tags/v1.0"))}
    made = getattr(APIClient(), exchange_)(exchange_path, sent, format="json")
    assert (made.status_code, made.json()["repo"]) == (201, "auth-service")
