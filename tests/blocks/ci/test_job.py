"""The facts of a job: what started it, as GitHub and GitLab say it, and what is refused."""

import json

import pytest

from blocks.cli.ci.job import Issue, Platform, read_job
from blocks.cli.errors import Failure

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def github(tmp_path):
    def make(event: object, **more: str):
        place = tmp_path / "event.json"
        place.write_text(json.dumps(event), encoding="utf-8")
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "acme/service",
            "GITHUB_REF_NAME": "main",
            "GITHUB_RUN_ID": "7",
            "GITHUB_EVENT_PATH": str(place),
            "GITHUB_TOKEN": "secret",
        } | more

    return make


def test_a_push_at_github(github):
    job = read_job(github({"before": OLD, "after": NEW}))
    assert (job.platform, job.project, job.branch, job.before) == (
        Platform.GITHUB,
        "acme/service",
        "main",
        OLD,
    )
    assert job.run_url == "https://github.com/acme/service/actions/runs/7"
    assert (job.issue, job.proposal) == (None, None)
    assert "secret" not in repr(job)


def test_a_new_branch_has_no_commit_before(github):
    assert read_job(github({"before": "0" * 40})).before == ""


def test_a_pull_request_is_proposed_to_its_own_branch(github):
    event = {"pull_request": {"number": 5, "base": {"sha": OLD}}}
    more = {"GITHUB_HEAD_REF": "feature/iban", "GITHUB_BASE_REF": "main", "GITHUB_REF_NAME": "5/merge"}
    job = read_job(github(event, **more))
    assert (job.branch, job.before, job.proposal, job.target) == ("feature/iban", OLD, 5, "main")


def test_an_issue_is_what_the_event_says_and_not_what_became_of_it(github):
    event = {"issue": {"number": 12, "title": "IBAN", "body": None, "labels": [{"name": "blocks"}]}}
    assert read_job(github(event)).issue == Issue(12, "IBAN", "", ("blocks",))


def test_a_merge_request_and_an_issue_at_gitlab(tmp_path):
    values = {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": "https://gitlab.example.org/api/v4/",
        "CI_PROJECT_ID": "42",
        "CI_PROJECT_URL": "https://gitlab.example.org/acme/service",
        "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_BEFORE_SHA": OLD,
    }
    pushed = read_job(values)
    assert (pushed.api_url, pushed.branch, pushed.before) == (
        "https://gitlab.example.org/api/v4",
        "main",
        OLD,
    )
    assert pushed.folder_url("blocks/x", "a") == "https://gitlab.example.org/acme/service/-/tree/blocks/x/a"
    merged = read_job(
        values
        | {
            "CI_MERGE_REQUEST_IID": "3",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": NEW,
        }
    )
    assert (merged.branch, merged.before, merged.proposal, merged.target) == ("feature", NEW, 3, "main")
    event = {
        "object_kind": "issue",
        "object_attributes": {"iid": 8, "title": "IBAN", "description": "Check it."},
        "labels": [{"title": "blocks"}],
    }
    (tmp_path / "payload").write_text(json.dumps(event), encoding="utf-8")
    told = read_job(values | {"TRIGGER_PAYLOAD": str(tmp_path / "payload")})
    assert told.issue == Issue(8, "IBAN", "Check it.", ("blocks",))


@pytest.mark.parametrize(
    ("event", "more", "message"),
    [
        ([], {}, "not a JSON object"),
        ({}, {"GITHUB_REPOSITORY": ""}, "GITHUB_REPOSITORY is not set"),
        ({}, {"GITHUB_REF_NAME": "--upload-pack=x"}, "not a name of a branch"),
        ({}, {"GITHUB_HEAD_REF": "a..b"}, "not a name of a branch"),
        ({}, {"GITHUB_HEAD_REF": "a b; rm"}, "not a name of a branch"),
        ({"before": "--output=x"}, {}, "not a commit"),
        ({"issue": {"number": "12/../3"}}, {}, "not the number"),
        ({"pull_request": {"number": True}}, {}, "not the number"),
        ({}, {"GITHUB_EVENT_PATH": "/nowhere/event.json"}, "cannot be read"),
    ],
)
def test_what_a_job_cannot_have_is_refused_by_name(github, event, more, message):
    with pytest.raises(Failure, match=message) as caught:
        read_job(github(event, **more))
    assert caught.value.code == "ci:bad-event"


def test_outside_of_a_job_other_commands_are_named():
    with pytest.raises(Failure, match="not a job") as caught:
        read_job({})
    assert "blocks flow run" in caught.value.cure
