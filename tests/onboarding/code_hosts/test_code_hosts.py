"""GitHub and GitLab through their clients: both behave the same, also when things go wrong."""

import pytest

from onboarding.code_hosts import github
from onboarding.code_hosts.base import (
    CodeHostNotConfigured,
    CodeHostRefused,
    FileProposal,
    ProposalState,
    build_mark,
    check_path,
    connect_host,
)
from onboarding.step_protocol import FarSideTrouble
from orchestrator.dev.far_sides.server import Trouble
from tests.onboarding.code_hosts.conftest import FILES, PATH

BRANCH = "blocks/onboarding"
REFERENCE = "ONB-7K3QF"
PROPOSAL = FileProposal(
    BRANCH, "Add .blocks", "What it is for.", REFERENCE, {".blocks/config.yml": b"repo: x\n", "a.txt": b"a\n"}
)


def test_the_facts_of_a_repo(scene):
    found = scene.client.find_repo(PATH)
    assert (found.path, found.default_branch, found.is_empty) == (PATH, "main", False)
    assert (found.is_private, found.is_archived, found.is_protected) == (False, False, False)
    assert found.may_write
    assert scene.client.find_repo("acme/another") is None
    scene.there.private, scene.there.archived, scene.there.protected = True, True, {"main"}
    changed = scene.client.find_repo(PATH)
    assert (changed.is_private, changed.is_archived, changed.is_protected) == (True, True, True)


def test_a_private_repo_that_we_may_not_see_is_not_there(scene):
    scene.there.private, scene.there.seen_by = True, set()
    assert scene.client.find_repo(PATH) is None


def test_a_renamed_repo_is_found_under_its_new_name(scene):
    scene.far_side.rename(scene.there, "acme/compliance")
    found = scene.client.find_repo(PATH)
    assert found.path == "acme/compliance"
    assert scene.client.read_file(found, "README.md") == b"# Service\n"


def test_an_empty_repo(scene):
    scene.remote.git("update-ref", "-d", "refs/heads/main")
    found = scene.client.find_repo(PATH)
    assert (found.is_empty, found.default_branch) == (True, "")


def test_files_and_folders_are_read(scene):
    found = scene.client.find_repo(PATH)
    assert scene.client.list_folder(found, ".github/workflows") == ["ci.yml"]
    assert scene.client.list_folder(found, "missing") == []
    assert scene.client.read_file(found, "README.md") == FILES["README.md"]
    assert scene.client.read_file(found, "missing.md") is None


@pytest.mark.parametrize(
    "path", ["name", "../x/y", "acme/..", "acme/x?y", "acme/x y", "http://10.0.0.1/x", ""]
)
def test_what_is_not_a_path_becomes_no_address(scene, path):
    with pytest.raises(CodeHostRefused, match="not the path"):
        scene.client.find_repo(path)
    assert scene.far_side.asked == []
    assert check_path("group/sub.group/name-1") == "group/sub.group/name-1"


def test_files_are_proposed_once(scene):
    found = scene.client.find_repo(PATH)
    scene.there.protected = {"main"}
    made = scene.client.propose_files(found, PROPOSAL)
    assert scene.client.propose_files(found, PROPOSAL) == made
    assert made.state == ProposalState.OPEN
    assert len(scene.requests) == 1
    assert set(scene.remote.list_files(BRANCH)) == set(FILES) | {".blocks/config.yml", "a.txt"}
    assert scene.remote.count_commits("main", BRANCH) == 1
    assert build_mark(REFERENCE) in scene.remote.git("log", "-1", "--format=%B", BRANCH)


def test_answers_that_are_lost_leave_one_of_each(scene):
    found = scene.client.find_repo(PATH)
    # The answer to each kind of change is lost once, after the change was made.
    changes: tuple[str, ...] = ("/repository/commits$", "/merge_requests$")
    if scene.client.name == "github":
        changes = ("/git/trees$", "/git/commits$", "/git/refs$", "/pulls$")
    lost = 0
    for path in changes:
        scene.far_side.troubles[:] = [Trouble(lost=True, method="POST", path=path)]
        try:
            scene.client.propose_files(found, PROPOSAL)
        except FarSideTrouble:
            lost += 1
    assert lost == len(changes)
    assert scene.client.propose_files(found, PROPOSAL).state == ProposalState.OPEN
    assert len(scene.requests) == 1
    assert scene.remote.count_commits("main", BRANCH) == 1


def test_a_branch_of_somebody_else_is_left_alone(scene):
    scene.remote.commit_files(BRANCH, {"theirs.txt": b"x"})
    before = scene.remote.dump()
    found = scene.client.find_repo(PATH)
    with pytest.raises(CodeHostRefused, match="not from this request"):
        scene.client.propose_files(found, PROPOSAL)
    assert scene.client.withdraw_proposal(found, BRANCH, REFERENCE) is None
    assert scene.remote.dump() == before


def test_a_proposal_is_withdrawn_and_everything_is_as_before(scene):
    before = scene.far_side.dump()
    found = scene.client.find_repo(PATH)
    scene.client.propose_files(found, PROPOSAL)
    assert scene.far_side.dump() != before
    assert scene.client.withdraw_proposal(found, BRANCH, REFERENCE) == ProposalState.OPEN
    assert scene.far_side.dump() == before
    # Again, as after a lost answer.
    scene.client.withdraw_proposal(found, BRANCH, REFERENCE)
    assert scene.far_side.dump() == before


def test_a_branch_to_which_people_have_added_stays(scene):
    found = scene.client.find_repo(PATH)
    scene.client.propose_files(found, PROPOSAL)
    scene.remote.commit_files(BRANCH, {"more.txt": b"x"}, "A person adds something")
    scene.client.withdraw_proposal(found, BRANCH, REFERENCE)
    assert scene.remote.has_branch(BRANCH)


def test_a_secret_is_written_again_and_deleted(scene):
    before = scene.far_side.dump()
    found = scene.client.find_repo(PATH)
    scene.client.put_secret(found, "BLOCKS_TOKEN", "blk_first-secret", REFERENCE)
    scene.client.put_secret(found, "BLOCKS_TOKEN", "blk_second-secret", REFERENCE)
    assert scene.secrets["BLOCKS_TOKEN"] == "blk_second-secret"
    assert not scene.client.delete_secret(found, "BLOCKS_TOKEN", "ONB-OTHER")
    assert scene.client.delete_secret(found, "BLOCKS_TOKEN", REFERENCE)
    assert not scene.client.delete_secret(found, "BLOCKS_TOKEN", REFERENCE)
    assert scene.far_side.dump() == before


def test_a_secret_that_was_there_before_is_left_alone(scene):
    found = scene.client.find_repo(PATH)
    if scene.client.name == "github":
        scene.there.secrets["BLOCKS_TOKEN"] = "theirs"
    else:
        scene.there.variables["BLOCKS_TOKEN"] = {"value": "theirs", "description": None}
    before = scene.far_side.dump()
    with pytest.raises(CodeHostRefused, match="not from this request"):
        scene.client.put_secret(found, "BLOCKS_TOKEN", "blk_first-secret", REFERENCE)
    assert not scene.client.delete_secret(found, "BLOCKS_TOKEN", REFERENCE)
    assert scene.far_side.dump() == before


def test_a_lost_answer_to_a_secret(scene):
    found = scene.client.find_repo(PATH)
    for method in ("POST", "PUT"):
        scene.far_side.troubles[:] = [Trouble(lost=True, method=method)]
        try:
            scene.client.put_secret(found, "BLOCKS_TOKEN", "blk_first-secret", REFERENCE)
        except FarSideTrouble:
            scene.client.put_secret(found, "BLOCKS_TOKEN", "blk_other-secret", REFERENCE)
    assert scene.secrets["BLOCKS_TOKEN"] == "blk_other-secret"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_outage_is_trouble_that_passes(scene, status):
    scene.far_side.troubles.append(Trouble(status=status))
    with pytest.raises(FarSideTrouble, match=str(status)):
        scene.client.find_repo(PATH)
    assert scene.client.find_repo(PATH) is not None


def test_a_limit_says_when_to_ask_again(scene):
    scene.far_side.troubles.append(Trouble(status=429, retry_after=7))
    with pytest.raises(FarSideTrouble, match="asks us to wait") as trouble:
        scene.client.find_repo(PATH)
    assert trouble.value.retry_after_seconds == 7


def test_a_slow_host_holds_a_worker_for_a_bounded_time(scene, monkeypatch):
    monkeypatch.setattr("onboarding.code_hosts.gitlab.CALL_SECONDS", 1)
    monkeypatch.setitem(github._OPTIONS, "timeout", 1)
    found = scene.client.find_repo(PATH)
    quick = connect_host(scene.client.name)
    scene.far_side.troubles.append(Trouble(seconds=2.0))
    with pytest.raises(FarSideTrouble, match="too slowly"):
        quick.read_file(found, "README.md")


def test_a_credential_that_does_not_hold_is_for_the_operator(scene, settings):
    scene.far_side.tokens.clear()
    with pytest.raises(CodeHostNotConfigured, match="does not accept our credential"):
        scene.client.find_repo(PATH)
    settings.GITHUB_TOKEN = settings.GITLAB_TOKEN = ""
    with pytest.raises(CodeHostNotConfigured, match="has no access"):
        connect_host(scene.client.name)


def test_a_token_with_too_few_rights_says_which_it_needs(scene):
    found = scene.client.find_repo(PATH)
    token = next(iter(scene.far_side.tokens))
    if scene.client.name == "gitlab":
        scene.there.archived = True
    else:
        scene.far_side.tokens[token] = {"contents", "metadata"}
    with pytest.raises(CodeHostRefused) as refused:
        scene.client.put_secret(found, "BLOCKS_TOKEN", "blk_first-secret", REFERENCE)
    assert "then retry" in refused.value.cure
