"""Each odd case of a repo and its CI: refused with a reason, and a cure that says who changes what."""

import pytest

from onboarding.checks.ci_configured import CHECK as CI_CONFIGURED
from onboarding.checks.repo_exists import CHECK as REPO_EXISTS
from onboarding.step_protocol import FarSideTrouble, Passed, Refused
from orchestrator.dev.far_sides.server import Trouble
from tests.onboarding.far_sides import PATH

FILE = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}


def test_a_repo_that_is_there(hosted):
    answer = REPO_EXISTS.run(hosted.make_context())
    assert isinstance(answer, Passed)
    assert answer.outputs["path"] == PATH
    assert answer.outputs["default_branch"] == "main"


def test_a_repo_that_is_not_there_or_not_seen(hosted):
    answer = REPO_EXISTS.run(hosted.make_context(code_host_path="acme/missing"))
    assert isinstance(answer, Refused)
    assert "acme/missing" in answer.reason
    assert "then retry" in answer.cure
    hosted.there.private, hosted.there.seen_by = True, set()
    assert isinstance(REPO_EXISTS.run(hosted.make_context()), Refused)


def test_a_request_without_a_path(hosted):
    answer = REPO_EXISTS.run(hosted.make_context(code_host_path=""))
    assert isinstance(answer, Refused)
    assert hosted.far_side.asked == []


@pytest.mark.parametrize("path", ["localhost", "127.0.0.1/x/../y", "a//b", "http://169.254.169.254/latest"])
def test_what_is_not_a_path_is_never_called(hosted, path):
    assert isinstance(REPO_EXISTS.run(hosted.make_context(code_host_path=path)), Refused)
    assert hosted.far_side.asked == []


def test_a_renamed_repo_is_followed(hosted):
    hosted.far_side.rename(hosted.there, "acme/compliance")
    answer = REPO_EXISTS.run(hosted.make_context())
    assert isinstance(answer, Passed)
    assert answer.outputs["path"] == "acme/compliance"
    assert "is called acme/compliance now" in hosted.lines[0]


def test_an_archived_repo(hosted):
    hosted.there.archived = True
    answer = REPO_EXISTS.run(hosted.make_context())
    assert isinstance(answer, Refused)
    assert "archived" in answer.reason


def test_an_empty_repo(hosted):
    hosted.remote.git("update-ref", "-d", "refs/heads/main")
    answer = REPO_EXISTS.run(hosted.make_context())
    assert isinstance(answer, Refused)
    assert "empty" in answer.reason


def test_a_protected_default_branch_is_fine(hosted):
    hosted.there.protected = {"main"}
    assert isinstance(REPO_EXISTS.run(hosted.make_context()), Passed)
    assert any("protected" in line for line in hosted.lines)


def test_an_outage_is_tried_again(hosted):
    hosted.far_side.troubles.append(Trouble(status=503))
    with pytest.raises(FarSideTrouble):
        REPO_EXISTS.run(hosted.make_context())
    assert isinstance(REPO_EXISTS.run(hosted.make_context()), Passed)


def test_a_ci_that_is_configured(hosted):
    answer = hosted.run(CI_CONFIGURED)
    assert isinstance(answer, Passed)
    assert answer.outputs["files"] == [FILE[hosted.kind]]


def test_no_ci_at_all(hosted):
    hosted.remote.commit_files("main", dict.fromkeys(FILE.values()))
    answer = hosted.run(CI_CONFIGURED)
    assert isinstance(answer, Refused)
    assert "on main" in answer.reason
    assert "then retry" in answer.cure


@pytest.mark.parametrize("content", [b"a: [1\nb: 2\n", b"\xff\xfe", b"- just\n- a list\n", b"", b"[" * 5000])
def test_a_ci_that_cannot_be_read(hosted, content):
    hosted.remote.commit_files("main", {FILE[hosted.kind]: content})
    answer = hosted.run(CI_CONFIGURED)
    assert isinstance(answer, Refused)
    assert FILE[hosted.kind] in answer.reason


def test_tags_and_aliases_of_gitlab_build_nothing(hosted):
    bomb = b"a: &a [x,x]\nb: &b [*a,*a]\nc: !reference [b, script]\nd: !!python/object/apply:os.system [x]\n"
    hosted.remote.commit_files("main", {FILE[hosted.kind]: bomb})
    assert isinstance(hosted.run(CI_CONFIGURED), Passed)


def test_a_ci_of_another_host(hosted):
    other = {"github": "gitlab_ci", "gitlab": "github_actions"}[hosted.kind]
    answer = hosted.run(CI_CONFIGURED, ci_system=other)
    assert isinstance(answer, Refused)
    assert "ask again" in answer.cure
