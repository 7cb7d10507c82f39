"""Private repos of GitHub through an App: its own signed token, the access of a clone, and the renewal."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone

from onboarding import read_access_renewal
from onboarding.checks.repo_exists import CHECK as REPO_EXISTS
from onboarding.code_hosts.base import CodeHostNotConfigured, connect_host
from onboarding.provisioning.blocks_files import STEP as BLOCKS_FILES
from onboarding.provisioning.ci_credentials import STEP as CI_CREDENTIALS
from onboarding.provisioning.read_access import STEP as READ_ACCESS
from onboarding.step_protocol import Passed, Refused
from orchestrator.flows.source.clone import CloneFailed, clone
from orchestrator.repos import read_access
from orchestrator.repos.models import Repo, RepoReadAccess
from tests.onboarding.far_sides import PATH, HostScene, serve_host

pytestmark = pytest.mark.django_db
APP, INSTALLATION = "77", 5
NAME = "compliance-service"


def make_key() -> tuple[str, str]:
    """A private and a public key in PEM, as GitHub makes them for an App."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return secret.decode(), public.decode()


KEY, OTHER_KEY = make_key(), make_key()


@pytest.fixture
def scene(settings, tmp_path) -> Iterator[HostScene]:
    """GitHub with a private repo on which our App is installed; nobody has another token."""
    with serve_host("github", settings, tmp_path / "hosted") as made:
        made.far_side.tokens.clear()
        settings.GITHUB_TOKEN, settings.GITHUB_APP_ID = "", APP
        settings.GITHUB_APP_PRIVATE_KEY = KEY[0]
        made.far_side.apps[APP] = KEY[1]
        made.there.private, made.there.seen_by = True, set()
        made.there.installations[APP] = INSTALLATION
        yield made


@pytest.fixture
def repo(db) -> Repo:
    return Repo.objects.create(name=NAME)


@pytest.fixture
def given(scene, repo) -> Repo:
    """The repo with its access, as provisioning leaves it."""
    assert isinstance(scene.run(READ_ACCESS, clones_privately=True), Passed)
    repo.refresh_from_db()
    return repo


def clone_repo(repo: Repo) -> Any:
    return clone(repo.clone_url, read_access.find_credential(repo.name, repo.clone_url))


def move_to_end(scene: HostScene, minutes: float) -> None:
    """As if the access of every repo had so many minutes left, here and at GitHub."""
    ends = timezone.now() + timedelta(minutes=minutes)
    RepoReadAccess.objects.update(expires_at=ends)
    end_tokens(scene, ends)


def end_tokens(scene: HostScene, ends: datetime) -> None:
    """GitHub takes what it has given until then."""
    for token, facts in scene.far_side.minted.items():
        scene.far_side.minted[token] = replace(facts, ends=ends)


def test_a_whole_way_by_the_app_reads_writes_and_clones(scene, repo):
    found = scene.run(REPO_EXISTS)
    assert isinstance(found, Passed)
    assert found.outputs["is_private"]
    for step in (READ_ACCESS, CI_CREDENTIALS, BLOCKS_FILES):
        assert isinstance(scene.run(step, clones_privately=True), Passed)
    repo.refresh_from_db()
    assert "README.md" in clone_repo(repo).files
    assert len(scene.there.pulls) == 1
    # What is kept reads this repo for an hour, and nothing else.
    other = scene.far_side.add_repository("acme/other", scene.there.remote.place.parent)
    other.private, other.seen_by, other.installations[APP] = True, set(), INSTALLATION
    other.remote.commit_files("main", {"a": b"b"})
    credential = read_access.find_credential(repo.name, repo.clone_url)
    minted = scene.far_side.minted[credential.secret]
    assert (minted.repositories, minted.permissions) == ({scene.there.number}, {"contents": "read"})
    with pytest.raises(CloneFailed):
        clone(repo.clone_url.replace(PATH, "acme/other"), credential)
    assert credential.secret not in str(RepoReadAccess.objects.values())


def test_access_is_renewed_before_it_ends_and_not_earlier(scene, given, monkeypatch):
    sent: list[str] = []
    monkeypatch.setattr(read_access_renewal.app, "send_task", lambda name, **_: sent.append(name))
    first = read_access.find_credential(given.name, given.clone_url)
    read_access_renewal.request_due_renewals()
    assert (sent, read_access_renewal.renew_due_access()) == ([], 0)
    move_to_end(scene, minutes=20)
    read_access_renewal.request_due_renewals()
    assert sent == [read_access_renewal.TASK]
    assert read_access_renewal.renew_due_access() == 1
    second = read_access.find_credential(given.name, given.clone_url)
    assert second.secret != first.secret
    left = RepoReadAccess.objects.get().expires_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert read_access_renewal.renew_due_access() == 0
    assert "README.md" in clone_repo(given).files


def test_what_has_ended_is_not_tried_and_comes_back_by_itself(scene, given):
    move_to_end(scene, minutes=-1)
    asked = len(scene.far_side.asked)
    with pytest.raises(read_access.ReadAccessOver) as over:
        clone_repo(given)
    assert over.value.retryable
    assert len(scene.far_side.asked) == asked
    assert read_access_renewal.renew_due_access() == 1
    assert "README.md" in clone_repo(given).files


def test_a_token_that_ends_in_the_middle_of_a_clone_is_tried_again_with_the_next(scene, given, monkeypatch):
    answer, asked = scene.far_side.answer, []

    def answer_and_end(request):
        found = answer(request)
        asked.append(request.path.rpartition("/")[2])
        if request.path.endswith("/info/refs") and found.status == 200:
            end_tokens(scene, timezone.now())
        return found

    monkeypatch.setattr(scene.far_side, "answer", answer_and_end)
    with pytest.raises(CloneFailed) as failed:
        clone_repo(given)
    assert "git-upload-pack" in asked, "it has begun"
    assert failed.value.retryable
    assert "does not take the credential" in failed.value.message
    monkeypatch.setattr(scene.far_side, "answer", answer)
    move_to_end(scene, minutes=0)
    assert read_access_renewal.renew_due_access() == 1
    assert "README.md" in clone_repo(given).files


def test_an_app_that_was_uninstalled_opens_nothing_any_more_until_it_is_back(scene, given, caplog):
    scene.there.installations.clear()
    with pytest.raises(CloneFailed) as failed:
        clone_repo(given)
    assert "an owner of the repo looks whether the GitHub App is still installed" in failed.value.cure
    missing = scene.run(REPO_EXISTS)
    assert isinstance(missing, Refused)
    assert "installs the orchestrator's GitHub App" in missing.cure
    move_to_end(scene, minutes=10)
    with caplog.at_level(logging.WARNING):
        assert read_access_renewal.renew_due_access() == 0
    assert f"the read access of {NAME} is not renewed: the repo is not there" in caplog.text
    scene.there.installations[APP] = INSTALLATION + 1
    assert read_access_renewal.renew_due_access() == 1
    assert RepoReadAccess.objects.get().number == str(INSTALLATION + 1)
    assert "README.md" in clone_repo(given).files


def test_one_that_cannot_be_renewed_holds_up_no_other(scene, given):
    second = scene.far_side.add_repository("acme/second", scene.there.remote.place.parent)
    second.private, second.seen_by, second.installations[APP] = True, set(), INSTALLATION
    second.remote.commit_files("main", {"README.md": b"# Second\n"})
    other = Repo.objects.create(name="second")
    known = {"repo_exists": {"path": "acme/second", "number": str(second.number), "default_branch": "main"}}
    facts = {"repo_name": "second", "code_host_path": "acme/second", "clones_privately": True}
    assert isinstance(READ_ACCESS.run(scene.make_context(known, **facts)), Passed)
    scene.there.installations.clear()
    move_to_end(scene, minutes=10)
    assert read_access_renewal.renew_due_access() == 1
    other.refresh_from_db()
    assert "README.md" in clone_repo(other).files


def test_a_key_that_was_rotated_says_so_and_the_new_one_renews(scene, given, settings, caplog):
    scene.far_side.apps[APP] = OTHER_KEY[1]
    move_to_end(scene, minutes=10)
    with caplog.at_level(logging.WARNING):
        assert read_access_renewal.renew_due_access() == 0
    assert "does not accept our credential" in caplog.text
    # What was given before still holds: the key signs only for new ones.
    assert "README.md" in clone_repo(given).files
    settings.GITHUB_APP_PRIVATE_KEY = OTHER_KEY[0]
    assert read_access_renewal.renew_due_access() == 1
    for part in ("PRIVATE KEY", KEY[0][40:80]):
        assert part not in caplog.text


def test_a_renamed_repo_is_renewed_under_its_new_name(scene, given):
    scene.far_side.rename(scene.there, "acme/compliance")
    move_to_end(scene, minutes=10)
    assert read_access_renewal.renew_due_access() == 1


@pytest.mark.parametrize(
    ("ahead_seconds", "words"),
    [
        (0, ""),
        # Ours is fast: within the minute that is allowed for.
        (-45, ""),
        (-90, "'Issued at' claim"),
        # Ours is slow: our token lasts five minutes.
        (200, ""),
        (400, "'Expiration time' claim"),
    ],
)
def test_clocks_that_differ(scene, ahead_seconds, words):
    scene.far_side.ahead = timedelta(seconds=ahead_seconds)
    if not words:
        assert connect_host("github").find_repo(PATH) is not None
        return
    with pytest.raises(CodeHostNotConfigured) as refused:
        connect_host("github").find_repo(PATH)
    assert words in refused.value.message
    assert "the clock of this machine" in refused.value.cure


def test_an_app_that_may_only_read_is_found_out_by_the_check(scene):
    scene.far_side.app_permissions = {"contents": "read", "metadata": "read"}
    answer = scene.run(REPO_EXISTS)
    assert isinstance(answer, Refused)
    assert "may read acme/compliance-service and not write to it" in answer.reason
