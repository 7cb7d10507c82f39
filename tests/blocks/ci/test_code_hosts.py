"""GitHub and GitLab: one proposal a branch and one comment a subject, against servers that keep state."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from blocks.cli.ci import github as github_client
from blocks.cli.ci import gitlab as gitlab_client
from blocks.cli.ci.code_host import (
    CommentSubject,
    Proposal,
    ProposalText,
    SubjectKind,
    keep_comment,
    keep_proposal,
)
from blocks.cli.ci.github import GitHub
from blocks.cli.ci.gitlab import GitLab
from blocks.cli.errors import Exit, Failure
from orchestrator.dev.far_sides.server import Answer, serve
from tests.blocks.ci import github_server, gitlab_server
from tests.blocks.ci.conftest import TOKEN, commit_files, git
from tests.blocks.ci.github_server import list_bodies

BRANCH = "blocks/issue-12"
TEXT = ProposalText("Add block finance/iban", "The block.")
ISSUE = CommentSubject(SubjectKind.ISSUE, 12)


@pytest.fixture
def branch(work) -> str:
    """A branch that is one commit ahead of ``main``."""
    git(work, "checkout", "--quiet", "-b", BRANCH)
    commit_files(work, {"block.py": "x = 1\n"})
    return BRANCH


@pytest.fixture
def at_github(github) -> Iterator[GitHub]:
    github.issues.add(12)
    with serve(github) as url, github_client.open_session(url, TOKEN) as session:
        yield GitHub(session, github_server.REPOSITORY)


@pytest.fixture
def at_gitlab(gitlab) -> Iterator[GitLab]:
    gitlab.issues.add(12)
    with serve(gitlab) as url, gitlab_client.open_session(url, TOKEN) as session:
        yield GitLab(session, gitlab_server.PROJECT)


@pytest.fixture(params=["github", "gitlab"])
def host(request) -> Any:
    """Each platform in turn."""
    return request.getfixturevalue(f"at_{request.param}")


def test_a_branch_has_one_proposal_however_often_it_is_asked_for(host, branch):
    first = keep_proposal(host, TEXT, branch, "main")
    again = keep_proposal(host, ProposalText("Another title", "Another body"), branch, "main")
    assert first is not None
    assert first == again
    assert re.fullmatch(r"https://.*/(pull|merge_requests)/\d+", first.url)


def test_the_text_of_a_proposal_is_brought_up_to_date(at_github, github, at_gitlab, gitlab, branch):
    for platform in (at_github, at_gitlab):
        keep_proposal(platform, TEXT, branch, "main")
        keep_proposal(platform, ProposalText("New", "Newer"), branch, "main")
    assert [(one["title"], one["body"]) for one in github.pulls] == [("New", "Newer")]
    assert [(one["title"], one["description"]) for one in gitlab.merge_requests] == [("New", "Newer")]


def test_a_proposal_that_another_job_opened_meanwhile_is_changed(host, branch):
    # Both jobs have looked before either has opened one.
    first = host.open_proposal(TEXT, branch, "main")
    assert host.open_proposal(ProposalText("Late", "Late"), branch, "main") == first


def test_a_branch_without_commits_of_its_own_is_not_proposed(host, work):
    git(work, "push", "--quiet", "origin", "HEAD:refs/heads/blocks/empty")
    assert keep_proposal(host, TEXT, "blocks/empty", "main") is None


def test_one_comment_is_written_and_then_changed(host, github, gitlab):
    for body in ("It runs.", "It runs.", "It has passed."):
        keep_comment(host, ISSUE, "blocks:run:issue-12", body)
    keep_comment(host, ISSUE, "blocks:verify", "Another subject of its own.")
    found = [*list_bodies(github, 12), *(one["body"] for one in gitlab.notes)]
    assert found == [
        "<!-- blocks:run:issue-12 -->\nIt has passed.",
        "<!-- blocks:verify -->\nAnother subject of its own.",
    ]


def test_a_comment_is_found_behind_two_hundred_others(host, github, gitlab):
    for number in range(220):
        github.add_comment(12, f"Remark {number}", "a-person")
        gitlab.add_note(("issues", 12), f"Remark {number}", {"id": 5, "username": "a-person"})
    for body in ("One", "Two"):
        keep_comment(host, ISSUE, "blocks:run:issue-12", body)
    found = [*list_bodies(github, 12), *(one["body"] for one in gitlab.notes)]
    assert [body for body in found if "blocks:run" in body] == ["<!-- blocks:run:issue-12 -->\nTwo"]


def test_the_marker_in_a_comment_of_somebody_else_is_not_ours(host, github, gitlab):
    planted = "<!-- blocks:run:issue-12 -->\nLook here instead."
    github.add_comment(12, planted, "a-person")
    gitlab.add_note(("issues", 12), planted, {"id": 5, "username": "a-person"})
    keep_comment(host, ISSUE, "blocks:run:issue-12", "It has passed.")
    found = [*list_bodies(github, 12), *(one["body"] for one in gitlab.notes)]
    assert planted in found
    assert "<!-- blocks:run:issue-12 -->\nIt has passed." in found


def test_a_busy_platform_is_asked_again(at_github, github, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr("blocks.cli.ci.http.time.sleep", slept.append)
    limited = {"message": "You have exceeded a secondary rate limit."}
    github.refusals += [Answer(403, limited, {"Retry-After": "7"})]
    keep_comment(at_github, ISSUE, "m", "Said once.")
    assert slept == [7.0]
    assert list(list_bodies(github, 12)) == ["<!-- m -->\nSaid once."]


def test_a_request_that_may_have_arrived_is_not_sent_twice(at_github, github, monkeypatch):
    monkeypatch.setattr("blocks.cli.ci.http.time.sleep", lambda _: None)
    assert at_github.list_comments(ISSUE) == []
    posted = len([asked for asked in github.asked if asked.method == "POST"])
    monkeypatch.setattr(github, "_check_answer", lambda *_: None)
    github.refusals += [Answer(502, {"message": "Server Error"})]
    with pytest.raises(Failure, match="502") as caught:
        at_github.add_comment(ISSUE, "Once")
    assert caught.value.exit_code == Exit.UNREACHABLE
    assert len([asked for asked in github.asked if asked.method == "POST"]) == posted + 1


@pytest.mark.parametrize("permissions", [set(), {"pull_requests"}])
def test_a_job_that_may_not_write_is_told_which_permission_it_lacks(at_github, github, permissions):
    github.tokens[TOKEN] = permissions
    with pytest.raises(Failure, match="not accessible by integration") as caught:
        keep_comment(at_github, ISSUE, "m", "Text")
    assert (caught.value.exit_code, caught.value.code) == (Exit.NOT_ALLOWED, "ci:platform-refused")
    assert "run-in-ci.md" in caught.value.cure


def test_a_setting_that_forbids_pull_requests_is_named(at_github, github, branch):
    github.may_create_pulls = False
    with pytest.raises(Failure, match="not permitted to create") as caught:
        keep_proposal(at_github, TEXT, branch, "main")
    assert "allow GitHub Actions to create pull requests" in caught.value.cure


@pytest.mark.parametrize(
    ("token", "repository", "message"),
    [("wrong", github_server.REPOSITORY, "401"), (TOKEN, "acme/another", "404")],
)
def test_a_token_that_does_not_reach_the_repo_is_said_so_by_github(github, token, repository, message):
    with (
        serve(github) as url,
        github_client.open_session(url, token) as session,
        pytest.raises(Failure, match=message) as caught,
    ):
        GitHub(session, repository).list_comments(ISSUE)
    assert caught.value.exit_code == Exit.NOT_ALLOWED


def test_a_token_without_the_scope_is_said_so_by_gitlab(at_gitlab, gitlab):
    gitlab.tokens[TOKEN] = {"read_api"}
    with pytest.raises(Failure, match="insufficient_scope") as caught:
        keep_comment(at_gitlab, ISSUE, "m", "Text")
    assert "scope api" in caught.value.cure


def test_a_token_is_not_sent_over_http_to_another_machine():
    with pytest.raises(Failure, match="not sent"):
        github_client.open_session("http://api.example.org", TOKEN)


def test_what_cannot_be_reached_says_so():
    with (
        github_client.open_session("http://127.0.0.1:9", TOKEN) as session,
        pytest.raises(Failure, match="cannot be reached") as caught,
    ):
        GitHub(session, github_server.REPOSITORY).change_proposal(Proposal(1, ""), TEXT)
    assert caught.value.exit_code == Exit.UNREACHABLE
