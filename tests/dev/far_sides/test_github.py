"""GitHub's stand-in through PyGithub, the client that others wrote, and through git. Each answer is held to
GitHub's own description by the stand-in itself: what does not fit is a fault.
"""

import base64
import hmac
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import github
import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.dev.far_sides.github import EVERYTHING, GitHubRepository, LocalGitHub
from orchestrator.dev.far_sides.server import Trouble, serve

TOKEN = "ghp_operators"
PATH = "acme/compliance-service"


@pytest.fixture
def far_side() -> Iterator[LocalGitHub]:
    made = LocalGitHub(tokens={TOKEN: EVERYTHING, "ghp_reader": {"contents"}, "ghp_stranger": EVERYTHING})
    with serve(made):
        yield made
    assert made.faults == []


@pytest.fixture
def repository(far_side: LocalGitHub, tmp_path: Path) -> GitHubRepository:
    made = far_side.add_repository(PATH, tmp_path)
    made.remote.commit_files("main", {"README.md": b"# Service\n", ".github/workflows/ci.yml": b"on: push\n"})
    return made


def connect(far_side: LocalGitHub, token: str = TOKEN) -> github.Github:
    return github.Github(auth=github.Auth.Token(token), base_url=far_side.url, retry=None, timeout=5)


def test_a_repository_and_its_files_are_read(far_side, repository):
    found = connect(far_side).get_repo(PATH)
    assert (found.full_name, found.default_branch, found.archived) == (PATH, "main", False)
    content = found.get_contents("README.md", ref="main")
    assert content.decoded_content == b"# Service\n"
    branch = found.get_branch("main")
    paths = {one.path for one in found.get_git_tree(branch.commit.sha, recursive=True).tree}
    assert ".github/workflows/ci.yml" in paths
    with pytest.raises(github.UnknownObjectException):
        found.get_contents("missing", ref="main")


def test_several_files_become_one_commit_and_one_pull(far_side, repository):
    found = connect(far_side).get_repo(PATH)
    base = found.get_branch("main").commit
    elements = [github.InputGitTreeElement(f".blocks/{name}", "100644", "blob", name) for name in "ab"]
    tree = found.create_git_tree(elements, found.get_git_tree(base.sha))
    commit = found.create_git_commit("Add .blocks", tree, [found.get_git_commit(base.sha)])
    found.create_git_ref("refs/heads/blocks/onboarding", commit.sha)
    made = found.create_pull("main", "blocks/onboarding", title="Blocks", body="x")
    assert repository.remote.list_files("blocks/onboarding")[:2] == [".blocks/a", ".blocks/b"]
    assert [one.number for one in found.get_pulls(state="open", head="acme:blocks/onboarding")] == [
        made.number
    ]
    with pytest.raises(github.GithubException) as twice:
        found.create_pull("main", "blocks/onboarding", title="Blocks", body="x")
    assert twice.value.status == 422
    with pytest.raises(github.GithubException) as missing:
        found.create_git_ref("refs/heads/blocks/onboarding", commit.sha)
    assert (missing.value.status, missing.value.data["message"]) == (422, "Reference already exists")


def test_a_pull_without_a_head_is_refused(far_side, repository):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.post(
        f"{far_side.url}/repos/{PATH}/pulls", json={"base": "main"}, headers=headers, timeout=5
    )
    assert answer.status_code == 422


def test_a_secret_has_to_be_sealed_for_the_repository(far_side, repository):
    found = connect(far_side).get_repo(PATH)
    found.create_secret("BLOCKS_TOKEN", "blk_secret")
    assert repository.secrets == {"BLOCKS_TOKEN": "blk_secret"}
    url = f"{far_side.url}/repos/{PATH}/actions/secrets/BLOCKS_TOKEN"
    body = {"encrypted_value": base64.b64encode(b"x" * 60).decode(), "key_id": repository.key_id}
    answer = requests.put(url, json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
    assert answer.status_code == 422
    assert found.delete_secret("BLOCKS_TOKEN")
    assert not found.delete_secret("BLOCKS_TOKEN")


def test_a_variable_exists_once(far_side, repository):
    found = connect(far_side).get_repo(PATH)
    found.create_variable("BLOCKS_ONBOARDING", "x")
    with pytest.raises(github.GithubException) as twice:
        found.create_variable("blocks_onboarding", "y")
    assert twice.value.status == 409
    assert repository.variables == {"BLOCKS_ONBOARDING": "x"}


def test_what_a_token_may_not_see_is_not_there(far_side, repository):
    repository.private, repository.seen_by = True, {TOKEN}
    assert connect(far_side).get_repo(PATH).private
    with pytest.raises(github.UnknownObjectException):
        connect(far_side, "ghp_stranger").get_repo(PATH)
    with pytest.raises(github.BadCredentialsException):
        connect(far_side, "ghp_wrong").get_repo(PATH)


def test_a_token_does_what_its_permissions_say(far_side, repository):
    reader = connect(far_side, "ghp_reader").get_repo(PATH)
    with pytest.raises(github.GithubException) as refused:
        reader.create_secret("BLOCKS_TOKEN", "x")
    assert refused.value.status == 403
    repository.archived = True
    with pytest.raises(github.GithubException) as read_only:
        connect(far_side).get_repo(PATH).create_variable("A", "b")
    assert "read-only" in read_only.value.data["message"]


def test_a_renamed_repository_is_followed(far_side, repository):
    far_side.rename(repository, "acme/compliance")
    assert connect(far_side).get_repo(PATH).full_name == "acme/compliance"


def test_an_app_gets_a_token_for_one_repository_which_git_takes(far_side, repository, app_keys, tmp_path):
    far_side.apps["77"] = app_keys[1]
    repository.private, repository.seen_by = True, set()
    integration = github.GithubIntegration(
        auth=github.Auth.AppAuth(77, app_keys[0]), base_url=far_side.url, retry=None
    )
    with pytest.raises(github.UnknownObjectException):
        integration.get_repo_installation("acme", "compliance-service")
    repository.installations["77"] = 5
    installation = integration.get_repo_installation("acme", "compliance-service")
    token = integration.get_access_token(installation.id, permissions={"contents": "read"}).token
    address = f"{far_side.url}/{PATH}.git"
    clone = ["git", "-c", "credential.helper=", "clone", "--quiet"]
    refused = subprocess.run(
        [*clone, address, str(tmp_path / "refused")],
        env={"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert refused.returncode != 0
    header = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    subprocess.run(
        [
            *clone,
            "-c",
            f"http.extraHeader=Authorization: Basic {header}",
            address,
            str(tmp_path / "cloned"),
        ],
        capture_output=True,
        check=True,
    )
    assert (tmp_path / "cloned" / "README.md").exists()


@pytest.fixture(scope="module")
def app_keys() -> tuple[str, str]:
    """An App's private key and its public key in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return secret.decode(), public.decode()


def ask_as_app(far_side: LocalGitHub, token: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "a test"}
    answer = requests.get(f"{far_side.url}/repos/{PATH}/installation", headers=headers, timeout=5)
    return answer.status_code, answer.json().get("message", "")


def test_the_token_that_an_app_signs_is_checked_as_github_does(far_side, repository, app_keys):
    secret, public = app_keys
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    far_side.apps["77"], repository.installations["77"] = public, 5
    now = int(time.time())
    good = {"iat": now - 60, "exp": now + 540, "iss": "77"}

    def sign(key=secret, algorithm="RS256", **changes) -> str:
        claims = {name: value for name, value in (good | changes).items() if value is not None}
        return jwt.encode(claims, key, algorithm=algorithm)

    assert ask_as_app(far_side, sign()) == (200, "")
    undecodable = (401, "A JSON web token could not be decoded")
    assert ask_as_app(far_side, sign(key=other)) == undecodable
    assert ask_as_app(far_side, sign()[:-4] + "AAAA") == undecodable
    assert ask_as_app(far_side, sign(algorithm="none", key="")) == undecodable
    # Everybody knows its public key, so that must not count as a key of the other kind of algorithm.
    forged = ".".join(_sign_by_digest(good, public))
    assert ask_as_app(far_side, forged) == undecodable
    for missing in ("iat", "exp"):
        assert ask_as_app(far_side, sign(**{missing: None})) == undecodable
    assert ask_as_app(far_side, sign(iss="78")) == (404, "Integration not found")
    for changes, claim in (
        ({"iat": now + 30}, "'Issued at' claim"),
        ({"exp": now - 1}, "'Expiration time' claim"),
        ({"exp": now + 700}, "too far in the future"),
    ):
        status, said = ask_as_app(far_side, sign(**changes))
        assert status == 401
        assert claim in said


def _sign_by_digest(claims: dict[str, object], key: str) -> Iterator[str]:
    """The parts of a token of HS256; the library itself refuses such a key."""
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
    digest = hmac.digest(key.encode(), b".".join(encoded), "sha256")
    yield from (one.decode() for one in (*encoded, base64.urlsafe_b64encode(digest).rstrip(b"=")))


def test_an_installation_gives_no_more_than_it_was_granted(far_side, repository, app_keys):
    far_side.apps["77"], repository.installations["77"] = app_keys[1], 5
    far_side.app_permissions = {"contents": "read"}
    repository.private, repository.seen_by = True, set()
    auth = github.Auth.AppAuth(77, app_keys[0])
    integration = github.GithubIntegration(auth=auth, base_url=far_side.url, retry=None)
    with pytest.raises(github.GithubException) as refused:
        integration.get_access_token(5, permissions={"contents": "write"})
    assert refused.value.status == 422
    token = integration.get_access_token(5).token
    reader = connect(far_side, token).get_repo(PATH)
    assert reader.get_contents("README.md").decoded_content == b"# Service\n"
    # That field is about people.
    assert not reader.permissions.push
    with pytest.raises(github.GithubException) as read_only:
        reader.create_git_ref("refs/heads/x", reader.get_branch("main").commit.sha)
    assert read_only.value.status == 403
    repository.installations.clear()
    with pytest.raises(github.UnknownObjectException):
        connect(far_side, token).get_repo(PATH)


def test_trouble_comes_when_it_is_asked_for(far_side, repository):
    client = connect(far_side)
    found = client.get_repo(PATH)
    far_side.troubles += [Trouble(status=502), Trouble(status=429, retry_after=7)]
    for status in (502, 429):
        with pytest.raises(github.GithubException) as trouble:
            client.get_repo(PATH)
        assert trouble.value.status == status
    assert trouble.value.headers["retry-after"] == "7"
    far_side.troubles.append(Trouble(lost=True, method="POST", path="/variables$"))
    with pytest.raises(requests.exceptions.ConnectionError):
        found.create_variable("LOST", "x")
    assert repository.variables == {"LOST": "x"}


def test_it_says_that_it_is_local(far_side, repository):
    answer = requests.get(f"{far_side.url}/", timeout=5)
    assert "not GitHub" in answer.json()["note"]
    assert answer.headers["Server"] == "local stand-in of GitHub"
    assert TOKEN not in answer.text
