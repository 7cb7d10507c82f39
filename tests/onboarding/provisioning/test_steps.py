"""Each step of provisioning against both code hosts: once, again, after a lost answer, and undone."""

import base64
import contextlib
import subprocess

import pytest
import yaml

from blocks.cli.init import prepare_repo
from onboarding.provisioning.blocks_files import BRANCH
from onboarding.provisioning.blocks_files import STEP as BLOCKS_FILES
from onboarding.provisioning.ci_credentials import SECRET
from onboarding.provisioning.ci_credentials import STEP as CI_CREDENTIALS
from onboarding.provisioning.hand_over import STEP as HAND_OVER
from onboarding.provisioning.read_access import STEP as READ_ACCESS
from onboarding.step_protocol import FarSideTrouble, Passed, Refused, StepTakenOver
from orchestrator.core.cli_wheel import pack_wheel
from orchestrator.dev.far_sides.server import Trouble
from orchestrator.flows.source.clone import CloneRefused, clone
from orchestrator.repos import read_access
from orchestrator.repos.models import CiTrust, Repo, RepoReadAccess, Token
from orchestrator.repos.tokens import create_token, find_token
from tests.onboarding.far_sides import PATH

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def repo() -> Repo:
    return Repo.objects.create(name="compliance-service")


def test_the_secret_of_ci_is_a_live_token_of_this_repo(hosted, repo):
    before = hosted.far_side.dump()
    answer = hosted.run(CI_CREDENTIALS)
    assert isinstance(answer, Passed)
    token = find_token(hosted.secrets[SECRET])
    assert token.repo == repo
    assert sorted(token.scopes) == ["blocks:read", "flows:read", "flows:write"]
    assert hosted.secrets[SECRET] not in str(answer.outputs) + "".join(hosted.lines)
    hosted.undo(CI_CREDENTIALS)
    assert hosted.far_side.dump() == before
    assert [one.status for one in Token.objects.all()] == ["revoked"]


def test_a_secret_after_lost_answers_is_one_live_token(hosted):
    for method in ("POST", "PUT"):
        hosted.far_side.troubles[:] = [Trouble(lost=True, method=method)]
        try:
            hosted.run(CI_CREDENTIALS)
        except FarSideTrouble:
            continue
    hosted.far_side.troubles.clear()
    assert isinstance(hosted.run(CI_CREDENTIALS), Passed)
    assert [one.status for one in Token.objects.order_by("id")][-1] == "live"
    assert Token.objects.filter(revoked_at=None).count() == 1
    assert find_token(hosted.secrets[SECRET]).status == "live"


def test_keyless_is_a_trust_rule_and_no_secret(hosted, settings):
    settings.CI_OIDC_AUDIENCE = "https://blocks.example.org"
    before = hosted.far_side.dump()
    for _ in range(2):
        assert isinstance(hosted.run(CI_CREDENTIALS, ci_credentials="keyless"), Passed)
    trust = CiTrust.objects.get()
    assert (trust.repository, trust.refs) == (PATH, ["refs/heads/main"])
    assert trust.repository_id == str(hosted.there.number)
    assert hosted.far_side.dump() == before
    hosted.undo(CI_CREDENTIALS, ci_credentials="keyless")
    assert not CiTrust.objects.exists()


@pytest.mark.parametrize("step", [CI_CREDENTIALS, BLOCKS_FILES, READ_ACCESS], ids=lambda step: step.name)
def test_each_single_write_is_asked_for_right_before(hosted, step, monkeypatch):
    """Also where one method writes several times: a second attempt may take over between two of them."""
    written: list[str] = []
    asked_at: list[int] = []
    answer = hosted.far_side.answer

    def answer_and_count(asked):
        if asked.method != "GET":
            written.append(asked.path)
        return answer(asked)

    monkeypatch.setattr(hosted.far_side, "answer", answer_and_count)
    # Cloned privately: GitHub gives that through its App only, so there is nothing to write without one.
    given = {"clones_privately": True, "still_ours": lambda: asked_at.append(len(written))}
    hosted.run(step, **given)
    hosted.undo(step, **given)
    assert asked_at == list(range(len(written)))
    assert written or (hosted.kind, step) == ("github", READ_ACCESS)
    # One that is taken over after its first write makes no second one.
    if len(written) < 2:
        return
    written.clear()

    def be_taken_over():
        if written:
            raise StepTakenOver("another attempt")

    with contextlib.suppress(StepTakenOver):
        hosted.run(step, clones_privately=True, still_ours=be_taken_over)
    assert len(written) == 1


def test_keyless_where_no_tokens_are_exchanged(hosted, settings):
    settings.CI_OIDC_AUDIENCE = ""
    answer = hosted.run(CI_CREDENTIALS, ci_credentials="keyless")
    assert isinstance(answer, Refused)
    assert "CI_OIDC_AUDIENCE" in answer.cure


def test_the_files_are_what_blocks_init_makes(hosted, tmp_path):
    before = hosted.far_side.dump()
    answer = hosted.run(BLOCKS_FILES)
    assert isinstance(answer, Passed)
    assert answer.outputs["url"]
    work = tmp_path / "work"
    subprocess.run(
        ["git", "clone", "-q", "-b", BRANCH, str(hosted.remote.place), str(work)],
        check=True,
        capture_output=True,
    )
    # Nothing is missing for the command, and the configuration is the one that it would write.
    assert prepare_repo(work, "compliance-service", "https://blocks.example.org") == []
    other = tmp_path / "other"
    other.mkdir()
    prepare_repo(other, "compliance-service", "https://blocks.example.org")
    for path in (".blocks/config.yml", ".blocks/.gitattributes", ".blocks/catalog/.gitkeep"):
        assert (work / path).read_bytes() == (other / path).read_bytes()
    assert (
        hosted.remote.dump()["refs/heads/main"] == next(iter(before.values()))["branches"]["refs/heads/main"]
    )
    hosted.run(BLOCKS_FILES)
    assert hosted.remote.count_commits("main", BRANCH) == 1
    hosted.undo(BLOCKS_FILES)
    assert hosted.far_side.dump() == before


@pytest.mark.parametrize("kind", ["secret", "keyless"])
def test_the_job_of_ci_can_be_read_and_installs_by_hash(hosted, kind):
    hosted.run(BLOCKS_FILES, ci_credentials=kind)
    paths = [
        path
        for path in hosted.remote.list_files(BRANCH)
        if path in {".github/workflows/blocks.yml", ".blocks/gitlab-ci.yml"}
    ]
    assert paths == [
        {"github": ".github/workflows/blocks.yml", "gitlab": ".blocks/gitlab-ci.yml"}[hosted.kind]
    ]
    text = hosted.remote.git("show", f"{BRANCH}:{paths[0]}")
    found = yaml.safe_load(text)
    assert pack_wheel().sha256 in text
    assert '"$RUNNER_TEMP/blocks-cli"' in text or '"$CI_BUILDS_DIR/blocks-cli"' in text
    if hosted.kind == "github":
        job = found["jobs"]["run"]
        assert ("BLOCKS_TOKEN" in job["env"]) == (kind == "secret")
        assert ("id-token" in job["permissions"]) == (kind == "keyless")
        assert job["env"]["BLOCKS_API_URL"] == "https://blocks.example.org"
    else:
        assert ("id_tokens" in found["blocks-run"]) == (kind == "keyless")
        whole = hosted.remote.git("show", f"{BRANCH}:.gitlab-ci.yml")
        assert yaml.safe_load(whole)["include"] == [{"local": ".blocks/gitlab-ci.yml"}]
        assert whole.startswith("# ours\n")


def test_files_that_are_there_stay_as_they_are(hosted):
    theirs = {".blocks/config.yml": b"repo: theirs\n", ".gitlab-ci.yml": b"include: [{local: x.yml}]\n"}
    hosted.remote.commit_files("main", theirs)
    answer = hosted.run(BLOCKS_FILES)
    assert ".blocks/config.yml" not in answer.outputs["files"]
    assert hosted.remote.git("show", f"{BRANCH}:.blocks/config.yml") == "repo: theirs\n"
    if hosted.kind == "gitlab":
        assert ".gitlab-ci.yml" not in answer.outputs["files"]
        assert "Add `- local:" in hosted.there.merge_requests[0]["description"]


def test_what_was_merged_is_kept(hosted):
    if hosted.kind == "gitlab":
        pytest.skip("merged by a person in the same way")
    hosted.run(BLOCKS_FILES)
    hosted.far_side.merge_pull(hosted.there, 101)
    hosted.undo(BLOCKS_FILES)
    assert ".blocks/config.yml" in hosted.remote.list_files("main")
    assert any("were merged" in line for line in hosted.lines)


def test_a_service_without_an_address(hosted, settings):
    settings.PUBLIC_URL = ""
    assert isinstance(hosted.run(BLOCKS_FILES), Refused)


def test_read_access_is_made_only_where_it_is_asked_for(hosted):
    assert hosted.run(READ_ACCESS).outputs == {"kind": "none"}
    assert not RepoReadAccess.objects.exists()


def test_a_private_project_of_gitlab_is_cloned_by_its_deploy_token(hosted, repo, tmp_path):
    if hosted.kind == "github":
        answer = hosted.run(READ_ACCESS, clones_privately=True)
        assert isinstance(answer, Refused)
        assert "GITHUB_APP_ID" in answer.cure
        return
    hosted.there.private = True
    before = hosted.far_side.dump()
    answer = hosted.run(READ_ACCESS, clones_privately=True)
    assert isinstance(answer, Passed)
    repo.refresh_from_db()
    with pytest.raises(CloneRefused, match="wants credentials"):
        clone(repo.clone_url)
    credential = read_access.find_credential(repo.name, repo.clone_url)
    assert "README.md" in clone(repo.clone_url, credential).files
    # It cannot be read where it is kept, shown or said.
    row = RepoReadAccess.objects.get()
    shown = str(answer.outputs) + str(hosted.lines) + repr(credential) + str(row.__dict__)
    assert credential.secret not in shown
    assert base64.b64encode(credential.secret.encode()).decode() not in shown
    assert read_access.find_credential(repo.name, "https://elsewhere.example.org/x.git") is None
    # Again, as after a lost answer: one token is left.
    hosted.run(READ_ACCESS, clones_privately=True)
    assert len(hosted.there.deploy_tokens) == 1
    hosted.undo(READ_ACCESS, clones_privately=True)
    assert hosted.far_side.dump() == before
    assert not RepoReadAccess.objects.exists()


def test_the_token_that_was_shown_ends_with_the_offboarding(hosted, repo):
    shown, _ = create_token(f"first token of {repo.name}", repo)
    theirs, _ = create_token("of the team", repo)
    assert isinstance(hosted.run(HAND_OVER), Passed)
    hosted.undo(HAND_OVER)
    assert [Token.objects.get(pk=one.pk).status for one in (shown, theirs)] == ["revoked", "live"]
