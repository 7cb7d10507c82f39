"""`blocks ci run`: from a labelled issue or a changed file to a proposal, against the real service."""

import pytest

from orchestrator.flows.models import Flow
from orchestrator.repos import tokens
from tests.blocks.ci.conftest import commit_files, git, run_to_end
from tests.blocks.ci.github_server import list_bodies

BLOCK = ".blocks/catalog/compliance/capital_ratio"


@pytest.fixture
def job(github_job, repo, service, settings, tmp_path):
    """A job of GitHub that reaches the service with a token of the repo."""
    settings.STATE_DIR = tmp_path / "state"
    github_job.extra |= {"BLOCKS_API_URL": service.url, "BLOCKS_TOKEN": tokens.create_token("ci", repo)[1]}
    return github_job


def label_issue(job, github, text: str = "Count every exposure.") -> None:
    github.issues.add(12)
    issue = {"number": 12, "title": "Capital ratio @everyone", "body": text}
    job.set_event("GITHUB_EVENT_PATH", {"issue": issue | {"labels": [{"name": "blocks"}]}})


def test_a_labelled_issue_becomes_a_pull_request_that_is_kept_up_to_date(job, github, remote, work):
    label_issue(job, github)
    done = run_to_end(job)
    assert done.returncode == 0, done.stdout + done.stderr
    flow = Flow.objects.get()
    assert flow.feature_request == "# Capital ratio @everyone\n\nCount every exposure.\n"

    (pull,) = github.pulls
    assert (pull["head"]["ref"], pull["base"]["ref"]) == ("blocks/issue-12", "main")
    assert pull["title"] == "Add block compliance/capital_ratio: Capital ratio @everyone"
    for words in ("made from #12", "| mutation | ✅ passed |", "**Cost** ", flow.id, "verify attestation"):
        assert words in pull["body"]
    assert f"/acme/compliance-service/tree/blocks/issue-12/{BLOCK})" in pull["body"]
    assert done.stdout.splitlines()[-1] == f"FLOW PASSED {flow.id}  {pull['html_url']}"
    assert f"proposal={pull['html_url']}\n" in job.read("GITHUB_OUTPUT")
    assert f"{BLOCK}/manifest.json" in remote.list_files("blocks/issue-12")
    (comment,) = list_bodies(github, 12)
    assert comment.startswith("<!-- blocks:run:issue-12 -->\n✅")
    assert pull["html_url"] in comment

    # The job again: the same flow, the same pull request, the same comment, and nothing paid twice.
    again = job.run("ci", "run")
    assert again.returncode == 0, again.stderr
    assert (Flow.objects.count(), len(github.pulls), len(list(list_bodies(github, 12)))) == (1, 1, 1)
    assert remote.count_commits("main", "blocks/issue-12") == 1

    # The issue with another text: another flow, in the same pull request.
    label_issue(job, github, "Count every exposure twice.")
    assert run_to_end(job, known=1).returncode == 0
    newest = Flow.objects.latest("created_at")
    assert newest.pk != flow.pk
    assert newest.id in github.pulls[0]["body"]
    assert (len(github.pulls), remote.count_commits("main", "blocks/issue-12")) == (1, 2)


def test_the_evidence_of_a_proposed_block_holds_in_its_branch(job, github, work, offline):
    label_issue(job, github)
    assert run_to_end(job).returncode == 0
    git(work, "fetch", "--quiet", "origin", "blocks/issue-12")
    git(work, "checkout", "--quiet", "--force", "FETCH_HEAD")
    assert offline("verify", "attestation", BLOCK, "--repo", "compliance-service").returncode == 0


def test_a_failed_flow_is_said_with_its_cure_and_proposes_nothing(job, github, remote):
    label_issue(job, github)
    done = run_to_end(job, gates_fail=True)
    assert done.returncode == 1
    (comment,) = list_bodies(github, 12)
    flow = Flow.objects.get()
    assert "❌" in comment
    assert "**Cure**" in comment
    assert f"blocks flow retry {flow.id}" in comment
    assert github.pulls == []
    assert not remote.has_branch("blocks/issue-12")


def test_texts_of_others_mention_nobody(job, github):
    label_issue(job, github)
    run_to_end(job, gates_fail=True)
    texts = [*list_bodies(github, 12), job.read("GITHUB_STEP_SUMMARY")]
    assert [text for text in texts if "@everyone" in text.replace("`", "")] == []


def test_a_changed_request_file_is_proposed_to_the_branch_that_changed_it(job, github, work):
    before = git(work, "rev-parse", "HEAD")
    commit_files(
        work, {"requests/capital ratio.md": "# Capital ratio\n\nCount.\n", "other.md": "# Not one\n"}
    )
    job.set_event("GITHUB_EVENT_PATH", {"before": before})
    done = run_to_end(job)
    assert done.returncode == 0, done.stderr
    (pull,) = github.pulls
    assert pull["head"]["ref"] == "blocks/requests-capital-ratio"
    assert "made from `requests/capital ratio.md`" in pull["body"]
    assert github.comments == []
    # It was proposed and not committed to the branch itself.
    assert "M" not in git(work, "status", "--porcelain", "--untracked-files=no")


def test_a_request_that_is_a_link_is_not_followed(job, github, work):
    before = git(work, "rev-parse", "HEAD")
    (work / "requests").mkdir()
    (work / "requests/secret.md").symlink_to("../.git/config")
    commit_files(work, {})
    job.set_event("GITHUB_EVENT_PATH", {"before": before})
    done = job.run("ci", "run")
    assert done.returncode == 2
    assert "is a link" in done.stderr
    assert Flow.objects.count() == 0


def test_without_a_wish_for_a_proposal_the_flow_is_only_run(job, github, remote):
    label_issue(job, github)
    assert run_to_end(job, "--no-propose").returncode == 0
    assert github.pulls == []
    assert not remote.has_branch("blocks/issue-12")


@pytest.mark.parametrize("labels", [[], [{"name": "bug"}]])
def test_an_issue_without_the_label_runs_nothing(job, github, labels):
    job.set_event("GITHUB_EVENT_PATH", {"issue": {"number": 12, "title": "x", "labels": labels}})
    done = job.run("ci", "run")
    assert (done.returncode, Flow.objects.count(), github.asked) == (0, 0, [])
    assert "Nothing to run" in done.stdout


def test_an_address_from_a_file_of_the_repo_gets_no_token(job, github, work, service):
    label_issue(job, github)
    commit_files(work, {".blocks/config.yml": f"repo: compliance-service\nurl: {service.url}\n"})
    done = job.run("ci", "run", BLOCKS_API_URL="")
    assert done.returncode == 4
    assert "Only a file of the repo names the service" in done.stderr
    assert Flow.objects.count() == 0


def test_a_job_without_an_identity_is_told_the_permission(job, github):
    label_issue(job, github)
    done = job.run("ci", "run", BLOCKS_TOKEN="")
    assert done.returncode == 4
    assert "id-token: write" in done.stderr


@pytest.fixture
def merge_job(gitlab_job, repo, service, settings, tmp_path):
    """A job of GitLab that reaches the service with a token of the repo."""
    settings.STATE_DIR = tmp_path / "state"
    gitlab_job.extra |= {"BLOCKS_API_URL": service.url, "BLOCKS_TOKEN": tokens.create_token("ci", repo)[1]}
    return gitlab_job


def test_a_labelled_issue_becomes_a_merge_request_at_gitlab(merge_job, gitlab, remote):
    gitlab.issues.add(8)
    facts = {"iid": 8, "title": "Capital ratio", "description": "Count every exposure."}
    event = {"object_kind": "issue", "object_attributes": facts, "labels": [{"title": "blocks"}]}
    merge_job.set_event("TRIGGER_PAYLOAD", event)
    done = run_to_end(merge_job)
    assert done.returncode == 0, done.stderr
    assert merge_job.run("ci", "run").returncode == 0
    (request,) = gitlab.merge_requests
    assert (request["source_branch"], request["target_branch"]) == ("blocks/issue-8", "main")
    assert f"/-/tree/blocks/issue-8/{BLOCK})" in request["description"]
    (note,) = gitlab.notes
    assert note["body"].startswith("<!-- blocks:run:issue-8 -->\n✅")
    assert remote.count_commits("main", "blocks/issue-8") == 1
    assert Flow.objects.count() == 1
